"""The files of a run other than its journal: trained weights by candidate, and artefacts by content.

All are `.npz` files of plain arrays, or plain bytes. They are written under a temporary name, flushed to the disk and
renamed, so that a file is whole or missing.
"""

import hashlib
import io
import os
import re
import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.runs.disk import sync_folder
from edgevolve.runs.journal import JournalError

Arrays = Mapping[str, NDArray[Any]]

_UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile)


class Artefacts:
    """Files in one folder, named by the SHA-256 of their content. `keep` removes those that nothing refers to."""

    def __init__(self, folder: Path) -> None:
        """The first artefact makes `folder`."""
        self._folder = folder

    def put(self, content: bytes | Arrays) -> str:
        """Write the content; return its id. Equal contents are written once. Raises `JournalError` when that fails."""
        data = content if isinstance(content, bytes) else packed(content)
        name = hashlib.sha256(data).hexdigest()
        path = self._folder / name
        if not path.exists():
            write_whole(path, data)
        return name

    def read(self, name: str) -> bytes:
        """The content of an id. Raises `JournalError` where it is missing or was changed."""
        path = self._folder / name
        try:
            if not _is_id(name):
                raise ValueError("no name of an artefact")
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() != name:
                raise ValueError("the file has changed")
        except _UNREADABLE as error:
            raise JournalError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
        return data

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """The arrays of an id. Raises `JournalError` where they are missing or were changed."""
        try:
            return unpacked(self.read(name))
        except _UNREADABLE as error:
            if isinstance(error, JournalError):
                raise
            raise JournalError(f"{self._folder / name}: holds no arrays") from error

    def keep(self, names: Collection[str]) -> None:
        """Remove all artefacts but these; other files are left alone."""
        _keep(self._folder, names, _is_id)


def write_weights(path: Path, weights: Arrays) -> None:
    """Write the weights of a candidate. Raises `JournalError` when that fails."""
    write_whole(path, packed(weights))


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """The weights of a file. Raises `JournalError` where there are none."""
    try:
        return unpacked(path.read_bytes())
    except _UNREADABLE as error:
        raise JournalError(f"{path}: no weights ({getattr(error, 'strerror', None) or error})") from error


def keep_weights(folder: Path, numbers: Collection[int]) -> None:
    """Remove the weights of all candidates but these; other files are left alone."""
    _keep(folder, {f"{number}.npz" for number in numbers}, lambda name: re.fullmatch(r"\d+\.npz", name) is not None)


def write_whole(path: Path, data: bytes) -> None:
    """Write under a temporary name, flush to the disk, then rename. Raises `JournalError` when that fails."""
    try:
        if not path.parent.exists():
            path.parent.mkdir()
            sync_folder(path.parent.parent)
        temporary = path.parent / f".new-{path.name}"
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror or error}") from error


def packed(arrays: Arrays) -> bytes:
    """The bytes of an `.npz` file; equal arrays give equal bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(value), allow_pickle=False)
    return file.getvalue()


def unpacked(data: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of an `.npz` file, the inverse of `packed`. Raises `ValueError`, or as `zipfile` does, otherwise."""
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _keep(folder: Path, names: Collection[str], own: Callable[[str], bool]) -> None:
    for path in folder.glob("*"):
        ours = own(path.name) or re.fullmatch(r"\.(new|weights)-[\w.]+", path.name)
        if ours and path.name not in names and not path.is_dir():
            path.unlink(missing_ok=True)


def _is_id(name: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{64}", name) is not None
