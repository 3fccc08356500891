"""Rows on demand: an array in memory, an array in a file, or some rows of either."""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.data_error import DataError

CHUNK_BYTES = 8 << 20
"""The bytes that are read at once where all rows are read."""

IN_MEMORY_BYTES = 64 << 20
"""An array in a file that is larger than this is read in pieces, and never held as a whole."""


class Rows(Protocol):
    """The rows of a split: `rows[index]` gives an array. A NumPy array has this interface."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of all rows: (number, ...)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type of `rows[index]`."""

    def __len__(self) -> int:
        """The number of rows."""

    def __getitem__(self, index: Any, /) -> Any:
        """The rows of a slice or of an array of indices, in that order, as one array in memory."""


@dataclass(frozen=True, slots=True)
class StoredArray:
    """An array that stays in its file, in C order from byte `offset`; rows are read on demand.

    Rows that were read are not kept, so that memory does not grow with the file. It is sent to another process as its
    path. Raises `DataError` when the file cannot be read or is too short.
    """

    path: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int = 0

    @classmethod
    def of(cls, array: "np.memmap[Any, Any]") -> "StoredArray | None":
        """The same array of the same file; None where its rows are not contiguous."""
        root = array
        while isinstance(root.base, np.memmap):
            root = root.base
        filename = getattr(root, "filename", None)
        if not isinstance(root.base, mmap.mmap) or filename is None or root.mode == "c":
            return None
        if not array.flags.c_contiguous or array.dtype.hasobject or not array.ndim:
            return None
        offset = root.offset + array.ctypes.data - root.ctypes.data
        return cls(str(Path(filename).absolute()), array.dtype, array.shape, offset)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Read rows: of a slice, of an array of indices or of truth values, or a single row."""
        if isinstance(index, int | np.integer):
            row: NDArray[Any] = self[np.array([index])][0]
            return row
        wanted = self._wanted(index)
        rows = np.empty((len(wanted), *self.shape[1:]), self.dtype)
        if not rows.size:
            return rows
        row_bytes = rows.nbytes // len(rows)
        starts = np.flatnonzero(np.diff(wanted, prepend=wanted[0] - 2) != 1)
        content = memoryview(rows.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        try:
            with open(self.path, "rb", buffering=0) as file:
                for start, end in zip(starts, [*starts[1:], len(wanted)], strict=True):
                    file.seek(self.offset + int(wanted[start]) * row_bytes)
                    _fill(file, content[start * row_bytes : end * row_bytes], self.path)
        except OSError as error:
            raise DataError(f"{self.path}: {error.strerror or 'cannot be read'}") from error
        return rows

    def _wanted(self, index: Any) -> NDArray[np.int64]:
        number = len(self)
        if isinstance(index, slice):
            return np.arange(*index.indices(number))
        wanted = np.asarray(index)
        if wanted.dtype == bool:
            wanted = np.flatnonzero(wanted)
        wanted = np.where(wanted < 0, wanted + number, wanted).astype(np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= number):
            raise IndexError(f"{self.path}: rows {wanted.min()} to {wanted.max()} of {number}")
        return wanted


def _fill(file: Any, content: memoryview, path: str) -> None:
    done = 0
    while done < len(content):
        count = file.readinto(content[done:])
        if not count:
            raise DataError(f"{path}: ends before the array that it should hold")
        done += count


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """Rows on demand: some rows of a source, by index and in that order."""

    source: Rows
    numbers: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of all rows: (number, ...)."""
        return (len(self.numbers), *self.source.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the source."""
        return self.source.dtype

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """The source's rows of these indices."""
        rows: NDArray[Any] = self.source[self.numbers[index]]
        return rows


def on_demand(rows: Rows) -> Rows:
    """A memory-mapped array as a `StoredArray`; anything else as it is."""
    stored = StoredArray.of(rows) if isinstance(rows, np.memmap) else None
    return rows if stored is None else stored


def take(rows: Rows, numbers: NDArray[np.int64]) -> Rows:
    """The rows of these indices: an array if `rows` is one, else a choice that reads nothing yet."""
    if isinstance(rows, np.ndarray):
        chosen: NDArray[Any] = rows[numbers]
        return chosen
    return Chosen(rows.source, rows.numbers[numbers]) if isinstance(rows, Chosen) else Chosen(rows, numbers)


def size_bytes(rows: Rows) -> int:
    """The bytes that all rows would take in memory."""
    return int(np.prod(rows.shape, dtype=np.int64)) * rows.dtype.itemsize


def chunks(rows: Rows, chunk_bytes: int = CHUNK_BYTES) -> Iterator[NDArray[Any]]:
    """All rows in order, about `chunk_bytes` at a time; those in memory are not copied."""
    row_bytes = max(1, size_bytes(rows) // max(1, len(rows)))
    step = max(1, chunk_bytes // row_bytes)
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def memory_bytes() -> int:
    """The free memory of this machine in bytes, as the system reports it; 2 GiB where it does not."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        kibibytes = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, ValueError, StopIteration):
        return 2 << 30
    return kibibytes << 10
