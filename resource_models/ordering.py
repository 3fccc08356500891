"""Finds the order of a few nodes with the smallest peak: a bottleneck shortest path over sets of nodes, from the end.

Let m(S) be the bytes live when the nodes of S have run. A tensor is freed when *all* its readers have run, so m is
submodular over the sets that an order can pass through: the bytes that a node adds can only shrink as other nodes run
before it. Take a node, going back from the end, that stays within the peak so far and leaves no more bytes live before
it than after it. Running it last is then optimal, whatever nodes remain. This covers tensors that branches share: going
back, a fork's tensor becomes live once, and every other branch then only frees tensors of its own.

The sets that remain are visited in the order of the peak that leads to them (Dijkstra's algorithm with max for plus),
among equals the ones nearest to the start first, and never at or above a peak that some order is known to reach.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

from resource_models.blocks import Block, Program, merged

MAX_STATES = 20_000
"""The most sets of nodes that one search visits; it then returns the best order found."""

_Path = tuple[int, "_Path"] | None


@dataclass(frozen=True, slots=True)
class Found:
    """An order of nodes, its peak, and a lower bound of every order's peak, in bytes; neither is below the floor."""

    order: list[int]
    peak: int
    bound: int


class _State(NamedTuple):
    """The blocks of `path` run after all others. States sort in the order in which the search takes them.

    `after` holds them as bits, `left` counts the others, `live` is the bytes live before them, and `ends` are the
    blocks, as bits, that may run right before them.
    """

    peak: int
    left: int
    live: int
    after: int
    ends: int
    path: _Path


class _Step(NamedTuple):
    """A block for the search: its neighbours as bits, and (bytes, readers) of each tensor that it may free."""

    block: Block
    needs: int
    followers: int
    frees: tuple[tuple[int, int], ...]


def best_order(
    program: Program, start: int, stop: int, live: int, floor: int, ceiling: int, max_states: int | None = None
) -> Found:
    """The best order of nodes `start` to `stop`, with `live` bytes live after them.

    The search ends at the first order whose peak is at most `floor`. It gives the order as it is, with the peak
    `ceiling`, if it finds none below `ceiling`. `max_states` is MAX_STATES unless given.
    """
    limit = MAX_STATES if max_states is None else max_states
    steps = _steps(program, start, stop)
    ends = sum(1 << number for number, step in enumerate(steps) if not step.followers)
    heap = [_State(floor, len(steps), live, 0, ends, None)]
    reached: dict[int, int] = {}
    visited: set[int] = set()
    while heap:
        state = _settled(steps, heappop(heap))
        if state.after in visited:
            continue
        visited.add(state.after)
        if not state.left:
            return Found(_nodes(steps, state.path), state.peak, state.peak)
        if len(visited) > limit:
            rest = _greedy(steps, state)
            if rest.peak < ceiling:
                return Found(_nodes(steps, rest.path), rest.peak, state.peak)
            return Found(list(range(start, stop)), ceiling, state.peak)
        for number in _bits(state.ends):
            peak, before = _price(steps[number], state.after, state.live)
            peak = max(peak, state.peak)
            after = state.after | 1 << number
            if peak < reached.get(after, ceiling):
                reached[after] = peak
                heappush(heap, _put_before(steps, number, state, peak, before))
    return Found(list(range(start, stop)), ceiling, ceiling)


def _price(step: _Step, after: int, live: int) -> tuple[int, int]:
    """Peak of a block that runs right before those of `after`, and the bytes live before it; `live` are after it."""
    block, _, _, frees = step
    freed = 0
    for size, readers in frees:
        if not readers & after:
            freed += size
    rest = block.rest - freed
    live += freed - block.kept
    return live + (block.first if block.first > rest else rest), live


def _put_before(steps: list[_Step], number: int, state: _State, peak: int, live: int) -> _State:
    """The state with one more block, run right before those of `state`."""
    after = state.after | 1 << number
    ends = _ends_before(steps, number, after, state.ends)
    return _State(peak, state.left - 1, live, after, ends, (number, state.path))


def _ends_before(steps: list[_Step], number: int, after: int, ends: int) -> int:
    """The blocks that may run right before those of `after`, of which block `number`, one of `ends`, is the latest."""
    ends ^= 1 << number
    needs = steps[number].needs
    while needs:
        before = needs & -needs
        if not steps[before.bit_length() - 1].followers & ~after:
            ends |= before
        needs ^= before
    return ends


def _settled(steps: list[_Step], state: _State) -> _State:
    """The state with every block put before it that raises neither the peak nor the live bytes."""
    most, left, live, after, ends, path = state
    untried = ends
    while untried:
        number = untried.bit_length() - 1
        peak, before = _price(steps[number], after, live)
        if peak <= most and before <= live:
            after |= 1 << number
            live, left, path = before, left - 1, (number, path)
            untried = ends = _ends_before(steps, number, after, ends)
        else:
            untried ^= 1 << number
    return _State(most, left, live, after, ends, path)


def _greedy(steps: list[_Step], state: _State) -> _State:
    """The state with all blocks put before it, each time the one with the lowest peak, then the fewest live bytes."""
    while state.left:
        (peak, live), number = min((_price(steps[n], state.after, state.live), n) for n in _bits(state.ends))
        state = _settled(steps, _put_before(steps, number, state, max(peak, state.peak), live))
    return state


def _steps(program: Program, start: int, stop: int) -> list[_Step]:
    blocks = merged(program, start, stop)
    entries = [program.reads[block.nodes[0]] for block in blocks]
    maker = {t: number for number, block in enumerate(blocks) for t in program.makes[block.nodes[-1]]}
    readers: dict[int, int] = {}
    needs = [0] * len(blocks)
    followers = [0] * len(blocks)
    for number, reads in enumerate(entries):
        for t in reads:
            readers[t] = readers.get(t, 0) | 1 << number
            if t in maker:
                needs[number] |= 1 << maker[t]
                followers[maker[t]] |= 1 << number
    steps = []
    for number, reads in enumerate(entries):
        frees = tuple((program.sizes[t], readers[t]) for t in reads if program.last_read[t] < stop)
        steps.append(_Step(blocks[number], needs[number], followers[number], frees))
    return steps


def _nodes(steps: list[_Step], path: _Path) -> list[int]:
    nodes: list[int] = []
    while path:
        number, path = path
        nodes += steps[number].block.nodes
    return nodes


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
