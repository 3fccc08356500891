"""Collects examples that are made one after the other: in memory while they are few, else in a temporary file."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.data_error import DataError
from edgevolve.data.rows import IN_MEMORY_BYTES, Rows, StoredArray, size_bytes


def spooled(pieces: Iterable[NDArray[Any]], shape: tuple[int, ...], dtype: type[np.generic]) -> Rows:
    """All rows of `pieces`, each (number, *shape), as one.

    Up to 64 MiB they are an array. Beyond that, they go to a file in the system's folder for temporary files
    (`TMPDIR`), which is removed when the process ends; memory then holds one piece at a time. Raises `DataError` on a
    full disk.
    """
    kept: list[NDArray[Any]] = []
    held, number = 0, 0
    file: IO[bytes] | None = None
    try:
        for piece in pieces:
            rows = np.ascontiguousarray(piece, dtype)
            number += len(rows)
            if file is None:
                kept.append(rows)
                held += rows.nbytes
                if held > IN_MEMORY_BYTES:
                    file = tempfile.NamedTemporaryFile(dir=_folder(), delete=False)  # noqa: SIM115
                    for row in kept:
                        file.write(row.data)
                    kept.clear()
            else:
                file.write(rows.data)
        if file is None:
            return np.concatenate([np.empty((0, *shape), dtype), *kept])
        file.flush()
    except OSError as error:
        raise DataError(f"{tempfile.gettempdir()}: {error.strerror}; set TMPDIR to another folder") from error
    finally:
        if file is not None:
            file.close()
    return StoredArray(file.name, np.dtype(dtype), (number, *shape))


def in_memory_if_small(rows: Rows) -> Rows:
    """The rows as one array if they take at most 64 MiB."""
    array: Rows = rows[:] if size_bytes(rows) <= IN_MEMORY_BYTES else rows
    return array


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="edgevolve-"))
    atexit.register(_remove, folder, os.getpid())
    return folder


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # not in a forked process
        shutil.rmtree(folder, ignore_errors=True)
