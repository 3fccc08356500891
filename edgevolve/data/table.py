"""Your own table: a CSV file with a column to predict."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.csv_file import CsvFile, is_missing, is_number, opened, whole
from edgevolve.data.data_error import DataError
from edgevolve.data.division import divided
from edgevolve.data.folder import PARTS
from edgevolve.data.scaling import standardised
from edgevolve.data.split import Split, Splits
from edgevolve.data.spool import spooled
from edgevolve.data.target import Classes, Values
from edgevolve.data.unreadable import Unreadable, shown
from edgevolve.spelling import suggestion

_MOST_CATEGORIES = 100
_LEAST_ROWS = 20
"""The least number of rows from which the number of different words in a column is judged."""
_THOUSANDS = re.compile(r"[+-]?\d{1,3}([,.' ]\d{3})+([.,]\d+)?")
_MOST_CLASSES = 1000
_MOST_NAMED = 300
"""The most characters of a note that lists columns."""


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file of one example a row; the column `label` is its class, or with `values` a number to estimate.

    Separators (comma, semicolon, tab) and decimal commas are recognised. Every other column is an input, except those
    in `ignore`: numbers as they are, words as an input of 0 or 1 for each of up to 100 values (a single input for two
    values). Examples are float32 (1, 1, inputs), standardised by constants of the training split. `MlpSpace` suits
    them.

    Rows with the same value in the column `group` stay in one split. A column `split` says train, validation or test;
    splits that it does not give are held out by `seed`: `test_fraction`, then `validation_fraction` of the rest.
    `skip_unreadable` leaves out rows with a missing value or a word among numbers. Raises `DataError`.
    """

    path: str
    label: str
    values: bool = False
    unit: str = ""
    ignore: tuple[str, ...] = ()
    group: str | None = None
    split: str | None = None
    validation_fraction: float = 0.1
    test_fraction: float = 0.2
    seed: int = 0
    skip_unreadable: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "ignore", (self.ignore,) if isinstance(self.ignore, str) else tuple(self.ignore))

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """The shape of an example: (1, 1, inputs)."""
        return (1, 1, len(self.inputs))

    @property
    def inputs(self) -> tuple[str, ...]:
        """The name of each number of an example, in order: a column's name, or `column=word`."""
        return tuple(name for column in self._columns().inputs for name in column.inputs)

    @property
    def classes(self) -> int:
        """The number of classes. Raises `DataError` for values."""
        if self.values:
            raise DataError("Table(…, values=True) has no classes: give a space outputs=data.target.outputs")
        return len(self._columns().classes)

    @property
    def target(self) -> Classes | Values:
        """The words of the label, sorted; or its value."""
        if self.values:
            return Values((self.label,), (self.unit,) if self.unit else ())
        return Classes(self._columns().classes)

    def load(self) -> Splits:
        """Read and split; the same arrays each time."""
        columns = self._columns()
        rows = _Rows(self, columns, Unreadable(self.skip_unreadable))
        x = spooled(rows.inputs(), self.input_shape, np.float32)
        if not len(x):
            raise DataError(f"{shown(self.path)}: no row can be read")
        y = np.array(rows.labels, np.float64 if self.values else np.int64)
        whole_split = Split(x, y, np.array(rows.groups) if self.group else None)
        splits = divided(whole_split, columns.classes, np.array(rows.parts, str), self, self.group or "row")
        named = ", ".join(self.inputs)
        named = named if len(named) <= _MOST_NAMED else named[: _MOST_NAMED - 1] + "…"
        notes = (*splits.notes, *columns.notes, *rows.unreadable.notes, f"inputs in order: {named}")
        return standardised(replace(splits, notes=notes))

    def _columns(self) -> "_Columns":
        file = opened(self.path)
        status = os.stat(file.path)
        return _looked_at(self, file, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of inputs: numbers, or words."""

    name: str
    words: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        kept = self.words[1:] if len(self.words) == 2 else self.words
        return tuple(f"{self.name}={word}" for word in kept) or (self.name,)


@dataclass(frozen=True, slots=True)
class _Columns:
    file: CsvFile
    inputs: tuple[_Column, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...]


@lru_cache(maxsize=4)
def _looked_at(data: Table, file: CsvFile, size: int, modified_ns: int) -> _Columns:
    """The content of each column, from one pass over all rows."""
    here = shown(data.path)
    special = [name for name in (data.label, data.group, data.split) if name is not None]
    for name in (*special, *data.ignore):
        if name not in file.names:
            near = suggestion(name, file.names)
            raise DataError(f"{here}: no column {name}; it has {', '.join(file.names)[:200]}{near}")
    names = [name for name in file.names if name not in {*special, *data.ignore}]
    if not names:
        raise DataError(f"{here}: no column is left to predict {data.label} from")
    seen = [_Seen() for _ in names]
    labels = _Seen(_MOST_CLASSES)
    rows = 0
    try:
        for cells in file.cells([*names, data.label]):
            rows += len(cells)
            for column, column_seen in zip(cells.T, (*seen, labels), strict=True):
                column_seen.add(column, file.numbers(column))
    except DataError as error:
        raise DataError(f"{here}: {error}") from None
    if not rows:
        raise DataError(f"{here}: has no row below its header")
    inputs = tuple(_column(here, name, column_seen, rows) for name, column_seen in zip(names, seen, strict=True))
    notes = tuple(
        f"column {name} counts the rows: if it is a number of theirs, ignore=({name!r},) leaves it out"
        for name, column_seen in zip(names, seen, strict=True)
        if column_seen.counts_rows and rows > 10
    )
    return _Columns(file, inputs, () if data.values else _classes(here, data.label, labels), notes)


@dataclass(slots=True)
class _Seen:
    """The content of a column so far."""

    most: int = _MOST_CATEGORIES
    words: set[str] = field(default_factory=set)
    numbers: int = 0
    others: int = 0
    counts_rows: bool = True
    last: float = np.nan

    def add(self, cells: NDArray[np.object_], numbers: NDArray[np.float64]) -> None:
        there = np.array([not is_missing(cell) for cell in cells])
        self.numbers += int((~np.isnan(numbers)).sum())
        self.others += int((there & np.isnan(numbers)).sum())
        if len(self.words) <= self.most:
            self.words |= {whole(cell) for cell in np.unique(cells[there].astype(str))}
        steps = np.diff([self.last, *numbers] if np.isfinite(self.last) else numbers)
        self.counts_rows &= bool((steps == 1).all())
        self.last = float(numbers[-1])


def _column(here: str, name: str, seen: _Seen, rows: int) -> _Column:
    if seen.numbers >= seen.others and seen.numbers:
        return _Column(name)
    if len(seen.words) > _MOST_CATEGORIES:
        raise DataError(
            f"{here}: column {name} holds more than {_MOST_CATEGORIES} words; ignore=({name!r},) leaves it out"
        )
    if not seen.words:
        raise DataError(f"{here}: column {name} is empty; ignore=({name!r},) leaves it out")
    example = min(seen.words)[:40]
    if all(map(_THOUSANDS.fullmatch, seen.words)):
        raise DataError(
            f"{here}: column {name} holds numbers such as {example!r}: write them without thousands separators"
        )
    if rows >= _LEAST_ROWS and len(seen.words) > rows / 2:
        many = f"holds {len(seen.words)} different words in {rows} rows, such as {example!r}"
        raise DataError(f"{here}: column {name} {many}; ignore=({name!r},) leaves it out")
    return _Column(name, tuple(sorted(seen.words)))


def _classes(here: str, label: str, seen: _Seen) -> tuple[str, ...]:
    words = seen.words
    numbers = all(is_number(word) for word in words)
    if len(words) > _MOST_CLASSES or (numbers and any(float(w.replace(",", ".")) % 1 for w in words)):
        example = min(words, key=lambda word: (-len(word), word))
        raise DataError(
            f"{here}: column {label} holds {'more than ' * (len(words) > _MOST_CLASSES)}{len(words)} different values "
            f"such as {example[:40]}, no classes; values=True estimates a number"
        )
    if len(words) < 2:
        raise DataError(
            f"{here}: every row has the label {next(iter(words), '')!r}; a classifier needs at least two classes"
        )
    return tuple(sorted(words, key=lambda word: (float(word), word)) if numbers else sorted(words))


@dataclass(slots=True)
class _Rows:
    """Reads the rows of a table as numbers, and keeps their labels, groups and splits."""

    data: Table
    columns: _Columns
    unreadable: Unreadable
    labels: list[float] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    def inputs(self) -> Iterator[NDArray[np.float32]]:
        """The inputs, (rows, 1, 1, inputs), in pieces."""
        data, inputs = self.data, self.columns.inputs
        asked = [*(column.name for column in inputs), data.label, data.group or data.label, data.split or data.label]
        row = 0
        for cells in self.columns.file.cells(asked):
            columns = np.concatenate(
                [self._numbers(column, text) for column, text in zip(inputs, cells.T, strict=False)], axis=1
            )
            labels, bad_labels = self._labels(cells[:, -3])
            kept = []
            for place, bad in enumerate(np.isnan(columns).any(axis=1) | bad_labels):
                reason = self._reason(row + place, cells[place], columns[place], bool(bad_labels[place])) if bad else ""
                if reason:
                    self.unreadable(data.path, reason)
                else:
                    kept.append(place)
            self.labels += labels[kept].tolist()
            self.groups += [str(cell).strip() for cell in cells[kept, -2]] if data.group else []
            self.parts += [self._part(row + place, cells[place, -1]) for place in kept]
            row += len(cells)
            yield columns[kept][:, np.newaxis, np.newaxis].astype(np.float32)

    def _numbers(self, column: _Column, cells: NDArray[np.object_]) -> NDArray[np.float64]:
        if not column.words:
            return self.columns.file.numbers(cells)[:, np.newaxis]
        places = {word: place for place, word in enumerate(column.words)}
        which = np.array([places.get(whole(cell), -1) for cell in cells])
        ones: NDArray[np.float64] = np.eye(len(column.words))[which]
        ones[which < 0] = np.nan
        return ones[:, 1:] if len(column.words) == 2 else ones

    def _labels(self, cells: NDArray[np.object_]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        if self.data.values:
            numbers = self.columns.file.numbers(cells)
            return numbers, np.isnan(numbers)
        places = {word: place for place, word in enumerate(self.columns.classes)}
        labels = np.array([places.get(whole(cell), -1) for cell in cells])
        return labels, labels < 0

    def _part(self, row: int, cell: str) -> str:
        if self.data.split is None:
            return ""
        said = cell.strip().lower()
        if said and said not in PARTS:
            raise DataError(
                f"{shown(self.data.path)}: row {row + 1}: {self.data.split} is {cell[:40]!r}; "
                "it says train, validation or test"
            )
        return PARTS.get(said, "")

    def _reason(self, row: int, cells: NDArray[np.object_], numbers: NDArray[np.float64], bad_label: bool) -> str:
        if bad_label:
            return self.columns.file.complaint(row, self.data.label, cells[-3])
        owner = [place for place, column in enumerate(self.columns.inputs) for _ in column.inputs]
        place = owner[int(np.isnan(numbers).argmax())]
        return self.columns.file.complaint(row, self.columns.inputs[place].name, cells[place])
