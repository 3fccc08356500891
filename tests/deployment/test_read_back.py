"""What edgevolve exports, read back: the graph it came from."""

from dataclasses import replace

import numpy as np
import pytest

from edgevolve.deployment.tflite import differences
from edgevolve.graph import (
    Activation,
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Graph,
    MaxPool2D,
    Node,
    Opaque,
    Shape,
)
from edgevolve.quantisation import int8_network
from edgevolve.tflite import read_tflite, tflite_name
from edgevolve.training.weights import initial_weights
from resource_models import live_bytes
from search_space import SPACES
from tests.training.random_graphs import random_graph

DROPPED = {"RESHAPE", "MAX_POOL_2D", "AVERAGE_POOL_2D", "RELU", "RELU6"}
"""What a file leaves out: see `deployment.tflite.differences`."""


def exported(graph: Graph, seed: int) -> bytes:
    """As after training."""
    rng = np.random.default_rng(seed)
    weights = initial_weights(graph, seed)
    for name, value in weights.items():
        if name.endswith(("/bias", "/beta")):
            weights[name] = rng.normal(0, 0.1, value.shape).astype(np.float32)
    images = rng.uniform(0, 1, (4, *graph.inputs[0].shape[1:])).astype(np.float32)
    return int8_network(graph, weights, images).tflite()


def facts(node: Node) -> tuple[object, ...]:
    """All of a node but names, batch norm, which is folded, and where its inputs come from."""
    folded = isinstance(node.op, Conv2D | DepthwiseConv2D) and replace(node.op, batch_norm=False)
    tensors = [[(t.shape, t.dtype, t.constant) for t in part] for part in (node.inputs, node.weights, node.outputs)]
    return (folded or node.op, *tensors, node.macs)


def deployed(graph: Graph) -> list[Node]:
    """The nodes, where a linear Dense that feeds a Dense alone has no bias: it is moved into the second."""
    nodes = list(graph.nodes)
    for i, node in enumerate(nodes):
        readers = [graph.nodes[reader] for reader in graph.consumers[node.output.name]]
        if node.op == Dense(node.output.shape[-1]) and [type(reader.op) for reader in readers] == [Dense]:
            nodes[i] = replace(node, weights=node.weights[:1])
    return nodes


def sources(graph: Graph) -> list[list[int]]:
    """For each node the makers of its inputs: node numbers, negative for network inputs."""
    makers = {x.name: -1 - i for i, x in enumerate(graph.inputs)}
    exported = []
    for number, node in enumerate(graph.nodes):
        exported.append(sorted(makers[x.name] for x in node.inputs))
        makers |= {y.name: number for y in node.outputs}
    return exported


def assert_equal(read: Graph, graph: Graph) -> None:
    assert [facts(node) for node in read.nodes] == [facts(node) for node in deployed(graph)]
    assert sources(read) == sources(graph)
    assert [x.shape for x in read.inputs + read.outputs] == [x.shape for x in graph.inputs + graph.outputs]
    assert live_bytes(read) == live_bytes(graph)


@pytest.mark.parametrize("seed", range(30))
def test_a_network_that_is_deployed_as_it_stands_is_read_back_whole(seed):
    graph = random_graph(seed)
    content = exported(graph, seed)
    model = read_tflite(content)
    assert_equal(model.graph, graph)
    assert model.size_bytes == len(content)
    assert not model.dynamic_batch
    assert model.variables == ()


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("seed", range(6))
def test_a_genotype_of_any_space_is_read_back_but_for_what_is_merged(space, seed):
    shape: Shape = [(20, 20, 1), (8, 12, 3), (33, 17, 2)][seed % 3]
    built = SPACES[space](shape, 10)
    graph = built.graph(built.sample(np.random.default_rng(seed)))
    content = exported(graph, seed)
    read = read_tflite(content).graph
    if not differences(graph, content):
        assert_equal(read, graph)
        return
    left, dropped = list(read.nodes), []
    for node in graph.nodes:
        if left and unfused(left[0]) == unfused(node) and left[0].output.shape == node.output.shape:
            same = left.pop(0)
            assert same.macs == node.macs
            assert [(w.shape, w.dtype) for w in same.weights] == [(w.shape, w.dtype) for w in node.weights]
        else:
            dropped.append(tflite_name(node.op))
    assert not left
    assert dropped
    assert set(dropped) <= DROPPED


def unfused(node: Node) -> object:
    """The operator before what follows is fused into it; a pool, which the IR fuses nothing into, by its name."""
    if isinstance(node.op, Opaque | AveragePool2D | MaxPool2D):
        return node.op.name if isinstance(node.op, Opaque) else tflite_name(node.op)
    plain = [("batch_norm", False), ("activation", Activation.NONE)]
    return replace(node.op, **{name: value for name, value in plain if hasattr(node.op, name)})
