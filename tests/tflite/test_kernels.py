"""What rows say of kernels, against what TensorFlow Lite Micro's recording allocator reports and the least arena."""

import re
import subprocess
import sys

import pytest

from edgevolve.deployment.micro import available
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


STARTS = """
import os, sys
from tflite_micro import runtime
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
for path, size in zip(sys.argv[1::2], map(int, sys.argv[2::2])):
    child = os.fork()
    if not child:
        try:
            runtime.Interpreter.from_bytes(open(path, "rb").read(), arena_size=size)
        except BaseException:
            os._exit(1)
        os._exit(0)
    print(int(os.waitpid(child, 0)[1] == 0))
"""

COVERED = {"EMBEDDING_LOOKUP/hybrid"}
"""Starts in 32 bytes less, where what the kernel keeps covers the output's type before it is read: no scale is kept."""


def test_every_kernel_starts_in_the_predicted_arena_and_not_in_the_next_smaller_one(tmp_path):
    trials = []
    for number, content in enumerate(CASES.values()):
        path = tmp_path / f"{number}.tflite"
        path.write_bytes(content)
        promised = -(-file_footprint(read_tflite(content), HOST).file_arena_bytes // 16) * 16
        trials += [str(path), str(promised), str(path), str(promised - 16)]
    done = subprocess.run([sys.executable, "-c", STARTS, *trials], capture_output=True, text=True, check=True)
    started = list(map(int, done.stdout.split()))
    assert [name for name, starts in zip(CASES, started[::2], strict=True) if not starts] == []
    assert {name for name, starts in zip(CASES, started[1::2], strict=True) if starts} == COVERED


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
