"""Tensors: a name, a shape and an element type; never values."""

import math
from dataclasses import dataclass
from enum import StrEnum

Shape = tuple[int, ...]


class DType(StrEnum):
    """Element type of a tensor, named as TFLite names it in lower case."""

    INT8 = "int8"
    UINT8 = "uint8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float32"

    @property
    def size_bytes(self) -> int:
        """Bytes of one element."""
        return _SIZE_BYTES[self]


_SIZE_BYTES = {
    DType.INT8: 1,
    DType.UINT8: 1,
    DType.INT16: 2,
    DType.INT32: 4,
    DType.INT64: 8,
    DType.FLOAT32: 4,
}


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
        """Bytes of the tensor's elements, without alignment."""
        return math.prod(self.shape) * _SIZE_BYTES[self.dtype]
