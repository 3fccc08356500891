"""Axes of metrics, the same in pictures, page and terminal: label, unit, ticks, and the place of 0 on a log axis."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from edgevolve.metric import SHARE, Metric
from edgevolve.reports.quantities import axis

_FEWEST_TICKS = 3
_EVEN_STEPS = 6
_MOST_DECADES = 6
_LEAST, _LARGEST = 1e-300, 1e300


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis: `label` names its unit, and `divisor` converts values of the metric to it.

    A logarithmic axis shows 0 at `zero`, in the unit of the axis; `zero` is None for a linear axis. `zero_words` labels
    the tick at `zero`, and is None if no value is 0.
    """

    label: str
    divisor: float
    zero: float | None
    zero_words: str | None

    def at(self, values: ArrayLike) -> NDArray[np.float64]:
        """The places of values of the metric, in the unit of the axis."""
        places = np.asarray(values, np.float64) / self.divisor
        return places if self.zero is None else np.maximum(places, self.zero)

    def ticks(self, low: float, high: float) -> dict[float, str]:
        """Places and labels of the ticks of a logarithmic axis that goes from `low` to `high`."""
        places = {*log_ticks(low, high), *([self.zero] if self.zero and self.zero_words else [])}
        return {place: self.words(place) for place in sorted(places)}

    def words(self, place: float) -> str:
        """The label of a tick."""
        return self.zero_words if self.zero_words and place == self.zero else f"{place:g}"


def scale(metric: Metric, values: Iterable[float], logarithmic: bool) -> Scale:
    """The axis of `values`.

    A logarithmic axis becomes linear if a value is below 0, if none is above 0, or if all are huge. It shows 0 at the
    largest power of ten that is at most half of the least value above 0.
    """
    known = [value for value in values if math.isfinite(value)]
    label, divisor = axis(metric, max(map(abs, known), default=0.0))
    least = min((value for value in known if value > 0), default=0.0) / divisor
    if not logarithmic or not _LEAST <= least <= _LARGEST or min(known) < 0:
        return Scale(label, divisor, None, None)
    zero = float(f"1e{math.floor(math.log10(least / 2))}")
    words = "0 %" if metric.unit == SHARE else "0"
    return Scale(label, divisor, zero, words if min(known) == 0 else None)


def log_ticks(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis: 1, 2 and 5 of each decade, in order.

    Over more than six decades only powers of ten are ticks. Even steps take their place if fewer than three would lie
    within the axis.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    step, parts = (1, (1, 2, 5)) if last - first <= _MOST_DECADES else (-(-(last - first) // _MOST_DECADES), (1,))
    ticks = [float(f"{part}e{exponent}") for exponent in range(first, last + 1, step) for part in parts]
    within = [tick for tick in ticks if low <= tick <= high]
    if len(within) >= _FEWEST_TICKS:
        return within
    even = MaxNLocator(_EVEN_STEPS, steps=[1, 2, 5, 10]).tick_values(low, high)
    return [float(tick) for tick in even if low <= tick <= high]
