"""Reads the arrays of an untrusted `.npz`: sizes first, no pickle, large arrays stay in the file."""

import stat
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np

from edgevolve.beside import where
from edgevolve.data.data_error import DataError, not_read
from edgevolve.data.rows import IN_MEMORY_BYTES, Rows, StoredArray, memory_bytes

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


@dataclass(frozen=True, slots=True)
class Archive:
    """The requested arrays by name, and the names of the others."""

    arrays: dict[str, Rows]
    others: tuple[str, ...]


def read_npz(path: str, names: Collection[str]) -> Archive:
    """The arrays of `names` that are in the file. Raises `DataError` for anything but an archive of plain arrays."""
    _check_kind(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            wanted = {name: members[name] for name in names if name in members}
            headers = {name: _header(path, name, archive, info) for name, info in wanted.items()}
            _check_sizes(path, wanted, headers)
            arrays = {name: _array(path, archive, wanted[name], header) for name, header in headers.items()}
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or 'cannot be read'}") from error
    except DataError:
        raise
    except Exception as error:  # NumPy and zipfile raise a dozen kinds for hostile files
        broken = isinstance(error, zipfile.BadZipFile | EOFError)
        reason = "the file is damaged, or was not copied to its end" if broken else " ".join(str(error).split())[:200]
        raise DataError(f"{path}: not an .npz of plain arrays ({reason})") from error
    return Archive(arrays, tuple(name for name in members if name not in wanted))


def _check_kind(path: str) -> None:
    """Raise `DataError` unless the file is a zip archive, with a message for what it is."""
    try:
        status = Path(path).stat()
    except OSError as error:
        raise not_read(path, error, where(path)) from error
    if stat.S_ISDIR(status.st_mode):
        raise DataError(f"{path}: is a folder; an .npz is needed, or ImageFolder, SensorFolder, AudioFolder read it")
    if not stat.S_ISREG(status.st_mode):
        raise DataError(f"{path}: not a regular file")
    try:
        with open(path, "rb") as file:
            start = file.read(8)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or 'cannot be read'}") from error
    if start.startswith(b"\x93NUMPY"):
        raise DataError(f"{path}: holds one array; an .npz holds several: np.savez('{Path(path).stem}.npz', x_train=…)")
    if not start.startswith(b"PK"):
        text = Path(path).suffix.lower() in (".csv", ".tsv", ".txt")
        kind = "a text file, which Table and SensorTable read, " if text else ""
        raise DataError(
            f"{path}: {kind}not an .npz of plain arrays; write one with np.savez('data.npz', x_train=…, y_train=…)"
        )


@dataclass(frozen=True, slots=True)
class _Header:
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    length: int

    @property
    def content_bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize


def _header(path: str, name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Header:
    with archive.open(info) as file:
        if file.read(6) != np.lib.format.MAGIC_PREFIX:
            raise DataError(f"{path}: {name} is not an array")
        version = tuple(file.read(2))
        if version not in _HEADERS:
            raise DataError(f"{path}: {name} is an array with named fields; give a plain one")
        try:
            header = _Header(*_HEADERS[version](file), file.tell())
        except ValueError as error:
            reason = " ".join(str(error).split())[:100]
            raise DataError(f"{path}: not an .npz of plain arrays ({name} cannot be read: {reason})") from error
    if header.dtype.hasobject:
        raise DataError(
            f"{path}: not an .npz of plain arrays ({name} holds Python objects); "
            "make one array of equal examples, np.stack(list), and save it again"
        )
    if header.content_bytes != info.file_size - header.length:
        raise DataError(f"{path}: not an .npz of plain arrays (the size of {name} is not the one in its header)")
    return header


def _check_sizes(path: str, members: dict[str, zipfile.ZipInfo], headers: dict[str, _Header]) -> None:
    """Raise `DataError` for arrays that do not fit into memory, before they are read."""
    free = memory_bytes()
    unpacked = {name: headers[name].content_bytes for name, info in members.items() if not _stays(info, headers[name])}
    if sum(unpacked.values()) > 0.8 * free:
        largest = max(unpacked, key=lambda name: unpacked[name])
        raise DataError(
            f"{path}: {largest} takes {unpacked[largest] / (1 << 30):.1f} GiB in memory, "
            f"{free / (1 << 30):.1f} GiB are free; np.savez, uncompressed and in C order, lets it be read in pieces"
        )


def _stays(info: zipfile.ZipInfo, header: _Header) -> bool:
    """Whether the array is left in the file."""
    stored = info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1
    return stored and not header.fortran and len(header.shape) > 0 and header.content_bytes > IN_MEMORY_BYTES


def _array(path: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo, header: _Header) -> Rows:
    if _stays(info, header):
        with open(path, "rb") as raw:
            offset = _content_offset(raw, info) + header.length
        return StoredArray(str(Path(path).absolute()), header.dtype, header.shape, offset)
    if not header.shape:
        raise DataError(f"{path}: {info.filename.removesuffix('.npy')} is a single value, not an array")
    with archive.open(info) as file:
        array: Rows = np.lib.format.read_array(file, allow_pickle=False)
    return array


def _content_offset(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """The offset of a member's bytes: after its local header, the name and the extra field (zip's APPNOTE, 4.3.7)."""
    file.seek(info.header_offset + 26)
    name, extra = np.frombuffer(file.read(4), "<u2").tolist()
    return int(info.header_offset + 30 + name + extra)
