import numpy as np
import pytest
from predictor_sections.ethos_blocks import scale_fetches
from predictor_sections.ethos_layers import compile_graph
from predictor_sections.layerwise import LayerwiseTransfer, expected_cycles, features_of, steps_of

from edgevolve.graph import (
    Activate,
    Activation,
    Add,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    GraphBuilder,
    MatMul,
)
from edgevolve.tflite import skeleton
from predictors import Kind, PredictorError, analyse, sheet, sheets
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
    compiled = compile_graph(sheet(name), network(2))
    assert compiled.cycles > 0 and compiled.operators_on_cpu == 0
    assert sum(layer.cycles for layer in compiled.layers.values()) == pytest.approx(compiled.cycles)
    assert set(compiled.layers) <= {node.name for node in network(2).nodes}


def test_more_multipliers_take_fewer_cycles():
    cycles = [compile_graph(sheet(f"ethos_u55_{macs}"), network(4, blocks=4)).cycles for macs in (32, 64, 128, 256)]
    assert cycles == sorted(cycles, reverse=True)
    assert analyse(sheet("ethos_u55_32"), network(4, blocks=4))["latency_ms"] == pytest.approx(cycles[0] / 500e3)


def test_the_compiler_counts_the_multiplications_of_the_graph():
    graph = network(2)
    products = sum(node.macs for node in graph.nodes if isinstance(node.op, Conv2D | DepthwiseConv2D | Dense))
    assert products <= compile_graph(sheet("ethos_u55_128"), graph).macs <= 1.1 * products


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_compile(seed):
    compiled = compile_graph(sheet("ethos_u55_128"), random_graph(seed))
    assert sum(layer.cycles for layer in compiled.layers.values()) == pytest.approx(compiled.cycles)


def searched(seed):
    rng = np.random.default_rng(seed)
    spaces = (CnnSpace((32, 32, 3), 10), MobileSpace((64, 64, 3), 10, max_stages=3, max_filters=96))
    return [space.graph(space.sample(rng)) for space in spaces]


@pytest.mark.parametrize("name", ["ethos_u55_128", "ethos_u55_256", "ethos_u65_512", "ethos_u85_1024"])
def test_kernels_that_share_a_buffer_cost_what_different_ones_cost(name, monkeypatch):
    graphs = [graph for seed in range(2) for graph in searched(seed)]
    compiled = [compile_graph(sheet(name), graph) for graph in graphs]
    monkeypatch.setattr("predictors.models.vela.skeleton", lambda graph, shared: skeleton(graph))
    for graph, shared in zip(graphs, compiled, strict=True):
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
    monkeypatch.setattr("predictors.models.vela.find_spec", lambda name: None)
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
    """In networks without attention, whose many small operators take longer than any of the bounds."""
    graphs = [graph for graph in map(random_graph, range(12)) if not any(isinstance(n.op, MatMul) for n in graph.nodes)]
    assert len(graphs) > 5
    for graph in graphs[:6]:
        compiled = compile_graph(sheet(name), graph)
        slowest = [
            max(x.npu_cycles, x.sram_cycles, x.feature_cycles, x.weight_cycles, x.scale_cycles)
            for x in compiled.layers.values()
        ]
        assert sum(slowest) == pytest.approx(compiled.cycles, rel=0.05)


def alone(op, side, channels):
    net = GraphBuilder()
    (node,) = net.build(net.add(op, *[net.input((1, side, side, channels))] * (2 if isinstance(op, Add) else 1))).nodes
    return node


@pytest.mark.parametrize(
    "op, side, channels, fetches",
    [
        (Conv2D(480, (1, 1)), 16, 24, 30),  # the whole map is a block of 32 filters
        (Conv2D(118, (1, 1)), 40, 64, 8 * 25),  # blocks of 8 × 8 pixels, as 64 channels are read at a time
        (Conv2D(480, (5, 5), (2, 2)), 26, 32, 30 * 3),  # blocks of 6 × 14 pixels
        (Conv2D(8, (1, 1)), 1, 40, 2),  # a microblock has 32 filters where that wastes no more
        (DepthwiseConv2D((3, 3)), 20, 192, 12 * 1),  # the map and two more rows fit into the input buffer
        (Dense(100), 1, 64, 2 * 4),
        (Add(), 8, 16, 0),
    ],
)
def test_scales_are_fetched_for_every_block(op, side, channels, fetches):
    assert scale_fetches(alone(op, side, channels)) == fetches


def test_the_compiler_fetches_the_scales_of_most_layers_as_often():
    counted, taken = [], []
    for graph in [graph for seed in range(4) for graph in searched(seed)]:
        layers = compile_graph(sheet("ethos_u85_1024"), graph).layers
        seen = [node for node in graph.nodes if node.name in layers and scale_fetches(node)]
        counted += [scale_fetches(node) for node in seen]
        taken += [layers[node.name].scale_cycles for node in seen]
    rate = np.median(np.array(taken) / counted)
    assert len(counted) > 100
    assert np.mean(abs(np.array(taken) / rate / counted - 1) < 0.02) > 0.9


def test_a_function_is_one_step_with_the_convolution_that_it_follows():
    net = GraphBuilder()
    x = net.add(Conv2D(16, (3, 3)), net.input((1, 16, 16, 8)))
    x = net.add(Activate(Activation.HARD_SWISH), x)
    graph = net.build(net.add(Conv2D(8, (1, 1)), x))
    first, second = steps_of(graph, compile_graph(sheet("ethos_u55_256"), graph))
    assert (first.node, first.name, first.outer) == (graph.nodes[0], graph.nodes[1].name, True)
    assert (second.node, second.name, second.outer) == (graph.nodes[2], graph.nodes[2].name, False)


def test_features_of_steps_are_finite_and_physics_expects_something_of_each():
    for seed in range(5):
        graph = random_graph(seed)
        steps = steps_of(graph, compile_graph(sheet("ethos_u55_256"), graph))
        assert np.isfinite(features_of(steps)).all() and (expected_cycles(steps, 2.0) >= 100).all()
