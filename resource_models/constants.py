"""The constant tensors of a deployed file."""

from collections.abc import Sequence
from typing import NamedTuple

from edgevolve.tflite import ROWS, Operator


class Constant(NamedTuple):
    """A tensor in flash: its shape, bytes and quantisation scales, 0 of them for a table of numbers.

    `last_axis` tells that the scales belong to the last axis and not to the first.
    """

    shape: tuple[int, ...]
    size_bytes: int
    scales: int
    last_axis: bool = False


def constants(operators: Sequence[Operator]) -> Sequence[Constant]:
    """All constants in the order of their first reader. Equal tables of numbers (axes, shapes, paddings) are one."""
    kept: list[Constant] = []
    names: set[str] = set()
    tables: set[tuple[int, ...]] = set()
    for operator in operators:
        axis = ROWS[operator.name].channel_axis if operator.name in ROWS else 0
        for tensor, scales, values in zip(operator.inputs, operator.scales, operator.values, strict=True):
            if tensor is None or not tensor.constant or tensor.name in names or values in tables:
                continue
            names.add(tensor.name)
            if values:
                tables.add(values)
            last_axis = axis > 0 and scales > 1 and len(tensor.shape) == axis + 1
            kept.append(Constant(tuple(tensor.shape), tensor.size_bytes, scales, last_axis))
    return kept
