"""A FlatBuffers builder that writes equal parts once: a file may point to a part many times."""

from typing import Any

from flatbuffers import Builder


class Once(Builder):
    """Points to what it wrote before where it is asked for the same.

    Unless `every`, of lists that is done for several integers alone. Those are shapes and zero points, which
    `resource_models.flash` knows before there are weights; it does not know which scales will be equal.
    """

    def __init__(self, *, every: bool) -> None:
        """Begin."""
        super().__init__(1024)
        self._every = every
        self._vectors: dict[tuple[str, bytes], int] = {}
        self._texts: dict[str | bytes, int] = {}

    def CreateNumpyVector(self, x: Any) -> Any:
        """As the base class."""
        key = (x.dtype.str, x.tobytes())
        if key in self._vectors:
            return self._vectors[key]
        offset = super().CreateNumpyVector(x)
        if self._every or (x.dtype.kind == "i" and x.size > 1):
            self._vectors[key] = offset
        return offset

    def CreateString(self, s: Any, encoding: str = "utf-8", errors: str = "strict") -> Any:
        """As the base class."""
        if s not in self._texts:
            self._texts[s] = super().CreateString(s, encoding, errors)
        return self._texts[s]
