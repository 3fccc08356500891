"""The costs of a front end on a device, beside the network."""

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cost:
    """RAM and flash in bytes, and operations for one example.

    `work_bytes` is the working memory of its C code. `flash_bytes` are its tables, and its code as compiled for a
    Cortex-M4 (Thumb-2, gcc -Os), without functions of the C library. Operations are arithmetic in single precision and
    on integers, counted from the loops; a square root counts as 14 and a logarithm as 40.
    """

    work_bytes: int = 0
    flash_bytes: int = 0
    float_operations: int = 0
    integer_operations: int = 0


ROOT_OPERATIONS, LOG_OPERATIONS = 14, 40

_TABLE = re.compile(r"^static const (\w+) kFrontEnd\w+\[(\d+)\] = ", re.MULTILINE)
_BYTES = {"float": 4, "int": 4, "short": 2, "unsigned short": 2, "char": 1}


def table_bytes(c_source: str) -> int:
    """The bytes of the constant arrays in a front end's C code."""
    return sum(_BYTES[kind] * int(number) for kind, number in _TABLE.findall(c_source))


def cost_of(front_end: Any) -> Cost:
    """The costs that a front end declares, or else its working memory and tables."""
    given = getattr(front_end, "cost", None)
    return given if isinstance(given, Cost) else Cost(front_end.work_bytes, table_bytes(front_end.c_source()))
