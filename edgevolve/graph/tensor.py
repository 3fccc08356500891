"""Tensors: a name, a shape and an element type; never values."""

import math
from dataclasses import dataclass
from enum import StrEnum

Shape = tuple[int, ...]


class DType(StrEnum):
    """Element type of a tensor, named as TFLite names it in lower case."""

    INT2 = "int2"
    INT4 = "int4"
    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    UINT4 = "uint4"
    UINT8 = "uint8"
    UINT16 = "uint16"
    UINT32 = "uint32"
    UINT64 = "uint64"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    COMPLEX64 = "complex64"
    COMPLEX128 = "complex128"
    BOOL = "bool"
    RESOURCE = "resource"

    @property
    def bits(self) -> int:
        """Bits of one element; none of a variable's handle."""
        if self is DType.RESOURCE:
            return 0
        return 8 if self is DType.BOOL else int(self.value.lstrip("abcdefghijklmnopqrstuvwxyz"))


_BITS = {dtype: dtype.bits for dtype in DType}


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of the deployed network.

    `shape` includes the batch of 1: (1, height, width, channels) or (1, features).
    `constant` tensors live in flash (kernels, biases, axes), the others in RAM.
    """

    name: str
    shape: Shape
    dtype: DType = DType.INT8
    constant: bool = False

    @property
    def size_bytes(self) -> int:
        """Bytes of the tensor's elements, without alignment; elements of 2 or 4 bits are packed."""
        return (math.prod(self.shape) * _BITS[self.dtype] + 7) // 8
