"""Moves the ends of the bands of a network by a row or two, so that it needs less memory."""

from collections.abc import Iterator
from functools import cache
from itertools import product

from resource_models.banded import Banded, banded
from resource_models.bands import Cutter, Part
from resource_models.cut_network import CutNetwork, both, lowest_of
from resource_models.effort import Effort

_MOST_MOVED = 5_000
"""Operators of all networks tried with moved ends, for each network that is kept."""


def with_moved_ends(first: CutNetwork, state: CutNetwork, most_macs: int) -> list[CutNetwork]:
    """The best networks with ends of bands moved by a row or two, by a beam search; `effort.moves` at most.

    A move that changes the operators before the last part is left out, since the last part would mean other operators.
    """

    @cache
    def cut(parts: tuple[Part, ...]) -> Banded | None:
        before = cut(parts[:-1]) if parts else None
        if not parts or before is None:
            return None if parts else first.banded
        done = banded(cutter(parts[:-1]), parts[-1])
        return both(before, done) if done else None

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
        last = kept
        for parts in tried:
            before = cut(parts[:-1])
            work = cutter(parts[:-1]).macs(parts[-1]) if before and before.origins == origins else None
            made = cut(parts) if work is not None and work <= most_macs else None
            if made:
                order = state.order if _wiring(made) == wiring else ()
                below = kept[-1].least if len(kept) == first.effort.moves else None
                better = state.like(parts, made, order, below)
                kept = lowest_of([*kept, better], first.effort.moves) if better else kept
        if kept == last:
            break
    return [best for each in kept if each is not state and (best := each.like(each.parts, each.banded))]


def _wiring(network: Banded) -> list[tuple[int, ...]]:
    """For each operator, the operators that make its inputs. Networks of equal wiring can run in the same orders."""
    nodes = network.model.graph.nodes
    makers = {y.name: number for number, node in enumerate(nodes) for y in node.outputs}
    return [tuple(makers.get(x.name, -1) for x in node.inputs) for node in nodes]


def _moves(parts: tuple[Part, ...], effort: Effort) -> Iterator[tuple[Part, ...]]:
    """The parts with one end of one band moved, or with one part cut in another way."""
    for number, part in enumerate(parts):
        for spare, rest in product(effort.spares, effort.rests):
            yield (*parts[:number], part._replace(spare=spare, rest=rest), *parts[number + 1 :])
        ends = part.rows * part.columns - 1 if min(part.rows, part.columns) == 1 else 0
        for end, by in product(range(ends), (1, -1, 2, -2)):
            moved = [*(part.moved or (0,) * ends)]
            moved[end] += by
            yield (*parts[:number], part._replace(moved=tuple(moved)), *parts[number + 1 :])
