"""Several files as one array: each is read where it begins and answers as it did, and what is equal stands once."""

import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("tflite_micro")

from edgevolve.deployment import ExportError, c_bundle
from edgevolve.deployment.c_networks import Cost, networks_header
from edgevolve.deployment.c_program import run_c99
from edgevolve.deployment.flatbuffer import unpacked
from edgevolve.deployment.micro import run_on_micro
from edgevolve.deployment.optimise import lean
from edgevolve.deployment.together import BEGINNING_BYTES, together
from edgevolve.graph import Conv2D, Dense, GlobalAveragePool, GraphBuilder, MaxPool2D
from edgevolve.quantisation import int8_network
from edgevolve.quantisation.litert import open_model
from edgevolve.tflite import read_tflite
from edgevolve.training.weights import initial_weights
from tests.deployment.sources import source_of
from tests.deployment.test_c_bundle import LIBRARY, needs_compiler, pretend_tree

BITS = st.floats(0, 100, width=32, allow_subnormal=False)


def network(blocks, pooled=False):
    net = GraphBuilder()
    x = net.input((1, 8, 8, 1))
    x = net.add(Conv2D(8, (3, 3), batch_norm=True), net.add(MaxPool2D((2, 2), (2, 2)), x) if pooled else x)
    for _ in range(blocks):
        x = net.add(Conv2D(8, (3, 3), batch_norm=True), x)
    return net.build(net.add(Dense(3), net.add(GlobalAveragePool(), x)))


def sources():
    """Three networks that take their weights from the first: all of it, without its last block, on fewer pixels."""
    largest = source_of(network(2), 12)
    layers = list(dict.fromkeys(name.partition("/")[0] for name in largest.weights))
    networks = [replace(largest, tflite=lean(largest.tflite))]
    for graph, used in ((network(1), [*layers[:2], layers[-1]]), (network(2, pooled=True), layers)):
        rng = np.random.default_rng(len(networks))
        own = initial_weights(graph, 0)
        places = dict(zip(dict.fromkeys(name.partition("/")[0] for name in own), used, strict=True))
        for name, value in own.items():
            layer, _, role = name.partition("/")
            taken = largest.weights[f"{places[layer]}/{role}"]
            own[name] = rng.uniform(0.5, 2, value.shape).astype(np.float32) if role == "variance" else taken
        model = lean(int8_network(graph, own, largest.images).tflite())
        networks.append(replace(largest, graph=graph, weights=own, tflite=model))
    return networks


@pytest.fixture(scope="module")
def three():
    return sources()


def test_each_file_answers_out_of_the_array_as_it_does_alone(three):
    models = [source.tflite for source in three]
    array = together(models)
    for number, model in enumerate(models):
        part = array[BEGINNING_BYTES * number :]
        alone, images = open_model(model), three[0].images
        stored = [alone.quantised(images)]
        np.testing.assert_array_equal(run_on_micro(part, stored).outputs[0], run_on_micro(model, stored).outputs[0])
        np.testing.assert_array_equal(open_model(part).outputs(images), alone.outputs(images))
        assert read_tflite(part).graph == read_tflite(model).graph


def test_kernels_that_networks_of_fewer_blocks_and_pixels_take_over_are_stored_once(three):
    models = [source.tflite for source in three]
    array, kernels = together(models), list(_kernels(models[0]))
    assert len(kernels) == 4
    for kernel in kernels:
        assert array.count(kernel) == 1
    assert len(array) < 0.75 * sum(map(len, models))
    assert all(kernel in models[2] for kernel in kernels)
    assert [kernel in models[1] for kernel in kernels] == [True, True, False, True]


def _kernels(model):
    """The stored bytes of all kernels."""
    read = unpacked(model)
    for tensor in read.subgraphs[0].tensors:
        data = read.buffers[tensor.buffer].data
        if data is not None and len(tensor.shape) > 1:
            yield data.tobytes()


def test_what_is_no_model_is_one_line(three):
    with pytest.raises(ExportError, match=r"not a \.tflite file"):
        together([three[0].tflite, b"nothing of the kind"])


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), BITS, BITS, BITS), min_size=8, max_size=8), st.booleans(), st.booleans())
def test_the_network_picked_in_c_is_the_first_that_keeps_every_budget(budgets, timed, metered):
    costs = [Cost(0.1 * i, 5 - i, 100 - i, (4.0 - i) * 20 * timed, (4.0 - i) * 15 * metered) for i in range(4)]
    header = networks_header(costs, "Figures of a test.")["networks.h"]
    calls = "".join(f'  printf("%d\\n", pick_network({a}, {b!r}f, {c!r}f));\n' for a, b, c, _ in budgets)
    main = f'#include <stdio.h>\n#include "networks.h"\nint main(void) {{\n{calls}  return 0;\n}}\n'
    said = run_c99({"networks.h": header, "main.c": main}, b"")
    if said is None:
        pytest.skip("no C compiler")
    assert [int(line) for line in said.split()] == [_picked(costs, *budget[:3]) for budget in budgets]


def _picked(costs, arena_bytes, latency_ms, energy_uj):
    if (latency_ms and not costs[0].latency_ms) or (energy_uj and not costs[0].energy_uj):
        return -7
    for number, one in enumerate(costs):
        asked = ((one.arena_bytes, arena_bytes), (one.latency_ms, latency_ms), (one.energy_uj, energy_uj))
        if all(not budget or cost <= budget for cost, budget in asked):
            return number
    return -5


SWITCHING = LIBRARY.replace("kGoldenOutputs[8][5]", "kGoldenOutputs[3][8][3]").replace(
    "extern const", "extern const unsigned char kModel[];\nextern const", 1
)
SWITCHING = SWITCHING.replace(
    "for (int i = 0; i < 5; ++i) answer[i] = kGoldenOutputs[runs][i];",
    ("for (int i = 0; i < 3; ++i) answer[i] = kGoldenOutputs[in_use][runs % 8][i];"),
).replace("int runs = 0;", "int runs = 0, in_use = -1;")


@needs_compiler
def test_the_bundle_of_a_set_switches_and_runs_the_golden_examples_of_each(three, tmp_path, monkeypatch):
    """The runtime is pretended; `test_real_tflm.py` and `benchmarks/supernet_boards.py` run sets on the real one."""
    monkeypatch.delenv("TFLM_DIR", raising=False)
    costs = [Cost(0.1, 3000, 300), Cost(0.2, 2000, 200), Cost(0.3, 1000, 100)]
    array = together([source.tflite for source in three])
    bundle = c_bundle.write_bundle(tmp_path, three, array, networks_header(costs, "Figures of a test."))
    assert bundle["arrays"].endswith("bytes equal, 16-byte aligned")
    assert "at most" in bundle["answer"]
    monkeypatch.setenv("TFLM_DIR", _tree(tmp_path / "tree", SWITCHING))
    said = c_bundle.run_main(tmp_path / "c")
    assert re.findall(r"network (\d): (\d) of 8 golden", said) == [("0", "8"), ("1", "8"), ("2", "8"), ("0", "8")]


def _tree(folder, runtime):
    """The pretended runtime takes from the model's place which network it is."""
    tree = pretend_tree(folder, runtime="int nothing;\n")
    micro = folder / "tensorflow" / "lite" / "micro" / "micro_interpreter.h"
    text = micro.read_text().replace(
        "template <class R> MicroInterpreter::MicroInterpreter(const Model*, const R&, uint8_t*, std::size_t) {}",
        "void used(const void* model);\n"
        "template <class R> MicroInterpreter::MicroInterpreter(const Model* m, const R&, uint8_t*, std::size_t) {"
        " used(m); }",
    )
    micro.write_text(text)
    place = next((folder / "gen").glob("*/lib"))
    uses = "void used(const void* model) { runs = 0; in_use = (int)((const unsigned char*)model - kModel) / 16; }\n"
    source = runtime.replace("namespace tflite {\nvoid Init", "namespace tflite {\n" + uses + "void Init")
    source = source.replace("ALLOCATED", "kTfLiteOk").replace("FLIPPED", "-1")
    (place / "lib.cc").write_text(source)
    compiler = shutil.which("c++") or shutil.which("g++")
    subprocess.run([compiler, f"-I{folder}", "-c", place / "lib.cc", "-o", place / "lib.o"], check=True)
    subprocess.run(["ar", "rcs", place / "libtensorflow-microlite.a", place / "lib.o"], check=True)
    return tree
