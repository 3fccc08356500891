"""Cells of k×1 operations for time series, after TI's Tiny ML NAS, and their k×k form for images.

A network is a stem, `layers` cells and a linear classifier on the mean of the last map. There are two kinds of cells:
the normal cell, and the reduction cell, which is used at a third and at two thirds of the depth, halves the map and
doubles the channels. A cell has one input, the output of the cell before it, which a 1×1 convolution brings to its
number of channels. Each node runs one primitive on the input or on an earlier node. The last `concat` nodes, side by
side, are the cell's output. Nodes that nothing reads are left out.

Two things differ from TI's networks: a reduction halves a map once (in TI's the next cell halves it again), and the
input has no batch norm (data sets are normalised).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from numpy.random import Generator

from edgevolve.graph import Concat, Dense, GlobalAveragePool, Graph, GraphBuilder, Tensor
from search_space.cell_text import read_call
from search_space.declared import DeclaredSpace
from search_space.genome import Choice, Record
from search_space.mixture import Decision, Mix, Mixture, Selection
from search_space.primitives import Primitive, clamped, conv_bn_relu, primitive, standard
from search_space.space import GenotypeError, Json
from search_space.variables import Change, refusal

CELL_PRESETS = {
    "s": {"layers": 3, "nodes": 4, "channels": 1},
    "m": {"layers": 10, "nodes": 4, "channels": 1},
    "l": {"layers": 12, "nodes": 4, "channels": 4},
    "xl": {"layers": 20, "nodes": 4, "channels": 4},
    "xxl": {"layers": 20, "nodes": 6, "channels": 8},
}
"""TI's model sizes; all have a stem of three times the channels and join four nodes."""


@dataclass(frozen=True, slots=True)
class Edge:
    """The operation of a node and its input: `source` 0 is the cell's input, 1 the first node."""

    operation: str
    source: int


@dataclass(frozen=True, slots=True)
class CellPair:
    """The two cells, each with one edge for every node."""

    normal: tuple[Edge, ...]
    reduction: tuple[Edge, ...]


@dataclass(frozen=True, slots=True)
class CellSpace(DeclaredSpace[CellPair]):
    """Networks of one normal and one reduction cell: `CellSpace((256, 1, 3), 4, **CELL_PRESETS["m"])`.

    `channels` is the width before the first reduction; the stem has `stem` times as many. `primitives` are names
    (`search_space.primitives`) or your own objects; the default are TI's: k×1 where the input has one column, else
    k×k. Strides and kernels act only along axes longer than one.
    """

    layers: int = field(default=6, kw_only=True)
    nodes: int = field(default=4, kw_only=True)
    channels: int = field(default=8, kw_only=True)
    stem: int = field(default=3, kw_only=True)
    concat: int = field(default=4, kw_only=True)
    primitives: tuple[str | Primitive, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        if isinstance(self.input_shape, tuple) and len(self.input_shape) == 3 and not self.primitives:
            object.__setattr__(self, "primitives", standard(self.input_shape))
        for name in ("nodes", "channels", "stem", "concat", "layers"):
            least = 3 if name == "layers" else 1
            if type(getattr(self, name)) is not int or getattr(self, name) < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, not {getattr(self, name)!r}")
        if self.concat > self.nodes:
            raise ValueError(f"concat must be from 1 to the number of nodes, {self.nodes}, not {self.concat}")
        DeclaredSpace.__post_init__(self)
        if len(self.input_shape) != 3:
            raise ValueError(f"the input must be (height, width, channels), not {self.input_shape}")

    @property
    def operations(self) -> dict[str, Primitive]:
        """The primitives by name. Raises `ValueError` for any other name."""
        made = [primitive(given) if isinstance(given, str) else given for given in self.primitives]
        by_name = {operation.name: operation for operation in made}
        if len(by_name) < len(made):
            raise ValueError(f"a primitive is given twice: {', '.join(operation.name for operation in made)}")
        return by_name

    @property
    def genome(self) -> Record[CellPair]:
        """All genotypes."""
        cell = _CellEdges(tuple(self.operations), self.nodes)
        return Record(CellPair, normal=cell, reduction=cell)

    def graph(self, genotype: CellPair) -> Graph:
        """The network."""
        return self._stacked(
            lambda net, reduces, x: self._cell(net, genotype.reduction if reduces else genotype.normal, x, 1 + reduces)
        )

    def _stacked(self, cell: Callable[[GraphBuilder, bool, Tensor], Tensor]) -> Graph:
        """Stem, cells and classifier; `cell(net, reduces, x)` adds a cell, on a map with its number of channels."""
        net = GraphBuilder()
        x = net.input((1, *self.input_shape))
        x = net.add(conv_bn_relu(self.stem * self.channels, clamped((3, 3), x)), x)
        channels = self.channels
        for layer in range(self.layers):
            reduces = layer in self.reductions
            channels *= 1 + reduces
            x = cell(net, reduces, net.add(conv_bn_relu(channels, (1, 1)), x))
        return net.build(net.add(Dense(self.units), net.add(GlobalAveragePool(), x)))

    def mixture(self) -> Mixture[CellPair]:
        """All networks of the space as one; the copies of a cell share its decisions."""
        graph = self._stacked(lambda net, reduces, x: self._mixed_cell(net, self.nodes * reduces, x, 1 + reduces))
        return Mixture(graph, self._decisions(), self._chosen)

    def _mixed_cell(self, net: GraphBuilder, first: int, x: Tensor, stride: int) -> Tensor:
        """Add a cell with a mixture of all edges at each node; `first` is the index of its first decision."""
        strides = (min(stride, x.shape[1]), min(stride, x.shape[2]))
        made = [x]
        for node in range(self.nodes):
            options = [
                operation.add(net, source, (1, 1) if place else strides)
                for place, source in enumerate(made)
                for operation in self.operations.values()
            ]
            made.append(net.add(Mix(first + node), *options))
        ends = [made[node] for node in self.ends]
        return ends[0] if len(ends) == 1 else net.add(Concat(), *ends)

    def _decisions(self) -> tuple[Decision, ...]:
        """A decision for each node of each cell: operation and source, with a softmax for every source."""
        names = tuple(self.operations)
        return tuple(
            Decision(
                f"{cell}, node {node + 1}",
                tuple(f"{name}({source})" for source in range(node + 1) for name in names),
                (len(names),) * (node + 1),
                none=True,
                skips=tuple(name == "skip_connect" for name in names) * (node + 1),
            )
            for cell in ("normal", "reduction")
            for node in range(self.nodes)
        )

    def _chosen(self, selection: Selection) -> CellPair:
        """The genotype of a selection."""
        names = tuple(self.operations)
        edges = tuple(Edge(names[option % len(names)], option // len(names)) for option in selection)
        return CellPair(edges[: self.nodes], edges[self.nodes :])

    @property
    def reductions(self) -> tuple[int, int]:
        """The indices of the reduction cells, from 0."""
        return self.layers // 3, 2 * self.layers // 3

    def _cell(self, net: GraphBuilder, edges: tuple[Edge, ...], x: Tensor, stride: int) -> Tensor:
        """Add the cell on `x`, (1, h, w, channels)."""
        operations = self.operations
        strides = (min(stride, x.shape[1]), min(stride, x.shape[2]))
        made = {0: x}
        for node in self.live(edges):
            edge = edges[node - 1]
            step = (1, 1) if edge.source else strides
            made[node] = operations[edge.operation].add(net, made[edge.source], step)
        ends = [made[node] for node in self.ends]
        return ends[0] if len(ends) == 1 else net.add(Concat(), *ends)

    def describe(self, genotype: CellPair) -> str:
        """`normal [conv_bn_relu_3x1(0), skip_connect(1), ...], reduction [...] × 6 layers`."""
        return f"normal {_words(genotype.normal)}, reduction {_words(genotype.reduction)}, {self.ending}"

    def to_text(self, genotype: CellPair) -> str:
        """TI's notation, `Genotype_CNN(normal=[('conv_bn_relu_3x1', 0), ...], normal_concat=range(1, 5), ...)`."""
        normal, reduction = ([(e.operation, e.source) for e in cell] for cell in (genotype.normal, genotype.reduction))
        return (
            f"Genotype_CNN(normal={normal}, normal_concat={self.ends}, reduce={reduction}, reduce_concat={self.ends})"
        )

    def from_text(self, text: str) -> CellPair:
        """Read TI's notation; nothing is executed. Raises `GenotypeError` for what is not a genotype of the space."""
        given = read_call(text, ("normal", "normal_concat", "reduce", "reduce_concat"))
        for name in ("normal_concat", "reduce_concat"):
            if given[name] != list(self.ends):
                raise GenotypeError(f"{name} must be {self.ends}, the last {self.concat} of {self.nodes} nodes")
        cells: dict[str, Json] = {}
        for name, key in (("normal", "normal"), ("reduction", "reduce")):
            pairs = given[key]
            if not isinstance(pairs, list) or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
                raise GenotypeError(f"{key} must be a list of pairs (operation, source)")
            cells[name] = [{"operation": operation, "source": source} for operation, source in pairs]
        return self.from_json(cells)

    @property
    def ends(self) -> range:
        """The numbers, from 1, of the nodes that are the cell's output."""
        return range(self.nodes - self.concat + 1, self.nodes + 1)

    def live(self, edges: tuple[Edge, ...]) -> list[int]:
        """The numbers of the nodes that something reads, in order."""
        needed = set(self.ends)
        for node in range(self.nodes, 0, -1):
            if node in needed:
                needed.add(edges[node - 1].source)
        return sorted(needed - {0})


def preset(size: str) -> dict[str, int]:
    """The settings of one of TI's model sizes. Raises `ValueError` for any other name."""
    if size not in CELL_PRESETS:
        raise ValueError(f"no model size {size!r}: one of {', '.join(CELL_PRESETS)}")
    return CELL_PRESETS[size]


def _words(edges: tuple[Edge, ...]) -> str:
    """`[max_pool_3x1(0), skip_connect(1)]`."""
    return f"[{', '.join(f'{edge.operation}({edge.source})' for edge in edges)}]"


@dataclass(frozen=True, slots=True)
class _CellEdges:
    """A `Variable` of `nodes` edges: node i reads the input or an earlier node."""

    operations: tuple[str, ...]
    nodes: int

    @property
    def each(self) -> tuple[Record[Edge], ...]:
        """The edges as variables."""
        operation: Choice[str] = Choice(self.operations)
        return tuple(Record(Edge, operation=operation, source=Choice(tuple(range(i + 1)))) for i in range(self.nodes))

    @property
    def width(self) -> int:
        """One-hot operation and source of every node."""
        return sum(edge.width for edge in self.each)

    def sample(self, rng: Generator) -> tuple[Edge, ...]:
        """Draw every edge."""
        return tuple(edge.sample(rng) for edge in self.each)

    def neighbours(self, value: tuple[Edge, ...], rng: Generator) -> Iterator[tuple[Edge, ...]]:
        """Change one operation or one source."""
        for i, edge in enumerate(self.each):
            for other in edge.neighbours(value[i], rng):
                yield (*value[:i], other, *value[i + 1 :])

    def crossover(self, a: tuple[Edge, ...], b: tuple[Edge, ...], rng: Generator) -> tuple[Edge, ...]:
        """Mix gene by gene."""
        return tuple(edge.crossover(first, other, rng) for edge, first, other in zip(self.each, a, b, strict=True))

    def encode(self, value: tuple[Edge, ...]) -> list[float]:
        """The edges' encodings in a row."""
        return [x for edge, chosen in zip(self.each, value, strict=True) for x in edge.encode(chosen)]

    def to_json(self, value: tuple[Edge, ...]) -> Json:
        """A list of edges."""
        return [edge.to_json(chosen) for edge, chosen in zip(self.each, value, strict=True)]

    def from_json(self, value: object, path: str) -> tuple[Edge, ...]:
        """Read a list of `nodes` edges."""
        if type(value) is not list or len(value) != self.nodes:
            raise refusal(path, f"a list of {self.nodes} edges", value)
        return tuple(
            edge.from_json(chosen, f"{path}[{i}]")
            for i, (edge, chosen) in enumerate(zip(self.each, value, strict=True))
        )

    def difference(self, before: tuple[Edge, ...], after: tuple[Edge, ...], name: str) -> list[Change]:
        """`normal, node 2: operation skip_connect → max_pool_3x1`."""
        changes = [
            change
            for i, edge in enumerate(self.each)
            for change in edge.difference(before[i], after[i], f"node {i + 1}")
        ]
        return [Change((name, *change.where) if name else change.where, change.what) for change in changes]
