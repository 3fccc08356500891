"""The 8×8 handwritten digits that come with scikit-learn: real data without a download."""

from dataclasses import dataclass

import numpy as np

from edgevolve.data.split import Split, Splits, hold_out


@dataclass(frozen=True, slots=True)
class Digits:
    """1 797 grey images of 8×8 pixels in 10 classes (E. Alpaydin, C. Kaynak, UCI), 1 149 / 288 / 360 for the splits."""

    seed: int = 0

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(8, 8, 1)."""
        return (8, 8, 1)

    @property
    def classes(self) -> int:
        """Ten."""
        return 10

    def load(self) -> Splits:
        """Pixels as float32 from 0 to 1."""
        from sklearn.datasets import load_digits

        bunch = load_digits()
        x = (bunch.images / 16).astype(np.float32)[..., np.newaxis]
        rest, test = hold_out(Split(x, bunch.target.astype(np.int64)), 0.2, self.seed)
        train, validation = hold_out(rest, 0.2, self.seed)
        return Splits(train, validation, test)
