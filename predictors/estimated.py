"""A predicted number, and many of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictors.workload import FloatArray


@dataclass(frozen=True, slots=True)
class Estimated:
    """A prediction. `low` and `high` are its interval, or None where nothing is known of the error.

    A spec sheet says nothing of its own error, so analytical predictions have no interval; learned ones have the
    conformal interval of their predictor where the network is known ground, and none beyond it.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Estimates:
    """Predictions of several networks, a row each; `in_domain` is false where the network is unlike all samples."""

    value: FloatArray
    low: FloatArray
    high: FloatArray
    in_domain: NDArray[np.bool_]

    def __getitem__(self, row: int) -> Estimated:
        """One of them; beyond known ground nothing is known of the error."""
        value, low, high = (float(part[row]) for part in (self.value, self.low, self.high))
        return Estimated(value, low, high) if self.in_domain[row] else Estimated(value)
