"""What rows say of kernels, against what TensorFlow Lite Micro's recording allocator reports and the least arena."""

import re
import subprocess
import sys

import pytest

from edgevolve.deployment.micro import available, run_on_micro
from edgevolve.tflite import CUSTOM_ROWS, HOST, ROWS, TARGETS, needs, read_tflite
from resource_models import file_footprint
from tests.tflite.operator_files import CASES as OPERATORS
from tests.tflite.subgraph_files import CASES as SUBGRAPHS

pytestmark = pytest.mark.skipif(not available(), reason="TensorFlow Lite Micro has no wheel here")

CASES = OPERATORS | SUBGRAPHS

RECORD = """
import os, sys
from tflite_micro import runtime
for path in sys.argv[1:]:
    print("@", path, file=sys.stderr, flush=True)
    if not os.fork():
        try:
            runtime.Interpreter.from_bytes(open(path, "rb").read(), arena_size=1 << 20).print_allocations()
        except BaseException as error:
            print(error, file=sys.stderr)
        sys.stderr.flush()
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Bytes of head and tail of each case, all from one process, which forks for each."""
    folder = tmp_path_factory.mktemp("operators")
    paths = {}
    for number, (name, content) in enumerate(CASES.items()):
        paths[name] = folder / f"{number}.tflite"
        paths[name].write_bytes(content)
    done = subprocess.run([sys.executable, "-c", RECORD, *map(str, paths.values())], capture_output=True, text=True)
    parts = dict(part.split("\n", 1) for part in done.stderr.split("@ ")[1:])
    sizes_by_name = {
        name: re.findall(r"Arena allocation (?:head|tail) (\d+) bytes", parts[str(paths[name])]) for name in paths
    }
    return {name: tuple(map(int, sizes)) for name, sizes in sizes_by_name.items()}


def test_the_runtime_runs_every_case(recorded):
    assert len(recorded) > 240
    assert [name for name, sizes in recorded.items() if len(sizes) != 2] == []


@pytest.mark.parametrize("name", CASES)
def test_head_and_tail_are_exact(name, recorded):
    footprint = file_footprint(read_tflite(CASES[name]), HOST)
    assert (footprint.greedy_head_bytes, footprint.tail_bytes) == recorded[name]
    assert footprint.unmodelled == ()


NAMED = (
    "L2_NORMALIZATION/f",
    "REDUCE_MAX/i16",
    "MEAN/i8",
    "SignalRfft/i16512",
    "TRANSPOSE_CONV/i8",
    "SVDF/i16",
    "FULLY_CONNECTED/int4",
    "UNIDIRECTIONAL_SEQUENCE_LSTM/i8",
    "VARIABLES",
)


@pytest.mark.parametrize("name", [*NAMED, *SUBGRAPHS])
def test_the_least_arena_is_promised_to_within_two_per_cent(name):
    promised = file_footprint(read_tflite(CASES[name]), HOST).file_arena_bytes
    least = run_on_micro(CASES[name], [], least_arena=True).least_arena_bytes
    assert least <= promised <= 1.02 * least


def test_every_row_with_a_kernel_has_a_case():
    files = [read_tflite(content) for content in CASES.values()]
    seen = {operator.name for file in files for part in file.subgraphs for operator in part.operators}
    left = {"BROADCAST_ARGS"}
    assert {name for name, row in (ROWS | CUSTOM_ROWS).items() if row.kernel} - left == seen


def test_a_microcontroller_needs_no_more_than_the_host():
    for content in CASES.values():
        model = read_tflite(content)
        for operator in (operator for part in model.subgraphs for operator in part.operators):
            for target in TARGETS.values():
                assert needs(operator, target) is not None, operator.name
        assert file_footprint(model).tail_bytes < file_footprint(model, HOST).tail_bytes
