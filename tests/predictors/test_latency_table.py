import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from predictor_sections.latency_table import LatencyTable

from edgevolve.graph import Conv2D, Dense, GraphBuilder, MaxPool2D
from predictors import PredictorError, layer_key, layers
from predictors.models.cpu import timed_nodes
from tests.training.random_graphs import random_graph

OVERHEAD = 0.5


def cost(single):
    """A made-up device: milliseconds of one layer, and what every inference costs beside."""
    (node,) = single.nodes
    return OVERHEAD + 1e-3 * (node.macs or sum(x.size_bytes for x in node.inputs))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_a_network_of_known_layers_takes_their_sum_and_one_overhead(seed):
    graph = random_graph(seed)
    entries = {**LatencyTable.measure("made up", [graph], cost).entries, "nothing": OVERHEAD}
    estimate = LatencyTable("made up", entries).estimate(graph)
    expected = OVERHEAD + sum(cost(single) - OVERHEAD for node in timed_nodes(graph) for single in layers([of(node)]))
    assert estimate.unknown == ()
    assert estimate.latency_ms == pytest.approx(expected)


def of(node):
    net = GraphBuilder()
    return net.build(net.add(node.op, *(net.input(x.shape) for x in node.inputs)))


def convolutions(*filters):
    net = GraphBuilder()
    x = net.input((1, 16, 16, 8))
    for count in filters:
        x = net.add(Conv2D(count, (3, 3), batch_norm=True), x)
    return net.build(x)


def test_an_unknown_layer_takes_its_nearest_of_the_kind_scaled_by_work_and_is_named():
    table = LatencyTable.measure("made up", [convolutions(8), convolutions(64)], lambda g: cost(g) - OVERHEAD)
    table = LatencyTable("made up", {**table.entries, layer_key(pool().nodes[0]): 1e-9})
    estimate = table.estimate(convolutions(10))
    assert estimate.unknown == ("conv2d_0",)
    assert estimate.latency_ms == pytest.approx(cost(convolutions(10)) - OVERHEAD, rel=1e-3)


def pool():
    net = GraphBuilder()
    return net.build(net.add(MaxPool2D((2, 2), (2, 2)), net.input((1, 4, 4, 1))))


def test_a_kind_that_was_never_measured_is_guessed_from_others_and_named():
    net = GraphBuilder()
    dense = net.build(net.add(Dense(7), net.input((1, 9))))
    table = LatencyTable.measure("made up", [convolutions(8), pool()], cost)
    estimate = table.estimate(dense)
    assert estimate.unknown == ("dense_0",) and estimate.latency_ms > 0


def test_batch_norm_and_names_make_no_other_layer():
    (first, second) = convolutions(8, 8).nodes
    assert layer_key(first) == layer_key(second)
    assert layer_key(first) == layer_key(of(first).nodes[0])
    assert len(layers([convolutions(8, 8, 8), convolutions(8)])) == 1


def test_an_empty_table_says_so():
    with pytest.raises(PredictorError, match="empty"):
        LatencyTable("made up", {}).estimate(convolutions(8))
