import numpy as np
import pytest

from edgevolve.graph import Activate, AveragePool2D, Conv2D, graph_hash
from search_space.nasbench201 import EDGES, OPERATORS, Cell, NasBench201Space, cell_hash

SPACE = NasBench201Space((32, 32, 3), 10)


def cell(**edges):
    return Cell(**{f"edge_{a}_{b}": edges.get(f"e{a}{b}", "none") for a, b in EDGES})


def kinds(genotype):
    return [type(node.op).__name__ for node in SPACE.graph(genotype).nodes]


def test_a_cell_of_convolutions_has_the_macs_of_the_paper():
    graph = SPACE.graph(Cell(*["nor_conv_3x3"] * 6))
    convolutions = sum(node.macs for node in graph.nodes if isinstance(node.op, Conv2D))
    assert 2 * convolutions / 1e6 == pytest.approx(2 * 220.12, rel=0.02)
    assert sum(isinstance(node.op, Conv2D) for node in graph.nodes) == 1 + 15 * 6 + 2 * 3


def test_where_no_path_leads_through_the_cell_stem_and_classifier_remain():
    dead = [cell(), cell(e01="nor_conv_3x3", e02="skip_connect"), cell(e13="nor_conv_3x3"), cell(e23="skip_connect")]
    for genotype in dead:
        assert kinds(genotype) == ["Conv2D", "GlobalAveragePool", "Dense"]
    assert len({cell_hash(genotype) for genotype in dead}) == 1


def test_what_nothing_reaches_or_nobody_reads_is_left_out():
    plain = cell(e03="nor_conv_1x1")
    for other in (
        cell(e03="nor_conv_1x1", e12="nor_conv_3x3"),
        cell(e03="nor_conv_1x1", e23="nor_conv_3x3"),
        cell(e03="nor_conv_1x1", e01="nor_conv_3x3", e02="avg_pool_3x3"),
    ):
        assert graph_hash(SPACE.graph(other)) == graph_hash(SPACE.graph(plain))


def test_isomorphic_cells_are_one_network():
    a = cell(e01="nor_conv_3x3", e13="avg_pool_3x3", e03="skip_connect")
    b = cell(e02="nor_conv_3x3", e23="avg_pool_3x3", e03="skip_connect")
    c = cell(e01="skip_connect", e12="nor_conv_3x3", e13="skip_connect", e23="avg_pool_3x3")
    assert cell_hash(a) == cell_hash(b) == cell_hash(c)
    assert graph_hash(SPACE.graph(a)) == graph_hash(SPACE.graph(b)) == graph_hash(SPACE.graph(c))


def test_the_cell_decides_the_network():
    space = NasBench201Space((8, 8, 3), 10, cells=2)
    rng = np.random.default_rng(0)
    networks = {}
    for _ in range(150):
        genotype = space.sample(rng)
        networks.setdefault(cell_hash(genotype), set()).add(graph_hash(space.graph(genotype)))
    assert all(len(hashes) == 1 for hashes in networks.values())
    assert len(set.union(*networks.values())) == len(networks)


def test_relu_is_fused_where_nobody_else_reads_what_it_takes():
    chain = SPACE.graph(cell(e03="nor_conv_3x3"))
    assert sum(isinstance(node.op, Activate) for node in chain.nodes) == 2, "before each residual block"
    read_twice = SPACE.graph(cell(e03="nor_conv_3x3", e01="skip_connect", e13="avg_pool_3x3"))
    assert any(isinstance(node.op, Activate) for node in read_twice.nodes)
    assert any(isinstance(node.op, AveragePool2D) and node.op.size == (3, 3) for node in read_twice.nodes)


def test_words_are_the_notation_of_the_benchmark():
    words = SPACE.describe(Cell(*OPERATORS, "none"))
    assert words == "|none~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|avg_pool_3x3~1|none~2|"


@pytest.mark.parametrize("cells", [0, -1, 1.5, True])
def test_impossible_cells_are_refused(cells):
    with pytest.raises(ValueError, match="cells"):
        NasBench201Space((32, 32, 3), 10, cells)
