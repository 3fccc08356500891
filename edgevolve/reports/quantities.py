"""Metrics written for people: one name, one unit, one number format everywhere."""

from edgevolve.metric import BYTES, SHARE, Metric
from edgevolve.quantity import SIZES, size, size_unit

PERCENTAGE = Metric("share", "share", SHARE, better="higher")
"""A share without a metric of its own, such as a hypervolume."""


def quantity(metric: Metric, value: float) -> str:
    """A value with its unit, in three or four significant digits.

    Shares are percentages, KiB and MiB are powers of 1 024 bytes, k and M are thousands and millions.
    """
    if not abs(value) < 1e12:
        return f"{value:.3g}"
    if metric.unit == SHARE:
        return f"{100 * value:.2f} %"
    if metric.unit == BYTES:
        return size(value)
    if metric.unit:
        return f"{_digits(value, 4)} {metric.unit}"
    for unit, least in (("M", 1e6), ("k", 1e3)):
        if abs(value) >= least:
            return f"{value / least:.2f} {unit}"
    return f"{value:.4g}"


def count(number: float) -> str:
    """A number without unit; k and M are thousands and millions."""
    return quantity(Metric("", ""), number)


def interval(metric: Metric, low: float, high: float) -> str:
    """The interval of a value in the value's unit, as `[3.9, 4.6]`."""
    if metric.unit and metric.unit not in (SHARE, BYTES):
        return f"[{_digits(low, 3)}, {_digits(high, 3)}]"
    return f"[{quantity(metric, low)}, {quantity(metric, high)}]"


def _digits(value: float, number: int) -> str:
    """The value with `number` significant digits, and with an exponent only from a million on."""
    rounded = f"{value:.{number}g}"
    return f"{float(rounded):.0f}" if "e+" in rounded and abs(value) < 1e6 else rounded


def axis(metric: Metric, largest: float) -> tuple[str, float]:
    """The label of an axis, with the unit that suits values up to `largest`, and the divisor of values for it."""
    if metric.unit == SHARE:
        return f"{metric.title}, %", 0.01
    if metric.unit == BYTES:
        unit = size_unit(largest)
        return f"{metric.title}, {unit}", SIZES[unit]
    if metric.unit:
        return metric.title if metric.unit == metric.title else f"{metric.title}, {metric.unit}", 1.0
    for unit, least in (("millions", 1e6), ("thousands", 1e3)):
        if largest >= least:
            return f"{metric.title}, {unit}", least
    return metric.title, 1.0


def short(text: str, length: int = 60) -> str:
    """The text, or its beginning with an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def duration(seconds: float) -> str:
    """Seconds in words: 42 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
