"""Peak memory: the fewest bytes of live activations that any execution order needs.

The emitted order is measured first. It is optimal where its peak equals a lower bound: the most bytes that some node
needs by itself. Otherwise it is cut wherever a single tensor is live, because every order passes through that point.
Only the parts whose peak is above the bound are searched (`resource_models.ordering`).
"""

from dataclasses import dataclass
from typing import NamedTuple

from edgevolve.graph import Graph, Tensor
from resource_models.blocks import Program
from resource_models.ordering import best_order


@dataclass(frozen=True, slots=True)
class PeakMemory:
    """A peak of live activation bytes and an order of node indices that reaches it.

    `exact` is False where the search met its limit: `order` is then valid and `peak_bytes` is its peak, but a
    better order may exist.
    """

    peak_bytes: int
    order: tuple[int, ...]
    exact: bool


class _Part(NamedTuple):
    """Nodes `start` to `stop`, which every order runs between the nodes before and the nodes after them."""

    peak: int
    start: int
    stop: int
    live_after: int


def peak_memory(
    graph: Graph,
    *,
    alignment_bytes: int = 1,
    max_states: int | None = None,
    below: int | None = None,
) -> PeakMemory:
    """The smallest peak of live activation bytes over all execution orders, with an order that reaches it.

    Liveness is TensorFlow Lite Micro's: while a node runs, its inputs, its outputs and every tensor with a later reader
    are live. Network inputs are live from the start to their last reader (an unread one only at the start), network
    outputs from their node to the end. A tensor without a reader is live while its node runs. Constants lie in flash.
    Placement in the arena is not counted.

    Args:
        graph: the network. Its emitted order is kept wherever it does no harm.
        alignment_bytes: each tensor is rounded up to a multiple of it.
        max_states: limit of the search of a part of the network; `ordering.MAX_STATES` unless given.
        below: only orders with a smaller peak are searched for; without any, `peak_bytes` is at least `below`.

    Source: the definition is that of Liberis, Dudziak and Lane, "μNAS" (2021); `ordering` describes the search.
    """
    program = _program(graph, alignment_bytes)
    parts, bound = _parts(program, len(graph.inputs))
    peak = bound
    order = list(range(len(program.reads)))
    for part in sorted(parts, reverse=True):
        if part.peak <= peak or (below is not None and peak >= below):
            break
        most = part.peak if below is None else min(part.peak, below)
        best = best_order(program, part.start, part.stop, part.live_after, peak, most, max_states)
        order[part.start : part.stop] = best.order
        if best.bound > peak:
            bound = best.bound
        peak = max(peak, best.peak)
    return PeakMemory(peak, tuple(order), peak == bound)


def _program(graph: Graph, alignment_bytes: int) -> Program:
    """The graph with its tensors numbered, network inputs first."""

    def size(tensor: Tensor) -> int:
        return -(-tensor.size_bytes // alignment_bytes) * alignment_bytes

    numbers = {x.name: t for t, x in enumerate(graph.inputs)}
    sizes = [size(x) for x in graph.inputs]
    last_read = [-1] * len(sizes)
    reads: list[tuple[int, ...]] = []
    makes: list[tuple[int, ...]] = []
    for index, node in enumerate(graph.nodes):
        read = tuple({numbers[x.name] for x in node.inputs})
        for t in read:
            last_read[t] = index
        reads.append(read)
        first = len(sizes)
        for y in node.outputs:
            numbers[y.name] = len(sizes)
            sizes.append(size(y))
            last_read.append(-1)
        makes.append(tuple(range(first, len(sizes))))
    for y in graph.outputs:
        last_read[numbers[y.name]] = len(reads)
    return Program(sizes, last_read, reads, makes)


def _parts(program: Program, inputs: int) -> tuple[list[_Part], int]:
    """Run the emitted order: its independent parts, and the most bytes that the start or any node needs by itself.

    A part ends where one tensor is live: that tensor descends from all nodes before, and all nodes after descend from
    it. Every order therefore passes through this point. A tensor that nobody reads counts as live to the end here,
    since its node could run later. No part ends before a node without inputs, which could run earlier.
    """
    sizes, last_read = program.sizes, program.last_read
    bound = sum(sizes[:inputs])
    live = sum(size for size, last in zip(sizes[:inputs], last_read, strict=False) if last >= 0)
    tensors = inputs
    first_end = max((index for index, read in enumerate(program.reads) if not read), default=0)
    parts: list[_Part] = []
    peak = start = 0
    for index, read in enumerate(program.reads):
        made = needed = 0
        for t in program.makes[index]:
            made += sizes[t]
            tensors += 1
        peak_here = live + made
        for t in program.makes[index]:
            if last_read[t] >= 0:
                live += sizes[t]
        for t in read:
            needed += sizes[t]
            if last_read[t] == index:
                live -= sizes[t]
                tensors -= 1
        peak = max(peak, peak_here)
        bound = max(bound, needed + made)
        if tensors == 1 and index >= first_end:
            parts.append(_Part(peak, start, index + 1, live))
            peak, start = 0, index + 1
    if start < len(program.reads):
        parts.append(_Part(peak, start, len(program.reads), live))
    return parts, bound
