"""The memory plan that an exported file holds, and the arena that the runtime then uses."""

from collections.abc import Sequence
from dataclasses import dataclass

from resource_models.packing import MAX_PLACED, packed
from resource_models.planner import Buffer, greedy_offsets, height, live_peak

MOST_PACKED = 2_000
"""Buffers for which a plan is searched; more would take minutes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where the runtime puts its buffers.

    `offsets` are those of the tensors, in bytes and in their order, or None where the runtime's own plan is as low;
    scratch is always placed by the runtime. `peak_bytes`, the most bytes live at once, `head_bytes` with this plan
    and `greedy_bytes` without any stand in this order. `exact` tells that no plan is lower.
    """

    offsets: tuple[int, ...] | None
    peak_bytes: int
    head_bytes: int
    greedy_bytes: int
    exact: bool


def unplanned(buffers: Sequence[Buffer], greedy: Sequence[int] | None = None) -> Plan:
    """The runtime's own plan, whose offsets are `greedy` (computed unless given)."""
    peak, highest = live_peak(buffers), height(buffers, greedy_offsets(buffers) if greedy is None else greedy)
    return Plan(None, peak, highest, highest, highest == peak)


def plan(tensors: Sequence[Buffer], scratch: Sequence[Buffer] = (), max_placed: int = MAX_PLACED) -> Plan:
    """The best plan for tensors in the order of their numbers, and the scratch buffers of all kernels.

    Above `MOST_PACKED` buffers the runtime's own plan is all that is looked at. `max_placed` as of `packed`.
    """
    buffers = [*tensors, *scratch]
    greedy = greedy_offsets(buffers)
    own = unplanned(buffers, greedy)
    peak, highest = own.peak_bytes, own.greedy_bytes
    if own.exact or len(buffers) > MOST_PACKED:
        return own
    best = packed(buffers, greedy, max_placed=max_placed)
    offsets = best.offsets[: len(tensors)]
    head = height(buffers, greedy_offsets(buffers, offsets)) if scratch else best.height_bytes
    exact = best.exact and head == best.height_bytes
    if head >= highest:
        return Plan(None, peak, highest, highest, best.exact and best.height_bytes == highest)
    return Plan(offsets, peak, head, highest, exact)
