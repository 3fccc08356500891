"""The constant tensors of a deployed file."""

from collections.abc import Sequence
from typing import NamedTuple

from edgevolve.graph import DepthwiseConv2D, DType, GlobalAveragePool, Graph, Node, Pad, Reshape


class Constant(NamedTuple):
    """A tensor in flash: its rank, bytes and quantisation scales, 0 of them for a table of numbers.

    `last_axis` tells that the scales belong to the last axis and not to the first.
    """

    rank: int
    size_bytes: int
    scales: int
    last_axis: bool = False


def constants(graph: Graph) -> Sequence[Constant]:
    """All constants in the order of their first reader. Equal tables of numbers (axes, shapes, paddings) are one."""
    found: list[Constant] = []
    tables: set[tuple[object, ...]] = set()
    for node in graph.nodes:
        for tensor in node.weights:
            scales = 0
            if tensor.dtype is DType.INT8 or len(node.weights) > 1:
                scales = node.output.shape[-1]
            elif (table := _table(node)) in tables:
                continue
            else:
                tables.add(table)
            last_axis = isinstance(node.op, DepthwiseConv2D) and len(tensor.shape) == 4 and scales > 1
            found.append(Constant(len(tensor.shape), tensor.size_bytes, scales, last_axis))
    return found


def _table(node: Node) -> tuple[object, ...]:
    """What tells one table of numbers from another."""
    op = node.op
    if isinstance(op, Reshape):
        return "shape", *op.shape
    if isinstance(op, Pad):
        return "amounts", op.height, op.width
    return ("axes",) if isinstance(op, GlobalAveragePool) else (node.name,)
