"""Arrays, and how they are divided: train, validation and test, once, by seed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Split:
    """Examples and their labels.

    `x` is (number, height, width, channels): uint8, which stands for value / 255, or float32 as it is.
    `y` is (number,), int64 class labels from 0.
    """

    x: NDArray[Any]
    y: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, slots=True)
class Splits:
    """The three parts of a data set. The search sees `train` and `validation`; `test` is for the end."""

    train: Split
    validation: Split
    test: Split


def as_float(x: NDArray[Any]) -> NDArray[np.float32]:
    """What a network is fed: uint8 becomes value / 255 in float32, float32 stays as it is."""
    return x.astype(np.float32) / np.float32(255) if x.dtype == np.uint8 else x.astype(np.float32, copy=False)
