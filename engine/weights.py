"""Trained weights on the disk: one `.npz` of plain arrays a candidate, whole or not at all."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def write_weights(path: Path, weights: Mapping[str, NDArray[Any]]) -> None:
    """Write under a temporary name, flush to the disk, then rename."""
    path.parent.mkdir(exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".weights-")
    with os.fdopen(descriptor, "wb") as file:
        np.savez(file, allow_pickle=False, **weights)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def remove_weights(path: Path) -> None:
    """Remove them if they are there."""
    path.unlink(missing_ok=True)
