"""The operators predicted from a graph, against those that the converter writes."""

from itertools import compress, pairwise

import numpy as np
import pytest

from benchmarks.arena_fidelity import network, some_weights
from edgevolve.graph import (
    Activate,
    Activation,
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    GraphBuilder,
    MaxPool2D,
    Pad,
    Padding,
    Reshape,
    Softmax,
)
from edgevolve.quantisation.litert import Operator, open_model
from edgevolve.tflite import tflite_name
from resource_models import deployed
from tests.deployment.converter import to_tflite_int8
from tests.training.random_graphs import random_graph

RELU, RELU6 = Activate(Activation.RELU), Activate(Activation.RELU6)
CONV = Conv2D(4, (3, 3))

CHAINS = {
    "relu after a convolution": (CONV, RELU),
    "relu6 after a depthwise convolution": (CONV, DepthwiseConv2D((3, 3)), RELU6),
    "relu after a largest": (CONV, MaxPool2D((2, 2), (2, 2)), RELU),
    "relu6 after an average": (CONV, AveragePool2D((2, 2), (2, 2)), RELU6),
    "relu after a mean": (CONV, GlobalAveragePool(), RELU),
    "relu after dense": (GlobalAveragePool(), Dense(4), RELU),
    "relu of the input": (RELU, CONV),
    "relu twice": (CONV, RELU, RELU),
    "relu6 after a fused relu": (Conv2D(4, (3, 3), activation=Activation.RELU), RELU6),
    "pad into a valid convolution": (Pad((1, 1), (1, 1)), Conv2D(4, (3, 3), padding=Padding.VALID)),
    "pad as for a stride of two": (Pad((0, 1), (0, 1)), Conv2D(4, (3, 3), (2, 2), Padding.VALID)),
    "pad not as for a stride of two": (Pad((1, 1), (1, 1)), Conv2D(4, (3, 3), (2, 2), Padding.VALID)),
    "pad into a valid depthwise convolution": (Pad((1, 1), (1, 1)), DepthwiseConv2D((3, 3), padding=Padding.VALID)),
    "pad before a pool": (Pad((1, 1), (1, 1)), MaxPool2D((3, 3), (1, 1))),
    "pad of nothing": (CONV, Pad((0, 0), (0, 0)), CONV),
    "two reshapes": (Reshape((1, 8, 6, 2)), Reshape((1, 96))),
    "a reshape to the same shape": (CONV, Reshape((1, 6, 8, 4)), CONV),
    "a reshape of a pixel": (MaxPool2D((6, 8), (6, 8)), Reshape((1, 2)), Dense(3)),
    "a reshape to a pixel": (GlobalAveragePool(), Dense(6, Activation.RELU), Reshape((1, 1, 1, 6)), Dense(3)),
    "a reshape of a map": (MaxPool2D((2, 2), (2, 2)), Reshape((1, 24)), Dense(3)),
    "dense of a pixel": (MaxPool2D((6, 8), (6, 8)), Dense(3)),
    "two linear dense layers": (GlobalAveragePool(), Dense(6), Dense(3), Softmax()),
}


def stays(names):
    """For each operator of a converter's file, False for a RESHAPE before a FULLY_CONNECTED."""
    return [*(pair != ("RESHAPE", "FULLY_CONNECTED") for pair in pairwise(names)), True]


def check(graph, seed=0):
    images = np.random.default_rng(seed).uniform(0, 1, (4, *graph.inputs[0].shape[1:])).astype(np.float32)
    file = open_model(to_tflite_int8(graph, some_weights(graph, seed), images))
    wanted = [Operator(tflite_name(node.op), node.output.shape) for node in deployed(graph).graph.nodes]
    assert list(compress(file.operators, stays(operator.name for operator in file.operators))) == wanted


@pytest.mark.parametrize("ops", CHAINS.values(), ids=CHAINS)
def test_what_the_converter_merges_is_merged_here_and_a_reshape_before_dense_too(ops):
    net = GraphBuilder()
    x = net.input((1, 6, 8, 2))
    for op in ops:
        x = net.add(op, x)
    check(net.build(x))


@pytest.mark.parametrize("number", [1, 2, 7, 9, 16, 17, 38])
def test_networks_of_every_space_are_deployed_as_predicted(number):
    check(network(number)[1], number)


@pytest.mark.parametrize("seed", range(20))
def test_every_node_stands_for_one_operator(seed):
    merged = deployed(random_graph(seed))
    nodes = [index for group in merged.groups for index in group]
    assert sorted(nodes) == list(range(len(random_graph(seed).nodes)))
    order = tuple(range(len(merged.groups)))
    assert list(merged.original_order(order)) == nodes


def test_what_somebody_else_reads_is_not_merged():
    net = GraphBuilder()
    x = net.add(CONV, net.input((1, 6, 8, 2)))
    graph = net.build(net.add(RELU, x), net.add(Conv2D(2, (1, 1)), x))
    assert deployed(graph).graph == graph
    kept = net.build(x, net.add(RELU, x))
    assert len(deployed(kept).graph.nodes) == len(kept.nodes)


def test_a_sequence_is_reshaped_before_dense():
    net = GraphBuilder()
    x = net.input((1, 6, 8, 2))
    for op in (Reshape((1, 8, 12)), Softmax(), Reshape((1, 96)), Dense(3)):
        x = net.add(op, x)
    graph = net.build(x)
    assert deployed(graph).graph == graph
