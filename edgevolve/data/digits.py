"""The 8×8 handwritten digits that come with scikit-learn: real data without a download."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.split import Split, Splits, hold_out
from edgevolve.data.target import Itself


@dataclass(frozen=True, slots=True)
class Digits:
    """1 797 grey images of 8×8 pixels in 10 classes (E. Alpaydin, C. Kaynak, UCI), 1 149 / 288 / 360 for the splits."""

    seed: int = 0

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The shape of an image: (8, 8, 1)."""
        return (8, 8, 1)

    @property
    def classes(self) -> int:
        """The number of digits, 10."""
        return 10

    def load(self) -> Splits:
        """Pixels as float32 from 0 to 1."""
        rest, test = hold_out(Split(*_images()), 0.2, self.seed)
        train, validation = hold_out(rest, 0.2, self.seed)
        return Splits(train, validation, test)


@dataclass(frozen=True, slots=True)
class DigitsAnomalies:
    """The same images, to be reconstructed.

    No `unusual` digit is in training; half of them are in validation, half in test. Labels are 1 for that digit and 0
    for the other nine. A network trained on those reconstructs it worse.
    """

    unusual: int = 4
    seed: int = 0

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The shape of an image: (8, 8, 1)."""
        return (8, 8, 1)

    @property
    def target(self) -> Itself:
        """The 64 pixels of the image."""
        return Itself(64)

    def load(self) -> Splits:
        """Pixels as float32 from 0 to 1; labels are 1 for the digit that training never sees, else 0."""
        x, digits = _images()
        usual, odd = (Split(x[chosen], digits[chosen]) for chosen in (digits != self.unusual, digits == self.unusual))
        rest, test = hold_out(usual, 0.2, self.seed)
        train, validation = hold_out(rest, 0.2, self.seed)
        order = np.random.default_rng(self.seed).permutation(len(odd))
        first, second = order[::2], order[1::2]
        return Splits(
            Split(train.x, np.zeros(len(train), np.int64)),
            *(_with(part, odd.take(chosen)) for part, chosen in ((validation, first), (test, second))),
        )


def _with(usual: Split, odd: Split) -> Split:
    labels = np.repeat([0, 1], [len(usual), len(odd)])
    return Split(np.concatenate([usual.x[:], odd.x[:]]), labels)


def _images() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return (bunch.images / 16).astype(np.float32)[..., np.newaxis], bunch.target.astype(np.int64)
