import json

import numpy as np
import pytest

from edgevolve.graph import AveragePool2D, Concat, Conv2D, Dense, DepthwiseConv2D, MaxPool2D, graph_hash
from edgevolve.graph.windows import Conv2D as Convolution
from search_space import CellSpace, GenotypeError
from search_space.cells import CELL_PRESETS, CellPair, Edge, preset
from search_space.primitives import primitive

SIGNAL = (256, 1, 1)
OF_THE_SEED = """
MY_CUSTOM_GENOTYPE = Genotype_CNN(
    normal=[('conv_bn_relu_3x1', 0), ('skip_connect', 1), ('max_pool_3x1', 0), ('conv_bn_relu_5x1', 1)],
    normal_concat=range(1, 5),
    reduce=[('max_pool_3x1', 0), ('conv_bn_relu_7x1', 1), ('skip_connect', 2), ('conv_bn_relu_5x1', 0)],
    reduce_concat=range(1, 5)
)
"""


def windows(graph):
    return [node for node in graph.nodes if isinstance(node.op, Conv2D | DepthwiseConv2D | AveragePool2D | MaxPool2D)]


def trained_parameters(graph):
    """As PyTorch counts them: kernels, two numbers a channel of batch norm, biases of the classifier."""
    kernels = sum(int(np.prod(w.shape)) for node in graph.nodes for w in node.weights if w.name.endswith("kernel"))
    norms = sum(2 * node.op.filters for node in graph.nodes if isinstance(node.op, Convolution))
    return kernels + norms + sum(node.op.units for node in graph.nodes if isinstance(node.op, Dense))


def draws(space, number, seed=0):
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(number)]


def test_the_genotype_of_ti_s_document_is_read_built_and_written():
    space = CellSpace(SIGNAL, 4, **preset("m"))
    genotype = space.from_text(OF_THE_SEED)
    assert genotype.normal == (
        Edge("conv_bn_relu_3x1", 0),
        Edge("skip_connect", 1),
        Edge("max_pool_3x1", 0),
        Edge("conv_bn_relu_5x1", 1),
    )
    assert genotype.reduction[2] == Edge("skip_connect", 2)
    assert space.graph(genotype).outputs[0].shape == (1, 4)
    for drawn in (genotype, *draws(space, 20)):
        assert space.from_text(space.to_text(drawn)) == drawn


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected Genotype_CNN"),
        ("__import__('os').system('true')", "expected Genotype_CNN"),
        ("(" * 5000, "expected Genotype_CNN"),
        ("x" * 200_000, "200000 characters"),
        (OF_THE_SEED.replace("normal_concat", "also"), "expected Genotype_CNN"),
        (OF_THE_SEED.replace("range(1, 5)", "range(2, 5)"), "normal_concat must be"),
        (OF_THE_SEED.replace("range(1, 5)", "range(10**9)"), "normal_concat: expected a list"),
        (OF_THE_SEED.replace("'skip_connect'", "exit()"), "normal: expected a list"),
        (OF_THE_SEED.replace("'skip_connect', 1", "'skip_connect', 2"), r"normal\[1\]\.source: expected one of 0, 1"),
        (OF_THE_SEED.replace("conv_bn_relu_3x1", "none"), r"normal\[0\]\.operation"),
        (OF_THE_SEED.replace("('conv_bn_relu_3x1', 0), ", ""), "a list of 4 edges"),
        (OF_THE_SEED.replace("('conv_bn_relu_3x1', 0)", "3"), "pairs"),
    ],
)
def test_a_text_that_is_no_genotype_is_refused_and_nothing_is_executed(text, message):
    with pytest.raises(GenotypeError, match=message):
        CellSpace(SIGNAL, 4, **preset("m")).from_text(text)


@pytest.mark.parametrize(
    ("size", "published"), [("s", 468), ("m", 1806), ("l", 23_350), ("xl", 37_910), ("xxl", 251_206)]
)
def test_the_sizes_of_ti_s_models_lie_among_those_drawn(size, published):
    """Those published are of single random genotypes; sizes here spread by a factor of four."""
    space = CellSpace(SIGNAL, 4, **CELL_PRESETS[size])
    drawn = [trained_parameters(space.graph(genotype)) for genotype in draws(space, 60)]
    assert np.quantile(drawn, 0.05) < published < np.max(drawn)


def test_a_custom_primitive_is_added_by_its_name():
    standard = CellSpace(SIGNAL, 4).primitives
    space = CellSpace(SIGNAL, 4, primitives=(*standard, "conv_bn_relu_1x1"))
    assert any(e.operation == "conv_bn_relu_1x1" for genotype in draws(space, 20) for e in genotype.normal)


@pytest.mark.parametrize("name", ["sep_conv_3x1", "sep_conv_7x1", "dil_conv_3x1", "dil_conv_5x1", "conv_bn_relu_1x1"])
def test_every_primitive_keeps_the_channels_and_halves_the_map_where_a_cell_reduces(name):
    space = CellSpace((64, 1, 2), 4, layers=3, channels=4, primitives=(name,))
    graph = space.graph(draws(space, 1)[0])
    assert graph.nodes[-2].inputs[0].shape == (1, 16, 1, 4 * 16)


class Squared:
    """A primitive of a user: two 3×1 convolutions."""

    name = "twice"

    def add(self, net, x, stride):
        first = primitive("conv_bn_relu_3x1").add(net, x, stride)
        return primitive("conv_bn_relu_3x1").add(net, first, (1, 1))


def test_an_object_of_the_user_s_own_is_a_primitive():
    space = CellSpace(SIGNAL, 4, primitives=("skip_connect", Squared()))
    edges = (Edge("twice", 0),) * 4
    assert sum(node.op.kernel == (3, 1) for node in windows(space.graph(CellPair(edges, edges)))) == 1 + 6 * 8


def test_on_a_signal_no_window_and_no_stride_is_wider_than_one_column():
    space = CellSpace((128, 1, 6), 5)
    for genotype in draws(space, 10):
        for node in windows(space.graph(genotype)):
            assert node.op.kernel[1] == node.op.stride[1] == 1


def test_on_an_image_windows_are_square():
    space = CellSpace((32, 32, 3), 10)
    assert {node.op.kernel for genotype in draws(space, 20) for node in windows(space.graph(genotype))} == {
        (k, k) for k in (1, 3, 5, 7)
    }


def test_reductions_stand_at_a_third_and_two_thirds_and_halve_once():
    space = CellSpace(SIGNAL, 4, layers=9, channels=2)
    edges = (Edge("conv_bn_relu_3x1", 0),) * 4
    graph = space.graph(CellPair(edges, edges))
    heights = [node.output.shape[1:4:2] for node in graph.nodes if isinstance(node.op, Concat)]
    assert heights == [(256, 8)] * 3 + [(128, 16)] * 3 + [(64, 32)] * 3


def test_a_node_that_nobody_reads_is_left_out():
    space = CellSpace(SIGNAL, 4, nodes=3, concat=1)
    lonely = (Edge("conv_bn_relu_3x1", 0), Edge("conv_bn_relu_5x1", 0), Edge("conv_bn_relu_7x1", 0))
    other = (Edge("max_pool_3x1", 0), Edge("avg_pool_3x1", 1), Edge("conv_bn_relu_7x1", 0))
    assert space.live(lonely) == [3]
    assert graph_hash(space.graph(CellPair(lonely, lonely))) == graph_hash(space.graph(CellPair(other, other)))


def test_a_change_is_said_in_words():
    space = CellSpace(SIGNAL, 4)
    genotype = space.from_text(OF_THE_SEED)
    value = json.loads(json.dumps(space.to_json(genotype)))
    value["reduction"][1]["operation"] = "skip_connect"
    assert space.difference(genotype, space.from_json(value)) == (
        "reduction, node 2: operation conv_bn_relu_7x1 → skip_connect"
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"layers": 2}, "layers must be a whole number of at least 3, not 2"),
        ({"nodes": 3}, "concat must be from 1 to the number of nodes, 3, not 4"),
        ({"channels": 0}, "channels must be"),
        ({"primitives": ("conv_bn_relu_4x1",)}, "no primitive 'conv_bn_relu_4x1'"),
        ({"primitives": ("none",)}, "no primitive 'none'"),
        ({"primitives": ("skip_connect", "skip_connect")}, "given twice"),
    ],
)
def test_impossible_settings_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        CellSpace(SIGNAL, 4, **given)


def test_an_unknown_model_size_is_refused():
    with pytest.raises(ValueError, match="no model size 'xs': one of s, m, l, xl, xxl"):
        preset("xs")
