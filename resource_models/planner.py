"""TensorFlow Lite Micro's own memory planner, decision for decision.

Source: `GreedyMemoryPlanner` of TensorFlow Lite Micro. Buffers are taken by size, the largest first and of equal ones
the last numbered first; each goes to the lowest gap among those placed before that live at the same time.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple


class Buffer(NamedTuple):
    """Memory of `size_bytes`, rounded up to the alignment, that is live in the steps `first` to `last`, both included.

    Step 0 is before the first operator; operator i runs in step i + 1.
    """

    size_bytes: int
    first: int
    last: int


def greedy_offsets(buffers: Sequence[Buffer], fixed: Sequence[int | None] = ()) -> list[int]:
    """Offsets in bytes, in the order of `buffers`, which is the order of their numbers.

    `fixed` holds the offsets of an offline plan, None for a buffer that it leaves to the planner; it may be shorter
    than `buffers`. Fixed buffers are placed first, unchecked.
    """
    offsets = [*fixed, *[None] * (len(buffers) - len(fixed))]
    free = sorted((i for i, offset in enumerate(offsets) if offset is None), key=lambda i: (-buffers[i].size_bytes, -i))
    starts: list[int] = []
    placed: list[tuple[int, int, int, int]] = []
    for i in (*(i for i, offset in enumerate(offsets) if offset is not None), *free):
        size, first, last = buffers[i]
        offset = offsets[i]
        if offset is None:
            offset = 0
            for start, end, born, dies in placed:
                if born <= last and first <= dies:
                    if start - offset >= size:
                        break
                    if end > offset:
                        offset = end
            offsets[i] = offset
        place = bisect_right(starts, offset)
        starts.insert(place, offset)
        placed.insert(place, (offset, offset + size, first, last))
    return [offset for offset in offsets if offset is not None]


def height(buffers: Iterable[Buffer], offsets: Iterable[int]) -> int:
    """Bytes from the start of the arena to the end of the highest buffer."""
    return max((offset + buffer.size_bytes for buffer, offset in zip(buffers, offsets, strict=True)), default=0)


def live_by_step(buffers: Iterable[Buffer]) -> dict[int, int]:
    """Bytes live from each step in which a buffer begins or has ended, in the order of the steps."""
    changes: dict[int, int] = {}
    for size, first, last in buffers:
        changes[first] = changes.get(first, 0) + size
        changes[last + 1] = changes.get(last + 1, 0) - size
    steps = sorted(changes)
    return dict(zip(steps, accumulate(changes[step] for step in steps), strict=True))


def live_peak(buffers: Iterable[Buffer]) -> int:
    """The most bytes live in one step, which no plan can be below."""
    return max(live_by_step(buffers).values(), default=0)
