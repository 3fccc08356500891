"""Figures known before training against TensorFlow Lite Micro itself, on files of every space and operator."""

import numpy as np
import pytest

from benchmarks.arena_fidelity import result, some_weights, summary
from edgevolve.deployment.micro import MicroError, available, run_on_micro
from edgevolve.deployment.optimise import lean
from edgevolve.graph import Activation, Dense, GraphBuilder, reordered
from edgevolve.quantisation import int8_network
from resource_models import HOST, deployed, footprint, peak_memory
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
        assert run.least_arena_bytes == pytest.approx(predicted.arena_bytes, abs=32)


def test_the_least_arena_of_a_network_of_vectors_is_that_of_its_set_up():
    net = GraphBuilder()
    x = net.add(Dense(200, activation=Activation.RELU), net.flatten(net.input((1, 8, 8, 1))))
    graph = net.build(net.add(Dense(10), x))
    operators, model = exported(graph, 4)
    predicted = footprint(operators, HOST)
    run = run_on_micro(model, [stored(graph, 4)], least_arena=True)
    assert predicted.arena_bytes == predicted.setup_bytes > predicted.planned_head_bytes + predicted.tail_bytes
    assert run.least_arena_bytes == pytest.approx(predicted.arena_bytes, abs=32)


@pytest.mark.parametrize("model", [b"", b"nothing of the kind", b"\x1c\x00\x00\x00TFL3" + bytes(200)])
def test_what_the_runtime_cannot_run_is_an_error_and_not_a_crash(model):
    with pytest.raises(MicroError, match="cannot run the model"):
        run_on_micro(model, [np.zeros((1, 4), np.int8)])
