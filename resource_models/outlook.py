"""Estimates what a network would need with parts in bands, without cutting it.

Sizes, lifetimes and what kernels keep are added up as in the cut network. The estimate is a lower bound of every memory
plan of that network in its order, except for a few bytes of alignment and for scratch: a piece counts as much scratch
as the whole map.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate, product
from typing import NamedTuple

from edgevolve.graph import DType, Tensor
from edgevolve.tflite import Operator, Target, needs
from resource_models.bands import SLICE, Cutter, Part, Ways, is_map, joins
from resource_models.liveness import live_bytes
from resource_models.pieces import NEVER
from resource_models.sequence import run_in_bands
from resource_models.tail import constant_bytes, operator_bytes


class Foreseen(NamedTuple):
    """What a network would need with a part in bands, in bytes.

    `tail` is the growth of the tail over the uncut network. `bands` is the most bytes live while bands run, and `joins`
    from the first final join on. `fed` would be `bands` if maps that only the part reads came in pieces when needed.
    `emptied` would be `bands` if each band's results were freed before the next band. The part then has `operators`
    operators, of which `before_joins` run before the first final join.
    """

    tail: int
    bands: int
    fed: int
    emptied: int
    joins: int
    before_joins: int
    operators: int


class Outlook:
    """Estimates what one network needs with a part in bands, and bounds what it needs with runs in bands."""

    def __init__(self, cutter: Cutter, target: Target) -> None:
        """Cut nothing yet."""
        model = cutter.model
        self.cutter, self.target, self.nodes = cutter, target, model.graph.nodes
        self._makers = {y.name: number for number, node in enumerate(self.nodes) for y in node.outputs}
        self._joined = [
            [x.name for x in node.inputs if x.name in self._makers] if joins(operator) else []
            for node, operator in zip(self.nodes, model.operators, strict=True)
        ]
        self._cuts = [operator.name == SLICE or joins(operator) for operator in model.operators]
        known = [(operator, needs(operator, target)) for operator in model.operators]
        self.kept = [operator_bytes(operator, kernel, target) for operator, kernel in known]
        self.scratch = [sum(map(target.aligned, kernel.scratch)) if kernel else 0 for _, kernel in known]
        self.sizes, self.foreseen = cache(self._sizes_of), cache(self._foreseen)
        self._maps = cache(self._maps_from)
        maps = {x.name: x for node in self.nodes for x in (*node.inputs, *node.outputs)}
        self._aligned = sizes = {name: target.aligned(x.size_bytes) for name, x in maps.items()}
        self._made = [sum(sizes[y.name] for y in node.outputs) for node in self.nodes]
        read = [dict.fromkeys(x.name for x in node.inputs) for node in self.nodes]  # an operator may read a map twice
        self._reads = [[(self._makers.get(name, -1), sizes[name]) for name in names] for names in read]
        self._from = [min([first, *(self._makers[x] + 1 for x in each)]) for first, each in enumerate(self._joined)]
        live = live_bytes(model.graph, target.alignment_bytes)
        self._live = [bytes_ + more for bytes_, more in zip(live, self.scratch, strict=True)]
        self._before = [*accumulate(self._live, max, initial=0)]
        self._behind = [*accumulate(reversed(self._live), max, initial=0)][::-1]
        self._joins_before = [*accumulate(map(len, self._joined), initial=0)]
        self.enters = [a - b - c for a, b, c in zip(self._live, self._made, self.scratch, strict=True)]
        self.pixel_bits = {x.name: x.size_bytes * 8 // (x.shape[1] * x.shape[2]) for x in maps.values() if is_map(x)}
        self.numbers = {values for operator in model.operators for values in operator.values if values}
        x = Tensor("", (1, 1, 1, 1), DType.INT8)
        piece = Operator("SLICE", (x, x, x), (x,), {}, (1, 0, 0), (1,), ((), (), ()))
        join = Operator("CONCATENATION", (x, x), (x,), {"axis": 1.0, "activation": 0.0}, (1, 1), (1,), ((), ()))
        self.slice, self.join = (operator_bytes(each, needs(each, target), target) for each in (piece, join))
        self.number = constant_bytes(target)

    def beside(self, runs: Sequence[tuple[int, int]], below: int | None = None) -> int:
        """The bytes live beside these runs of operators: about a lower bound of the head, however the runs are cut.

        Pieces that a run joins may be used as soon as they are made; then only what the run makes of them waits. The
        result may be any number from `below` on where the bytes are no less than `below`.
        """
        (begin, end), *others = runs or [(0, 0)]
        if not others and self._joins_before[begin] == self._joins_before[end]:
            return max(self._before[begin], self._behind[end])
        ordered = sorted(runs)
        most, begin = self._behind[ordered[-1][1]], 0
        for first, last in ordered:
            start = min(self._from[first:last])
            most = max(most, max(self._live[begin:start], default=0))
            if start < first and (below is None or most < below):
                most = max(most, self._meanwhile(start, first, last, below))
            begin = last
        return most

    def alone(self, first: int, last: int) -> int:
        """A lower bound of the head with this run in bands, in any order: what one operator needs by itself."""
        aligned, (_, wanted) = self.target.aligned, self.sizes(first, last)
        beside = (
            sum(aligned(x.size_bytes) for x in {x.name: x for x in (*node.inputs, *node.outputs)}.values())
            for node in (*self.nodes[:first], *self.nodes[last:])
        )
        return max([2 * max(wanted, default=0), *beside])

    def around(self, first: int, last: int) -> int:
        """A lower bound of `beside` for this run, alone or with like runs behind it.

        It counts what is live up to the first piece that the run joins.
        """
        return self._before[min(self._from[first:last])]

    def _meanwhile(self, start: int, first: int, last: int, below: int | None) -> int:
        """The most bytes live from `start` to a run; of pieces that wait for it only what it makes of them counts."""
        sizes = {self._makers[x]: self._aligned[x] for each in self._joined[first:last] for x in each}
        waits = min(1.0, sum(self.sizes(first, last)[1]) / max(1, sum(sizes.values())))
        highest = max(self._live[start:first])
        if below is not None and highest - int((1 - waits) * sum(sizes.values())) >= below:
            return highest
        most = waiting = 0
        for number in range(start, first):
            waiting += sizes.get(number - 1, 0)
            most = max(most, self._live[number] - int((1 - waits) * waiting))
        return most

    def least(self, first: int, last: int, counts: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Quick lower bounds of the extra tail and of the head, in bytes, with a run in each number of bands.

        At the end the pieces of all outputs and one whole output are live. At each operator at least an average band of
        its maps is live, and in all bands but the last what the run reads. Operators before a concatenation of pieces
        may run in one band only.
        """
        given, wanted = self.sizes(first, last)
        cut = [i for i in range(first, last) if self._cuts[i]] if True in self._cuts[first:last] else []
        behind = max((i + 1 for i in cut if self._joined[i]), default=first)
        again = sum(self.kept[behind:last])
        cut_once, cut_again = (sum(self.kept[i] for i in cut if (i >= behind) is late) for late in (False, True))
        through, results = self.enters[first] - sum(given), sum(wanted)
        ends = through + results + min(wanted, default=0)
        for bands in counts:
            work = through
            if behind == first:
                work += (sum(given) * (bands - 1) + self._maps(first)[last - 1 - first]) // bands
            yield (bands - 1) * again - cut_once - bands * cut_again, max(ends, work)

    def inside(self, part: Part) -> int:
        """A lower bound of the bytes live while bands of equal size run, from the least that each operator makes."""
        first, last = part.first, part.last
        down, across = self.cutter.least_made(part)
        wanted = [(self.pixel_bits[y.name], y.shape) for y in self.cutter.ends(first, last)[1]]
        bits = [self.pixel_bits[node.output.name] for node in self.nodes[first:last]]
        reads = [
            [maker - first for maker, _ in each if maker >= first and not cuts]
            for each, cuts in zip(self._reads[first:last], self._cuts[first:last], strict=True)
        ]
        waiting = self._waiting(part)
        most = 0
        for number, ((i, rows), (j, columns)) in enumerate(product(enumerate(down), enumerate(across))):
            made = [a * b * c for a, b, c in zip(bits, rows, columns, strict=True)]
            results = 0
            for pixel, (_, height, width, _) in wanted:
                top, left = height * i // len(down), width * j // len(across)
                results += pixel * (top * width + (height * (i + 1) // len(down) - top) * left)
            work = max(own + sum([made[k] for k in each]) for own, each in zip(made, reads, strict=True))
            most = max(most, (work + results) // 8 + waiting[number])
        return self.enters[first] - sum(self.sizes(first, last)[0]) + most

    def _waiting(self, part: Part) -> list[int]:
        """Bytes of the entries that are live in all of a band: made before it, and needed in a later one."""
        first, last, rows, columns, *_ = part
        given = self.cutter.ends(first, last)[0]
        joined = {x for number in range(first, last) for x in self._joined[number]}
        waiting = [0] * (rows * columns)
        for x, size in zip(given, self.sizes(first, last)[0], strict=True):
            stays = self.cutter.last_reader[x.name] >= last
            begin, end = self.cutter.needed_in(part, x.name)
            for number in range(begin + 1 if x.name in joined else 0, rows * columns if stays else end):
                waiting[number] += size
        return waiting

    def _maps_from(self, first: int) -> list[int]:
        """The most bytes of maps made from `first` on that one operator reads and makes, up to each later operator."""
        each = (
            made + sum([size for maker, size in reads if maker >= first])
            for made, reads in zip(self._made[first:], self._reads[first:], strict=True)
        )
        return [*accumulate(each, max)]

    def _sizes_of(self, first: int, last: int) -> tuple[list[int], list[int]]:
        given, wanted = ([self._aligned[x.name] for x in maps] for maps in self.cutter.ends(first, last))
        return given, wanted

    def busiest(self, first: int, last: int) -> int:
        """The most bytes that are live at an operator of a run."""
        return max(self._live[first:last])

    def _foreseen(self, part: Part) -> Foreseen | None:
        ways = self.cutter.ways(part)
        return _Ledger(self, part, ways).foreseen if ways else None


class _Ledger:
    """A `Sink` that adds up what a part needs in bands; a piece is its index in `_sizes`."""

    def __init__(self, outlook: Outlook, part: Part, ways: tuple[Ways, Ways]) -> None:
        self._outlook, self._aligned = outlook, outlook.target.aligned
        self._last = part.last
        operators = outlook.cutter.model.operators[part.first : part.last]
        self._late = {x.name for operator in operators if joins(operator) for x in operator.inputs if x}
        self._sizes: list[int] = []
        self._born: list[int] = []
        self._dies: list[int] = []
        self._scratch: dict[int, int] = {}
        self._now, self._joins_from, self._entries = 0, NEVER, 0
        self._sliced: list[tuple[int, int]] = []
        self._results: list[int] = []
        self._numbers: set[tuple[int, ...]] = set()
        self.tail = -sum(outlook.kept[part.first : part.last])
        given, _ = outlook.sizes(part.first, part.last)
        run_in_bands(outlook.cutter, part, ways, self)
        self.tail += outlook.number * len(self._numbers - outlook.numbers)
        through, live, begun = outlook.enters[part.first] - sum(given), self._live(), self._joins_from
        fed = [a - b for a, b in zip(live, self._apart(), strict=True)]
        emptied = [a - b for a, b in zip(live, self._waiting(), strict=True)]
        most = [through + max(each) for each in (live[:begun], fed[:begun], emptied[:begun], live[begun:])]
        self.foreseen = Foreseen(self.tail, most[0], most[1], most[2], most[3], self._joins_from - 1, self._now)

    def entry(self, x: Tensor) -> int:
        stays = self._outlook.cutter.last_reader[x.name] >= self._last
        self._entries += 1
        self._sizes.append(self._aligned(x.size_bytes))
        self._born.append(NEVER if x.name in self._late else 0)
        self._dies.append(NEVER if stays else 0)
        return len(self._sizes) - 1

    def slice(self, piece: int, whole: Tensor, begin: tuple[int, int], sizes: tuple[int, int]) -> int:
        self.tail += self._outlook.slice
        self._numbers.add((0, *begin, 0))
        self._numbers.add((1, *sizes, whole.shape[3]))
        made = self._made((piece,), whole, sizes)
        if piece < self._entries and self._dies[piece] < NEVER:
            self._sliced.append((self._now, self._sizes[made]))
        return made

    def operator(self, number: int, given: Sequence[int], sizes: tuple[int, int]) -> int:
        outlook = self._outlook
        self.tail += outlook.kept[number]
        made = self._made(given, outlook.nodes[number].output, sizes)
        if scratch := outlook.scratch[number]:
            self._scratch[self._now] = scratch
        return made

    def join(self, pieces: Sequence[int], axis: int, whole: Tensor, sizes: tuple[int, int], *, final: bool) -> int:
        self.tail += self._outlook.join
        made = self._made(pieces, whole, sizes)
        if final:
            self._dies[made] = NEVER
            self._joins_from = min(self._joins_from, self._now)
            self._results += pieces
        return made

    def _made(self, given: Sequence[int], whole: Tensor, sizes: tuple[int, int]) -> int:
        self._now = now = self._now + 1
        born, dies, all_sizes = self._born, self._dies, self._sizes
        for piece in given:
            if now < born[piece]:
                born[piece] = now
            if now > dies[piece]:
                dies[piece] = now
        all_sizes.append(self._aligned(self._outlook.pixel_bits[whole.name] * sizes[0] * sizes[1] // 8))
        born.append(now)
        dies.append(now)
        return len(all_sizes) - 1

    def _waiting(self) -> list[int]:
        """Bytes of the results of earlier bands, at each step."""
        change = [0] * (self._now + 1)
        for piece in self._results:
            if self._born[piece] < self._now:
                change[self._born[piece] + 1] += self._sizes[piece]
        return list(accumulate(change))

    def _apart(self) -> list[int]:
        """Bytes saved at each step if entries came in pieces: the entries, less the pieces cut out of them."""
        apart = [0] * (self._now + 1)
        for entry in range(self._entries):
            if self._dies[entry] < NEVER:
                for step in range(self._born[entry], self._dies[entry] + 1):
                    apart[step] += self._sizes[entry]
        for step, size in self._sliced:
            apart[step] -= size
        return apart

    def _live(self) -> list[int]:
        change = [0] * (self._now + 2)
        for size, born, dies in zip(self._sizes, self._born, self._dies, strict=True):
            change[min(born, self._now)] += size
            change[min(dies, self._now) + 1] -= size
        live = list(accumulate(change[:-1]))
        for step, scratch in self._scratch.items():
            live[step] += scratch
        return live
