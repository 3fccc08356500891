"""The tensors of a file: shapes, element types and constants, none of them trusted."""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module

import numpy as np

from edgevolve.graph import DType, Shape, Tensor
from edgevolve.printable import printable
from edgevolve.tflite.model import TfliteError
from edgevolve.tflite.tables import Table

_MAX_RANK = 8
_MAX_TENSOR_BYTES = 2**40

_MOST_VALUES = 64
"""Constants of more elements are not read; axes, shapes and amounts have fewer."""


class FileTensors:
    """The file's tensors, and what their constants hold."""

    def __init__(self, tables: Sequence[Table], buffers: Sequence[Table], made: set[int]) -> None:
        """Read all tensors of a subgraph; `made` are the indices of its inputs and of what its operators make."""
        self._tables, self._buffers = tables, buffers
        self.variables = {i for i, table in enumerate(tables) if table.integer(5, "?") and i not in made}
        names = _unique([printable(table.text(3)) for table in tables])
        self.all = tuple(self._tensor(i, name, i in made) for i, name in enumerate(names))
        self.stored = {
            table.integer(2, "I"): tensor.size_bytes
            for table, tensor in zip(tables, self.all, strict=True)
            if tensor.constant and tensor.size_bytes
        }
        """Bytes of each buffer that holds a constant."""

    def integers(self, index: int) -> tuple[int, ...]:
        """Values of a small int32 or int64 constant; empty for other tensors, and for one outside the FlatBuffer."""
        tensor, table = self.all[index], self._tables[index]
        dtype = {DType.INT32: "<i4", DType.INT64: "<i8"}.get(tensor.dtype)
        if dtype is None or not tensor.constant or math.prod(tensor.shape) > _MOST_VALUES or table.has(6):
            return ()
        buffer = self._buffers[table.integer(2, "I")]
        if outside(buffer):
            return ()
        return tuple(np.frombuffer(buffer.data(0), dtype).tolist())

    def scales(self, index: int) -> int:
        """The number of quantisation scales of a tensor."""
        quantisation = self._tables[index].table(4)
        return quantisation.length(2, 4) if quantisation else 0

    def open(self, index: int) -> bool:
        """Whether the file leaves a dimension of a tensor open."""
        return -1 in self._tables[index].integers(7)

    def _tensor(self, index: int, name: str, made: bool) -> Tensor:
        table = self._tables[index]
        if table.integer(10, "I"):
            raise TfliteError(f"tensor {name} is stored in another file, which edgevolve does not read")
        tensor = Tensor(name, _shape(table, name), _dtype(table.integer(1, "b"), name))
        stored_bytes = self._stored_bytes(table, name)
        if made and stored_bytes:
            raise TfliteError(f"tensor {name} is a constant and is written to")
        if stored_bytes and not table.has(6) and stored_bytes != tensor.size_bytes:
            raise TfliteError(
                f"tensor {name} has {stored_bytes} bytes in the file, but its shape needs {tensor.size_bytes}"
            )
        if tensor.size_bytes > _MAX_TENSOR_BYTES:
            raise TfliteError(f"tensor {name} has {tensor.size_bytes} bytes; at most {_MAX_TENSOR_BYTES} are read")
        constant = not made and index not in self.variables and (stored_bytes > 0 or tensor.size_bytes == 0)
        return Tensor(name, tensor.shape, tensor.dtype, constant)

    def _stored_bytes(self, table: Table, name: str) -> int:
        """Bytes that the file holds for a tensor: in its buffer, or after the FlatBuffer."""
        number = table.integer(2, "I")
        if number == 0 and not self._buffers:
            return 0
        check_index(number, len(self._buffers), f"buffer, that of tensor {name},")
        buffer = self._buffers[number]
        if not outside(buffer):
            return buffer.length(0)
        start, size_bytes = buffer.integer(1, "Q"), buffer.integer(2, "Q")
        buffer.file.check(start, size_bytes)
        return size_bytes


def _dtype(number: int, tensor: str) -> DType:
    name = names_of("TensorType").get(number, f"type {number}")
    try:
        return DType(name.lower())
    except ValueError:
        raise TfliteError(f"tensor {tensor} is of {name}, which edgevolve does not read") from None


def _shape(table: Table, name: str) -> Shape:
    """The shape; an open batch is 1."""
    shape = table.integers(0)
    if len(shape) > _MAX_RANK:
        raise TfliteError(f"tensor {name} has {len(shape)} dimensions; at most {_MAX_RANK} are read")
    if shape[:1] == (-1,):
        shape = (1, *shape[1:])
    if min(shape, default=0) < 0:
        raise TfliteError(f"tensor {name} has no fixed shape: {shape}")
    return shape


def outside(buffer: Table) -> bool:
    """Whether a buffer's bytes come after the FlatBuffer; offsets of 0 and 1 stand for none."""
    return buffer.integer(1, "Q") > 1


def check_index(index: int, count: int, kind: str) -> None:
    """Raise `TfliteError` unless a list of `count` elements has the index."""
    if not 0 <= index < count:
        raise TfliteError(f"damaged: it names {kind} {index} of {count}")


def _unique(names: Sequence[str]) -> list[str]:
    """The names, with their index added where they are empty or taken."""
    taken: dict[str, None] = {}
    for i, name in enumerate(names):
        unique = name or f"#{i}"
        while unique in taken:
            unique += f"#{i}"
        taken[unique] = None
    return list(taken)


@cache
def names_of(enumeration: str) -> Mapping[int, str]:
    """The names of an enumeration of the schema, by number."""
    schema = import_module("ai_edge_litert.schema_py_generated")
    return {number: name for name, number in vars(getattr(schema, enumeration)).items() if isinstance(number, int)}
