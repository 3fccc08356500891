"""Reads numbers from a FlexBuffer's map, the form of custom operators' options; nothing of it is trusted.

Source of the layout: FlatBuffers, "FlexBuffers" internals.
"""

import struct

_MAP = 9
_KINDS = {1: "i", 2: "u", 3: "f", 26: "u"}
"""Types whose values lie in the map itself: signed, unsigned, float and bool."""

_LETTERS = {"i": "bhiq", "u": "BHIQ", "f": " efd"}
_MOST_ENTRIES = 64
_MOST_LETTERS = 64


def numbers(content: bytes) -> dict[str, float]:
    """The map's numbers by key; empty where the content is not a map, is damaged, or has more than 64 entries."""
    try:
        return _numbers(content)
    except (struct.error, ValueError, IndexError, OverflowError):
        return {}


def _numbers(content: bytes) -> dict[str, float]:
    """Read the map; the last bytes say where it is: its offset, its type and the width of that offset."""
    root_width = content[-1]
    if content[-2] >> 2 != _MAP:
        return {}
    width, root = 1 << (content[-2] & 3), len(content) - 2 - root_width
    values = root - _read(content, root, root_width)
    length = _read(content, values - width, width)
    keys = values - 3 * width - _read(content, values - 3 * width, width)
    key_width = _read(content, values - 2 * width, width)
    if length > _MOST_ENTRIES:
        return {}
    numbers: dict[str, float] = {}
    for i in range(length):
        at = keys + i * key_width
        start = at - _read(content, at, key_width)
        kind = _KINDS.get(content[values + length * width + i] >> 2)
        if start < 0 or kind is None:
            continue
        key = content[start : start + _MOST_LETTERS].split(b"\0")[0].decode(errors="replace")
        numbers[key] = _read(content, values + i * width, width, kind)
    return numbers


def _read(content: bytes, at: int, width: int, kind: str = "u") -> int:
    """The number of `width` bytes at `at`; the fraction of a float is dropped."""
    if at < 0 or width not in (1, 2, 4, 8):
        raise ValueError("outside")
    return int(struct.unpack_from(f"<{_LETTERS[kind][width.bit_length() - 1]}", content, at)[0])
