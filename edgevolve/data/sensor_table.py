"""Recordings of sensors in one file: a CSV with columns for label and session, a `.ts` file, an `.npz`."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgevolve.beside import located, where
from edgevolve.data.csv_file import CsvFile, is_missing, opened, whole
from edgevolve.data.data_error import DataError, not_read
from edgevolve.data.folder import PARTS, Place
from edgevolve.data.npz_signals import GROUPS, NpzSignals
from edgevolve.data.recordings import Piece, Rate, check_windowing, names_of, windowed
from edgevolve.data.split import Splits
from edgevolve.data.target import Classes
from edgevolve.data.time_column import GAP, rate_of, time_column
from edgevolve.data.ts_file import TsFile
from edgevolve.data.unreadable import Unreadable, shown
from edgevolve.spelling import suggestion

_LABELS = ("target", "label", "class", "activity")
_MOST_CLASSES = 1000


@dataclass(frozen=True, slots=True)
class SensorTable:
    """Recordings in one file, cut into windows (window, 1, channels) as by `SensorFolder`.

    In a `.csv` a row is a step. Successive rows with the same `label` and `group` are a recording; where time goes back
    or leaps, another one begins. The columns target, label, class or activity are the default for `label`, and session,
    subject and the like for `group`. The other columns of numbers are channels, or those named by `columns`. A column
    `split` says train, validation or test.

    A `.ts` file of the UEA archive has one recording a line; the test split of `NAME_TRAIN.ts` is `NAME_TEST.ts` in the
    same folder. An `.npz` has `x` (number, steps, channels), `y`, and optionally `groups` (or session, subject …) and
    `is_test`; or it has `x_train`, `y_train`, `groups_train`, `x_test`, `y_test`. Without `window` an example is a
    whole recording.

    Recordings of a group stay in one split. The other settings are those of `SensorFolder`. Raises `DataError`.
    """

    path: str
    window: int | None = None
    stride: int | None = None
    rate: float | None = None
    label: str | None = None
    group: str | None = None
    split: str | None = None
    columns: tuple[str, ...] | None = None
    normalise: bool | None = None
    validation_fraction: float = 0.1
    test_fraction: float = 0.2
    seed: int = 0
    skip_unreadable: bool = False

    def __post_init__(self) -> None:
        check_windowing(self)
        object.__setattr__(self, "columns", names_of(self.columns))

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The shape of an example: (window, 1, channels)."""
        source = self._source()
        return (self.window or source.steps(), 1, source.channels)

    @property
    def classes(self) -> int:
        """The number of labels."""
        return len(self._source().classes)

    @property
    def target(self) -> Classes:
        """The labels, sorted; for a `.ts` file in the order of its header."""
        return Classes(self._source().classes)

    def lengths(self) -> tuple[int, ...]:
        """The steps of each readable recording."""
        return tuple(len(values) for _, values in self._source().pieces(Unreadable(True)))

    def load(self) -> Splits:
        """Read and split; the same arrays each time."""
        source, unreadable = self._source(), Unreadable(self.skip_unreadable)
        pieces = source.pieces(unreadable)
        splits = windowed(pieces, source.classes, source.channels, self, source.grouped_by, unreadable)
        return replace(splits, notes=(*splits.notes, *source.notes))

    def _source(self) -> "_Source":
        path = located(Path(self.path).expanduser()).absolute()
        try:
            paths = (path, *([test] if (test := _test_of(path)) else []))
            stamp = tuple((status.st_size, status.st_mtime_ns) for status in map(os.stat, paths))
        except (OSError, ValueError) as error:
            raise not_read(shown(self.path), error, where(self.path)) from error
        return _source(self, tuple(map(str, paths)), stamp)


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """A file whose columns are known; `pieces` reads its recordings."""

    classes: tuple[str, ...]
    channels: int
    pieces: Callable[[Unreadable], Iterator[Piece]]
    grouped_by: str = ""
    notes: tuple[str, ...] = ()

    def steps(self) -> int:
        """The steps of the first recording."""
        for _, values in self.pieces(Unreadable(True)):
            return len(values)
        raise DataError("holds no recording that can be read")


@lru_cache(maxsize=2)
def _source(data: SensorTable, paths: tuple[str, ...], stamp: tuple[tuple[int, int], ...]) -> _Source:
    suffix = Path(paths[0]).suffix.lower()
    if suffix == ".npz":
        npz = NpzSignals.opened(paths[0], data.group)
        return _Source(npz.classes, npz.channels, npz.pieces, npz.grouped_by, npz.notes)
    if suffix == ".ts":
        files = [TsFile.opened(path) for path in paths]
        for other in files[1:]:
            if (other.channels, set(other.classes)) != (files[0].channels, set(files[0].classes)):
                raise DataError(f"{shown(other.path)}: channels or classes differ from those of {Path(paths[0]).name}")

        def lines(unreadable: Unreadable) -> Iterator[Piece]:
            for file, part in zip(files, ("train", "test") if len(files) > 1 else ("",), strict=True):
                yield from file.pieces(part, unreadable)

        return _Source(files[0].classes, files[0].channels, lines)
    return _of_csv(data, opened(paths[0]))


def _test_of(path: Path) -> Path | None:
    name = re.sub(r"(?i)_train(\.ts)$", lambda end: ("_test" if end[0].islower() else "_TEST") + end[1], path.name)
    beside = path.with_name(name)
    return beside if name != path.name and beside.exists() else None


def _of_csv(data: SensorTable, file: CsvFile) -> _Source:
    here = shown(data.path)
    label = data.label or next((name for name in file.names if name.lower() in _LABELS), None)
    if label is None:
        raise DataError(f"{here}: no column target or label; it has {', '.join(file.names)[:200]}: label=… names one")
    group = data.group or next((name for known in GROUPS for name in file.names if name.lower() == known), None)
    special = [name for name in (label, group, data.split) if name is not None]
    time = time_column(tuple(name for name in file.names if name not in special))
    channels = data.columns or tuple(name for name in file.names if name not in {*special, time})
    for name in (*special, *channels):
        if name not in file.names:
            near = suggestion(name, file.names)
            raise DataError(f"{here}: no column {name}; it has {', '.join(file.names)[:200]}{near}")
    if not channels:
        raise DataError(f"{here}: no column is left for a channel")
    columns = _Columns(channels, label, group, data.split, time)
    words: set[str] = set()
    try:
        for cells in file.cells([label]):
            words |= {whole(cell) for cell in np.unique(cells.astype(str)) if not is_missing(cell)}
            if len(words) > _MOST_CLASSES:
                raise DataError(f"column {label} holds more than {_MOST_CLASSES} different labels")
    except DataError as error:
        raise DataError(f"{here}: {error}") from None
    if len(words) < 2:
        only = f"every row has the label {min(words)!r}" if words else "has no labelled row"
        raise DataError(f"{here}: {only}; a classifier needs at least two classes")

    def pieces(unreadable: Unreadable) -> Iterator[Piece]:
        return _Steps(data, file, columns, unreadable).pieces()

    return _Source(tuple(sorted(words)), len(channels), pieces, group or "")


@dataclass(frozen=True, slots=True)
class _Columns:
    channels: tuple[str, ...]
    label: str
    group: str | None
    split: str | None
    time: str | None

    def asked(self) -> list[str]:
        """The columns to read: channels, time, then label, group and split; the label replaces missing ones."""
        rest = (self.time, self.label, self.group, self.split)
        return [*self.channels, *(self.label if name is None else name for name in rest)]


@dataclass(slots=True)
class _Steps:
    """Reads rows into recordings."""

    data: SensorTable
    file: CsvFile
    columns: _Columns
    unreadable: Unreadable
    row: int = 0
    usual: float = 0.0
    after_bad: bool = False

    def pieces(self) -> Iterator[Piece]:
        """Each recording as one piece."""
        rate = Rate(self.data.rate)
        held: list[NDArray[np.float64]] = []
        key: tuple[str, ...] = ()
        number = 0
        for new, run_key, run in self._runs():
            if held and (new or run_key != key):
                yield self._recording(key, number, np.concatenate(held), rate)
                held, number = [], number + 1
            held.append(run)
            key = run_key
        if held:
            yield self._recording(key, number, np.concatenate(held), rate)

    def _runs(self) -> Iterator[tuple[bool, tuple[str, ...], NDArray[np.float64]]]:
        """Rows that belong together: whether they begin a recording, (label, group, split), and their numbers."""
        last = np.nan
        try:
            for cells in self.file.cells(self.columns.asked()):
                width = len(self.columns.channels)
                numbers = self.file.numbers(cells[:, : width + 1] if self.columns.time else cells[:, :width])
                good = self._good(cells, numbers)
                keys = cells[:, -3:].astype(str)
                breaks = np.zeros(len(cells), bool)
                breaks[1:] = (keys[1:] != keys[:-1]).any(axis=1) | ~good[:-1]
                breaks[0], self.after_bad = self.after_bad, not good[-1]
                if self.columns.time:
                    steps = np.diff(numbers[:, -1], prepend=last)
                    if not self.usual and len(steps) > 1:
                        self.usual = float(np.nanmedian(np.abs(steps[1:])))
                    breaks |= (steps <= 0) | (steps > GAP * self.usual)
                    last = float(numbers[-1, -1])
                edges = [0, *np.flatnonzero(breaks & (np.arange(len(cells)) > 0)).tolist(), len(cells)]
                for begin, end in pairwise(edges):
                    kept = numbers[begin:end][good[begin:end]]
                    if len(kept):
                        yield bool(breaks[begin]), self._key(begin, keys[begin]), kept
                self.row += len(cells)
        except DataError as error:
            raise DataError(
                f"{shown(self.data.path)}: {str(error).removeprefix(f'{shown(self.data.path)}: ')}"
            ) from None

    def _good(self, cells: NDArray[np.object_], numbers: NDArray[np.float64]) -> NDArray[np.bool_]:
        labelled = np.array([not is_missing(cell) for cell in cells[:, -3]], bool)
        good: NDArray[np.bool_] = labelled & np.isfinite(numbers).all(axis=1)
        for row in np.flatnonzero(~good):
            place = int(np.isnan(numbers[row]).argmax()) if np.isnan(numbers[row]).any() else -3
            name = self.columns.label if place == -3 else (*self.columns.channels, self.columns.time or "")[place]
            self.unreadable(self.data.path, self.file.complaint(self.row + int(row), name, cells[row, place]))
        return good

    def _key(self, row: int, key: NDArray[np.str_]) -> tuple[str, str, str]:
        label, group, part = (str(cell).strip() for cell in key)
        if self.columns.split is None:
            part = ""
        elif part.lower() not in {*PARTS, ""}:
            raise DataError(f"row {self.row + row + 1}: {self.columns.split} is {part[:40]!r}, no split")
        return whole(label), group if self.columns.group else "", PARTS.get(part.lower(), "")

    def _recording(self, key: tuple[str, ...], number: int, values: NDArray[np.float64], rate: Rate) -> Piece:
        label, group, part = key
        if self.columns.time:
            recorded = rate_of(self.columns.time, values[:, -1])
            values = rate.applied(values[:, :-1], recorded)
        return Place(self.data.path, f"recording {number}", label, part, group), values.astype(np.float32)
