"""A FlatBuffers builder that writes equal parts once, since a file may point to a part many times."""

from typing import Any

from flatbuffers import Builder


class Once(Builder):
    """Reuses the vector of numbers, text or table that it wrote before where it is asked for an equal one."""

    def __init__(self) -> None:
        """Start with nothing written."""
        super().__init__(1024)
        self._written: dict[tuple[Any, ...], int] = {}
        self._texts: dict[str | bytes, int] = {}
        self._fields: list[tuple[Any, ...]] = []
        self._vector: tuple[int, int, int] | None = None

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:
        """As in the base class, and remember where the vector starts."""
        before = self.Offset()
        start = super().StartVector(elemSize, numElems, alignment)
        self._vector = (before, elemSize, alignment)
        return start

    def PrependUOffsetTRelative(self, off: Any) -> None:
        """As in the base class; such a vector holds offsets of tables, and is not compared."""
        self._vector = None
        super().PrependUOffsetTRelative(off)

    def EndVector(self, numElems: Any = None) -> Any:
        """As in the base class, but reuse an equal vector of numbers."""
        vector, number = self._vector, self.vectorNumElems
        self._vector = None
        offset = super().EndVector(numElems)
        if vector is None:
            return offset
        before, size, alignment = vector
        start = self.Head() + 4
        return self._once((size, alignment, bytes(self.Bytes[start : start + size * number])), offset, before)

    def StartObject(self, numfields: int) -> None:
        """As in the base class, and forget the fields of the last table."""
        super().StartObject(numfields)
        self._fields = []

    def PrependSlot(self, flags: Any, o: int, x: Any, d: Any) -> None:
        """As in the base class, and remember the field."""
        if x != d:
            self._fields.append((o, flags, str(x)))
        super().PrependSlot(flags, o, x, d)

    def PrependUOffsetTRelativeSlot(self, o: int, x: Any, d: Any) -> None:
        """As in the base class, and remember the field."""
        if x != d:
            self._fields.append((o, x))
        super().PrependUOffsetTRelativeSlot(o, x, d)

    def EndObject(self) -> Any:
        """As in the base class, but reuse an equal table."""
        key, before = ("table", *self._fields), self.objectEnd
        if key in self._written:
            self.nested, self.current_vtable = False, None
            return self._once(key, self._written[key], before)
        return self._once(key, super().EndObject(), before)

    def CreateString(self, s: Any, encoding: str = "utf-8", errors: str = "strict") -> Any:
        """As in the base class, but reuse an equal text."""
        if s not in self._texts:
            self._texts[s] = super().CreateString(s, encoding, errors)
        return self._texts[s]

    def _once(self, key: tuple[Any, ...], offset: int, before: int) -> int:
        """The offset of a part: its own, or its first one; then what was written since `before` is taken back."""
        first = self._written.setdefault(key, offset)
        if first <= before:
            self.head = len(self.Bytes) - before
        return first
