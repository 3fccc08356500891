"""Images of your own, in a NumPy archive."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.data_error import DataError
from edgevolve.data.split import Split, Splits, hold_out


@dataclass(frozen=True, slots=True)
class NpzImages:
    """An `.npz` with `x_train`, `y_train` and, if there is an official test set, `x_test`, `y_test`.

    `x` is (number, height, width) or (number, height, width, channels), uint8 (read as value / 255) or
    floating point (taken as it is); `y` holds whole numbers from 0. Without a test set, `test_fraction` of
    the examples is held out; `validation_fraction` is held out of what is left for training.
    Raises `DataError` when the file or its arrays are not so.
    """

    path: str
    validation_fraction: float = 0.1
    test_fraction: float = 0.2
    seed: int = 0

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        _, height, width, channels = self._parts()[0].x.shape
        return height, width, channels

    @property
    def classes(self) -> int:
        """The highest label plus one."""
        return int(self._parts()[0].y.max()) + 1

    def load(self) -> Splits:
        """Read and split; the same arrays each time."""
        train, test = self._parts()
        if test is None:
            train, test = hold_out(train, self.test_fraction, self.seed)
        train, validation = hold_out(train, self.validation_fraction, self.seed)
        return Splits(train, validation, test)

    def _parts(self) -> tuple[Split, Split | None]:
        try:
            return _read(self.path, Path(self.path).stat().st_mtime_ns)
        except OSError as error:
            raise DataError(f"{self.path}: {error.strerror or 'cannot be read'}") from error


@lru_cache(maxsize=1)
def _read(path: str, modified_ns: int) -> tuple[Split, Split | None]:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files if name in _NAMES}
    except OSError:
        raise
    except Exception as error:  # NumPy and zipfile raise a dozen kinds for hostile files
        raise DataError(f"{path}: not an .npz of plain arrays ({type(error).__name__}: {error})") from error
    odd = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]
    if odd:
        raise DataError(f"{path}: {odd[0]} is not an array")
    missing = [name for name in _NAMES[:2] if name not in arrays]
    if missing:
        raise DataError(f"{path}: has no {' and no '.join(missing)}")
    train = _split(path, "train", arrays["x_train"], arrays["y_train"])
    if "x_test" not in arrays or "y_test" not in arrays:
        return train, None
    test = _split(path, "test", arrays["x_test"], arrays["y_test"])
    if test.x.shape[1:] != train.x.shape[1:] or test.y.max() > train.y.max() or test.x.dtype != train.x.dtype:
        raise DataError(f"{path}: test images or labels do not match those for training")
    return train, test


_MOST_CLASSES = 100_000
_NAMES = ("x_train", "y_train", "x_test", "y_test")


def _split(path: str, part: str, x: NDArray[Any], y: NDArray[Any]) -> Split:
    if x.ndim == 3:
        x = x[..., np.newaxis]
    if x.ndim != 4 or min(x.shape) < 1:
        raise DataError(f"{path}: x_{part} must be (number, height, width[, channels]), it is {x.shape}")
    if x.dtype != np.uint8 and not np.issubdtype(x.dtype, np.floating):
        raise DataError(f"{path}: x_{part} must be uint8 or floating point, it is {x.dtype}")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.shape != x.shape[:1] or not np.issubdtype(y.dtype, np.integer) or y.min() < 0 or y.max() > _MOST_CLASSES:
        raise DataError(f"{path}: y_{part} must be {x.shape[0]} whole numbers from 0, it is {y.dtype} {y.shape}")
    if x.dtype != np.uint8:
        x = x.astype(np.float32)
        if not np.isfinite(x).all():
            raise DataError(f"{path}: x_{part} holds values that are not finite")
    return Split(x, y.astype(np.int64))
