"""The constant tensors of a deployed file."""

from collections.abc import Sequence
from typing import NamedTuple

from edgevolve.tflite import ROWS, Operator


class Constant(NamedTuple):
    """A tensor in flash: its shape, bytes and number of quantisation scales, 0 for a table of numbers.

    `key` is the tensor's name, or the numbers of a table: the file stores constants of equal keys once. `axis` is the
    axis that several scales belong to.
    """

    key: str | tuple[int, ...]
    shape: tuple[int, ...]
    size_bytes: int
    scales: int
    axis: int = 0


def constants(operators: Sequence[Operator]) -> Sequence[Constant]:
    """All constants in the order of their first reader. Equal tables of numbers (axes, shapes, paddings) count once."""
    kept: dict[str | tuple[int, ...], Constant] = {}
    for operator in operators:
        axis = ROWS[operator.name].channel_axis if operator.name in ROWS else 0
        for tensor, scales, values in zip(operator.inputs, operator.scales, operator.values, strict=True):
            key = constant_key(tensor.name, values) if tensor is not None and tensor.constant else None
            if tensor is not None and key is not None and key not in kept:
                of_axis = axis if scales > 1 and len(tensor.shape) == axis + 1 else 0
                kept[key] = Constant(key, tuple(tensor.shape), tensor.size_bytes, scales, of_axis)
    return list(kept.values())


def constant_key(name: str, values: tuple[int, ...]) -> str | tuple[int, ...]:
    """`Constant.key` of an operand."""
    return values or name
