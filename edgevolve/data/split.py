"""Arrays, and how they are divided: train, validation and test, once, by seed."""

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


class DataError(ValueError):
    """A data set cannot be read, or its arrays do not fit together. The message is one line."""


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


@runtime_checkable
class DataSet(Protocol):
    """A data set: its shape is known before its arrays are loaded."""

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""

    @property
    def classes(self) -> int:
        """How many labels there are."""

    def load(self) -> Splits:
        """Read and split; the same arrays each time. Raises `DataError`."""


def as_float(x: NDArray[Any]) -> NDArray[np.float32]:
    """What a network is fed: uint8 becomes value / 255 in float32, float32 stays as it is."""
    return x.astype(np.float32) / np.float32(255) if x.dtype == np.uint8 else x.astype(np.float32, copy=False)


def hold_out(part: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Divide `part` into (rest, held out), every class in proportion. Raises `DataError` if a class is too rare."""
    from sklearn.model_selection import train_test_split

    if isinstance(fraction, bool) or not isinstance(fraction, int | float) or not 0 < fraction < 1:
        raise DataError(f"a fraction to hold out must be between 0 and 1, not {fraction!r}")
    try:
        rest, held = train_test_split(np.arange(len(part)), test_size=fraction, random_state=seed, stratify=part.y)
    except ValueError as error:
        raise DataError(f"cannot hold out {fraction:.0%} of {len(part)} examples: {error}") from error
    rest, held = np.sort(rest), np.sort(held)
    return Split(part.x[rest], part.y[rest]), Split(part.x[held], part.y[held])


def fingerprint(splits: Splits) -> str:
    """128 bits, in hexadecimal, of every array in its split: equal means the same data divided the same way."""
    digest = hashlib.sha256()
    for part in (splits.train, splits.validation, splits.test):
        for array in (part.x, part.y):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:32]
