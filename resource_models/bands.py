"""A part of a network computed band by band: only a band of each of its large maps is alive at once.

The operators of the part run once a band, unchanged, on pieces of its inputs that are wider than the band by what the
windows reach across. At the edge of a piece they pad where the whole map goes on, so the outer rows come out wrong;
these are cut off before anything that counts is computed of them. Every value that stays is computed from the same
numbers by the same kernels, so that outputs are equal to the bit. Ideas: Lin et al., MCUNetV2 (2021); Liberis and Lane,
Pex (2022).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from typing import NamedTuple

from edgevolve.graph import DType, Graph, Node, Shape, Tensor
from edgevolve.tflite import Operator, TfliteModel
from edgevolve.tflite.operator_rows import read_op
from resource_models.pieces import NEVER, Along, Band, Path, Window, path_of

POINTWISE = frozenset(
    {"ABS", "CAST", "COS", "DEQUANTIZE", "ELU", "EXP", "HARD_SWISH", "LEAKY_RELU", "LOG", "LOGISTIC", "NEG", "PRELU"}
    | {"QUANTIZE", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "RSQRT", "SIN", "SQRT", "SQUARE", "TANH"}
)
"""Operators that make each element of the one at the same place, with constants by channel at most."""

OF_SEVERAL = frozenset({"ADD", "CONCATENATION", "DIV", "MAXIMUM", "MINIMUM", "MUL", "SQUARED_DIFFERENCE", "SUB"})
"""Operators that make each pixel of those at the same place of several maps."""

SLICE = "SLICE"

CONVOLUTIONS, POOLS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D"}), frozenset({"AVERAGE_POOL_2D", "MAX_POOL_2D"})

_SAME = 0
_AXES = (1, 2)
"""Rows and columns of (1, height, width, channels)."""

_MARK = "~"


class Part(NamedTuple):
    """The operators `first` to before `last`, and into how many bands of rows and of columns their outputs are cut.

    Within a band a map is cut to what its next reader needs where that is at least `spare` rows or columns less. A
    band has `taper` times the rows of the one before: what earlier ones made waits in memory while later ones run.
    """

    first: int
    last: int
    rows: int
    columns: int = 1
    spare: int = NEVER
    taper: float = 1.0


@dataclass(frozen=True, slots=True)
class Banded:
    """The network that computes a part in bands.

    `origins` say of each operator which one of the original it repeats, None for a slice or a concatenation; `wholes`
    of each new activation, by name, of which tensor it is a piece.
    """

    model: TfliteModel
    origins: tuple[int | None, ...]
    wholes: Mapping[str, str]


class Cutter:
    """Cuts parts of one network; it caches its results."""

    def __init__(self, model: TfliteModel) -> None:
        """The state before any cut."""
        self.model = model
        able = [_allowed(op) and all(_fits(_along(op, axis)) for axis in _AXES) for op in model.operators]
        self._along = [
            [_along(op, axis) if can else None for op, can in zip(model.operators, able, strict=True)] for axis in _AXES
        ]
        self._paths = cache(self._find_paths)
        nodes = model.graph.nodes
        self.last_reader = {x.name: number for number, node in enumerate(nodes) for x in node.inputs}
        self.last_reader |= {y.name: len(nodes) for y in model.graph.outputs}
        self._macs = [node.macs for node in nodes]
        self._work = sum(self._macs)
        self.ends = cache(self._ends)

    def _ends(self, first: int, last: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The maps that a part reads and does not make, and those that it makes and that are read after it."""
        nodes = self.model.graph.nodes[first:last]
        made = {y.name: y for node in nodes for y in node.outputs}
        given = {x.name: x for node in nodes for x in node.inputs if x.name not in made}
        return tuple(given.values()), tuple(y for y in made.values() if self.last_reader.get(y.name, -1) >= last)

    @property
    def cuttable(self) -> list[bool]:
        """Of each operator whether each pixel that it makes follows from those around the same place."""
        return [along is not None for along in self._along[0]]

    def macs(self, part: Part) -> int | None:
        """Multiply-accumulates of the network with the part in bands; None where it cannot be cut so."""
        ways = self.ways(part)
        if ways is None:
            return None
        total = self._work
        for step, number in enumerate(range(part.first, part.last)):
            if work := self._macs[number]:  # so many for each pixel that is made
                shape = self.model.operators[number].outputs[0].shape
                height, width = (sum(path.steps[step].made.size for path in paths) for paths in ways)
                total += work * height * width // (shape[1] * shape[2]) - work
        return total

    def banded(self, part: Part) -> Banded | None:
        """The network with the part in bands; None where strides or maps do not allow for it."""
        ways = self.ways(part)
        if ways is None:
            return None
        given, wanted = self.ends(part.first, part.last)
        writer, mark = _Writer(self.model), f"{_MARK}{len(self.model.operators)}"
        for number in range(part.first):
            writer.keep(number)
        grid = [
            [writer.band(part, given, wanted, (row, column), f"{mark}.{i}.{j}") for j, column in enumerate(ways[1])]
            for i, row in enumerate(ways[0])
        ]
        for place, whole in enumerate(wanted):
            rows = [
                writer.joined([pieces[place] for pieces in row], 2, whole, f"{mark}.{i}", final=len(grid) == 1)
                for i, row in enumerate(grid)
            ]
            writer.joined(rows, 1, whole, "", final=True)
        for number in range(part.last, len(self.model.operators)):
            writer.keep(number)
        return writer.done()

    def ways(self, part: Part) -> tuple[tuple[Path, ...], tuple[Path, ...]] | None:
        """The paths of all bands of rows, and of columns; None where it cannot be cut so."""
        first, last, rows, columns, spare, taper = part
        if rows * columns < 2 or None in self._along[0][first:last] or not self.ends(first, last)[1]:
            return None
        down = self._paths(first, last, 0, rows, spare if rows > 1 else NEVER, taper)
        across = self._paths(first, last, 1, columns, spare if columns > 1 else NEVER, 1.0) if down else None
        return (down, across) if down and across else None

    def _find_paths(
        self, first: int, last: int, place: int, count: int, spare: int, taper: float
    ) -> tuple[Path, ...] | None:
        inner = [along for along in self._along[place][first:last] if along]
        axis, (entries, exits) = _AXES[place], self.ends(first, last)
        given = {x.name: x.shape[axis] for x in entries}
        wanted = {y.name: y.shape[axis] for y in exits}
        paths, ends = [], {name: _cuts(size, count, taper) for name, size in wanted.items()}
        for i in range(count):
            spans = {name: (each[i], each[i + 1]) for name, each in ends.items()}
            path = path_of(inner, given, spans, wanted, spare if count > 1 else NEVER, whole=count == 1)
            if path is None:
                return None
            paths.append(path)
        return tuple(paths)


def _cuts(size: int, count: int, taper: float) -> list[int]:
    """Where bands begin, and the end of the last."""
    if taper == 1:
        return [size * i // count for i in range(count + 1)]
    shares = list(accumulate((taper**i for i in range(count)), initial=0.0))
    return [round(size * share / shares[-1]) for share in shares]


class _Writer:
    """Operators of the new network, as they are put down."""

    def __init__(self, model: TfliteModel) -> None:
        self._model = model
        self._nodes: list[Node] = []
        self._operators: list[Operator] = []
        self._origins: list[int | None] = []
        self._wholes: dict[str, str] = {}
        self._made: dict[str, Tensor] = {}
        self._known = {x.name: x for x in model.tensors}
        self._scales = {x.name: n for op in model.operators for x, n in zip(op.inputs, op.scales, strict=True) if x}
        self._scales |= {y.name: n for op in model.operators for y, n in zip(op.outputs, op.output_scales, strict=True)}

    def keep(self, number: int) -> None:
        self._nodes.append(self._model.graph.nodes[number])
        self._operators.append(self._model.operators[number])
        self._origins.append(number)

    def band(
        self, part: Part, given: Sequence[Tensor], wanted: Sequence[Tensor], paths: Sequence[Path], suffix: str
    ) -> list[Tensor]:
        """The part's operators on one band; gives what is right of its piece of each output."""
        pieces = {x.name: (x, tuple(Band(0, size, 0, size) for size in x.shape[1:3])) for x in given}
        for x in given:  # what all readers have of it is cut out once
            lies = tuple(path.given[x.name] for path in paths)
            pieces[x.name] = self._cut(x, *pieces[x.name], lies, f"{suffix}.in"), lies
        for number in range(part.first, part.last):
            operator, steps = self._model.operators[number], [path.steps[number - part.first] for path in paths]
            read = tuple(step.read for step in steps)
            inputs = [
                self._cut(x, *pieces[x.name], read, f"{suffix}.{number}") if x is not None and x.name in pieces else x
                for x in operator.inputs
            ]
            made, bands = operator.outputs[0], tuple(step.made for step in steps)
            if operator.name == SLICE and inputs[0] is not None:
                pieces[made.name] = inputs[0], bands
                continue
            piece = self._piece(made, bands, suffix)
            pieces[made.name] = piece, bands
            self._add(replace(operator, inputs=tuple(inputs), outputs=(piece,)), number)
        return [
            self._cut(end, *pieces[end.name], tuple(path.wanted[end.name] for path in paths), f"{suffix}.out")
            for end in wanted
        ]

    def joined(self, given: Sequence[Tensor], axis: int, whole: Tensor, suffix: str, *, final: bool) -> Tensor:
        """The pieces side by side along an axis, as the whole itself where nothing is left to do."""
        if len(given) == 1:
            return given[0]
        shape = list(given[0].shape)
        shape[axis] = sum(piece.shape[axis] for piece in given)
        out = (
            whole
            if final and tuple(shape) == whole.shape
            else replace(whole, name=whole.name + suffix, shape=tuple(shape))
        )
        if out is not whole:
            self._wholes[out.name] = whole.name
        scales = (self._scales.get(whole.name, 0),)
        options = {"axis": float(axis), "activation": 0.0}
        nothing: tuple[tuple[int, ...], ...] = ((),) * len(given)
        self._add(Operator("CONCATENATION", tuple(given), (out,), options, scales * len(given), scales, nothing), None)
        return out

    def done(self) -> Banded:
        graph = Graph(self._model.graph.inputs, tuple(self._nodes), self._model.graph.outputs)
        first, *others = self._model.subgraphs
        used = {x.name for op in self._operators for x in (*op.inputs, *op.outputs) if x}
        used |= {x.name for x in (*graph.inputs, *graph.outputs)}
        tensors = (*(x for x in first.tensors if x.name in used), *self._made.values())
        changed = replace(first, graph=graph, operators=tuple(self._operators), tensors=tensors)
        model = replace(self._model, subgraphs=(changed, *others), offsets=None)
        return Banded(model, tuple(self._origins), self._wholes)

    def _piece(self, whole: Tensor, bands: tuple[Band, ...], suffix: str) -> Tensor:
        rows, columns = bands
        self._wholes[whole.name + suffix] = whole.name
        return replace(whole, name=whole.name + suffix, shape=(1, rows.size, columns.size, whole.shape[3]))

    def _cut(
        self, whole: Tensor, given: Tensor, lies: tuple[Band, ...], wanted: tuple[Band, ...], suffix: str
    ) -> Tensor:
        """A piece of a piece; the same piece if it is all of it."""
        if all((a.start, a.size) == (b.start, b.size) for a, b in zip(lies, wanted, strict=True)):
            return given
        piece = self._piece(whole, wanted, suffix)
        begin = (0, *(b.start - a.start for a, b in zip(lies, wanted, strict=True)), 0)
        inputs = (given, self._numbers(begin), self._numbers(piece.shape))
        scales = self._scales.get(whole.name, 0)
        self._add(Operator("SLICE", inputs, (piece,), {}, (scales, 0, 0), (scales,), ((), begin, piece.shape)), None)
        return piece

    def _numbers(self, values: tuple[int, ...]) -> Tensor:
        """A constant; equal constants are shared."""
        name = f"{_MARK}{','.join(map(str, values))}"
        if name in self._known:
            return self._known[name]
        return self._made.setdefault(name, Tensor(name, (len(values),), DType.INT32, constant=True))

    def _add(self, operator: Operator, origin: int | None) -> None:
        for y in operator.outputs:
            if y.name in self._wholes:
                self._made[y.name] = y
        given = [x for x in operator.inputs if x is not None]
        name = f"{operator.name.lower()}_{len(self._nodes)}{_MARK}"
        inputs, weights = (tuple(x for x in given if x.constant is constant) for constant in (False, True))
        self._nodes.append(Node(name, read_op(operator), inputs, weights, operator.outputs))
        self._operators.append(operator)
        self._origins.append(origin)


def _along(operator: Operator, axis: int) -> Along:
    maps, (made,) = _maps(operator), operator.outputs
    window, cuts = Window(1, 1, False), operator.name == SLICE
    if cuts:
        window = Window(1, 1, False, operator.values[1][axis])
    elif operator.name in CONVOLUTIONS | POOLS:
        way, options = ("height" if axis == 1 else "width"), operator.options
        if operator.name in POOLS:
            span = int(options[f"size_{way}"])
        else:
            span = 1 + (operator.shape(1)[axis] - 1) * int(options[f"dilation_{way}"])
        window = Window(span, int(options[f"stride_{way}"]), options["padding"] == _SAME)
    return Along(window, tuple(x.name for x in maps), maps[0].shape[axis], made.name, made.shape[axis], cuts)


def _fits(along: Along) -> bool:
    """Whether the file's sizes are those that its windows make: damaged ones are not."""
    window, _, size, _, made_size, cuts = along
    if min(window.span, window.stride) < 1:
        return False
    if cuts:
        return 0 <= window.shift <= size - made_size
    return window.made(size) == made_size


def _maps(operator: Operator) -> list[Tensor]:
    """The inputs of the operator that are computed."""
    return [x for x in operator.inputs if x is not None and not x.constant]


def _is_map(x: Tensor | None) -> bool:
    return x is not None and len(x.shape) == 4 and x.shape[0] == 1 and min(x.shape) > 0


def _allowed(operator: Operator) -> bool:
    """Whether each pixel of what it makes follows from those around the same place of what it reads."""
    maps = _maps(operator)
    if operator.custom or len(operator.outputs) != 1 or not maps or not all(map(_is_map, (*maps, *operator.outputs))):
        return False
    constants = [x for x in operator.inputs if x is not None and x.constant]
    if operator.name in CONVOLUTIONS:
        return len(maps) == 1 and operator.inputs[0] is maps[0] and len(operator.shape(1)) == 4
    if operator.name in POOLS:
        return True
    if operator.name == SLICE:
        begin = operator.values[1] if len(operator.values) == 3 else ()
        return len(maps) == 1 and len(begin) == 4 and begin[3] == 0 and maps[0].shape[3] == operator.outputs[0].shape[3]
    alike = all(x.shape[:3] == operator.outputs[0].shape[:3] for x in maps)
    by_channel = all(_by_channel(x.shape) for x in constants)
    if operator.name == "CONCATENATION":
        return alike and not constants and int(operator.options["axis"]) in (-1, 3)
    return alike and by_channel and operator.name in POINTWISE | OF_SEVERAL


def _by_channel(shape: Shape) -> bool:
    return all(size == 1 for size in shape[:-1])
