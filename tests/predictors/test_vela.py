import numpy as np
import pytest

from graph import Activation, Conv2D, Dense, DepthwiseConv2D, GlobalAveragePool, GraphBuilder
from graph.skeleton import skeleton
from predictors import PredictorError, sheet, sheets
from predictors.layerwise import LayerwiseTransfer, _scale_fetches, node_features
from predictors.sheets import Kind
from predictors.vela import compile_graph, latency_ms
from search_space import CnnSpace, MobileSpace
from tests.training.random_graphs import random_graph

pytest.importorskip("ethosu.regor")


def network(width, blocks=2):
    net = GraphBuilder()
    x = net.add(Conv2D(8 * width, (3, 3), (2, 2), activation=Activation.RELU6), net.input((1, 32, 32, 3)))
    for _ in range(blocks):
        x = net.add(DepthwiseConv2D((3, 3), activation=Activation.RELU6), x)
        x = net.add(Conv2D(8 * width, (1, 1), activation=Activation.RELU6), x)
    return net.build(net.add(Dense(10), net.add(GlobalAveragePool(), x)))


@pytest.mark.parametrize("name", [name for name, one in sheets().items() if one.kind is Kind.VELA])
def test_every_ethos_configuration_compiles_a_network_from_its_graph(name):
    found = compile_graph(sheet(name), network(2))
    assert found.cycles > 0 and found.operators_on_cpu == 0
    assert sum(layer.cycles for layer in found.layers.values()) == pytest.approx(found.cycles)
    assert set(found.layers) <= {node.name for node in network(2).nodes}


def test_more_multipliers_take_fewer_cycles():
    cycles = [compile_graph(sheet(f"ethos_u55_{macs}"), network(4, blocks=4)).cycles for macs in (32, 64, 128, 256)]
    assert cycles == sorted(cycles, reverse=True)
    assert latency_ms(sheet("ethos_u55_32"), network(4, blocks=4)) == pytest.approx(cycles[0] / 500e3)


def test_the_compiler_counts_the_multiplications_of_the_graph():
    graph = network(2)
    products = sum(node.macs for node in graph.nodes if isinstance(node.op, Conv2D | DepthwiseConv2D | Dense))
    assert products <= compile_graph(sheet("ethos_u55_128"), graph).macs <= 1.1 * products


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_compile(seed):
    found = compile_graph(sheet("ethos_u55_128"), random_graph(seed))
    assert sum(layer.cycles for layer in found.layers.values()) == pytest.approx(found.cycles)


def searched(seed):
    rng = np.random.default_rng(seed)
    spaces = (CnnSpace((32, 32, 3), 10), MobileSpace((64, 64, 3), 10, max_stages=3, max_filters=96))
    return [space.graph(space.sample(rng)) for space in spaces]


@pytest.mark.parametrize("name", ["ethos_u55_128", "ethos_u55_256", "ethos_u65_512", "ethos_u85_1024"])
def test_kernels_that_share_a_buffer_cost_what_different_ones_cost(name, monkeypatch):
    graphs = [graph for seed in range(2) for graph in searched(seed)]
    found = [compile_graph(sheet(name), graph) for graph in graphs]
    monkeypatch.setattr("predictors.vela.skeleton", lambda graph, shared: skeleton(graph))
    for graph, shared in zip(graphs, found, strict=True):
        different = compile_graph(sheet(name), graph)
        assert shared.cycles == pytest.approx(different.cycles, rel=0.01)
        assert shared.peak_sram_bytes == pytest.approx(different.peak_sram_bytes, rel=0.01)
        assert shared.layers.keys() == different.layers.keys()
        moved = [sum(layer.weight_bytes for layer in one.layers.values()) for one in (shared, different)]
        assert moved[0] == pytest.approx(moved[1], rel=0.01)


def test_a_device_of_another_kind_is_refused():
    with pytest.raises(PredictorError, match="coral_edge_tpu is not a device of Arm's compiler"):
        compile_graph(sheet("coral_edge_tpu"), network(1))


def test_a_missing_compiler_is_one_clear_line(monkeypatch):
    monkeypatch.setattr("predictors.vela.find_spec", lambda name: None)
    with pytest.raises(PredictorError, match="pip install ethos-u-vela"):
        compile_graph(sheet("ethos_u55_128"), network(1))


def test_an_unknown_accelerator_is_refused():
    odd = sheet("ethos_u55_128").model_copy(update={"options": {"accelerator": "ethos-u99-1"}})
    with pytest.raises(PredictorError, match="unknown accelerator 'ethos-u99-1'"):
        compile_graph(odd, network(1))


@pytest.fixture(scope="module")
def generations():
    graphs = [network(width, blocks) for width in range(1, 7) for blocks in (1, 2, 3)]
    return graphs, *([compile_graph(sheet(n), g) for g in graphs] for n in ("ethos_u55_256", "ethos_u65_512"))


def test_a_generation_is_predicted_from_the_one_before(generations):
    graphs, source, target = generations
    learn = range(0, len(graphs), 2)
    fitted = LayerwiseTransfer.fit(
        *([values[i] for i in learn] for values in generations), 2.0, np.random.default_rng(0)
    )
    errors = [abs(fitted.predict(graphs[i], source[i]) / target[i].cycles - 1) for i in range(1, len(graphs), 2)]
    assert np.mean(errors) < 0.08


def test_a_transfer_reads_back_exactly(generations):
    graphs, source, target = generations
    fitted = LayerwiseTransfer.fit(graphs, source, target, 2.0, np.random.default_rng(0))
    again = LayerwiseTransfer.from_json(fitted.to_json())
    assert again.predict(graphs[3], source[3]) == fitted.predict(graphs[3], source[3])
    with pytest.raises(PredictorError, match="not a layer-wise predictor"):
        LayerwiseTransfer.from_json({**fitted.to_json(), "boosters": [["{}"]] * 4})
    with pytest.raises(PredictorError, match="not a layer-wise predictor"):
        LayerwiseTransfer.from_json({**fitted.to_json(), "boosters": fitted.to_json()["boosters"][:3]})
    with pytest.raises(PredictorError, match="format"):
        LayerwiseTransfer.from_json({})


def test_a_transfer_needs_as_many_sources_as_networks(generations):
    graphs, source, target = generations
    with pytest.raises(PredictorError, match="do not fit"):
        LayerwiseTransfer.fit(graphs, source[:3], target, 2.0, np.random.default_rng(0))
    with pytest.raises(PredictorError, match="speedup"):
        LayerwiseTransfer.fit(graphs, source, target, -1.0, np.random.default_rng(0))


@pytest.mark.parametrize("name", ["ethos_u65_512", "ethos_u85_1024"])
def test_a_layer_takes_what_its_slowest_bound_takes(name):
    for seed in range(6):
        found = compile_graph(sheet(name), random_graph(seed))
        slowest = [
            max(x.npu_cycles, x.sram_cycles, x.feature_cycles, x.weight_cycles, x.scale_cycles)
            for x in found.layers.values()
        ]
        assert sum(slowest) == pytest.approx(found.cycles, rel=0.05)


def convolved(op, side, channels):
    net = GraphBuilder()
    return net.build(net.add(op, net.input((1, side, side, channels))))


@pytest.mark.parametrize(
    "op, side, channels, fetches",
    [
        (Conv2D(48, (1, 1)), 40, 24, 3 * 10),  # 8192 sums are 160 pixels of 48 filters
        (Conv2D(32, (3, 3)), 96, 24, 2 * 36),  # blocks of 16 × 16 pixels of 32 filters
        (DepthwiseConv2D((3, 3)), 20, 192, 12 * 1),  # 22 × 22 pixels of 16 channels are below 8192 bytes
        (Dense(100), 1, 64, 7),
    ],
)
def test_scales_are_fetched_for_every_block(op, side, channels, fetches):
    assert _scale_fetches(convolved(op, side, channels)).tolist() == [fetches]


@pytest.mark.parametrize("side, filters", [(16, 16), (32, 32), (12, 64), (24, 24), (20, 96)])
def test_the_compiler_fetches_scales_as_often(side, filters):
    net = GraphBuilder()
    x = net.input((1, side, side, 3))
    for _ in range(4):
        x = net.add(Conv2D(filters, (1, 1)), x)
    graph = net.build(net.add(GlobalAveragePool(), x))
    layers = compile_graph(sheet("ethos_u85_1024"), graph).layers.values()
    taken = np.array([layer.scale_cycles for layer in layers])
    counted = _scale_fetches(graph)
    assert taken[2:] / taken[-1] == pytest.approx(counted[2:] / counted[-1], rel=0.01)


def test_features_of_nodes_are_finite():
    for seed in range(5):
        graph = random_graph(seed)
        rows = node_features(graph, compile_graph(sheet("ethos_u55_256"), graph))
        assert rows.shape[0] == len(graph.nodes) and np.isfinite(rows).all()
