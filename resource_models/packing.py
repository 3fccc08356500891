"""Finds offsets that need the least memory: first fit in several orders, branch and bound, then improved orders.

The runtime's own plan is improved until it is as low as the most bytes live in one step, which is a lower bound. If no
order of first fit reaches it, a skyline is filled from its lowest segment, which either takes a buffer that lives
within it or is raised to its lower neighbour. This enumerates every plan whose buffers cannot be pushed down. If it
takes too long, the order is improved repeatedly: a buffer that does not fit below the best plan is placed earlier.
Sources: Martello, Monaci and Vigo, "An exact approach to the strip-packing problem" (2003), with positions fixed in
time; Joslin and Clements, "Squeaky Wheel Optimization" (1999).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd
from random import Random
from typing import NamedTuple

from resource_models.planner import Buffer, greedy_offsets, height, live_by_step, live_peak

MAX_STATES = 8_000
"""The most skylines that one search visits; it then returns the best plan found."""

MAX_PLACED = 10_000
"""The most buffers that improved orders place in total; a buffer of a large arena counts several times."""

_FIRST_STATES = 1_000
"""Skylines that are visited before other orders are tried."""

_BITS = 20_000
"""Up to this many bits, operations on a number take no longer than the rest of a placement."""


@dataclass(frozen=True, slots=True)
class Packing:
    """Offsets in bytes, in the order of the buffers, and the height of the plan in bytes.

    `exact` is False where the search met its limit: no two buffers overlap, but a lower plan may exist.
    """

    offsets: tuple[int, ...]
    height_bytes: int
    exact: bool


def packed(
    buffers: Sequence[Buffer],
    greedy: Sequence[int] | None = None,
    max_states: int = MAX_STATES,
    max_placed: int = MAX_PLACED,
) -> Packing:
    """The lowest plan found, never above `greedy`, the runtime's own plan (computed unless given).

    `max_states` bounds the skylines visited, `max_placed` the buffers placed in improved orders.
    """
    offsets = tuple(greedy_offsets(buffers) if greedy is None else greedy)
    bound, best = live_peak(buffers), height(buffers, offsets)
    if best == bound:
        return Packing(offsets, best, True)
    spans = _spans(buffers)
    search, fit = _Search(buffers, spans), _FirstFit(buffers, spans)
    steps = (
        fit.in_orders,
        lambda limit: search.plan_below(limit, min(max_states, _FIRST_STATES)),
        lambda limit: fit.in_better_orders(limit, max_placed),
        lambda limit: search.plan_below(limit, max_states),
    )
    for step in steps:
        while best > bound and not search.complete and (below := step(best)):
            offsets, best = below, height(buffers, below)
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
    live = live_by_step(buffers)
    peak = max(numbers, key=lambda i: live[buffers[i].first])
    step = buffers[peak].first
    yield sorted(numbers, key=lambda i: (not buffers[i].first <= step <= buffers[i].last, -life[i], -size[i], i))


class _FirstFit:
    """First fit of one set of buffers in any order. The free units of each step are the bits of a number."""

    def __init__(self, buffers: Sequence[Buffer], spans: Sequence[tuple[int, int]]) -> None:
        self._unit = gcd(*(buffer.size_bytes for buffer in buffers)) or 1
        self._sizes = [buffer.size_bytes // self._unit for buffer in buffers]
        self._columns, self._width = [range(*span) for span in spans], max(stop for _, stop in spans)
        self._orders = [[i for i in order if self._sizes[i]] for order in _orders(buffers)]
        self._moved, self._spent = [order.copy() for order in self._orders], [0] * len(self._orders)
        self._rng = Random(0)  # moves follow from the buffers alone

    def in_orders(self, limit_bytes: int) -> tuple[int, ...] | None:
        """Offsets of a plan below the limit, by one of the orders that often do well; None if all are too high."""
        limit = -(-limit_bytes // self._unit) - 1
        return next(
            (placed for order in self._orders if not isinstance(placed := self._placed(order, limit), int)), None
        )

    def in_better_orders(self, limit_bytes: int, max_placed: int) -> tuple[int, ...] | None:
        """Offsets of a plan below the limit, by improving the orders that often do well; None if all are too high.

        A buffer that does not fit moves to about the middle of those before it, which may then not fit. Each starting
        order has an equal share of `max_placed`, which counts over all calls.
        """
        limit = -(-limit_bytes // self._unit) - 1
        for number, order in enumerate(self._moved):
            while self._spent[number] < max_placed // len(self._moved):
                placed = self._placed(order, limit)
                count = placed + 1 if isinstance(placed, int) else len(order)
                self._spent[number] += count * (1 + limit // _BITS)
                if not isinstance(placed, int):
                    return placed
                order.insert(int(placed * self._rng.uniform(0.4, 0.6)), order.pop(placed))
        return None

    def _placed(self, order: Sequence[int], limit: int) -> tuple[int, ...] | int:
        """Offsets of a plan within the limit, or the place in the order of the first buffer that does not fit."""
        free, offsets = [(1 << limit) - 1] * self._width, [0] * len(self._sizes)
        for place, i in enumerate(order):
            room, size, columns = -1, self._sizes[i], self._columns[i]
            for column in columns:
                room &= free[column]
            run = 1
            while room and run < size:  # a bit where `run` free ones begin
                more = run if 2 * run <= size else size - run
                room &= room >> more
                run += more
            if not room:
                return place
            offset = (room & -room).bit_length() - 1
            offsets[i], taken = offset * self._unit, ~(((1 << size) - 1) << offset)
            for column in columns:
                free[column] &= taken
        return tuple(offsets)


_Path = tuple[int, int, "_Path"] | None
"""The buffers placed so far with their offsets, the last one first."""


class _State(NamedTuple):
    """Bytes reached in each step, bytes that the step can waste below the limit, buffers left, and buffers placed."""

    skyline: tuple[int, ...]
    room: tuple[int, ...]
    waiting: frozenset[int]
    path: _Path


class _Move(NamedTuple):
    """The steps `start` to `stop` of a state reach up to `height`, with a buffer on top, or with nothing."""

    state: _State
    start: int
    stop: int
    height: int
    buffer: int | None

    def done(self) -> _State:
        """The state after the move."""
        (skyline, room, waiting, path), start, stop, height, buffer = self
        reached = (*skyline[:start], *(height,) * (stop - start), *skyline[stop:])
        if buffer is not None:
            return _State(reached, room, waiting - {buffer}, (buffer, skyline[start], path))
        lost = height - skyline[start]
        return _State(reached, (*room[:start], *(r - lost for r in room[start:stop]), *room[stop:]), waiting, path)


class _Search:
    """Depth-first search over skylines, for one set of buffers."""

    def __init__(self, buffers: Sequence[Buffer], spans: Sequence[tuple[int, int]]) -> None:
        self.sizes, self.spans = [buffer.size_bytes for buffer in buffers], spans
        self.width = max(stop for _, stop in spans)
        order = sorted(range(len(spans)), key=lambda i: (spans[i][1] - spans[i][0], self.sizes[i], i))
        self._rank = {i: rank for rank, i in enumerate(order)}
        self._from: list[list[int]] = [[] for _ in range(self.width)]
        for i, (start, stop) in enumerate(spans):
            if start < stop:
                self._from[start].append(i)
        self.visited = 0
        self.complete = False

    def plan_below(self, limit: int, max_states: int) -> tuple[int, ...] | None:
        """Offsets of a plan lower than `limit` bytes; None if none was found. `complete` says that none exists.

        `max_states` counts over all calls.
        """
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
        state = _State((0,) * self.width, tuple(room), waiting, None)
        stack: list[_Move] = []
        while True:
            if not state.waiting:
                path = state.path
                while path:
                    i, offset, path = path
                    offsets[i] = offset
                return tuple(offsets)
            if (state.skyline, state.waiting) not in seen:
                seen.add((state.skyline, state.waiting))
                self.visited += 1
                if self.visited > max_states:
                    return None
                stack += self._moves(state)
            if not stack:
                self.complete = True
                return None
            state = stack.pop().done()

    def _moves(self, state: _State) -> Iterator[_Move]:
        """The lowest segment is raised, or takes a buffer; the most promising move last."""
        skyline, room, waiting, _ = state
        low = min(skyline)
        start = skyline.index(low)
        stop = start
        while stop < self.width and skyline[stop] == low:
            stop += 1
        walls = [skyline[c] for c in (start - 1, stop) if 0 <= c < self.width]
        if walls and min(room[start:stop]) >= min(walls) - low:
            yield _Move(state, start, stop, min(walls), None)
        inside = [i for each in self._from[start:stop] for i in each if i in waiting and self.spans[i][1] <= stop]
        for i in sorted(inside, key=self._rank.__getitem__):
            yield _Move(state, *self.spans[i], low + self.sizes[i], i)


def _spans(buffers: Sequence[Buffer]) -> list[tuple[int, int]]:
    """For each buffer the columns in which it is live, the end excluded.

    A column is a step whose live buffers are not all live in a neighbouring step; the other steps constrain no plan.
    """
    steps = sorted({first for _, first, _ in buffers})
    begins: dict[int, list[int]] = {}
    for i, (_, first, _) in enumerate(buffers):
        begins.setdefault(first, []).append(i)
    live: list[set[int]] = []
    for step in steps:
        left = {i for i in live[-1] if buffers[i].last >= step} if live else set()
        live.append(left.union(begins[step]))
    columns = [
        step
        for k, step in enumerate(steps)
        if not (k + 1 < len(steps) and live[k] <= live[k + 1]) and not (k and live[k] < live[k - 1])
    ]
    return [(bisect_left(columns, first), bisect_right(columns, last)) for _, first, last in buffers]
