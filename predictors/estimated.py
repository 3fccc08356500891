"""Predicted numbers with their intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictors.workload import FloatArray


@dataclass(frozen=True, slots=True)
class Estimated:
    """A prediction. `low` and `high` are its interval, or None if its error is unknown.

    The error of a spec sheet is unknown, so analytical predictions have no interval. Learned predictions have the
    conformal interval of their predictor if the network is similar to its training samples, and none otherwise.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Estimates:
    """Predictions of several networks, one row each; `in_domain` is false for a network unlike all training samples."""

    value: FloatArray
    low: FloatArray
    high: FloatArray
    in_domain: NDArray[np.bool_]

    def __getitem__(self, row: int) -> Estimated:
        """The prediction of one row, without an interval if the network is unlike all training samples."""
        value, low, high = (float(part[row]) for part in (self.value, self.low, self.high))
        return Estimated(value, low, high) if self.in_domain[row] else Estimated(value)
