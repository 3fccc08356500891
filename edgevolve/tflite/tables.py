"""Reads an untrusted FlatBuffer: every offset and length is checked before it is followed.

Tables are read by field number, as the schema numbers them. The bytes read of one file, without weights, are limited to
a few times its size and to 64 MiB, so that lists which share their bytes cannot grow without end. Source of the layout:
FlatBuffers, "Internals".
"""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_READS_PER_BYTE = 4
_MOST_BYTES = 2**26
_MOST_ELEMENTS = 2**17
_SIZES = {"?": 1, "b": 1, "B": 1, "H": 2, "i": 4, "I": 4, "Q": 8, "f": 4}


class FlatbufferError(ValueError):
    """An offset or a length points outside the file, or the file refers to the same bytes over and over."""


class Flatbuffer:
    """The bytes of one file, and how many of them may still be read."""

    def __init__(self, content: bytes) -> None:
        """Start with nothing read of the whole file."""
        self.content = content
        self._allowance_bytes = min(_READS_PER_BYTE * len(content), _MOST_BYTES)

    def root(self) -> "Table":
        """The file's outermost table."""
        return Table.at(self, self.offset(0))

    def number(self, position: int, kind: str) -> int | float:
        """The number at `position`; `kind` is its letter in Python's `struct`."""
        self.check(position, _SIZES[kind])
        value: int | float = struct.unpack_from(f"<{kind}", self.content, position)[0]
        return value

    def unsigned(self, position: int, kind: str = "I") -> int:
        """The whole number at `position`."""
        return int(self.number(position, kind))

    def offset(self, position: int) -> int:
        """The position to which the reference at `position` points."""
        return position + self.unsigned(position)

    def vector(self, position: int, element_bytes: int) -> tuple[int, int]:
        """Start and length of the vector at `position`."""
        length = self.unsigned(position)
        self.check(position + 4, length * element_bytes)
        return position + 4, length

    def check(self, position: int, size_bytes: int) -> None:
        """Raise `FlatbufferError` unless these bytes are in the file."""
        if position < 0 or position + size_bytes > len(self.content):
            raise FlatbufferError(f"the file ends at byte {len(self.content)}, before what it refers to")

    def spend(self, size_bytes: int) -> None:
        """Count bytes as read. Raises `FlatbufferError` beyond what a valid file can need."""
        self._allowance_bytes -= size_bytes
        if self._allowance_bytes < 0:
            raise FlatbufferError("the file refers to the same bytes over and over")


@dataclass(frozen=True, slots=True)
class Table:
    """A table: `fields` holds for each field number its distance from `position`, 0 where it is absent."""

    file: Flatbuffer
    position: int
    fields: NDArray[np.uint16]

    @classmethod
    def at(cls, file: Flatbuffer, position: int) -> "Table":
        """The table at `position`."""
        start = position - int(file.number(position, "i"))
        size_bytes = file.unsigned(start, "H")
        if size_bytes < 4:
            raise FlatbufferError(f"the table at byte {position} has no head")
        file.check(start, size_bytes)
        file.spend(size_bytes)
        return cls(file, position, np.frombuffer(file.content, "<u2", size_bytes // 2 - 2, start + 4))

    def without_fields(self) -> "Table":
        """A table of the same file in which every field has its default."""
        return Table(self.file, 0, self.fields[:0])

    def has(self, field: int) -> bool:
        """Whether the field is present."""
        return field < len(self.fields) and bool(self.fields[field])

    def integer(self, field: int, kind: str, default: int = 0) -> int:
        """A field that is a whole number of type `kind`, a letter of `struct`."""
        return int(self.file.number(self._place(field), kind)) if self.has(field) else default

    def real(self, field: int, default: float = 0.0) -> float:
        """A field that is a float32."""
        return float(self.file.number(self._place(field), "f")) if self.has(field) else default

    def table(self, field: int) -> "Table | None":
        """A field that is a table; None where it is absent."""
        return Table.at(self.file, self.file.offset(self._place(field))) if self.has(field) else None

    def tables(self, field: int) -> list["Table"]:
        """A field that is a vector of tables."""
        start, length = self._counted(field)
        return [Table.at(self.file, self.file.offset(start + 4 * i)) for i in range(length)]

    def integers(self, field: int) -> tuple[int, ...]:
        """A field that is a vector of int32."""
        start, length = self._counted(field)
        return tuple(np.frombuffer(self.file.content, "<i4", length, start).tolist())

    def text(self, field: int) -> str:
        """A field that is a string; bytes that are not UTF-8 are replaced."""
        return self.data(field).decode(errors="replace")

    def data(self, field: int) -> bytes:
        """A field that is a vector of bytes."""
        start, length = self._vector(field, 1)
        self.file.spend(length)
        return self.file.content[start : start + length]

    def length(self, field: int, element_bytes: int = 1) -> int:
        """The length of a field that is a vector, which lies within the file; its elements are not read."""
        return self._vector(field, element_bytes)[1]

    def _counted(self, field: int) -> tuple[int, int]:
        """Start and length of a vector of four bytes each, counted as read."""
        start, length = self._vector(field, 4)
        if length > _MOST_ELEMENTS:
            raise FlatbufferError(f"a list of {length} elements")
        self.file.spend(4 * length)
        return start, length

    def _vector(self, field: int, element_bytes: int) -> tuple[int, int]:
        if not self.has(field):
            return 0, 0
        return self.file.vector(self.file.offset(self._place(field)), element_bytes)

    def _place(self, field: int) -> int:
        return self.position + int(self.fields[field])
