"""Several `.tflite` files as one array in which what is equal stands once, for networks that are switched at run time.

FlatBuffers say where a part is by the distance to it. Several files can therefore share parts: each has a beginning of
its own, and its parts lie behind, in any order. From each beginning on the array is a `.tflite`, which any runtime
reads where it lies.
"""

import struct
from collections.abc import Sequence

from edgevolve.deployment.flatbuffer import IDENTIFIER, packed_into, unpacked
from edgevolve.deployment.once import Once

BEGINNING_BYTES = 16
"""Of each file's beginning: all are aligned as the data of their buffers are."""


def together(models: Sequence[bytes]) -> bytes:
    """One array; file number i begins at byte `BEGINNING_BYTES * i`.

    Equal buffers, lists of numbers and texts are stored once, whichever file they are of. Raises `ExportError` for what
    is no `.tflite`.
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
