"""The order of a few nodes with the smallest peak: a bottleneck shortest path over sets of nodes, from the end back.

Let m(S) be the bytes live when the nodes of S have run. A tensor is freed when *all* its readers have run, so m is
submodular over the sets that an order can pass through: what a node adds to memory can only shrink as other nodes
run before it. Hence, going back from the end, a node that stays within the peak so far and leaves no more bytes
live before it than after it may as well run last, whatever else is left. This covers tensors that branches share:
going back, a fork's tensor comes alive once, and from then on every other branch only has its own to give up.
It also holds for an Add in place, whose place is one of its inputs' in either order.

The sets that remain are visited in the order of the peak that leads to them (Dijkstra's algorithm with max for plus),
the ones nearest to the start first among equals, and never above a peak that is known to be reached.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import NamedTuple

from resource_models.blocks import Block, Program, merged

MAX_STATES = 20_000
"""Sets of nodes that one search may hold before it settles for the best order it knows."""

_Path = tuple[int, "_Path"] | None


@dataclass(frozen=True, slots=True)
class Found:
    """An order of nodes, its peak, and a peak that no order is below (neither is under the floor), in bytes."""

    order: list[int]
    peak: int
    bound: int


class _State(NamedTuple):
    """The blocks of `path` run after all others; sorted by what the search takes first.

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
    """A block for the search: its neighbours as bits, and (bytes, readers) of each tensor that it may free.

    `overwrites` are the readers of each tensor whose place its output may take.
    """

    block: Block
    bit: int
    needs: int
    followers: int
    frees: tuple[tuple[int, int], ...]
    overwrites: tuple[int, ...]


def best_order(program: Program, start: int, stop: int, live: int, floor: int, ceiling: int) -> Found:
    """The best order of nodes `start` to `stop`, with `live` bytes live after them.

    The first order whose peak is not above `floor` will do. The given order, whose peak is `ceiling`, is
    returned if none is below that.
    """
    steps = _steps(program, start, stop)
    ends = sum(step.bit for step in steps if not step.followers)
    state = _settled(steps, _State(floor, len(steps), live, 0, ends, None))
    reached = {state.after: floor}
    heap = [state]
    while heap:
        state = heappop(heap)
        if not state.left:
            return Found(_nodes(steps, state.path), state.peak, state.peak)
        if state.peak > reached[state.after]:
            continue
        if len(reached) > MAX_STATES:
            rest = _greedy(steps, state)
            if rest.peak < ceiling:
                return Found(_nodes(steps, rest.path), rest.peak, state.peak)
            return Found(list(range(start, stop)), ceiling, state.peak)
        for number in _bits(state.ends):
            following = _put_before(steps, number, state)
            if following.peak >= ceiling:
                continue
            following = _settled(steps, following)
            if following.peak < reached.get(following.after, ceiling):
                reached[following.after] = following.peak
                heappush(heap, following)
    return Found(list(range(start, stop)), ceiling, ceiling)


def _put_before(steps: list[_Step], number: int, state: _State) -> _State:
    """The state with one more block, run right before those of `state`."""
    block, bit, needs, _, frees, overwrites = steps[number]
    peak, left, live, after, ends, path = state
    freed = 0
    for size, readers in frees:
        if not readers & after:
            freed += size
    live += freed - block.kept
    first = block.first
    for readers in overwrites:
        if not readers & after:
            first = 0
    peak = max(peak, live + first, live + block.rest - freed)
    after |= bit
    ends ^= bit
    for before in _bits(needs):
        if not steps[before].followers & ~after:
            ends |= 1 << before
    return _State(peak, left - 1, live, after, ends, (number, path))


def _settled(steps: list[_Step], state: _State) -> _State:
    """The state with every block put before it that raises neither the peak nor the live bytes."""
    tried = 0
    while state.ends & ~tried:
        number = (state.ends & ~tried).bit_length() - 1
        following = _put_before(steps, number, state)
        if following.peak == state.peak and following.live <= state.live:
            state = following
            tried = 0
        else:
            tried |= 1 << number
    return state


def _greedy(steps: list[_Step], state: _State) -> _State:
    """The state with all blocks put before it, each time the one with the lowest peak, then the fewest live bytes."""
    while state.left:
        state = _settled(steps, min(_put_before(steps, number, state) for number in _bits(state.ends)))
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
        over = program.overwrites.get(blocks[number].nodes[0], ())
        overwrites = tuple(readers[t] for t in over if program.last_read[t] < stop)
        steps.append(_Step(blocks[number], 1 << number, needs[number], followers[number], frees, overwrites))
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
