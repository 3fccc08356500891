"""Which parts of a network to compute in how many bands, so that its arena is the least that some extra work allows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import NamedTuple

from edgevolve.tflite import CORTEX_M, Target, TfliteModel
from resource_models.arena import Footprint, arena_range, file_footprint
from resource_models.bands import Banded, Cutter, Part
from resource_models.outlook import Outlook
from resource_models.pieces import NEVER

_LEAST_GAIN = 0.003
"""A network in which no cut saves more than this share is not cut further."""

_BUDGETS = (0.05, 0.2, 1.0, 5.0)
"""Shares of extra work for which plans are searched, whatever share is allowed: more allowed never needs more."""

_MOST_RUNS = 80
"""Runs of operators that are tried in a network that is in bands already, those beside which least is live."""

_ROWS = tuple((rows, 1) for rows in (2, 3, 4, 5, 6, 8, 12, 16))
_AGAIN = ((2, 1), (1, 2), (3, 1), (4, 1))
_TILES = ((1, 2), (2, 2), (2, 3), (3, 2), (3, 3), (4, 2), (4, 3), (4, 4))


class Effort(NamedTuple):
    """How far plans are searched.

    `counts` are bands of rows and of columns, `again` those of a network that is in bands already, `spares` and
    `tapers` as of `Part`. Of the cuts of all networks that are
    kept at one depth, the `tries` that promise the most are made, at most `alike` of one run of operators, and the
    `width` best are cut again, up to `depth` times in all; networks of fewer operators than `wide` have as many times
    more of both. `rungs` is the first of the budgets to be tried.
    """

    counts: tuple[tuple[int, int], ...]
    again: tuple[tuple[int, int], ...]
    spares: tuple[int, ...]
    tapers: tuple[float, ...]
    width: int
    tries: int
    alike: int
    depth: int
    wide: int = 0
    rungs: int = 0

    def of(self, operators: int) -> "Effort":
        """The effort for a network of this many operators."""
        times = max(1, min(4, self.wide // max(operators, 1)))
        return self._replace(width=self.width * times, tries=self.tries * times)


THOROUGH = Effort(_ROWS + _TILES, _AGAIN, (1, 3, NEVER), (1.0, 0.75), width=2, tries=6, alike=2, depth=4, wide=45)
QUICK = Effort(_ROWS[:3] + _ROWS[4:5], _AGAIN[:1], (NEVER,), (1.0,), width=1, tries=1, alike=1, depth=2, rungs=-1)
"""The effort for each candidate of a search."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A way to run a network: the parts that are cut, what it then needs, and the work beside the uncut network's.

    Each part is one of the network that the parts before it make. `slower` may be below 0: rows that nobody reads are
    not computed in bands.
    """

    parts: tuple[Part, ...]
    banded: Banded
    footprint: Footprint
    slower: float


class _Cut(NamedTuple):
    """Parts to cut at once, the last first, the bytes that the arena would have, and the multiply-accumulates."""

    arena: int
    macs: int
    parts: tuple[Part, ...]


class _State:
    """A network during the search, with the cuts that save memory in it."""

    def __init__(self, parts: tuple[Part, ...], banded: Banded, target: Target, effort: Effort) -> None:
        self.parts, self.banded, self.effort = parts, banded, effort
        self._target = target
        self._cuts: dict[int, list[_Cut]] = {}
        self.least, _, self._tail_bytes = arena_range(banded.model, target)
        self.macs = sum(node.macs for node in banded.model.graph.nodes)

    @cached_property
    def footprint(self) -> Footprint:
        return file_footprint(self.banded.model, self._target)

    @cached_property
    def _outlook(self) -> Outlook:
        return Outlook(Cutter(self.banded.model), self._tail_bytes, self._target)

    def cuts(self, most_macs: int) -> list[_Cut]:
        """The most promising within so much work, the best first: for `tries` runs at most, `alike` of each."""
        if most_macs not in self._cuts:
            self._cuts[most_macs] = self._promising(most_macs)
        return self._cuts[most_macs]

    def after(self, cut: _Cut) -> "_State":
        banded = self.banded
        for part in cut.parts:
            done = Cutter(banded.model).banded(part)
            assert done
            banded = _after(banded, done)
        return _State((*self.parts, *cut.parts), banded, self._target, self.effort)

    def choice(self, macs: int) -> Choice:
        return Choice(self.parts, self.banded, self.footprint, self.macs / macs - 1 if macs else 0.0)

    def _promising(self, most_macs: int) -> list[_Cut]:
        """A run is left out where what lies beside it needs more than the best cuts of as many runs as are tried."""
        outlook, effort = self._outlook, self.effort
        best: list[_Cut] = []
        slow: list[Part] = []
        most = self.least
        listed = sorted(self._runs(outlook, most), key=self._order)
        for beside, runs in listed[: _MOST_RUNS if self.parts else None]:
            if beside >= most:
                break
            best += sorted(self._of_run(outlook, runs, most, most_macs, slow))[: effort.alike]
            if len(best) >= effort.tries:
                best = sorted(best)[: effort.tries]
                most = best[-1].arena
        return sorted(best)

    def _order(self, listed: tuple[int, tuple[tuple[int, int], ...]]) -> tuple[int, ...]:
        """Those beside which least is live come first; in bands, the shortest."""
        beside, ((first, last), *_) = listed
        return (last - first, beside, first) if self.parts else (beside, last - first, first)

    def _of_run(
        self, outlook: Outlook, runs: Sequence[tuple[int, int]], most: int, most_macs: int, slow: list[Part]
    ) -> list[_Cut]:
        """The cuts of a run that need less than `most`; to `slow` come those that are too much work."""
        cuts: list[_Cut] = []
        first, last = runs[0]
        shorter = [part for part in slow if first <= part.first and part.last <= last]
        for rows, columns in self.effort.again if self.parts else self.effort.counts:
            if any(rows >= part.rows and columns >= part.columns for part in shorter):
                continue
            if outlook.least(first, last, rows * columns) >= most:
                continue
            within = False
            for spare, taper in product(self.effort.spares, self.effort.tapers if rows > 1 else (1.0,)):
                like = [Part(*run, rows, columns, spare, taper) for run in runs]
                cut, too_slow = self._cut(outlook, like, most, most_macs)
                within |= not too_slow
                if cut:
                    cuts.append(cut)
            if not within:
                slow.append(Part(first, last, rows, columns))
                shorter.append(slow[-1])
        return cuts

    def _cut(self, outlook: Outlook, like: Sequence[Part], most: int, most_macs: int) -> tuple[_Cut | None, bool]:
        """The first of the parts, and of the others those beside which as much is live; whether it is too much work.

        No cut is given that needs `most` bytes.
        """
        work = self.macs
        for number, part in enumerate(like):
            done = outlook.cutter.macs(part)
            if done is None:
                return None, False
            work += done - self.macs
            if work > most_macs:
                return None, True
            parts = like[: number + 1]
            arenas = outlook.arena(parts, outlook.beside([(each.first, each.last) for each in parts]))
            if arenas is None or arenas[0] >= most:
                return None, False
            if arenas[1] < most and (arenas[0] >= arenas[1] or number == len(like) - 1):
                return _Cut(max(arenas), work, tuple(sorted(parts, reverse=True))), False
        return None, False

    def _runs(self, outlook: Outlook, most: int) -> Iterator[tuple[int, tuple[tuple[int, int], ...]]]:
        """Runs of operators that can be cut, each with its like in other bands, the busiest first.

        With each the bytes beside all of them.
        """
        allowed, origins = outlook.cutter.cuttable, self.banded.origins
        places: dict[int | None, list[int]] = {}
        for number, origin in enumerate(origins):
            places.setdefault(origin, []).append(number)
        seen: set[tuple[int, int]] = set()
        for first in range(len(allowed)):
            for last in range(first + 1, len(allowed) + 1):
                if not allowed[last - 1]:
                    break
                if (first, last) in seen:
                    continue
                like = origins[first:last]
                runs = [(first, last)]
                if origins[first:last] and any(origin is not None for origin in like):
                    for i in places[origins[first]]:
                        if i >= runs[-1][1] and origins[i : i + last - first] == like:
                            runs.append((i, i + last - first))
                seen.update(runs)
                beside = outlook.beside(runs)
                if beside < most:
                    yield beside, tuple(sorted(runs, key=lambda run: -outlook.busiest(*run)))


def choices(
    model: TfliteModel,
    slower: float,
    most_arena_bytes: int = 0,
    target: Target = CORTEX_M,
    effort: Effort = THOROUGH,
) -> tuple[Choice, ...]:
    """Ever smaller arenas for ever more work, at most `slower` times the multiply-accumulates more; uncut first.

    The last has the least arena found, or the first one within `most_arena_bytes`. A beam search: at each depth every
    run of operators of each network kept is tried in bands, judged by `Outlook`; the runs of one origin in the bands of
    an earlier cut are cut alike. Runs beside which as much is live as in the uncut network are left out.
    """
    first = _State((), Banded(model, tuple(range(len(model.operators))), {}), target, effort.of(len(model.operators)))
    if slower <= 0 or effort.depth == 0:
        return (first.choice(first.macs),)
    budgets = [int(first.macs * (1 + budget)) for budget in _budgets(slower)]
    allowed = int(first.macs * (1 + slower))
    known: dict[tuple[Part, ...], _State] = {(): first}
    for most_macs in budgets[effort.rungs :]:
        _search(first, known, most_macs)
        within = [state for state in known.values() if state.macs <= allowed]
        front = _front(within)
        if front[-1].footprint.arena_bytes <= most_arena_bytes:
            break
    reached = next((i for i, state in enumerate(front) if state.footprint.arena_bytes <= most_arena_bytes), len(front))
    return tuple(state.choice(first.macs) for state in front[: reached + 1])


def _budgets(slower: float) -> list[float]:
    """Those up to the first that is enough."""
    enough = next((i for i, budget in enumerate(_BUDGETS) if budget >= slower), None)
    return [*_BUDGETS, slower] if enough is None else list(_BUDGETS[: enough + 1])


def _search(first: _State, known: dict[tuple[Part, ...], _State], most_macs: int) -> None:
    """Add the networks of a beam search within so much work."""
    effort, kept, best = first.effort, [first], first.least
    for _ in range(effort.depth):
        made = []
        for state, cut in _to_try(kept, most_macs, effort):
            parts = (*state.parts, *cut.parts)
            known.setdefault(parts, known.get(parts) or state.after(cut))
            made.append(known[parts])
        kept = sorted(made, key=lambda state: state.least)[: effort.width]
        least = min((state.least for state in kept), default=best)
        if least > (1 - _LEAST_GAIN) * best:
            return
        best = least


def _to_try(states: Sequence[_State], most_macs: int, effort: Effort) -> Iterator[tuple[_State, _Cut]]:
    """The cuts that promise most, few of them of one run."""
    tried: dict[tuple[int, int, int], int] = {}
    every = ((cut, number) for number, state in enumerate(states) for cut in state.cuts(most_macs))
    for cut, number in sorted(every):
        run = (number, cut.parts[0].first, cut.parts[0].last)
        if tried.get(run, 0) < effort.alike:
            tried[run] = tried.get(run, 0) + 1
            yield states[number], cut
            if sum(tried.values()) == effort.tries:
                return


def _front(states: Sequence[_State]) -> list[_State]:
    """The uncut network, which is the first, then those that need less than every one with no more work.

    A network in bands may do less: it computes no rows that nobody reads.
    """
    uncut, *others = states
    front = [uncut]
    for state in sorted(others, key=lambda state: (max(state.macs, uncut.macs), state.least, len(state.parts))):
        most = front[-1].footprint.arena_bytes
        if state.least < most and state.footprint.arena_bytes < most:
            front.append(state)
    return front


def _after(first: Banded, second: Banded) -> Banded:
    """Both cuts as one."""
    origins = tuple(None if i is None else first.origins[i] for i in second.origins)
    wholes = {name: first.wholes.get(whole, whole) for name, whole in second.wholes.items()}
    return Banded(second.model, origins, {**first.wholes, **wholes})
