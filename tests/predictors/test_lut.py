import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevolve.graph import Conv2D, Dense, GraphBuilder, MaxPool2D
from predictors import LatencyTable, PredictorError
from predictors.host import timed_nodes
from predictors.lut import layer_key, layers
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
    found = LatencyTable("made up", entries).estimate(graph)
    expected = OVERHEAD + sum(cost(single) - OVERHEAD for node in timed_nodes(graph) for single in layers([of(node)]))
    assert found.unknown == ()
    assert found.latency_ms == pytest.approx(expected)


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
    found = table.estimate(convolutions(10))
    assert found.unknown == ("conv2d_0",)
    assert found.latency_ms == pytest.approx(cost(convolutions(10)) - OVERHEAD, rel=1e-3)


def pool():
    net = GraphBuilder()
    return net.build(net.add(MaxPool2D((2, 2), (2, 2)), net.input((1, 4, 4, 1))))


def test_a_kind_that_was_never_measured_is_guessed_from_others_and_named():
    net = GraphBuilder()
    dense = net.build(net.add(Dense(7), net.input((1, 9))))
    table = LatencyTable.measure("made up", [convolutions(8), pool()], cost)
    found = table.estimate(dense)
    assert found.unknown == ("dense_0",) and found.latency_ms > 0


def test_batch_norm_and_names_make_no_other_layer():
    (first, second) = convolutions(8, 8).nodes
    assert layer_key(first) == layer_key(second)
    assert layer_key(first) == layer_key(of(first).nodes[0])
    assert len(layers([convolutions(8, 8, 8), convolutions(8)])) == 1


def test_a_table_reads_back_as_it_was_and_nothing_else_is_read(tmp_path):
    path = tmp_path / "table.json"
    table = LatencyTable.measure("made up", [random_graph(seed) for seed in range(5)], cost)
    table.save(path)
    assert LatencyTable.load(path) == table
    good = json.loads(path.read_text())
    for bad, message in (
        ("", "cannot be read as a latency table"),
        ("[]", "not a latency table of this format"),
        (json.dumps({**good, "format": "other"}), "not a latency table of this format"),
        (json.dumps({**good, "entries": {"x": 1}}), "damaged"),
        (json.dumps({**good, "entries": {key: -1 for key in good["entries"]}}), "not positive"),
        (json.dumps({**good, "entries": {key: "fast" for key in good["entries"]}}), "damaged"),
    ):
        path.write_text(bad)
        with pytest.raises(PredictorError, match=message):
            LatencyTable.load(path)
    with pytest.raises(PredictorError, match="empty"):
        LatencyTable("made up", {}).estimate(convolutions(8))
