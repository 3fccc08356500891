"""Chooses the parts of a network to compute in bands, for the smallest arena that some extra work allows."""

from collections.abc import Iterable, Iterator, Sequence

from edgevolve.process import many_objects
from edgevolve.tflite import CORTEX_M, Target, TfliteModel
from resource_models.banded import Banded
from resource_models.bands import Part
from resource_models.cut_network import Choice, CutNetwork, lowest_of
from resource_models.effort import THOROUGH, Effort
from resource_models.moved_ends import with_moved_ends
from resource_models.pairs import Cut

_LEAST_GAIN = 0.003
"""A network in which no cut saves more than this share is not cut further."""

_BUDGETS = (0.05, 0.2, 1.0, 5.0)
"""Shares of extra work for which plans are always searched, so that allowing more never needs more memory."""

_PACKED = 3
"""Networks for which a better memory plan is searched."""


def choices(
    model: TfliteModel,
    slower: float,
    most_arena_bytes: int = 0,
    target: Target = CORTEX_M,
    effort: Effort = THOROUGH,
) -> tuple[Choice, ...]:
    """Plans of ever smaller arena for ever more work, the uncut network first.

    Extra work is at most `slower` times the multiply-accumulates of the uncut network. The last plan has the least
    arena found, or is the first within `most_arena_bytes`.

    A beam search: at each depth every run of operators of each kept network is tried in bands and judged by `Outlook`.
    Runs of one origin in the bands of an earlier cut are cut alike. Runs beside which as much is live as in the uncut
    network are left out.

    `Outlook` judges cuts band by band, which is no lower bound: another order of the operators may need less. With
    `effort.small`, remaining tries go to cuts that promise nothing. Left out are then only cuts that take more work
    than allowed, or in whose network one operator alone needs as much memory. Given enough tries, the best single cut
    of a small network is the best of all cuts in their orders of `best_order`.
    """
    first, *others = _networks(model, slower, most_arena_bytes, target, effort)
    return tuple(state.choice(first.macs) for state in (first, *others))


def last_choice(model: TfliteModel, slower: float, most_arena_bytes: int, effort: Effort) -> Choice:
    """The last of `choices` for a Cortex-M. Memory plans of the others are not searched."""
    networks = _networks(model, slower, most_arena_bytes, CORTEX_M, effort)
    return networks[-1].choice(networks[0].macs)


@many_objects()
def _networks(
    model: TfliteModel, slower: float, most_arena_bytes: int, target: Target, effort: Effort
) -> list[CutNetwork]:
    """The networks of `choices`."""
    first = CutNetwork(
        (), Banded(model, tuple(range(len(model.operators))), {}), target, effort.of(len(model.operators))
    )
    if slower <= 0 or effort.depth == 0 or first.within(most_arena_bytes):
        return [first]
    budgets = [int(first.macs * (1 + budget)) for budget in _budgets(slower)]
    allowed = int(first.macs * (1 + slower))
    known: dict[tuple[Part, ...], CutNetwork] = {(): first}
    for most_macs in budgets[effort.rungs :]:
        _search([first], known, most_macs, first.effort)
        if effort.pairs:
            paired = lowest_of(_made(((first, cut) for cut in first.pairs(most_macs)), known), 1)
            _search(paired, known, most_macs, effort)
        within = [state for state in known.values() if state.macs <= allowed]
        lowest = min(within, key=lambda state: state.least)
        if lowest.least <= most_arena_bytes and _front(within)[-1].within(most_arena_bytes):
            break
    else:
        within += with_moved_ends(first, lowest, allowed) if effort.moves else []
    front = _packed(within)
    reached = next((i for i, state in enumerate(front) if state.within(most_arena_bytes)), len(front))
    return front[: reached + 1]


def _packed(states: Sequence[CutNetwork]) -> list[CutNetwork]:
    """`_front` after a longer search for memory plans: for networks of the smallest lower bounds, and for its last."""
    for state in lowest_of(states, _PACKED):
        state.pack()
    front = _front(states)
    front[-1].pack()
    return front


def _budgets(slower: float) -> list[float]:
    """The budgets up to the first that covers `slower`."""
    enough = next((i for i, budget in enumerate(_BUDGETS) if budget >= slower), None)
    return [*_BUDGETS, slower] if enough is None else list(_BUDGETS[: enough + 1])


def _search(
    starts: list[CutNetwork], known: dict[tuple[Part, ...], CutNetwork], most_macs: int, effort: Effort
) -> None:
    """A beam search from `starts` within `most_macs`; adds its networks to `known`."""
    kept = starts
    best = min((state.least for state in kept), default=0)
    for _ in range(effort.depth):
        kept = lowest_of(_made(_to_try(kept, most_macs, effort), known), effort.width)
        least = min((state.least for state in kept), default=best)
        if least > (1 - _LEAST_GAIN) * best:
            return
        best = least


def _made(cuts: Iterable[tuple[CutNetwork, Cut]], known: dict[tuple[Part, ...], CutNetwork]) -> list[CutNetwork]:
    """The networks with these cuts, without those that cannot be made."""
    made = []
    for state, cut in cuts:
        parts = (*state.parts, *cut.parts)
        if parts not in known and (after := state.after(cut)):
            known[parts] = after
        if parts in known:
            made.append(known[parts])
    return made


def _to_try(states: Sequence[CutNetwork], most_macs: int, effort: Effort) -> Iterator[tuple[CutNetwork, Cut]]:
    """The most promising cuts, at most `effort.alike` of one run and `effort.tries` in all."""
    tried: dict[tuple[int, ...], int] = {}
    every = ((cut, number) for number, state in enumerate(states) for cut in state.cuts(most_macs))
    for cut, number in sorted(every):
        run = (number, len(cut.parts), cut.parts[0].first, cut.parts[0].last)
        if tried.get(run, 0) < effort.alike:
            tried[run] = tried.get(run, 0) + 1
            yield states[number], cut
            if sum(tried.values()) == effort.tries:
                return


def _front(states: Sequence[CutNetwork]) -> list[CutNetwork]:
    """The uncut network, the first of `states`, then those that need less memory than all with no more work.

    A network in bands may do less work: it does not compute rows that nobody reads.
    """
    uncut, *others = states
    front = [uncut]
    for state in sorted(others, key=lambda state: (max(state.macs, uncut.macs), state.least, len(state.parts))):
        if state.lower_than(front[-1]):
            front[-1:] = [state] if len(front) > 1 and state.macs == front[-1].macs else [front[-1], state]
    return front
