"""The time column of a recording: its rate, and whether steps are missing."""

import re

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.data_error import DataError

_NAMES = re.compile(r"((?i:time|timestamp|ts)|t)([ _]?[\(\[]?(?P<unit>(?i:ms|s|sec|seconds|us))[\)\]]?)?")
_PER_SECOND = {"ms": 1e3, "s": 1.0, "sec": 1.0, "seconds": 1.0, "us": 1e6}
GAP = 5
"""A step this many times as long as the median means that steps of a recording are missing."""


def time_column(names: tuple[str, ...]) -> str | None:
    """The first column named time, timestamp, ts or t, with a unit or without."""
    return next((name for name in names if _NAMES.fullmatch(name.strip())), None)


def rate_of(name: str, times: NDArray[np.float64]) -> float | None:
    """Steps a second, from the median step; None for fewer than two steps.

    The unit is that of the name (ms, s, us). Without one it is milliseconds, as in Edge Impulse, or seconds where a
    step is below 0.5. Raises `DataError` for time that goes back, and for a gap.
    """
    if len(times) < 2:
        return None
    steps = np.diff(times)
    usual = float(np.median(steps))
    if steps.min() <= 0 or usual <= 0:
        raise DataError(f"row {int(steps.argmin()) + 2}: {name} does not increase")
    if steps.max() > GAP * usual:
        raise DataError(
            f"row {int(steps.argmax()) + 2}: {name} jumps by {steps.max():g}, its usual step is {usual:g}; split it"
        )
    named = _NAMES.fullmatch(name.strip())
    unit = named["unit"] if named else None
    return (_PER_SECOND[unit.lower()] if unit else 1.0 if usual < 0.5 else 1e3) / usual
