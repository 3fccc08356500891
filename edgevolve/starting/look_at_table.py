"""Look at a CSV file of one example a row."""

from typing import Any

import numpy as np

from edgevolve.data import DataError, Table
from edgevolve.data.csv_file import CsvFile, is_missing, is_number, opened
from edgevolve.data.npz_signals import GROUPS
from edgevolve.data.unreadable import shown
from edgevolve.starting.reading import SKIPPED, Reading, Wishes, classes_in_words

_LABELS = (
    *("label", "target", "class", "diagnosis", "species", "outcome", "category", "activity", "quality", "y"),
    *("labels", "targets", "classes", "result", "output", "type"),
)
"""Usual names of the column to predict, in lower case, in the order of preference."""
_GROUPS = (*GROUPS, "patient", "patient_id", "subject_id", "session_id", "user_id")
_NUMBERS = ("id", "index", "row", "no", "number", "unnamed: 0", "rowid")
_MOST_WORDS = 0.5
_MOST_CLASSES = 30
"""A column with more different whole numbers holds values."""


def table(path: str, wishes: Wishes) -> Reading:
    """Choose the reading of a table. Raises `DataError` if the column to predict cannot be told."""
    file = opened(path)
    if not file.has_header and wishes.label is None:
        raise DataError(f"{shown(path)}: its first line names no columns; add one, or say --label 'column 5'")
    numbers = [name for name in file.names if file.has_header and is_number(name)]
    if len(numbers) > len(file.names) / 2:
        raise DataError(
            f"{shown(path)}: its first line holds {numbers[0]}, a number and no name of a column; add a line of names"
        )
    kinds = _Kinds(file)
    label, why_label = _label(path, file, kinds, wishes)
    settings: dict[str, Any] = {}
    why = {"label": why_label}
    if kinds.is_value(label):
        settings["values"] = True
        why["values"] = f"{label} holds {kinds.different[label]} different numbers, so it is a value and no class"
    group = next((name for name in file.names if name.lower() in _GROUPS and kinds.comes_back(name)), None)
    if group and group != label:
        settings["group"] = group
        why["group"] = "rows with the same value stay in one split"
    ignored = tuple(name for name in file.names if name not in (label, group) and kinds.is_of_rows(name))
    if ignored:
        settings["ignore"] = ignored
        why["ignore"] = "it numbers the rows, or has a different word in most rows"
    data = Table(path, label, **settings, **wishes.reading)
    what = f"{label}, a number" if data.values else classes_in_words(data.target.labels)  # type: ignore[union-attr]
    seen = f"a table of {kinds.rows} rows and {len(data.inputs)} inputs for {what}"
    return Reading(data, seen, {**why, "skip_unreadable": SKIPPED})


class _Kinds:
    """The kind of each column, from one pass over all rows."""

    def __init__(self, file: CsvFile) -> None:
        words: dict[str, set[str]] = {name: set() for name in file.names}
        self.numeric = dict.fromkeys(file.names, True)
        self.whole = dict.fromkeys(file.names, True)
        self.counts = dict.fromkeys(file.names, True)
        self.numbers = dict.fromkeys(file.names, 0)
        self.rows = 0
        try:
            for cells in file.cells(file.names):
                self.rows += len(cells)
                numbers = file.numbers(cells)
                for name, column, values in zip(file.names, cells.T, numbers.T, strict=True):
                    there = np.array([not is_missing(cell) for cell in column])
                    words[name] |= set(column[there].tolist())
                    self.numeric[name] &= bool(np.isfinite(values[there]).all())
                    self.numbers[name] += int(np.isfinite(values).sum())
                    self.counts[name] &= bool((np.diff(values) == 1).all())
                    self.whole[name] &= bool((np.nan_to_num(values[there]) % 1 == 0).all())
        except DataError as error:
            raise DataError(f"{shown(file.path)}: {error}") from None
        if not self.rows:
            raise DataError(f"{shown(file.path)}: has no row below its header")
        self.different = {name: len(different) for name, different in words.items()}

    def is_value(self, name: str) -> bool:
        """Whether the column holds numbers that are not classes."""
        return self.numeric[name] and (not self.whole[name] or self.different[name] > _MOST_CLASSES)

    def may_be_label(self, name: str) -> bool:
        """Whether the column holds words or few different whole numbers, each in five rows on average."""
        few = 2 <= self.different[name] <= min(_MOST_CLASSES, max(2, self.rows / 5))
        return few and (not self.numeric[name] or self.whole[name])

    def comes_back(self, name: str) -> bool:
        """Whether values occur in two rows or more on average, and are enough for three splits."""
        return 3 <= self.different[name] <= self.rows / 2

    def is_of_rows(self, name: str) -> bool:
        """Whether the column identifies rows: it numbers them, or holds words that differ in most rows."""
        if self.numbers[name] < self.rows / 2:
            return self.different[name] > max(_MOST_WORDS * self.rows, 2)
        own = self.different[name] == self.rows > 10
        return own and (self.counts[name] or name.lower() in _NUMBERS)


def _label(path: str, file: CsvFile, kinds: _Kinds, wishes: Wishes) -> tuple[str, str]:
    if wishes.label is not None:
        return wishes.label if wishes.label in file.names else _absent(path, file, wishes.label), "as --label said"
    among_axes = "x" in map(str.lower, file.names)
    known_names = [known for known in _LABELS if known != "y" or not among_axes]
    named = [name for known in known_names for name in file.names if name.lower() == known]
    if named:
        return named[0], "the column's name"
    likely = [name for name in file.names if kinds.may_be_label(name)]
    words = [name for name in likely if not kinds.numeric[name]]
    if file.names[-1] in likely and (words in ([], [file.names[-1]])):
        return file.names[-1], f"the last column, of {kinds.different[file.names[-1]]} different values"
    if len(words) == 1:
        return words[0], "the only column of words"
    raise DataError(
        f"{shown(path)}: which column is to be predicted? It has {', '.join(file.names)[:200]}: say --label NAME"
    )


def _absent(path: str, file: CsvFile, label: str) -> str:
    from edgevolve.spelling import suggestion

    raise DataError(
        f"{shown(path)}: no column {label[:40]}; it has {', '.join(file.names)[:200]}{suggestion(label, file.names)}"
    )
