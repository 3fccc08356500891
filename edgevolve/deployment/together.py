"""Several `.tflite` files as one array in which what is equal stands once, for networks that are switched at run time.

FlatBuffers say where a part is by the distance to it. Several files can therefore share parts: each has a beginning of
its own, and its parts lie behind, in any order. From each beginning on the array is a `.tflite`, which any runtime
reads where it lies.
"""

import struct
from collections.abc import Sequence
from typing import Any

from flatbuffers import Builder

from edgevolve.deployment.flatbuffer import IDENTIFIER, packed_into, unpacked

BEGINNING_BYTES = 16
"""Of each file's beginning: all are aligned as the data of their buffers are."""


def together(models: Sequence[bytes]) -> bytes:
    """One array; file number i begins at byte `BEGINNING_BYTES * i`.

    Equal buffers, lists of numbers and texts are stored once, whichever file they are of. Raises `ExportError` for what
    is no `.tflite`.
    """
    builder, kept = _Once(), dict[bytes, int]()
    roots = [packed_into(builder, unpacked(model), kept) for model in models]
    builder.Prep(BEGINNING_BYTES, 0)
    body = bytes(builder.Bytes[builder.Head() :])
    first = BEGINNING_BYTES * len(models)
    beginnings = (
        struct.pack("<I4s8x", first + len(body) - root - BEGINNING_BYTES * number, IDENTIFIER)
        for number, root in enumerate(roots)
    )
    return b"".join([*beginnings, body])


class _Once(Builder):
    """A builder that points to what it wrote before where it is asked for the same."""

    def __init__(self) -> None:
        super().__init__(1024)
        self._vectors: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: Any) -> Any:
        """As the base class."""
        key = (x.dtype.str, x.tobytes())
        if key not in self._vectors:
            self._vectors[key] = super().CreateNumpyVector(x)
        return self._vectors[key]

    def CreateString(self, s: Any, encoding: str = "utf-8", errors: str = "strict") -> Any:
        """As the base class."""
        return self.CreateSharedString(s, encoding, errors)
