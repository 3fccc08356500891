"""What a network would need with parts in bands, added up before they are cut.

Sizes, lives and what kernels keep are added up as the cut network would have them, so that nothing has to be built:
the figure is the least that any plan of the cut network needs, but for a few bytes of alignment, and for scratch, of
which a piece counts as much as the whole.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import accumulate

from edgevolve.graph import DType, Tensor
from edgevolve.tflite import Operator, Target, needs
from resource_models.bands import SLICE, Cutter, Part
from resource_models.liveness import lifetimes
from resource_models.pieces import Band, Path
from resource_models.tail import constant_bytes, operator_bytes

_Place = tuple[int, int, int, int]
"""First row and rows, first column and columns."""


class Outlook:
    """Arenas of one network with parts of it in bands."""

    def __init__(self, cutter: Cutter, tail_bytes: int, target: Target) -> None:
        """`tail_bytes` is the tail of the cutter's network on `target`."""
        model = cutter.model
        self._tail = tail_bytes
        self.cutter, self._target, self._nodes = cutter, target, model.graph.nodes
        self._slices = [operator.name == SLICE for operator in model.operators]
        self._kept = [operator_bytes(operator, target) for operator in model.operators]
        self._scratch = [_scratch(operator, target) for operator in model.operators]
        self._run, self._sizes = cache(self._run_of), cache(self._sizes_of)
        self._works = [sum(y.size_bytes for y in node.outputs) for node in self._nodes]
        lives = lifetimes(model.graph)
        live, enters = [0] * (len(self._nodes) + 1), [0] * (len(self._nodes) + 1)
        for tensor, first, last in lives:
            size = target.aligned(tensor.size_bytes)
            live[first] += size
            live[last + 1] -= size
        for number, tensor_size in enumerate(accumulate(live[:-1])):
            enters[number] = tensor_size - sum(target.aligned(y.size_bytes) for y in self._nodes[number].outputs)
        self._enters = enters
        self._live = [a + b for a, b in zip(accumulate(live[:-1]), self._scratch, strict=True)]
        x = Tensor("", (1, 1, 1, 1), DType.INT8)
        self._slice = operator_bytes(Operator("SLICE", (x, x, x), (x,), {}, (1, 0, 0), (1,), ((), (), ())), target)
        join = Operator("CONCATENATION", (x, x), (x,), {"axis": 1.0, "activation": 0.0}, (1, 1), (1,), ((), ()))
        self._join, self._number = operator_bytes(join, target), constant_bytes(target)

    def beside(self, runs: Sequence[tuple[int, int]]) -> int:
        """Bytes that the arena has at least, whatever happens within these runs of operators."""
        most = begin = 0
        for first, last in (*sorted(runs), (len(self._live), 0)):
            most = max(most, max(self._live[begin:first], default=0))
            begin = last
        return self._tail + most

    def least(self, first: int, last: int, bands: int) -> int:
        """A bound of the arena with a run in so many bands that takes no time.

        At the end the pieces of all outputs are live beside one of them whole, and at each operator at least as much of
        its maps as one band has on average.
        """
        given, wanted = self._sizes(first, last)
        tail = sum(
            kept * (bands * (not cut) - 1)
            for kept, cut in zip(self._kept[first:last], self._slices[first:last], strict=True)
        )
        through = self._enters[first] - sum(given)
        work = through + sum(given) + max(self._works[first:last]) // bands
        return self._tail + tail + max(through + sum(wanted) + min(wanted, default=0), work)

    def _sizes_of(self, first: int, last: int) -> tuple[list[int], list[int]]:
        aligned = self._target.aligned
        given, wanted = ([aligned(x.size_bytes) for x in maps] for maps in self.cutter.ends(first, last))
        return given, wanted

    def busiest(self, first: int, last: int) -> int:
        """The most bytes that are live at an operator of a run."""
        return max(self._live[first:last])

    def arena(self, parts: Sequence[Part], beside: int) -> tuple[int, int] | None:
        """Bytes of the arena with these parts in bands: while one of them runs, and while none does.

        `beside` is that of the network as it is; None where a part cannot be cut so.
        """
        tail = most = 0
        for part in parts:
            run = self._run(part)
            if run is None:
                return None
            tail += run.tail
            most = max(most, run.most)
        return self._tail + tail + most, beside + tail

    def _run_of(self, part: Part) -> "_Run | None":
        ways = self.cutter.ways(part)
        return _Run(self, part, ways) if ways else None


class _Run:
    """One part, operator by operator: the most bytes that are live, and what more is kept."""

    def __init__(self, outlook: Outlook, part: Part, ways: tuple[tuple[Path, ...], tuple[Path, ...]]) -> None:
        self._outlook, self._part, self._target = outlook, part, outlook._target
        self.tail = self.most = 0
        self._numbers: set[tuple[int, ...]] = set()
        given, wanted = outlook.cutter.ends(part.first, part.last)
        aligned = outlook._target.aligned
        readers = outlook.cutter.last_reader
        through = outlook._enters[part.first] - sum(aligned(x.size_bytes) for x in given)
        down, across = ways
        waiting = 0
        for i, row in enumerate(down):
            for j, column in enumerate(across):
                final = i == len(down) - 1 and j == len(across) - 1
                dying = {x.name for x in given if final and readers[x.name] < part.last}
                base = through + waiting
                peak, pieces = self._band(given, wanted, row, column, dying)
                self.most = max(self.most, base + peak)
                waiting += pieces
        kept = {x.name for x in given if readers[x.name] >= part.last}
        base = through + sum(aligned(x.size_bytes) for x in given if x.name in kept)
        self._joins(wanted, down, across, base, waiting)
        run = slice(part.first, part.last)
        for kept_bytes, cut in zip(outlook._kept[run], outlook._slices[run], strict=True):
            self.tail += kept_bytes * (part.rows * part.columns * (not cut) - 1)
        self.tail += outlook._number * len(self._numbers)

    def _band(
        self, given: Iterable[Tensor], wanted: Iterable[Tensor], row: Path, column: Path, dying: set[str]
    ) -> tuple[int, int]:
        """The most bytes live in a band, inputs included, and those of the pieces that stay after it."""
        outlook, aligned = self._outlook, self._target.aligned
        size: list[int] = []
        born: list[int] = []
        dies: list[int] = []
        now = 0
        forever = 1 << 30
        where: dict[str, tuple[int, _Place]] = {}
        pixel: dict[str, int] = {}
        extra: dict[int, int] = {}

        def made(bytes_: int, lives: int) -> int:
            size.append(aligned(bytes_))
            born.append(now)
            dies.append(lives)
            return len(size) - 1

        def cut(x: Tensor, a: Band, b: Band) -> int:
            nonlocal now
            key, place = where[x.name]
            dies[key] = max(dies[key], now)
            wished = (a.start, a.size, b.start, b.size)
            if wished == place:
                return key
            now += 1
            dies[key] = max(dies[key], now)
            self.tail += outlook._slice
            self._numbers.add((0, a.start - place[0], b.start - place[2], 0))
            self._numbers.add((1, a.size, b.size, x.shape[3]))
            return made(pixel[x.name] * a.size * b.size // 8, now)

        for x in given:
            pixel[x.name] = x.size_bytes * 8 // (x.shape[1] * x.shape[2])
            where[x.name] = made(x.size_bytes, 0 if x.name in dying else forever), (0, x.shape[1], 0, x.shape[2])
        for x in given:
            a, b = row.given[x.name], column.given[x.name]
            where[x.name] = cut(x, a, b), (a.start, a.size, b.start, b.size)
        for number in range(self._part.first, self._part.last):
            node, step = outlook._nodes[number], number - self._part.first
            down, across = row.steps[step], column.steps[step]
            keys = [cut(x, down.read, across.read) for x in node.inputs]
            a, b = down.made, across.made
            y = node.output
            pixel[y.name] = y.size_bytes * 8 // (y.shape[1] * y.shape[2])
            if outlook._slices[number]:
                where[y.name] = keys[0], (a.start, a.size, b.start, b.size)
                continue
            now += 1
            for key in keys:
                dies[key] = max(dies[key], now)
            key = made(pixel[y.name] * a.size * b.size // 8, now)
            where[y.name] = key, (a.start, a.size, b.start, b.size)
            if outlook._scratch[number]:
                extra[now] = outlook._scratch[number]
        pieces = 0
        for y in wanted:
            key = cut(y, row.wanted[y.name], column.wanted[y.name])
            dies[key] = forever
            pieces += size[key]
        change = [0] * (now + 2)
        for bytes_, first, last in zip(size, born, dies, strict=True):
            change[first] += bytes_
            change[min(last, now) + 1] -= bytes_
        live = list(accumulate(change[:-1]))
        for step, scratch in extra.items():
            live[step] += scratch
        return max(live), pieces

    def _joins(
        self, wanted: Sequence[Tensor], down: Sequence[Path], across: Sequence[Path], base: int, live: int
    ) -> None:
        """Pieces put side by side: those of a row first, then the rows."""
        outlook, aligned = self._outlook, self._target.aligned
        for y in wanted:
            pixel = y.size_bytes * 8 // (y.shape[1] * y.shape[2])
            rows = []
            for row in down:
                pieces = [aligned(pixel * row.wanted[y.name].size * each.wanted[y.name].size // 8) for each in across]
                rows.append(aligned(pixel * row.wanted[y.name].size * y.shape[2] // 8))
                if len(across) > 1:
                    self.tail += outlook._join - (outlook._join if len(down) == 1 else 0)
                    self.most = max(self.most, base + live + rows[-1])
                    live += rows[-1] - sum(pieces)
            whole = aligned(y.size_bytes)
            self.tail += outlook._join - outlook._number  # the whole had its record before
            if len(down) > 1:
                self.most = max(self.most, base + live + whole)
                live += whole - sum(rows)


def _scratch(operator: Operator, target: Target) -> int:
    known = needs(operator, target)
    return sum(map(target.aligned, known.scratch)) if known else 0
