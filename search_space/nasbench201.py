"""The cell space of NAS-Bench-201 (Dong and Yang 2020, arXiv 2001.00326): six edges, five operators, 15 625 cells.

A cell has four nodes. Each of its six edges carries one operator from an earlier node to a later one, and a node is the
sum of its inputs. `none` carries nothing, a node without inputs carries nothing on, and nodes that nothing reads are
left out. Cells with the same network are isomorphic; a table of measurements may hold a row for each of them.
"""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from numpy import float64
from numpy.random import Generator
from numpy.typing import NDArray

from edgevolve.graph import (
    Activate,
    Activation,
    Add,
    AveragePool2D,
    Conv2D,
    Dense,
    GlobalAveragePool,
    Graph,
    GraphBuilder,
    Padding,
    Tensor,
    graph_hash,
)
from search_space.declared import DeclaredSpace
from search_space.genome import Choice, Record, Variable

OPERATORS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The operators of an edge, by the benchmark's names and in its order."""

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""The edges as (from node, to node), in the benchmark's order."""

_ROUTES = (((0, 3),), ((0, 1), (1, 3)), ((0, 2), (2, 3)), ((0, 1), (1, 2), (2, 3)))
"""The edges of each path from input to output."""

_PATHS = tuple(path for length in range(4) for path in product(OPERATORS[2:], repeat=length))
"""All sequences of operators along a path, without skips."""

_ONE_HOT_SIZE = 0.03
_STAGES = 3
_STEM_CHANNELS = 16

_Term = tuple[str, Tensor]
"""A term of a node's sum: its expression in words, and the tensor."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The operator on each edge; `edge_1_2` leads from node 1 to node 2."""

    edge_0_1: str
    edge_0_2: str
    edge_1_2: str
    edge_0_3: str
    edge_1_3: str
    edge_2_3: str


@dataclass(frozen=True, slots=True)
class NasBench201Space(DeclaredSpace[Cell]):
    """The benchmark's networks: a stem, three stages of `cells` equal cells with 16, 32 and 64 channels, a classifier.

    A residual block of stride 2 separates the stages, as in the paper (its appendix A). The last batch norm, which
    follows a sum and cannot fold into a convolution, is left out. Where no path leads through the cell the network
    would be a constant; stem and classifier are built then, so that every genotype has a network.
    """

    cells: int = 5

    def __post_init__(self) -> None:
        DeclaredSpace.__post_init__(self)
        if len(self.input_shape) != 3:
            raise ValueError(f"the input must be (height, width, channels), not {self.input_shape}")
        if type(self.cells) is not int or self.cells < 1:
            raise ValueError(f"cells must be a whole number of at least 1, not {self.cells!r}")

    @property
    def genome(self) -> Record[Cell]:
        """All genotypes."""
        return _genome()

    def mutate(self, genotype: Cell, rng: Generator) -> Cell:
        """Choose uniformly among the 24 neighbours whose network differs from the parent's.

        Networks are compared by their cells, which determine them. Every cell has such a neighbour, since another
        operator on the edge from input to output always changes the network.
        """
        children = list(self.neighbours(genotype, rng))
        phenotype = cell_hash(genotype)
        child = genotype
        for index in rng.permutation(len(children)):
            child = children[int(index)]
            if cell_hash(child) != phenotype:
                break
        return child

    def graph(self, genotype: Cell) -> Graph:
        """The network of a genotype."""
        return self._build(genotype, merge=True)

    def unmerged_graph(self, genotype: Cell) -> Graph:
        """The network as it was measured: two equal pools on one tensor stay two nodes, while `graph` merges them."""
        return self._build(genotype, merge=False)

    def _build(self, genotype: Cell, merge: bool) -> Graph:
        net = GraphBuilder(merge)
        x = net.input((1, *self.input_shape))
        x = net.add(Conv2D(_STEM_CHANNELS, (3, 3), batch_norm=True), x)
        if _live_edges(genotype):
            for stage in range(_STAGES):
                if stage:
                    x = _add_residual_block(net, x, _STEM_CHANNELS * 2**stage)
                for _ in range(self.cells):
                    x = _add_cell(net, genotype, x)
        x = net.add(GlobalAveragePool(), net.add(Activate(Activation.RELU), x))
        return _fused(net.build(net.add(Dense(self.units), net.flatten(x))), merge)

    def encode(self, genotype: Cell) -> NDArray[float64]:
        """94 numbers: what the network computes, then the genotype.

        The first 40 say which paths from input to output exist, without skips (path encoding; White, Neiswanger and
        Savani 2021, arXiv 1910.11858). Then come, for each operator, whether at least 1 to 6 live edges carry it, and
        one-hot edges with a small weight, which only distinguish isomorphic cells.
        """
        return _encoded(genotype).copy()

    def describe(self, genotype: Cell) -> str:
        """The benchmark's own notation, `|nor_conv_3x3~0|+|none~0|skip_connect~1|+|...|`."""
        nodes = [
            "".join(f"|{op}~{a}" for (a, b), op in zip(EDGES, astuple(genotype), strict=True) if b == node) + "|"
            for node in (1, 2, 3)
        ]
        return "+".join(nodes)


@cache
def cell_hash(cell: Cell) -> str:
    """A hash that is equal for cells with the same network."""
    if not _live_edges(cell):
        return ""
    net = GraphBuilder()
    return graph_hash(net.build(_add_cell(net, cell, net.input((1, 4, 4, 1)))))


@cache
def _encoded(cell: Cell) -> NDArray[float64]:
    edges = _live_edges(cell)
    paths = [
        tuple(edges[edge] for edge in route if edges[edge] != "skip_connect")
        for route in _ROUTES
        if all(edge in edges for edge in route)
    ]
    carried = [list(edges.values()).count(op) for op in OPERATORS[1:]]
    counts = [count >= least for count in carried for least in range(1, len(EDGES) + 1)]
    one_hot = [_ONE_HOT_SIZE * bit for bit in _genome().encode(cell)]
    return np.array([path in paths for path in _PATHS] + counts + one_hot, dtype=float64)


@cache
def _genome() -> Record[Cell]:
    edge: Variable[str] = Choice(OPERATORS)
    return Record(Cell, **{f"edge_{a}_{b}": edge for a, b in EDGES})


def _live_edges(cell: Cell) -> Mapping[tuple[int, int], str]:
    """The edges that lie on a path from the cell's input to its output."""
    edges = {edge: op for edge, op in zip(EDGES, astuple(cell), strict=True) if op != "none"}
    reached, needed = {0}, {3}
    for a, b in EDGES:
        if a in reached and (a, b) in edges:
            reached.add(b)
    for a, b in sorted(EDGES, reverse=True):
        if b in needed and (a, b) in edges:
            needed.add(a)
    return {(a, b): op for (a, b), op in edges.items() if a in reached and b in needed}


def _add_cell(net: GraphBuilder, cell: Cell, x: Tensor) -> Tensor:
    """Each node is a list of terms; a skipped node's terms join those of its reader, so that sums are flat."""
    terms: dict[int, list[_Term]] = {0: [("x", x)], 1: [], 2: [], 3: []}
    edges = _live_edges(cell)
    for node in (1, 2, 3):
        for (a, b), op in edges.items():
            if b == node and op == "skip_connect":
                terms[node] += terms[a]
            elif b == node:
                words, total = _sum(net, terms[a])
                terms[node].append((f"{op}({words})", _add_operator(net, op, total)))
    return _sum(net, terms[3])[1]


def _add_operator(net: GraphBuilder, op: str, x: Tensor) -> Tensor:
    if op == "avg_pool_3x3":
        return net.add(AveragePool2D((3, 3), (1, 1), Padding.SAME), x)
    size = 1 if op == "nor_conv_1x1" else 3
    return _add_convolution(net, x, x.shape[3], size)


def _add_convolution(net: GraphBuilder, x: Tensor, channels: int, size: int, stride: int = 1) -> Tensor:
    """Add ReLU, convolution and batch norm."""
    x = net.add(Activate(Activation.RELU), x)
    return net.add(Conv2D(channels, (size, size), (stride, stride), batch_norm=True), x)


def _add_residual_block(net: GraphBuilder, x: Tensor, channels: int) -> Tensor:
    """Two 3×3 convolutions, the first of stride 2, beside an average pool and a 1×1 convolution."""
    y = _add_convolution(net, _add_convolution(net, x, channels, 3, stride=2), channels, 3)
    pooled = x if x.shape[1:3] == (1, 1) else net.add(AveragePool2D((2, 2), (2, 2), Padding.SAME), x)
    return net.add(Add(), y, net.add(Conv2D(channels, (1, 1), batch_norm=False), pooled))


def _sum(net: GraphBuilder, terms: list[_Term]) -> _Term:
    """Add up the terms in the order of their words, so that isomorphic cells give the same network."""
    ordered = sorted(terms, key=lambda term: (term[0], term[1].name))
    total = ordered[0][1]
    for _, x in ordered[1:]:
        total = net.add(Add(), total, x)
    return "+".join(words for words, _ in ordered), total


def _fused(graph: Graph, merge: bool) -> Graph:
    """The same network with each ReLU fused into the convolution or sum before it, where nothing else reads that."""
    producers = {node.output.name: node for node in graph.nodes}
    readers = graph.consumers
    fused: set[str] = set()
    for node in graph.nodes:
        source = producers.get(node.inputs[0].name)
        if isinstance(node.op, Activate) and source and isinstance(source.op, Conv2D | Add):
            fused |= {source.output.name} if len(readers[source.output.name]) == 1 else set()
    net = GraphBuilder(merge)
    made = {x.name: net.input(x.shape, x.dtype) for x in graph.inputs}
    for node in graph.nodes:
        inputs = [made[x.name] for x in node.inputs]
        if isinstance(node.op, Activate) and node.inputs[0].name in fused:
            made[node.output.name] = inputs[0]
            continue
        op: Any = node.op
        if node.output.name in fused:
            op = replace(op, activation=Activation.RELU)
        made[node.output.name] = net.add(op, *inputs)
    return net.build(*(made[y.name] for y in graph.outputs))
