"""A predicted number, and many of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictors.workload import FloatArray


@dataclass(frozen=True, slots=True)
class Estimated:
    """A prediction. `low` and `high` are its interval, or None if its error is not known.

    A spec sheet has no known error, so analytical predictions have no interval. Learned predictions have the conformal
    interval of their predictor if the network is like those in training, and none otherwise.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Estimates:
    """Predictions of several networks, a row for each; `in_domain` is false if the network is unlike all samples."""

    value: FloatArray
    low: FloatArray
    high: FloatArray
    in_domain: NDArray[np.bool_]

    def __getitem__(self, row: int) -> Estimated:
        """One of them; without an interval if the network is unlike all samples."""
        value, low, high = (float(part[row]) for part in (self.value, self.low, self.high))
        return Estimated(value, low, high) if self.in_domain[row] else Estimated(value)
