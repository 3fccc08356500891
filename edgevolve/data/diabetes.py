"""A table that comes with scikit-learn: the progression of diabetes in patients, real data without a download."""

from dataclasses import dataclass

import numpy as np

from edgevolve.data.scaling import standardised
from edgevolve.data.split import Split, Splits, hold_out
from edgevolve.data.target import Values


@dataclass(frozen=True, slots=True)
class Diabetes:
    """442 patients by age, sex, body mass index, blood pressure and six blood values; a value to estimate.

    The value is the progression of the disease in the year after, from 25 to 346 points (Efron et al. 2004). Columns
    are standardised by constants of the training split. 282 / 71 / 89 for the splits.
    """

    seed: int = 0

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The shape of an example: (1, 1, 10)."""
        return (1, 1, 10)

    @property
    def target(self) -> Values:
        """The progression of the disease, in points."""
        return Values(("progression",), ("points",))

    def load(self) -> Splits:
        """The columns, standardised by a front end; the same arrays each time."""
        from sklearn.datasets import load_diabetes

        bunch = load_diabetes(scaled=False)
        x = bunch.data.astype(np.float32)[:, np.newaxis, np.newaxis, :]
        rest, test = hold_out(Split(x, bunch.target.astype(np.float64)), 0.2, self.seed)
        train, validation = hold_out(rest, 0.2, self.seed)
        return standardised(Splits(train, validation, test))
