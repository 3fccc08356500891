"""Costs of networks of a mixture, linear in the probability of each option: plain data, without TensorFlow."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PLAIN, ABOVE_ZERO, ABSOLUTE, LOGARITHM = 0, 1, 2, 3
"""The kinds of a figure: it counts as it is, only above zero, by its absolute value, or as a factor of the loss.

The factor is (ln figure / ln offset) to the power of its weight: ProxylessNAS's `mul#log`.
"""


@dataclass(frozen=True, slots=True)
class Costs:
    """Arrays of shape (metrics,), and `slopes` of (metrics, options) over the options of all decisions in a row.

    `bases` are the metrics of one selection of options, `slopes` what each option changes in its place, both in the
    metric's unit. A figure times its scale plus its offset is comparable with others; it counts as its kind says, times
    its weight. `decay` is the weight of the size of the logits.
    """

    bases: NDArray[np.float32]
    slopes: NDArray[np.float32]
    scales: NDArray[np.float32]
    offsets: NDArray[np.float32]
    weights: NDArray[np.float32]
    kinds: NDArray[np.int32]
    decay: float = 0.0

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """The fields as arrays, in their order."""
        return (
            self.bases,
            self.slopes,
            self.scales,
            self.offsets,
            self.weights,
            self.kinds,
            np.array(self.decay, np.float32),
        )
