"""A part of a network computed band by band: only one band of each of its large maps is live at a time.

The operators of the part run once a band, unchanged. They read pieces that are wider than the band by the reach of
their windows. At the edge of a piece a kernel pads where the whole map goes on, so its outer rows are wrong. These rows
are cut off before anything that is kept depends on them. Every value that is kept is computed from the same numbers by
the same kernels, so outputs are equal to the bit. Ideas: Lin et al., MCUNetV2 (2021); Liberis and Lane, Pex (2022).
"""

from collections.abc import Sequence
from functools import cache, cached_property
from itertools import accumulate, pairwise
from typing import NamedTuple

from edgevolve.graph import DType, Shape, Tensor
from edgevolve.tflite import Operator, TfliteModel
from resource_models.pieces import NEVER, Along, Needs, Path, Spans, Window, path_of, whole_path

POINTWISE = frozenset(
    {"ABS", "CAST", "COS", "DEQUANTIZE", "ELU", "EXP", "HARD_SWISH", "LEAKY_RELU", "LOG", "LOGISTIC", "NEG", "PRELU"}
    | {"QUANTIZE", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "RSQRT", "SIN", "SQRT", "SQUARE", "TANH"}
)
"""Operators that compute each element from the one at the same place; their constants are by channel at most."""

OF_SEVERAL = frozenset({"ADD", "CONCATENATION", "DIV", "MAXIMUM", "MINIMUM", "MUL", "SQUARED_DIFFERENCE", "SUB"})
"""Operators that compute each pixel from those at the same place of several maps."""

SLICE = "SLICE"

CONVOLUTIONS, POOLS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D"}), frozenset({"AVERAGE_POOL_2D", "MAX_POOL_2D"})

_SAME = 0
_AXES = (1, 2)
"""Rows and columns of (1, height, width, channels)."""


class Part(NamedTuple):
    """The operators `first` to `last` (excluded), with their outputs cut into `rows` × `columns` bands.

    Within a band a map is cut to what its next reader needs if that saves at least `spare` rows or columns. Each
    band has `taper` times the rows of the band before it, since results of earlier bands wait in memory while later
    bands run. With `rest`, maps that only the part reads are cut down, from band to band, to what later bands read.
    `moved` shifts the end of each band but the last, in rows or columns of the largest output.
    """

    first: int
    last: int
    rows: int
    columns: int = 1
    spare: int = NEVER
    taper: float = 1.0
    rest: bool = False
    moved: tuple[int, ...] = ()


class Ways(NamedTuple):
    """Along one axis: the path of each band, and how many rows or columns each operator makes in all of them."""

    paths: tuple[Path, ...]
    made: tuple[int, ...]


class Cutter:
    """Cuts parts of one network, and caches what it derives for a part."""

    def __init__(self, model: TfliteModel) -> None:
        """Cut nothing yet."""
        self.model = model
        nodes = model.graph.nodes
        self.last_reader = {x.name: number for number, node in enumerate(nodes) for x in node.inputs}
        self.last_reader |= {y.name: len(nodes) for y in model.graph.outputs}
        makers = {y.name: number for number, node in enumerate(nodes) for y in node.outputs}
        self._reads = [[(x, makers.get(x.name, -1)) for x in node.inputs] for node in nodes]
        self._made = [node.outputs for node in nodes]
        added = (operator.name == SLICE or joins(operator) for operator in model.operators)
        self._added_before = [*accumulate(added, initial=0)]
        self._macs = [node.macs for node in nodes]
        self._work = sum(self._macs)
        self._ends: dict[int, list[tuple[tuple[Tensor, ...], tuple[Tensor, ...]]]] = {}
        self.macs = cache(self._macs_of)
        self._paths, self._needs = cache(self._find_paths), cache(self._find_needs)
        self._least = cache(self._find_least)

    @cached_property
    def _along(self) -> tuple[dict[int, Along], dict[int, Along]]:
        """The operators along each axis, without those that `_allowed` or the file's sizes exclude."""
        allowed = {i: operator for i, operator in enumerate(self.model.operators) if _allowed(operator)}
        down, across = ({i: _along(operator, axis) for i, operator in allowed.items()} for axis in _AXES)
        able = [i for i in down if _fits(down[i]) and _fits(across[i])]
        return {i: down[i] for i in able}, {i: across[i] for i in able}

    def ends(self, first: int, last: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The maps that a part reads and does not make, and those of its maps that are needed after it."""
        known = self._ends.setdefault(first, [((), ())])
        for number in range(first + len(known) - 1, last):  # those of a part with one more operator
            given, wanted = known[-1]
            names = {x.name for x in given}
            new = {x.name: x for x, maker in self._reads[number] if maker < first and x.name not in names}
            left = (y for y in (*wanted, *self._made[number]) if self.last_reader.get(y.name, -1) > number)
            known.append(((*given, *new.values()), tuple(left)))
        return known[last - first]

    @cached_property
    def cuttable(self) -> list[bool]:
        """For each operator, whether it can run in bands: each output pixel depends only on nearby input pixels."""
        return [number in self._along[0] for number in range(len(self.model.operators))]

    @cached_property
    def _able_before(self) -> list[int]:
        return [*accumulate(self.cuttable, initial=0)]

    def _macs_of(self, part: Part) -> int | None:
        """Multiply-accumulates of the network with the part in bands; None where the part cannot be cut so."""
        ways = self.ways(part)
        if ways is None:
            return None
        return self._work_of(part, ways[0].made, ways[1].made)

    def _work_of(self, part: Part, down: Sequence[int], across: Sequence[int]) -> int:
        """Multiply-accumulates of the network where each operator of the part makes so many rows and columns in all."""
        total = self._work
        for step, number in enumerate(range(part.first, part.last)):
            if work := self._macs[number]:  # in proportion to the pixels made
                shape = self.model.operators[number].outputs[0].shape
                total += work * down[step] * across[step] // (shape[1] * shape[2]) - work
        return total

    def least_macs(self, part: Part) -> int:
        """A lower bound of `macs`, from `least_made`."""
        return self._work_of(
            part, *([sum(made) for made in zip(*bands, strict=True)] for bands in self.least_made(part))
        )

    def least_made(self, part: Part) -> tuple[list[list[int]], list[list[int]]]:
        """Along both axes, for each band, the fewest rows or columns that each operator makes.

        It is a lower bound of `ways` for a part of bands of equal size, where it can be cut.
        """
        first, last, rows, columns, spare, *_ = part
        return self._least(first, last, 0, rows, spare), self._least(first, last, 1, columns, spare)

    def most_bands(self, first: int, last: int, spare: int) -> tuple[int, int]:
        """The most bands of rows and of columns into which a run can be cut; 0 where its operators cannot run in bands.

        Without slices within a band, a run of several entries would compute every map whole in every band.
        """
        if last > len(self.model.operators) or self._able_before[last] - self._able_before[first] < last - first:
            return 0, 0
        (given, wanted), added = self.ends(first, last), self._added_before[last] - self._added_before[first]
        if not wanted or added == last - first or (len(given) > 1 and spare == NEVER and not added):
            return 0, 0
        return min(y.shape[1] for y in wanted), min(y.shape[2] for y in wanted)

    def ways(self, part: Part) -> tuple[Ways, Ways] | None:
        """The paths of all bands of rows, and of columns; None where the part cannot be cut so."""
        first, last, rows, columns, spare, taper, _, moved = part
        most_rows, most_columns = self.most_bands(first, last, spare)
        if rows * columns < 2 or rows > most_rows or columns > most_columns:
            return None
        down = self._paths(first, last, 0, rows, *((spare, taper, moved) if rows > 1 else (NEVER, 1.0, ())))
        if down is None:
            return None
        across = self._paths(first, last, 1, columns, *((spare, 1.0, moved) if columns > 1 else (NEVER, 1.0, ())))
        return (down, across) if across else None

    def _find_paths(
        self, first: int, last: int, place: int, count: int, spare: int, taper: float, moved: tuple[int, ...]
    ) -> Ways | None:
        inner = [self._along[place][number] for number in range(first, last)]
        axis, (entries, exits) = _AXES[place], self.ends(first, last)
        given = {x.name: x.shape[axis] for x in entries}
        wanted = {y.name: y.shape[axis] for y in exits}
        if count == 1:
            return Ways((whole_path(inner, given, wanted),), tuple(along.made_size for along in inner))
        largest = max(wanted.values())
        shares = tuple(each / largest for each in moved) or (0.0,) * (count - 1)
        if len(shares) != count - 1:
            return None
        found, ends = [], {name: _cuts(size, count, taper, shares) for name, size in wanted.items()}
        if any(each[i] >= each[i + 1] for each in ends.values() for i in range(count)):
            return None
        needs = self._needs(last, place, count, taper, shares)
        for i in range(count):
            spans, need = {name: (each[i], each[i + 1]) for name, each in ends.items()}, needs.in_band(first, last, i)
            path = path_of(inner, given, need, spans, wanted, spare)
            if path is None:
                return None
            found.append(path)
        made = [sum(step.made.size for path in found if (step := path.steps[i])) for i in range(last - first)]
        return Ways(tuple(found), tuple(made))

    def _find_needs(self, last: int, place: int, count: int, taper: float, shares: tuple[float, ...]) -> Needs:
        def exits(along: Along) -> Spans | None:
            wanted = self.last_reader.get(along.made, -1) >= last
            return tuple(pairwise(_cuts(along.made_size, count, taper, shares))) if wanted else None

        return Needs(last, self._along[place], exits)

    def needed_in(self, part: Part, entry: str) -> tuple[int, int]:
        """The first and the last band of equal size that needs an entry of a part; 0 and 0 if none does."""
        first, last, rows, columns, *_ = part
        begin = end = 0
        for place, count in enumerate((rows, columns)):
            needing = [0]
            if count > 1:
                spans = self._needs(last, place, count, 1.0, (0.0,) * (count - 1)).of_entries(first).get(entry, ())
                needing = [band for band, span in enumerate(spans) if span] or [0]
            begin, end = begin * count + needing[0], end * count + needing[-1]
        return begin, end

    def _find_least(self, first: int, last: int, place: int, count: int, spare: int) -> list[list[int]]:
        alongs = self._along[place]
        if count == 1:
            return [[alongs[number].made_size for number in range(first, last)]]
        needs = self._needs(last, place, count, 1.0, (0.0,) * (count - 1))
        given, entries = self.ends(first, last)[0], needs.of_entries(first)
        inner = [(alongs[number], needs.made(number)) for number in range(first, last)]
        bands = []
        for band in range(count):
            sizes = {name: span[1] - span[0] for name, spans in entries.items() if (span := spans[band])}
            if len(given) > 1:
                sizes = {x.name: x.shape[_AXES[place]] for x in given}
            made = []
            for along, spans in inner:
                least = 0
                if spans and (span := spans[band]):
                    least = span[1] - span[0]
                    if spare == NEVER and not along.starts and not along.cuts:
                        least = max(least, along.of_all(sizes))
                    sizes[along.made] = least
                made.append(least)
            bands.append(made)
        return bands


def _cuts(size: int, count: int, taper: float, moved: Sequence[float]) -> list[int]:
    """The begin of each band and the end of the last; `moved` are shares of the size."""
    if taper == 1:
        ends = [size * i // count for i in range(count + 1)]
    else:
        shares = list(accumulate((taper**i for i in range(count)), initial=0.0))
        ends = [round(size * share / shares[-1]) for share in shares]
    inner = [max(0, min(size, end + round(size * share))) for end, share in zip(ends[1:-1], moved, strict=True)]
    return [0, *inner, size]


def _along(operator: Operator, axis: int) -> Along:
    maps, (made,) = _maps(operator), operator.outputs
    window, cuts = Window(1, 1, False), operator.name == SLICE
    starts: tuple[int, ...] = ()
    if joins(operator) and int(operator.options["axis"]) % 4 == axis:
        starts = tuple(accumulate((x.shape[axis] for x in maps[:-1]), initial=0))
    elif cuts:
        window = Window(1, 1, False, operator.values[1][axis])
    elif operator.name in CONVOLUTIONS | POOLS:
        way, options = ("height" if axis == 1 else "width"), operator.options
        if operator.name in POOLS:
            span = int(options[f"size_{way}"])
        else:
            span = 1 + (operator.shape(1)[axis] - 1) * int(options[f"dilation_{way}"])
        window = Window(span, int(options[f"stride_{way}"]), options["padding"] == _SAME)
    size = made.shape[axis] if starts else maps[0].shape[axis]
    return Along(window, tuple(x.name for x in maps), size, made.name, made.shape[axis], cuts, starts)


def _fits(along: Along) -> bool:
    """Whether the output has the size that the windows make; in damaged files it may not."""
    window, _, size, _, made_size, cuts, _ = along
    if min(window.span, window.stride) < 1:
        return False
    if cuts:
        return 0 <= window.shift <= size - made_size
    return window.made(size) == made_size


def _maps(operator: Operator) -> list[Tensor]:
    """The operands that are computed, not constant."""
    return [x for x in operator.inputs if x is not None and not x.constant]


def is_map(x: Tensor | None) -> bool:
    """Whether it is (1, height, width, channels) of a type with a size; damaged files have empty and other ones."""
    return x is not None and len(x.shape) == 4 and x.shape[0] == 1 and min(x.shape) > 0 and x.size_bytes > 0


def _allowed(operator: Operator) -> bool:
    """Whether each output pixel of the operator depends only on input pixels around the same place."""
    maps = _maps(operator)
    if operator.custom or len(operator.outputs) != 1 or not maps or not all(map(is_map, (*maps, *operator.outputs))):
        return False
    constants = [x for x in operator.inputs if x is not None and x.constant]
    if operator.name in CONVOLUTIONS:
        return len(maps) == 1 and operator.inputs[0] is maps[0] and len(operator.shape(1)) == 4
    if operator.name in POOLS:
        return True
    if operator.name == SLICE:
        begin = operator.values[1] if len(operator.values) == 3 else ()
        return len(maps) == 1 and len(begin) == 4 and begin[3] == 0 and maps[0].shape[3] == operator.outputs[0].shape[3]
    if joins(operator):
        axis = int(operator.options["axis"]) % 4
        others = [axis_ for axis_ in range(4) if axis_ != axis]
        whole = all([x.shape[i] for i in others] == [operator.outputs[0].shape[i] for i in others] for x in maps)
        distinct = len({x.name for x in maps}) == len(maps) and not constants
        return whole and distinct and sum(x.shape[axis] for x in maps) == operator.outputs[0].shape[axis]
    alike = all(x.shape[:3] == operator.outputs[0].shape[:3] for x in maps)
    by_channel = all(_by_channel(x.shape) for x in constants)
    if operator.name == "CONCATENATION":
        return alike and not constants and int(operator.options["axis"]) in (-1, 3)
    return alike and by_channel and operator.name in POINTWISE | OF_SEVERAL


def joins(operator: Operator) -> bool:
    """Whether the operator concatenates rows or columns unchanged: for these types its kernel ignores scales."""
    if operator.name != "CONCATENATION" or operator.options.get("activation") or "axis" not in operator.options:
        return False
    kept = operator.outputs[0].dtype in (DType.INT8, DType.INT16, DType.FLOAT32)
    return kept and len(operator.outputs[0].shape) == 4 and int(operator.options["axis"]) % 4 in _AXES


def _by_channel(shape: Shape) -> bool:
    return all(size == 1 for size in shape[:-1])
