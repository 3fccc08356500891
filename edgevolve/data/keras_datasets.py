"""The image sets that Keras downloads and caches."""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.data_error import DataError
from edgevolve.data.split import Split, Splits, hold_out

_SHAPES = {"mnist": (28, 28, 1), "fashion_mnist": (28, 28, 1), "cifar10": (32, 32, 3)}


@dataclass(frozen=True, slots=True)
class KerasDataset:
    """`mnist`, `fashion_mnist` or `cifar10`, downloaded by Keras on first use; 10 classes, official test set.

    `validation_fraction` of the training images is held out by `seed`. Raises `DataError` for another name, and from
    `load` when the download fails.
    """

    name: str
    validation_fraction: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.name not in _SHAPES:
            raise DataError(f"no Keras data set {self.name!r}: choose one of {', '.join(_SHAPES)}")

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return _SHAPES[self.name]

    @property
    def classes(self) -> int:
        """The number of classes, 10."""
        return 10

    def load(self) -> Splits:
        """Download if necessary, and split; the same arrays each time."""
        x, y, x_test, y_test = _fetch(self.name)
        height, width, channels = self.input_shape
        train, validation = hold_out(
            Split(x.reshape(-1, height, width, channels), y.reshape(-1).astype(np.int64)),
            self.validation_fraction,
            self.seed,
        )
        test = Split(x_test.reshape(-1, height, width, channels), y_test.reshape(-1).astype(np.int64))
        return Splits(train, validation, test)


_SCRIPT = """
import sys, numpy, keras
(x, y), (x_test, y_test) = getattr(keras.datasets, sys.argv[1]).load_data()
numpy.savez(sys.argv[2], x, y, x_test, y_test)
"""


def _fetch(name: str) -> list[NDArray[Any]]:
    """The arrays, read in a process of its own: Keras loads TensorFlow, and reads some archives with pickle."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "arrays.npz"
        done = subprocess.run([sys.executable, "-P", "-c", _SCRIPT, name, str(path)], capture_output=True, text=True)
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["Keras failed"])[-1]
            raise DataError(f"cannot download {name} ({reason}); bring it as a file with NpzImages")
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return [archive[key] for key in archive.files]
