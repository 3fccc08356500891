"""What networks of a mixture cost, linear in how likely each option is: plain data, without TensorFlow."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PLAIN, ABOVE_ZERO, ABSOLUTE, LOGARITHM = 0, 1, 2, 3
"""How a figure counts: as it is, where it is above zero, without its sign, or as a factor.

The factor is (ln figure / ln of the offset) to the power of its weight: ProxylessNAS's `mul#log`.
"""


@dataclass(frozen=True, slots=True)
class Costs:
    """(metrics,) arrays, and one of (metrics, options), with the options of all decisions in a row.

    `bases` are the figures of one selection, `slopes` what changes with each option in its place. Both are in units of
    the metric; times `scales` plus `offsets` they are comparable, and count as `kinds` says, times `weights`. The size
    of the logits themselves counts `decay`.
    """

    bases: NDArray[np.float32]
    slopes: NDArray[np.float32]
    scales: NDArray[np.float32]
    offsets: NDArray[np.float32]
    weights: NDArray[np.float32]
    kinds: NDArray[np.int32]
    decay: float = 0.0

    def arrays(self) -> tuple[NDArray[Any], ...]:
        """In the order of the fields."""
        return (
            self.bases,
            self.slopes,
            self.scales,
            self.offsets,
            self.weights,
            self.kinds,
            np.array(self.decay, np.float32),
        )
