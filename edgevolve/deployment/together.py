"""Several `.tflite` files as one array that stores equal parts once, for networks that are switched at run time.

A FlatBuffer gives the place of a part by the distance to it. Several files can therefore share parts: each has its own
beginning, and its parts follow in any order. From each beginning on the array is a `.tflite`, which any runtime reads
in place.
"""

import struct
from collections.abc import Sequence

from edgevolve.deployment.flatbuffer import packed_into, unpacked
from edgevolve.deployment.once import Once
from edgevolve.tflite import IDENTIFIER

BEGINNING_BYTES = 16
"""The size of each file's beginning, so that all are aligned like the data of their buffers."""


def together(models: Sequence[bytes]) -> bytes:
    """All files as one array; file i begins at byte `BEGINNING_BYTES * i`.

    Equal buffers, lists of numbers, tables and texts of all files are stored once. Raises `ExportError` for what is not
    a `.tflite`.
    """
    builder = Once()
    roots = [packed_into(builder, unpacked(model)) for model in models]
    builder.Prep(BEGINNING_BYTES, 0)
    body = bytes(builder.Bytes[builder.Head() :])
    first = BEGINNING_BYTES * len(models)
    beginnings = (
        struct.pack("<I4s8x", first + len(body) - root - BEGINNING_BYTES * number, IDENTIFIER)
        for number, root in enumerate(roots)
    )
    return b"".join([*beginnings, body])
