"""Which parts of a network to compute in how many bands, so that its arena is the least that some extra work allows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import accumulate, islice, product
from typing import NamedTuple

from edgevolve.tflite import CORTEX_M, Target, TfliteModel
from resource_models.arena import Footprint, file_footprint, least_arena
from resource_models.banded import Banded, banded, best_order, in_order
from resource_models.bands import Cutter, Part
from resource_models.effort import THOROUGH, Effort
from resource_models.outlook import Outlook
from resource_models.packing import MAX_PLACED
from resource_models.pairs import Cut, pairs

_LEAST_GAIN = 0.003
"""A network in which no cut saves more than this share is not cut further."""

_MOST_MOVED = 5_000
"""Operators of all networks in which ends of bands are moved, for each that is kept."""

_BUDGETS = (0.05, 0.2, 1.0, 5.0)
"""Shares of extra work for which plans are searched, whatever share is allowed: more allowed never needs more."""

_PACKED = 3
"""Networks for which a better plan in memory is searched."""

_MOST_RUNS = 80
"""Runs of operators that are tried in a network that is in bands already, the shortest."""


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


class _Alike(NamedTuple):
    """A cut, and the runs of one origin that could be cut so."""

    cut: Cut
    like: list[Part]


class _State:
    """A network on the way, with the cuts that save something there."""

    def __init__(
        self,
        parts: tuple[Part, ...],
        network: Banded,
        target: Target,
        effort: Effort,
        order: tuple[int, ...] = (),
    ) -> None:
        """What is in bands is put in the best order known, or in `order` where it is given."""
        self.parts, self.banded, self.effort = parts, network, effort
        self._target = target
        self._cuts: dict[int, list[Cut]] = {}
        self.order = order or (best_order(network, target, effort.orders) if parts else ())
        self.ordered = in_order(network, self.order) if parts else network
        self.least, self._tail_bytes = least_arena(self.ordered.model, target)
        self.macs = sum(node.macs for node in network.model.graph.nodes)

    @cached_property
    def _listed(self) -> list[tuple[int, tuple[tuple[int, int], ...]]]:
        """The runs that are tried, in their order."""
        runs = islice(self._runs(self._outlook), _MOST_RUNS if self.parts else None)
        return sorted(runs, key=self._order)

    @cached_property
    def _outlook(self) -> Outlook:
        return Outlook(Cutter(self.banded.model), self._target)

    def cuts(self, most_macs: int) -> list[Cut]:
        """The most promising within so much work, the best first: for `tries` runs at most, `alike` of each."""
        if most_macs not in self._cuts:
            self._cuts[most_macs] = self._promising(most_macs)
        return self._cuts[most_macs]

    def after(self, cut: Cut) -> "_State | None":
        """None where a part cannot be cut so: that is known of all but the second of a pair."""
        network = self.banded
        for part in cut.parts:
            done = banded(Cutter(network.model), part)
            if done is None:
                return None
            network = _after(network, done)
        return _State((*self.parts, *cut.parts), network, self._target, self.effort)

    def like(self, parts: tuple[Part, ...], network: Banded, order: tuple[int, ...]) -> "_State":
        """Of a network with other parts, for which an order is known."""
        return _State(parts, network, self._target, self.effort, order)

    def choice(self, macs: int) -> Choice:
        return Choice(self.parts, self.ordered, self.footprint, self.macs / macs - 1 if macs else 0.0)

    @cached_property
    def footprint(self) -> Footprint:
        return file_footprint(self.ordered.model, self._target)

    def pack(self) -> None:
        """Look longer for a plan in memory; a network that is not in bands has the plan of any other file."""
        if self.parts and not self.footprint.exact and self.effort.packings > MAX_PLACED:
            self.footprint = file_footprint(self.ordered.model, self._target, self.effort.packings)

    def _promising(self, most_macs: int) -> list[Cut]:
        """A run is left out where what lies beside it needs more than the best cuts of as many runs as are tried.

        Every run is cut in each of the counts first, in the first way of `Effort.ways`, then the best of these in all.
        """
        outlook, effort = self._outlook, self.effort
        best: list[_Alike] = []
        slow: list[Part] = []
        most, number = self._tail_bytes + outlook.beside([]), effort.tries * effort.refined
        for beside, runs in self._listed:
            if self._tail_bytes + beside >= most:
                continue
            best += self._of_run(outlook, runs, most, most_macs, slow)
            if len(best) >= number:
                best = sorted(best)[:number]
                most = best[-1].cut.arena
        uncut = self._tail_bytes + outlook.beside([])
        return sorted(cut for each in best for cut in self._ways(outlook, each, uncut, most_macs))

    def _ways(self, outlook: Outlook, alike: _Alike, most: int, most_macs: int) -> Iterator[Cut]:
        """The cut and those of the same runs and counts in other ways, each of which changes it."""
        yield alike.cut
        rows = alike.like[0].rows
        known = {outlook.foreseen(alike.like[0])}
        for spare, taper, rest in self.effort.ways(again=bool(self.parts))[1:]:
            if taper == 1 or rows > 1:
                like = [part._replace(spare=spare, taper=taper, rest=rest) for part in alike.like]
                cut, _ = self._cut(outlook, like, most, most_macs)
                if cut and outlook.foreseen(like[0]) not in known:
                    known.add(outlook.foreseen(like[0]))
                    yield cut

    def pairs(self, most_macs: int) -> list[Cut]:
        """Pairs of runs in bands, the most promising first."""
        return pairs(self._outlook, self._tail_bytes, self.macs, most_macs)[: self.effort.pairs]

    def _order(self, listed: tuple[int, tuple[tuple[int, int], ...]]) -> tuple[int, ...]:
        """Those beside which least is live come first; in bands, the shortest."""
        beside, ((first, last), *_) = listed
        return (last - first, beside, first) if self.parts else (beside, last - first, first)

    def _of_run(
        self,
        outlook: Outlook,
        runs: Sequence[tuple[int, int]],
        most: int,
        most_macs: int,
        slow: list[Part],
    ) -> list[_Alike]:
        """The cuts of a run that need less than `most`; to `slow` come those that are too much work."""
        made: list[_Alike] = []
        first, last = runs[0]
        shorter = [part for part in slow if first <= part.first and part.last <= last]
        spare, taper, rest = self.effort.ways(again=bool(self.parts))[0]
        for rows, columns in self.effort.again if self.parts else self.effort.counts:
            if any(rows >= part.rows and columns >= part.columns for part in shorter):
                continue
            tail, head = outlook.least(first, last, rows * columns)
            if self._tail_bytes + tail + head >= most:
                continue
            like = [Part(*run, rows, columns, spare, taper, rest) for run in runs]
            cut, too_slow = self._cut(outlook, like, most, most_macs)
            if cut:
                made.append(_Alike(cut, like))
            if too_slow:
                slow.append(Part(first, last, rows, columns))
                shorter.append(slow[-1])
        return made

    def _cut(self, outlook: Outlook, like: Sequence[Part], most: int, most_macs: int) -> tuple[Cut | None, bool]:
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
            found = [outlook.foreseen(each) for each in parts]
            known = [each for each in found if each]
            if len(known) < len(found):
                return None, False
            tail = self._tail_bytes + sum(each.tail for each in known)
            inside = max(max(each.bands, each.joins) for each in known)
            if tail + inside >= most:
                return None, False
            beside = outlook.beside([(each.first, each.last) for each in parts])
            if tail + beside < most and (inside >= beside or number == len(like) - 1):
                return Cut(tail + max(inside, beside), work, tuple(sorted(parts, reverse=True))), False
        return None, False

    def _runs(self, outlook: Outlook) -> Iterator[tuple[int, tuple[tuple[int, int], ...]]]:
        """Runs of operators that can be cut, the shortest first, each with its like in other bands, the busiest first.

        With each the bytes beside all of them.
        """
        allowed, origins = outlook.cutter.cuttable, self.banded.origins
        places: dict[int | None, list[int]] = {}
        for number, origin in enumerate(origins):
            places.setdefault(origin, []).append(number)
        seen: set[tuple[int, int]] = set()
        uncut = outlook.beside([])
        fixed = [*accumulate((not able for able in allowed), initial=0)]
        for length in range(1, len(allowed) + 1):
            for first in range(len(allowed) - length + 1):
                last = first + length
                if fixed[last] > fixed[first] or (first, last) in seen or outlook.around(first, last) >= uncut:
                    continue
                like = origins[first:last]
                runs = [(first, last)]
                if any(origin is not None for origin in like):
                    for i in places[origins[first]]:
                        if i >= runs[-1][1] and origins[i : i + length] == like:
                            runs.append((i, i + length))
                seen.update(runs)
                beside = outlook.beside(runs)
                if beside < uncut:
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
    if slower <= 0 or effort.depth == 0 or first.footprint.arena_bytes <= most_arena_bytes:
        return (first.choice(first.macs),)
    budgets = [int(first.macs * (1 + budget)) for budget in _budgets(slower)]
    allowed = int(first.macs * (1 + slower))
    known: dict[tuple[Part, ...], _State] = {(): first}
    for most_macs in budgets[effort.rungs :]:
        _search([first], known, most_macs, first.effort)
        if effort.pairs:
            paired = _lowest(_made(((first, cut) for cut in first.pairs(most_macs)), known), 1)
            _search(paired, known, most_macs, effort)
        within = [state for state in known.values() if state.macs <= allowed]
        lowest = min(within, key=lambda state: state.least)
        if lowest.least <= most_arena_bytes and _front(within)[-1].footprint.arena_bytes <= most_arena_bytes:
            break
    else:
        within += _smoothed(first, lowest, allowed) if effort.moves else []
    front = _packed(within)
    reached = next((i for i, state in enumerate(front) if state.footprint.arena_bytes <= most_arena_bytes), len(front))
    return tuple(state.choice(first.macs) for state in front[: reached + 1])


def _packed(states: Sequence[_State]) -> list[_State]:
    """`_front`, once a better plan in memory was searched for those that need the least at least, and for the last."""
    for state in _lowest(states, _PACKED):
        state.pack()
    front = _front(states)
    front[-1].pack()
    return front


def _budgets(slower: float) -> list[float]:
    """Those up to the first that is enough."""
    enough = next((i for i, budget in enumerate(_BUDGETS) if budget >= slower), None)
    return [*_BUDGETS, slower] if enough is None else list(_BUDGETS[: enough + 1])


def _search(starts: list[_State], known: dict[tuple[Part, ...], _State], most_macs: int, effort: Effort) -> None:
    """Add the networks of a beam search within so much work."""
    kept = starts
    best = min((state.least for state in kept), default=0)
    for _ in range(effort.depth):
        kept = _lowest(_made(_to_try(kept, most_macs, effort), known), effort.width)
        least = min((state.least for state in kept), default=best)
        if least > (1 - _LEAST_GAIN) * best:
            return
        best = least


def _lowest(states: Iterable[_State], number: int) -> list[_State]:
    return sorted(states, key=lambda state: state.least)[:number]


def _made(cuts: Iterable[tuple[_State, Cut]], known: dict[tuple[Part, ...], _State]) -> list[_State]:
    """The networks with these cuts, as far as they can be made."""
    made = []
    for state, cut in cuts:
        parts = (*state.parts, *cut.parts)
        if parts not in known and (after := state.after(cut)):
            known[parts] = after
        if parts in known:
            made.append(known[parts])
    return made


def _to_try(states: Sequence[_State], most_macs: int, effort: Effort) -> Iterator[tuple[_State, Cut]]:
    """The cuts that promise most, few of them of one run."""
    tried: dict[tuple[int, ...], int] = {}
    every = ((cut, number) for number, state in enumerate(states) for cut in state.cuts(most_macs))
    for cut, number in sorted(every):
        run = (number, len(cut.parts), cut.parts[0].first, cut.parts[0].last)
        if tried.get(run, 0) < effort.alike:
            tried[run] = tried.get(run, 0) + 1
            yield states[number], cut
            if sum(tried.values()) == effort.tries:
                return


def _smoothed(first: _State, state: _State, most_macs: int) -> list[_State]:
    """The network with ends of its bands moved by a row or two, that which needs the least: a beam search.

    Where other operators come before the last part, it would not mean the same: these networks are not made.
    """

    @cache
    def cut(parts: tuple[Part, ...]) -> Banded | None:
        before = cut(parts[:-1]) if parts else None
        if not parts or before is None:
            return None if parts else first.banded
        done = banded(cutter(parts[:-1]), parts[-1])
        return _after(before, done) if done else None

    @cache
    def cutter(parts: tuple[Part, ...]) -> Cutter:
        return Cutter(network.model if (network := cut(parts)) else first.banded.model)

    if not state.parts or not (before := cut(state.parts[:-1])):
        return []
    seen, kept, wiring, origins = {state.parts}, [state], _wiring(state.banded), before.origins
    left = _MOST_MOVED * first.effort.moves // max(1, len(state.banded.origins))
    while left > 0:
        tried = list(
            dict.fromkeys(parts for each in kept for parts in _moves(each.parts, first.effort) if parts not in seen)
        )[:left]
        left -= len(tried)
        seen.update(tried)
        able = [
            parts
            for parts in tried
            if (before := cut(parts[:-1]))
            and before.origins == origins
            and (work := cutter(parts[:-1]).macs(parts[-1])) is not None
            and work <= most_macs
        ]
        made = [
            state.like(parts, each, state.order if _wiring(each) == wiring else ())
            for parts in able
            if (each := cut(parts))
        ]
        last, kept = kept, _lowest([*kept, *made], first.effort.moves)
        if kept == last:
            break
    return [each.like(each.parts, each.banded, ()) for each in kept if each is not state]


def _wiring(network: Banded) -> list[tuple[int, ...]]:
    """Of each operator those that make what it reads: an order of one network is one of others alike in this."""
    nodes = network.model.graph.nodes
    makers = {y.name: number for number, node in enumerate(nodes) for y in node.outputs}
    return [tuple(makers.get(x.name, -1) for x in node.inputs) for node in nodes]


def _moves(parts: tuple[Part, ...], effort: Effort) -> Iterator[tuple[Part, ...]]:
    """One end of one band moved, or one part cut in another way."""
    for number, part in enumerate(parts):
        for spare, rest in product(effort.spares, effort.rests):
            yield (*parts[:number], part._replace(spare=spare, rest=rest), *parts[number + 1 :])
        ends = part.rows * part.columns - 1 if min(part.rows, part.columns) == 1 else 0
        for end, by in product(range(ends), (1, -1, 2, -2)):
            moved = [*(part.moved or (0,) * ends)]
            moved[end] += by
            yield (*parts[:number], part._replace(moved=tuple(moved)), *parts[number + 1 :])


def _front(states: Sequence[_State]) -> list[_State]:
    """The uncut network, which is the first, then those that need less than every one with no more work.

    A network in bands may do less: it computes no rows that nobody reads.
    """
    uncut, *others = states
    front = [uncut]
    for state in sorted(others, key=lambda state: (max(state.macs, uncut.macs), state.least, len(state.parts))):
        most = front[-1].footprint.arena_bytes
        if state.least < most and state.footprint.arena_bytes < most:
            front[-1:] = [state] if len(front) > 1 and state.macs == front[-1].macs else [front[-1], state]
    return front


def _after(first: Banded, second: Banded) -> Banded:
    """Both cuts as one."""
    origins = tuple(None if i is None else first.origins[i] for i in second.origins)
    wholes = {name: first.wholes.get(whole, whole) for name, whole in second.wholes.items()}
    return Banded(second.model, origins, {**first.wholes, **wholes})
