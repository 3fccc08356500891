"""Your own recordings of sensors, in a folder with one folder for each class."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.csv_file import CsvFile, opened
from edgevolve.data.data_error import DataError
from edgevolve.data.folder import ClassFolder, Listing, Place
from edgevolve.data.recordings import Piece, Rate, check_windowing, names_of, windowed
from edgevolve.data.split import Splits
from edgevolve.data.time_column import rate_of, time_column
from edgevolve.data.unreadable import Unreadable, shown

SENSOR_SUFFIXES = (".csv", ".npy", ".tsv", ".txt")


@dataclass(frozen=True, slots=True)
class SensorFolder(ClassFolder):
    r"""CSV files of recordings, one folder for each class, or `train`, `validation` and `test` above the classes.

    A file holds one recording, a row for each step, with a column for every channel and optionally one for time. With
    `axes`, each line of a file is a recording whose axes are interleaved (x y z x y z …). Files named
    `class.anything.csv` need no folders; `.npy` files hold (steps, channels). `columns` selects channels by name.

    Examples are float32 (window, 1, channels), one every `stride` steps (default: half a window). Without `window` an
    example is a whole recording. No window crosses a recording, and each recording is in one split; only if a class has
    fewer than three recordings, each of these is divided in time. Recordings of a group stay in one split: `group` is a
    regular expression whose first bracket matches the group in a path below the folder, such as `r"(subject\d+)"`.

    A file whose time column gives another rate than the first file's is an error; `rate`, in steps a second, resamples
    all files. Channels are standardised if they need it, or as `normalise` says. Fractions, `seed` and
    `skip_unreadable` are as for `ImageFolder`. Raises `DataError`.
    """

    suffixes = SENSOR_SUFFIXES

    path: str
    window: int | None = None
    stride: int | None = None
    rate: float | None = None
    columns: tuple[str, ...] | None = None
    axes: int | None = None
    group: str | None = None
    normalise: bool | None = None
    validation_fraction: float = 0.1
    test_fraction: float = 0.2
    seed: int = 0
    skip_unreadable: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", names_of(self.columns))
        check_windowing(self)
        if self.axes is not None and self.axes < 1:
            raise DataError(f"SensorFolder: axes must be from 1, not {self.axes!r}")

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(window, 1, channels), from the first file that can be read."""
        listing = self._listing(Unreadable(True))
        first = _first(self, listing, listing.stamp())
        return (self.window or first[0], 1, first[1])

    def _read(self, listing: Listing, skipped: tuple[str, ...]) -> Splits:
        return _load(self, listing, listing.stamp(), skipped)


@lru_cache(maxsize=4)
def _first(data: SensorFolder, listing: Listing, stamp: str) -> tuple[int, int]:
    """The steps and channels of the first readable recording."""
    unreadable = Unreadable(True)
    for _, values in _Files(data, unreadable, None, Rate(data.rate)).pieces(listing.files):
        return values.shape[0], values.shape[1]
    raise DataError(f"{shown(data.path)}: no recording can be read: {unreadable.seen[0]}")


@lru_cache(maxsize=1)
def _load(data: SensorFolder, listing: Listing, stamp: str, skipped: tuple[str, ...]) -> Splits:
    channels = _first(data, listing, stamp)[1]
    unreadable = Unreadable(data.skip_unreadable, list(skipped))
    pieces = _Files(data, unreadable, channels, Rate(data.rate)).pieces(listing.files)
    splits = windowed(pieces, listing.classes, channels, data, listing.grouped_by, unreadable)
    return replace(splits, notes=(*splits.notes, *listing.notes))


def recordings_of(path: str, data: SensorFolder, channels: int) -> list[NDArray[np.float32]]:
    """The recordings, (steps, channels), in one file, read like those of `data`. Raises `DataError`."""
    files = _Files(data, Unreadable(False), channels, Rate(data.rate))
    return [values for _, values in files.read(Place(path, path, ""))]


@dataclass(slots=True)
class _Files:
    """Reads one file after the other; the first one decides the channels and the rate of all."""

    data: SensorFolder
    unreadable: Unreadable
    channels: int | None
    rate: Rate
    names: tuple[str, ...] = ()

    def pieces(self, files: tuple[Place, ...]) -> Iterator[Piece]:
        for file in files:
            try:
                pieces = list(self.read(file))
            except DataError as error:
                self.unreadable(file.path, str(error).removeprefix(f"{shown(file.path)}: "))
                continue
            yield from pieces

    def read(self, file: Place) -> Iterator[Piece]:
        grouped = file if file.group else replace(file, group=file.name)
        if file.path.lower().endswith(".npy"):
            yield grouped, self._checked(_npy(file.path))
            return
        table = opened(file.path)
        if self.data.axes is None:
            yield grouped, self._checked(self._steps(table))
            return
        for number, line in enumerate(table.array(table.names)):
            if len(line) % self.data.axes:
                raise DataError(f"line {number + 1} has {len(line)} values, not a multiple of axes={self.data.axes}")
            values = line.reshape(-1, self.data.axes)
            yield replace(file, group=file.group or f"{file.name}, line {number + 1}"), self._checked(values)

    def _steps(self, table: CsvFile) -> NDArray[np.float64]:
        time = time_column(table.names)
        chosen = self.data.columns or self.names or tuple(name for name in table.names if name != time)
        lacking = [name for name in chosen if name not in table.names]
        if lacking:
            raise DataError(f"has no column {lacking[0]}; it has {', '.join(table.names)[:200]}")
        values = table.array([*chosen, *([time] if time else [])])
        if not len(values):
            raise DataError("has no row below its header")
        self.names = chosen
        recorded = rate_of(time, values[:, -1]) if time else None
        return self.rate.applied(values[:, : len(chosen)], recorded)

    def _checked(self, values: NDArray[np.float64]) -> NDArray[np.float32]:
        self.channels = self.channels or values.shape[1]
        if values.shape[1] != self.channels:
            raise DataError(f"has {values.shape[1]} channels, but the first recording has {self.channels}")
        with np.errstate(over="ignore"):
            checked = values.astype(np.float32)
        if not np.isfinite(checked).all():
            raise DataError(
                f"row {int(np.isfinite(checked).all(axis=1).argmin()) + 1}: holds a value that is not a finite number"
            )
        return checked


def _npy(path: str) -> NDArray[np.float64]:
    try:
        array: NDArray[np.float64] = np.load(path, allow_pickle=False)
    except Exception as error:  # NumPy raises several kinds of errors for other files
        raise DataError(f"is not an array ({' '.join(str(error).split())[:100]})") from error
    if getattr(array, "ndim", 0) not in (1, 2) or array.dtype.kind not in "biuf" or not array.size:
        raise DataError("must hold numbers, (steps, channels)")
    return array.reshape(len(array), -1).astype(np.float64)
