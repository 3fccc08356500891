import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevolve.graph import Add, Conv2D, GlobalAveragePool, Graph, GraphBuilder, Multiply, Node, Tensor, reordered
from edgevolve.tflite import read_tflite
from predictors.models.cpu import node_work
from predictors.values import FeatureTable, PredictorError, feature_table
from resource_models import macs
from resource_models.graph_features import FEATURES, graph_features, live_nodes
from search_space import NasBench201Space
from tests.tflite.tflite_files import Builtin, TfliteFile, Type
from tests.training.random_graphs import random_graph

SPACE = NasBench201Space((32, 32, 3), 10, cells=1)


def named(graph):
    return dict(zip(FEATURES, graph_features(graph), strict=True))


def another_order(graph: Graph, rng: np.random.Generator) -> Graph:
    """The same network with other names, in a random topological order, its sums read the other way round."""
    made = {x.name for x in graph.inputs}
    order: list[int] = []
    while len(order) < len(graph.nodes):
        ready = [i for i, node in enumerate(graph.nodes) if i not in order and all(x.name in made for x in node.inputs)]
        order.append(ready[rng.integers(len(ready))])
        made.add(graph.nodes[order[-1]].output.name)
    names = {name: f"t{k}" for k, name in enumerate(rng.permutation(sorted(made)).tolist())}

    def rename(x: Tensor) -> Tensor:
        return Tensor(names[x.name], x.shape, x.dtype)

    nodes = []
    for k, node in enumerate(reordered(graph, order).nodes):
        inputs = tuple(rename(x) for x in node.inputs)
        inputs = inputs[::-1] if isinstance(node.op, Add | Multiply) else inputs
        nodes.append(Node(f"n{k}", node.op, inputs, node.weights, tuple(rename(y) for y in node.outputs)))
    return Graph(tuple(map(rename, graph.inputs)), tuple(nodes), tuple(map(rename, graph.outputs)))


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_isomorphic_networks_have_the_same_features(seed):
    graph = random_graph(seed)
    assert graph_features(another_order(graph, np.random.default_rng(seed))) == graph_features(graph)


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_every_cell_has_features_of_its_own_kind_whatever_its_edges_are_called(seed):
    graph = SPACE.graph(SPACE.sample(np.random.default_rng(seed)))
    assert graph_features(another_order(graph, np.random.default_rng(seed + 1))) == graph_features(graph)


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_counts_and_macs_add_up_to_the_whole_network(seed):
    graph = random_graph(seed)
    values = named(graph)
    assert sum(v for name, v in values.items() if name.startswith("count_")) == len(graph.nodes)
    assert sum(v for name, v in values.items() if name.startswith("macs_") and name != "macs_per_byte") == macs(graph)
    assert values["critical_macs"] <= macs(graph)
    assert values["depth"] <= len(graph.nodes) <= values["depth"] * values["width"]


def test_a_residual_block_is_described_as_one_would_draw_it():
    net = GraphBuilder()
    x = net.input((1, 4, 4, 2))
    y = net.add(Conv2D(2, (3, 3)), x)
    z = net.add(Conv2D(2, (1, 1)), net.add(Conv2D(2, (5, 5)), y))
    graph = net.build(net.add(GlobalAveragePool(), net.add(Add(), z, y)))
    values = named(graph)
    assert [values[f"count_conv_{size}"] for size in ("1x1", "3x3", "large")] == [1, 1, 1]
    assert (values["depth"], values["critical_convolutions"], values["width"], values["forks"]) == (5, 3, 1, 1)
    assert values["bytes_held"] == 2 * 32, "the skip waits for two convolutions"
    assert values["macs_conv_large"] == 16 * 2 * 25 * 2


def test_what_no_output_needs_is_left_out():
    net = GraphBuilder()
    x = net.input((1, 4, 4, 2))
    y = net.add(Conv2D(2, (3, 3)), x)
    net.add(Conv2D(64, (3, 3)), net.add(Conv2D(64, (3, 3)), y))
    graph = net.build(net.add(GlobalAveragePool(), y))
    assert [node.name for node in live_nodes(graph)] == ["conv2d_0", "globalaveragepool_3"]
    assert named(graph)["count_conv_3x3"] == 1
    assert named(graph)["max_channels"] == 2


def test_equal_pools_are_one_node_unless_the_graph_is_the_measured_one():
    from search_space.nasbench201 import Cell

    cell = Cell("skip_connect", "avg_pool_3x3", "avg_pool_3x3", "none", "none", "nor_conv_1x1")
    merged, apart = named(SPACE.graph(cell)), named(SPACE.unmerged_graph(cell))
    assert apart["count_average_pool"] - merged["count_average_pool"] == 3, "one cell in each of three stages"


def test_a_table_refuses_what_is_not_finite_or_does_not_fit():
    table = feature_table([random_graph(1), random_graph(2)])
    assert len(table) == 2 and table[[1]].rows.tolist() == [list(graph_features(random_graph(2)))]
    with pytest.raises(PredictorError, match="time of network 1 is not finite"):
        table.with_column("time", [1.0, float("nan")])
    with pytest.raises(PredictorError, match="do not fit rows"):
        FeatureTable(("a",), (True,), np.zeros((3, 2)))


def test_an_operator_whose_inputs_are_all_constants_is_counted_and_starts_a_path():
    net = TfliteFile()
    x, scalar, wide, y = net.tensor(1, 4), net.tensor(), net.tensor(1, 4), net.tensor(1, 4)
    kept = net.constant(np.ones((1, 4), np.float16).view(np.int8), Type.FLOAT16, (1, 4))
    net.operator(Builtin.DEQUANTIZE, [kept], [wide])
    net.operator(Builtin.ADD, [x, wide], [y], table="AddOptions")
    net.operator(Builtin.SPLIT, [net.constant(3, Type.INT32), y], [scalar, z := net.tensor(1, 4)], table="SplitOptions")
    graph = read_tflite(net.content([x], [scalar, z])).graph
    features = named(graph)
    assert features["depth"] == 3
    assert features["count_add"] == 1
    assert features["count_other"] == 2
    assert len(node_work(graph.nodes)[1]) == 3
