"""The memory plan that an exported file holds, and the arena that the runtime then uses."""

from collections.abc import Sequence
from dataclasses import dataclass

from resource_models.packing import MAX_PLACED, packed
from resource_models.planner import Buffer, greedy_offsets, height, live_peak

MOST_PACKED = 2_000
"""The most buffers for which a plan is searched; beyond, it would take minutes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A memory plan for the runtime's buffers.

    `offsets` are in bytes, one for each tensor in the order of their numbers; None if the runtime's own plan is as low.
    The runtime always places scratch itself. `peak_bytes` is the most bytes live at once, `head_bytes` the height of
    this plan, `greedy_bytes` the height of the runtime's own plan: peak <= head <= greedy. `exact` says that no plan is
    lower.
    """

    offsets: tuple[int, ...] | None
    peak_bytes: int
    head_bytes: int
    greedy_bytes: int
    exact: bool


def unplanned(buffers: Sequence[Buffer], greedy: Sequence[int] | None = None) -> Plan:
    """The runtime's own plan; its offsets are `greedy` (computed unless given)."""
    peak, highest = live_peak(buffers), height(buffers, greedy_offsets(buffers) if greedy is None else greedy)
    return Plan(None, peak, highest, highest, highest == peak)


def plan(tensors: Sequence[Buffer], scratch: Sequence[Buffer] = (), max_placed: int = MAX_PLACED) -> Plan:
    """The lowest plan found for tensors, in the order of their numbers, beside the scratch buffers of all kernels.

    Above `MOST_PACKED` buffers it is the runtime's own plan. `max_placed` is passed to `packed`.
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
