"""Offsets that need the least memory: first fit over several orders, then branch and bound.

The plan that the runtime would make is improved until it is as low as the most bytes live in one step. If no order
of first fit reaches that, a skyline is filled from its lowest segment, which is either given to a buffer that lives
within it or raised to its lower neighbour; every plan whose buffers cannot be pushed down is met on the way.
Source of the search: Martello, Monaci and Vigo, "An exact approach to the strip-packing problem" (2003), with
positions fixed in time.
"""

from bisect import insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from resource_models.planner import Buffer, greedy_offsets, height, live_peak

_MOST_PLACED = 75_000
"""Buffers that are placed by first fit from one order on."""

MAX_STATES = 8_000
"""Skylines that one search may visit before it settles for the best plan it knows."""


@dataclass(frozen=True, slots=True)
class Packing:
    """Offsets in bytes, in the order of the buffers, and the bytes they span.

    `exact` is False where the search met its limit: no two buffers overlap, but a lower plan may exist.
    """

    offsets: tuple[int, ...]
    height_bytes: int
    exact: bool


def packed(
    buffers: Sequence[Buffer], greedy: Sequence[int] | None = None, max_states: int = MAX_STATES, tries: int = 0
) -> Packing:
    """The lowest plan, never above `greedy` (the runtime's own plan, computed unless given) and exact if it can be.

    Where neither first fit nor the search comes to the end, `tries` times more orders of first fit are looked at.
    """
    offsets = tuple(greedy_offsets(buffers) if greedy is None else greedy)
    bound, best = live_peak(buffers), height(buffers, offsets)
    if best == bound:
        return Packing(offsets, best, True)
    for order in _orders(buffers):
        tried = _first_fit(buffers, order)
        reached = height(buffers, tried)
        if reached < best:
            offsets, best = tuple(tried), reached
            if best == bound:
                return Packing(offsets, best, True)
    search = _Search(buffers, max_states)
    while best > bound:
        below = search.plan_below(best)
        if below is None:
            break
        offsets, best = below, height(buffers, below)
    if best > bound and not search.complete:
        for tried in _moved(buffers, bound, tries):
            found = height(buffers, tried)
            if found < best:
                offsets, best = tuple(tried), found
    return Packing(offsets, best, best == bound or search.complete)


def _orders(buffers: Sequence[Buffer]) -> Iterator[list[int]]:
    """Orders in which first fit often does well: by size, by life, by area, by time."""
    numbers = range(len(buffers))
    life = [last - first + 1 for _, first, last in buffers]
    size = [buffer.size_bytes for buffer in buffers]
    yield sorted(numbers, key=lambda i: (-size[i], -life[i], i))
    yield sorted(numbers, key=lambda i: (-life[i], -size[i], i))
    yield sorted(numbers, key=lambda i: (-size[i] * life[i], i))
    yield sorted(numbers, key=lambda i: (buffers[i].first, -size[i], i))
    yield sorted(numbers, key=lambda i: (-buffers[i].last, -size[i], i))
    peak = max(numbers, key=lambda i: sum(b.size_bytes for b in buffers if b.first <= buffers[i].first <= b.last))
    step = buffers[peak].first
    yield sorted(numbers, key=lambda i: (not buffers[i].first <= step <= buffers[i].last, -life[i], -size[i], i))


def _first_fit(buffers: Sequence[Buffer], order: Sequence[int]) -> list[int]:
    offsets: list[int] = [0] * len(buffers)
    placed: list[tuple[int, int, int, int]] = []
    for i in order:
        size, first, last = buffers[i]
        offset = 0
        for start, end, born, dies in placed:
            if born <= last and first <= dies:
                if start - offset >= size:
                    break
                offset = max(offset, end)
        offsets[i] = offset
        insort(placed, (offset, offset + size, first, last))
    return offsets


def _moved(buffers: Sequence[Buffer], bound: int, tries: int) -> Iterator[list[int]]:
    """Ever lower offsets: in an order of first fit one buffer after the other is moved, and stays where none is higher.

    Begins `tries` times at each of the orders. Moves follow from the buffers alone: the generator has a fixed seed.
    """
    meets = [
        [j for j, other in enumerate(buffers) if j != i and other.first <= buffer.last and buffer.first <= other.last]
        for i, buffer in enumerate(buffers)
    ]
    rng, best = Random(0), sum(buffer.size_bytes for buffer in buffers)
    for order in [order for order in _orders(buffers) for _ in range(tries)]:
        lowest = sum(buffer.size_bytes for buffer in buffers)
        for trial in range(_MOST_PLACED // len(buffers)):
            moved = order.copy()
            if trial:
                moved.insert(rng.randrange(len(order)), moved.pop(rng.randrange(len(order))))
            offsets = _first_fit_within(buffers, meets, moved, lowest)
            if offsets is None:
                continue
            lowest, order = height(buffers, offsets), moved
            if lowest < best:
                best = lowest
                yield offsets
            if lowest == bound:
                return


def _first_fit_within(
    buffers: Sequence[Buffer], meets: Sequence[Sequence[int]], order: Sequence[int], limit: int
) -> list[int] | None:
    """As `_first_fit`; None as soon as it is higher than the limit. `meets` are the buffers that live beside each."""
    starts, ends = [-1] * len(buffers), [0] * len(buffers)
    for i in order:
        size, offset = buffers[i].size_bytes, 0
        for start, end in sorted([(starts[j], ends[j]) for j in meets[i] if starts[j] >= 0]):
            if start - offset >= size:
                break
            if end > offset:
                offset = end
        if offset + size > limit:
            return None
        starts[i], ends[i] = offset, offset + size
    return starts


_Path = tuple[int, int, "_Path"] | None
"""The buffers placed so far with their offsets, the last one first."""


class _State(NamedTuple):
    """Bytes reached in each step, bytes to spare there below the limit, buffers to be placed, and those placed."""

    skyline: tuple[int, ...]
    room: tuple[int, ...]
    waiting: frozenset[int]
    path: _Path


class _Search:
    """Depth-first search over skylines, for one set of buffers; the limit counts over all calls."""

    def __init__(self, buffers: Sequence[Buffer], max_states: int) -> None:
        steps = _busiest_steps(buffers)
        self.sizes = [buffer.size_bytes for buffer in buffers]
        self.spans = [
            (
                min((c for c, step in enumerate(steps) if step >= first), default=0),
                max((c for c, step in enumerate(steps) if step <= last), default=-1) + 1,
            )
            for _, first, last in buffers
        ]
        self.width = len(steps)
        self.states_left = max_states
        self.complete = False

    def plan_below(self, limit: int) -> tuple[int, ...] | None:
        """Offsets of a plan lower than `limit` bytes; None if none was found, for which see `complete`."""
        room = [limit - 1] * self.width
        for size, (start, stop) in zip(self.sizes, self.spans, strict=True):
            for column in range(start, stop):
                room[column] -= size
        if min(room) < 0:
            self.complete = True
            return None
        offsets = [0] * len(self.sizes)
        waiting = frozenset(i for i, (start, stop) in enumerate(self.spans) if start < stop)
        seen: set[tuple[tuple[int, ...], frozenset[int]]] = set()
        stack = [_State((0,) * self.width, tuple(room), waiting, None)]
        while stack:
            state = stack.pop()
            if not state.waiting:
                path = state.path
                while path:
                    i, offset, path = path
                    offsets[i] = offset
                return tuple(offsets)
            if (state.skyline, state.waiting) in seen:
                continue
            seen.add((state.skyline, state.waiting))
            self.states_left -= 1
            if self.states_left < 0:
                return None
            stack.extend(self._children(state))
        self.complete = True
        return None

    def _children(self, state: _State) -> Iterator[_State]:
        """States after the lowest segment was raised, or took a buffer; the most promising last."""
        skyline, room, waiting, path = state
        low = min(skyline)
        start = skyline.index(low)
        stop = start
        while stop < self.width and skyline[stop] == low:
            stop += 1
        walls = [skyline[c] for c in (start - 1, stop) if 0 <= c < self.width]
        raise_to = min(walls, default=None)
        if raise_to is not None:
            lost = raise_to - low
            if all(room[c] >= lost for c in range(start, stop)):
                raised = (*skyline[:start], *(raise_to,) * (stop - start), *skyline[stop:])
                left = (*room[:start], *(r - lost for r in room[start:stop]), *room[stop:])
                yield _State(raised, left, waiting, path)
        inside = [i for i in waiting if start <= self.spans[i][0] and self.spans[i][1] <= stop]
        inside.sort(key=lambda i: (self.spans[i][1] - self.spans[i][0], self.sizes[i], i))
        for i in inside:
            a, b = self.spans[i]
            grown = (*skyline[:a], *(low + self.sizes[i],) * (b - a), *skyline[b:])
            yield _State(grown, room, waiting - {i}, (i, low, path))


def _busiest_steps(buffers: Sequence[Buffer]) -> list[int]:
    """Steps whose live buffers are not all live in a neighbouring one; the others bind no plan."""
    steps = sorted({first for _, first, _ in buffers})
    live = [frozenset(i for i, (_, first, last) in enumerate(buffers) if first <= step <= last) for step in steps]
    return [
        step
        for k, step in enumerate(steps)
        if not (k + 1 < len(steps) and live[k] <= live[k + 1]) and not (k and live[k] < live[k - 1])
    ]
