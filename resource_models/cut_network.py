"""A network with some parts in bands: the memory that it needs, and further cuts that promise to save memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import heapify, heappop, heappush
from itertools import combinations, islice, product
from typing import NamedTuple

from edgevolve.tflite import Target
from resource_models.arena import FileArena, Footprint, tail_bytes
from resource_models.banded import Banded, banded, best_order, in_order
from resource_models.bands import Cutter, Part
from resource_models.effort import Effort
from resource_models.outlook import Outlook
from resource_models.packing import MAX_PLACED
from resource_models.pairs import Cut, pairs


@dataclass(frozen=True, slots=True)
class Choice:
    """A way to run a network: the parts that are cut, what the network then needs, and the extra work.

    Each part counts the operators of the network that the parts before it make. `slower` is the share of extra
    multiply-accumulates. It may be below 0, since bands do not compute rows that nobody reads.
    """

    parts: tuple[Part, ...]
    banded: Banded
    footprint: Footprint
    slower: float


class _Alike(NamedTuple):
    """A cut, and the runs of one origin, as parts, to which it applies."""

    cut: Cut
    like: list[Part]


class _Try(NamedTuple):
    """A run of operators in bands that is not followed yet; `bound` is a lower bound of its arena in bytes.

    Tries sort by their bounds; of equal ones the shorter and the earlier run comes first. `runs` are the run and those
    of the same origins, `beside` the bytes live beside all of them, and `tail` a lower bound of the extra tail. With
    `close` the bound is that of `Outlook.inside`.
    """

    bound: int
    length: int
    runs: tuple[tuple[int, int], ...]
    rows: int
    columns: int
    tail: int
    beside: int
    close: bool = False


class CutNetwork:
    """A network of the search, with the cuts that promise to save memory in it.

    `least` is a lower bound of its arena in bytes, in its order of operators.
    """

    def __init__(
        self,
        parts: tuple[Part, ...],
        network: Banded,
        target: Target,
        effort: Effort,
        order: tuple[int, ...] = (),
    ) -> None:
        """Put a network in bands in the best order found, or in `order` where it is given."""
        self.parts, self.banded, self.effort = parts, network, effort
        self._target, self._ways = target, effort.ways(again=bool(parts))
        self._cuts: dict[int, list[Cut]] = {}
        self.order = order or (best_order(network, target, effort.orders) if parts else ())
        self.ordered = in_order(network, self.order) if parts else network
        self._arena = FileArena(self.ordered.model, target)
        self.least, self._tail_bytes = self._arena.least, self._arena.tail_bytes
        self.macs = sum(node.macs for node in network.model.graph.nodes)

    @cached_property
    def _tries(self) -> list[_Try]:
        """Every run in each count that its outputs allow, in the first way of `Effort.ways`."""
        outlook, effort, tries = self._outlook, self.effort, []
        spare, *_ = self._ways[0]
        for beside, runs in islice(self._runs(), effort.runs if self.parts else None):
            first, last = runs[0]
            most_rows, most_columns = outlook.cutter.most_bands(first, last, spare)
            counts = [
                (rows, columns)
                for rows, columns in (effort.again if self.parts else effort.counts)
                if rows <= most_rows and columns <= most_columns
            ]
            least = outlook.least(first, last, [rows * columns for rows, columns in counts])
            for (rows, columns), (tail, head) in zip(counts, least, strict=True):
                bound = self._tail_bytes + tail + max(head, beside)
                tries.append(_Try(bound, last - first, runs, rows, columns, tail, beside))
        return tries

    @cached_property
    def _outlook(self) -> Outlook:
        return Outlook(Cutter(self.banded.model), self._target)

    def cuts(self, most_macs: int) -> list[Cut]:
        """The most promising cuts within `most_macs` multiply-accumulates of the whole network, the best first."""
        if most_macs not in self._cuts:
            self._cuts[most_macs] = self._promising(most_macs)
        return self._cuts[most_macs]

    def after(self, cut: Cut) -> "CutNetwork | None":
        """The network after one more cut; None where the second part of a pair cannot be cut so."""
        network, cutter = self.banded, self._outlook.cutter
        for part in cut.parts:
            done = banded(cutter, part)
            if done is None:
                return None
            network, cutter = both(network, done), Cutter(done.model)
        return CutNetwork((*self.parts, *cut.parts), network, self._target, self.effort)

    def like(
        self, parts: tuple[Part, ...], network: Banded, order: tuple[int, ...] = (), below: int | None = None
    ) -> "CutNetwork | None":
        """A network with other parts; None unless its `least` is less than `below` bytes.

        The operators run in `order`, or in the best order found.
        """
        if not order:
            head = None if below is None else below - tail_bytes(network.model, self._target)
            order = best_order(network, self._target, self.effort.orders, head)
        made = CutNetwork(parts, network, self._target, self.effort, order) if order else None
        return made if made and (below is None or made.least < below) else None

    def within(self, most_bytes: int) -> bool:
        """Whether the arena is at most so large; no plan is searched where the lower bound is larger."""
        return self.least <= most_bytes and self.footprint.arena_bytes <= most_bytes

    def lower_than(self, other: "CutNetwork") -> bool:
        """Whether the arena is smaller than another's; no plan is searched that does not decide it."""
        if self.least < other.least and self.footprint.arena_bytes < other.least:
            return True
        return self.within(other.footprint.arena_bytes - 1)

    def choice(self, macs: int) -> Choice:
        """This network as a choice; the uncut network has `macs` multiply-accumulates."""
        return Choice(self.parts, self.ordered, self.footprint, self.macs / macs - 1 if macs else 0.0)

    @cached_property
    def footprint(self) -> Footprint:
        """The footprint under the best memory plan found so far."""
        return self._arena.footprint()

    def pack(self) -> None:
        """Search longer for a memory plan; a network that is not in bands keeps the plan of any other file."""
        if self.parts and self.effort.packings > MAX_PLACED and not self.footprint.exact:
            self.footprint = self._arena.footprint(self.effort.packings)

    def _promising(self, most_macs: int) -> list[Cut]:
        """Cuts of single runs, the best first.

        Every run is tried in each count in the first way of `Effort.ways`, those of the smallest lower bounds first,
        until no bound is below the arena of every cut kept so far. The best of these cuts are then made in all ways.
        Cuts are judged band by band, which is no lower bound for other orders. In a small uncut network the remaining
        tries therefore go to all other cuts.
        """
        outlook, effort = self._outlook, self.effort
        best: list[_Alike] = []
        slow: list[Part] = []
        most, number = self._tail_bytes + outlook.beside([]), effort.tries * effort.refined
        waiting = [each for each in self._tries if each.bound < most]
        heapify(waiting)
        while waiting and waiting[0].bound < most:
            each = heappop(waiting)
            if not each.close:
                if closer := self._closer(each, most_macs, slow):
                    heappush(waiting, closer)
                continue
            like = self._alike(each)
            if cut := self._cut(like, most, most_macs):
                best = sorted([*best, _Alike(cut, like)])[:number]
                most = best[-1].cut.arena if len(best) == number else most
        uncut = self._tail_bytes + outlook.beside([])
        cuts = sorted(cut for each in best for cut in self._in_all_ways(each, uncut, most_macs))
        if self.parts or len(cuts) >= effort.tries or len(self.banded.model.operators) > effort.small:
            return cuts
        known = {cut.parts for cut in cuts}
        return sorted([*cuts, *(cut for cut in self._others(most_macs) if cut.parts not in known)])

    def _others(self, most_macs: int) -> Iterator[Cut]:
        """Cuts of one run that no bound excludes: they may need less than the uncut network in some order."""
        outlook, effort, uncut = self._outlook, self.effort, self.footprint.arena_bytes
        able = outlook.cutter.cuttable
        ways = [
            (rows, columns, spare, taper, rest)
            for (rows, columns), (spare, taper, rest) in product(effort.counts, effort.ways(again=False))
            if taper == 1 or rows > 1
        ]
        for first, last in combinations(range(len(able) + 1), 2):
            if not all(able[first:last]):
                continue
            most, beside = uncut - self._tail_bytes - outlook.alone(first, last), outlook.beside([(first, last)])
            least = outlook.least(first, last, [rows * columns for rows, columns, *_ in ways])
            for part, (tail, _) in zip((Part(first, last, *way) for way in ways), least, strict=True):
                if tail < most:
                    work = outlook.cutter.macs(part)
                    found = outlook.foreseen(part) if work is not None and work <= most_macs else None
                    if work is not None and found and found.tail < most:
                        head = max(found.bands, found.joins, beside)
                        yield Cut(self._tail_bytes + found.tail + head, work, (part,))

    def _in_all_ways(self, alike: _Alike, most: int, most_macs: int) -> Iterator[Cut]:
        """The cut, and the same runs and counts cut in the other ways that change what is foreseen."""
        yield alike.cut
        rows = alike.like[0].rows
        known = {self._outlook.foreseen(alike.like[0])}
        for spare, taper, rest in self._ways[1:]:
            if taper == 1 or rows > 1:
                like = [part._replace(spare=spare, taper=taper, rest=rest) for part in alike.like]
                cut = self._cut(like, most, most_macs)
                if cut and self._outlook.foreseen(like[0]) not in known:
                    known.add(self._outlook.foreseen(like[0]))
                    yield cut

    def pairs(self, most_macs: int) -> list[Cut]:
        """Pairs of runs in bands, the most promising first."""
        return pairs(self._outlook, self._tail_bytes, self.macs, most_macs)[: self.effort.pairs]

    def _alike(self, each: _Try) -> list[Part]:
        """The parts of a try: the run and those of the same origins, cut alike."""
        spare, taper, rest = self._ways[0]
        return [Part(*run, each.rows, each.columns, spare, taper, rest) for run in each.runs]

    def _closer(self, each: _Try, most_macs: int, slow: list[Part]) -> _Try | None:
        """The try with a closer bound; None where it is too much work, as parts in `slow` are, to which it is added."""
        first, last = each.runs[0]
        for part in slow:
            if first <= part.first and part.last <= last and each.rows >= part.rows and each.columns >= part.columns:
                return None
        part, *_ = self._alike(each)
        if self._outlook.cutter.least_macs(part) > most_macs:
            slow.append(part)
            return None
        bound = self._tail_bytes + each.tail + max(self._outlook.inside(part), each.beside)
        return each._replace(bound=max(each.bound, bound), close=True)

    def _cut(self, like: Sequence[Part], most: int, most_macs: int) -> Cut | None:
        """A cut of as few of the parts as decide what it needs, in their order.

        More parts are cut as long as more is live beside them than within. None for a cut that needs `most` bytes or
        more, or too much work.
        """
        work = self.macs
        for number, part in enumerate(like):
            done = self._outlook.cutter.macs(part)
            if done is None:
                return None
            work += done - self.macs
            if work > most_macs:
                return None
            parts = like[: number + 1]
            found = [self._outlook.foreseen(each) for each in parts]
            known = [each for each in found if each]
            if len(known) < len(found):
                return None
            tail = self._tail_bytes + sum(each.tail for each in known)
            inside = max(max(each.bands, each.joins) for each in known)
            if tail + inside >= most:
                return None
            beside = self._outlook.beside([(each.first, each.last) for each in parts])
            if tail + beside < most and (inside >= beside or number == len(like) - 1):
                return Cut(tail + max(inside, beside), work, tuple(sorted(parts, reverse=True)))
        return None

    def _runs(self) -> Iterator[tuple[int, tuple[tuple[int, int], ...]]]:
        """Runs of operators that can be cut, and the bytes live beside each, where they are less than in all.

        In a network in bands the shortest come first. A run then comes with those of the same origins in other bands,
        the busiest first; the bytes are beside all of them.
        """
        outlook = self._outlook
        allowed, uncut, number = outlook.cutter.cuttable, outlook.beside([]), len(outlook.cutter.cuttable)
        starts = [first for first in range(number) if outlook.around(first, number) < uncut]
        if self.parts:
            yield from self._like_runs(starts, uncut)
            return
        least = max((i + 1 for i in range(number) if outlook.busiest(i, i + 1) == uncut), default=0)
        for first in starts:
            end = next((i for i in range(first, number) if not allowed[i]), number)
            for last in range(max(first + 1, least), end + 1):
                beside = outlook.beside([(first, last)], uncut)
                if beside < uncut:
                    yield beside, ((first, last),)

    def _like_runs(self, starts: list[int], uncut: int) -> Iterator[tuple[int, tuple[tuple[int, int], ...]]]:
        outlook = self._outlook
        allowed, origins = outlook.cutter.cuttable, self.banded.origins
        places: dict[int | None, list[int]] = {}
        for i, origin in enumerate(origins):
            places.setdefault(origin, []).append(i)
        seen: set[tuple[int, int]] = set()
        for length in range(1, len(allowed) + 1):
            starts = [first for first in starts if first + length <= len(allowed) and allowed[first + length - 1]]
            for first in starts:
                last = first + length
                if (first, last) in seen or outlook.around(first, last) >= uncut:
                    continue
                runs, like = [(first, last)], origins[first:last]
                for i in places[origins[first]] if like.count(None) < length else ():
                    if i >= runs[-1][1] and origins[i : i + length] == like:
                        runs.append((i, i + length))
                seen.update(runs)
                beside = outlook.beside(runs, uncut)
                if beside < uncut:
                    yield beside, tuple(sorted(runs, key=lambda run: -outlook.busiest(*run)))


def both(first: Banded, second: Banded) -> Banded:
    """The network of `second`, with origins and wholes of the network from which `first` was made."""
    origins = tuple(None if i is None else first.origins[i] for i in second.origins)
    wholes = {name: first.wholes.get(whole, whole) for name, whole in second.wholes.items()}
    return Banded(second.model, origins, {**first.wholes, **wholes})


def lowest_of(networks: Iterable[CutNetwork], number: int) -> list[CutNetwork]:
    """The `number` networks whose lower bounds are smallest; equal ones keep their order."""
    return sorted(networks, key=lambda network: network.least)[:number]
