"""Trained weights on the disk: one `.npz` of plain arrays a candidate, whole or not at all."""

import os
import tempfile
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.runs.journal import JournalError, sync_folder


def write_weights(path: Path, weights: Mapping[str, NDArray[Any]]) -> None:
    """Write under a temporary name, flush to the disk, then rename. Raises `JournalError` when the disk refuses."""
    try:
        if not path.parent.exists():
            path.parent.mkdir()
            sync_folder(path.parent.parent)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".weights-")
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)
            with zipfile.ZipFile(file, "w") as archive:
                for name, value in weights.items():
                    with archive.open(f"{name}.npy", "w") as member:
                        np.lib.format.write_array(member, value, allow_pickle=False)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror or error}") from error


def keep_weights(folder: Path, numbers: Collection[int]) -> None:
    """Remove every file from `folder` but the weights of these candidates."""
    names = {f"{number}.npz" for number in numbers}
    for path in folder.glob("*"):
        if path.name not in names:
            path.unlink(missing_ok=True)
