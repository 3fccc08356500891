"""Which activations are live while a network runs its nodes in their order."""

from itertools import accumulate
from typing import NamedTuple

from edgevolve.graph import Graph, Tensor


class Lifetime(NamedTuple):
    """An activation, and the first and last node, by index, during which it is live."""

    tensor: Tensor
    first_step: int
    last_step: int


class PlacedBuffer(NamedTuple):
    """Bytes that a buffer occupies from the start of `first_step` to the end of `last_step`."""

    name: str
    first_step: int
    last_step: int
    offset_bytes: int
    size_bytes: int


def lifetimes(graph: Graph) -> list[Lifetime]:
    """The lifetime of each activation, network inputs first; liveness as in `peak_memory`."""
    end = max(len(graph.nodes) - 1, 0)
    last = {x.name: step for step, node in enumerate(graph.nodes) for x in node.inputs}
    last |= {y.name: end for y in graph.outputs}
    made = [(x, 0) for x in graph.inputs]
    made += [(y, step) for step, node in enumerate(graph.nodes) for y in node.outputs]
    return [Lifetime(tensor, step, last.get(tensor.name, step)) for tensor, step in made]


def live_bytes(graph: Graph, alignment_bytes: int = 1) -> list[int]:
    """Bytes of live activations at each node, network inputs counted; liveness as in `peak_memory`.

    Each tensor is rounded up to a multiple of the alignment.
    """
    change = [0] * (len(graph.nodes) + 1)
    for tensor, first, last in lifetimes(graph) if graph.nodes else ():
        size = -(-tensor.size_bytes // alignment_bytes) * alignment_bytes
        change[first] += size
        change[last + 1] -= size
    return list(accumulate(change[:-1]))


def stacked(graph: Graph) -> list[PlacedBuffer]:
    """Live activations piled up at each node, the oldest at the bottom: memory without any gaps.

    The pile is `live_bytes` high. A tensor sinks when one below it dies, and has a buffer for each of its offsets.
    """
    starting: dict[int, list[Lifetime]] = {}
    for lifetime in lifetimes(graph):
        starting.setdefault(lifetime.first_step, []).append(lifetime)
    pile: list[Lifetime] = []
    resting: dict[str, PlacedBuffer] = {}
    buffers: list[PlacedBuffer] = []
    for step in range(len(graph.nodes)):
        pile = [lifetime for lifetime in pile if lifetime.last_step >= step] + starting.get(step, [])
        height = 0
        for tensor, _, _ in pile:
            before = resting.get(tensor.name)
            if before and before.offset_bytes == height:
                resting[tensor.name] = before._replace(last_step=step)
            else:
                if before:
                    buffers.append(before)
                resting[tensor.name] = PlacedBuffer(tensor.name, step, step, height, tensor.size_bytes)
            height += tensor.size_bytes
    return buffers + list(resting.values())
