"""Figures known before training against TensorFlow Lite Micro itself, on files of every space and operator."""

import numpy as np
import pytest

from benchmarks.arena_fidelity import result, some_weights, summary
from edgevolve.deployment.isolated import run_isolated
from edgevolve.deployment.micro import MicroError, available, run_on_micro
from edgevolve.deployment.optimise import lean
from edgevolve.graph import (
    Activation,
    Add,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    GraphBuilder,
    Softmax,
    reordered,
)
from edgevolve.quantisation import int8_network
from edgevolve.tflite import read_tflite
from resource_models import HOST, deployed, file_footprint, footprint, peak_memory
from tests.deployment.sizes import size_of
from tests.training.random_graphs import random_graph

pytestmark = pytest.mark.skipif(not available(), reason="TensorFlow Lite Micro has no wheel here")


def exported(graph, seed):
    """The file's operators and the file, in the order of least peak memory."""
    merged = deployed(graph)
    order = peak_memory(merged.graph).order
    graph = reordered(graph, merged.original_order(order))
    images = np.random.default_rng(seed).uniform(0, 1, (4, *graph.inputs[0].shape[1:])).astype(np.float32)
    model = lean(int8_network(graph, some_weights(graph, seed), images).tflite())
    return reordered(merged.graph, order), model


def stored(graph, seed, number=2):
    return np.random.default_rng(seed).integers(-128, 128, (number, *graph.inputs[0].shape[1:]), np.int8)


@pytest.mark.parametrize("number", [0, 2, 4, 6, 8, 12, 28])
def test_networks_of_every_space_need_what_was_predicted(number):
    """Head with and without plan to the byte, tail and file within two per cent; outputs are compared on the way."""
    figures = summary([result(number)])
    assert figures["head_exact_share"] == 1
    assert figures["tail_max_relative_error"] < 0.02
    assert figures["flash_max_relative_error"] < 0.02
    assert figures["planned_saving_mean"] >= 0


@pytest.mark.parametrize("seed", range(16))
def test_networks_over_every_operator_need_what_was_predicted(seed):
    graph = random_graph(seed)
    operators, model = exported(graph, seed)
    predicted = footprint(operators, HOST)
    run = run_on_micro(model, [stored(graph, seed)], least_arena=seed % 4 == 0)
    assert run.head_bytes == predicted.planned_head_bytes
    assert abs(run.tail_bytes - predicted.tail_bytes) <= 16
    assert len(model) == size_of(operators, model) <= predicted.flash_bytes <= 1.02 * len(model)
    if run.least_arena_bytes is not None:
        assert run.least_arena_bytes == -(-predicted.arena_bytes // 16) * 16


def small(*ops, shape):
    net = GraphBuilder()
    x = net.input((1, *shape))
    for op in ops:
        x = net.add(op, x)
    return net.build(x)


def doubled(shape):
    net = GraphBuilder()
    x = net.input((1, *shape))
    return net.build(net.add(Add(), x, net.add(DepthwiseConv2D((3, 1)), x)))


DECIDED_BY_SET_UP = {
    "one layer": small(Dense(3), shape=(8,)),
    "many units": small(Dense(70), shape=(4,)),
    "two layers": small(Dense(20, activation=Activation.RELU), Dense(5), shape=(16,)),
    "layers and softmax": small(Dense(9), Dense(4), Softmax(), shape=(6,)),
    "a convolution": small(Conv2D(7, (3, 3)), shape=(4, 4, 2)),
    "a depthwise convolution": small(DepthwiseConv2D((3, 3)), shape=(4, 4, 5)),
    "a sum": doubled((5, 1, 3)),
    "a signal": small(Conv2D(6, (3, 1)), GlobalAveragePool(), Dense(4), shape=(9, 1, 2)),
}


@pytest.mark.parametrize("name", DECIDED_BY_SET_UP)
def test_a_file_whose_arena_its_set_up_decides_needs_it_to_the_byte_and_computes_the_same_in_it(name):
    _, model = exported(DECIDED_BY_SET_UP[name], 4)
    predicted = file_footprint(read_tflite(model), HOST)
    inputs = [stored(DECIDED_BY_SET_UP[name], 4, 8)]
    run = run_on_micro(model, inputs, least_arena=True)
    assert predicted.setup_bytes > predicted.planned_head_bytes + predicted.tail_bytes
    assert run.least_arena_bytes == predicted.file_arena_bytes == predicted.setup_bytes
    least = run_isolated("micro_host.py", model, inputs, str(run.least_arena_bytes), "0")
    np.testing.assert_array_equal(run.outputs, least.outputs)


@pytest.mark.parametrize("model", [b"", b"nothing of the kind", b"\x1c\x00\x00\x00TFL3" + bytes(200)])
def test_what_the_runtime_cannot_run_is_an_error_and_not_a_crash(model):
    with pytest.raises(MicroError, match="cannot run the model"):
        run_on_micro(model, [np.zeros((1, 4), np.int8)])
