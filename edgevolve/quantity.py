"""Reads and writes numbers as people do: `64k`, `32 KiB`, `5%`."""

import re
from collections.abc import Mapping

_UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
_SUFFIXES = {"%": 0.01, **_UNITS, **{f"{unit}B": size for unit, size in _UNITS.items()}}

NUMBER = r"-?(?:\d{1,300}(?:\.\d{0,300})?|\.\d{1,300})(?:e[+-]?\d{1,3})?"
UNIT = r"%|(?:[kMG]|[KMG]i)?B?"
"""Regular expressions of number and unit, for parsers of longer text."""

_QUANTITY = re.compile(rf"\s*({NUMBER})\s*({UNIT})\s*")


def quantity(text: str) -> float:
    """The number that `text` states: k, M and G are powers of 1 000, Ki, Mi and Gi of 1 024, % is a hundredth.

    A B may follow the unit. Raises `ValueError` for anything else, with a message on what to write.
    """
    match = _QUANTITY.fullmatch(text)
    unit = match[2] if match else None
    if not match or unit not in _SUFFIXES:
        raise ValueError(f"write a number such as 0.05, 5%, 64k or 32KiB, not {text[:40]!r}")
    return float(match[1]) * _SUFFIXES[unit]


SIZES: Mapping[str, float] = {"B": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30}
"""The units in which sizes are written, in bytes."""


def size(bytes_: float) -> str:
    """Bytes in the unit that suits them, with two decimals: `512 B`, `3.75 KiB`, `1.50 MiB`."""
    unit = size_unit(bytes_)
    return f"{bytes_ / SIZES[unit]:.{0 if unit == 'B' else 2}f} {unit}"


def size_unit(largest: float) -> str:
    """The unit in which a size is written: the least in which the rounded size is below 1 024."""
    return next((unit for unit, of in SIZES.items() if round(abs(largest) / of, 2 * (unit != "B")) < 1024), "GiB")
