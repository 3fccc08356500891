"""Divides what a reader read into train, validation and test: as given, or held out by group."""

from collections.abc import Iterable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.data_error import DataError
from edgevolve.data.split import Split, Splits, hold_out
from edgevolve.data.unreadable import shown

RARE = 20
"""A class with fewer examples gets a note."""
_LEAST_GROUPS = 3
"""A class in fewer groups than there are splits gets a note."""
_MOST_NAMED = 5


class Divisible(Protocol):
    """A reader's settings of its division."""

    @property
    def path(self) -> str:
        """The path of the data, for messages."""

    @property
    def test_fraction(self) -> float:
        """The share that is held out first, where no test split is given."""

    @property
    def validation_fraction(self) -> float:
        """The share of the rest that is held out, where no validation split is given."""

    @property
    def seed(self) -> int:
        """The seed that decides which examples are held out."""


def divided(whole: Split, classes: tuple[str, ...], given: NDArray[np.str_], data: Divisible, unit: str) -> Splits:
    """The three splits, with notes on how they were made and on rare classes.

    `given` (number,) says train, validation, test, or nothing, for each example. Splits that are not given are held out
    of the rest as `data` says, by `whole.groups` where there are any. `classes` are the names of the labels, empty for
    values. `unit` is a word for what stays together, such as speaker. Raises `DataError` where a class is too rare.
    """
    try:
        return _divided(whole, classes, given, data, unit)
    except DataError as error:
        raise DataError(f"{shown(data.path)}: {error}") from None


def _divided(whole: Split, classes: tuple[str, ...], given: NDArray[np.str_], data: Divisible, unit: str) -> Splits:
    parts = {part: np.flatnonzero(given == part) for part in ("validation", "test") if (given == part).any()}
    rest = whole.take(np.flatnonzero(~np.isin(given, list(parts)))) if parts else whole
    held: dict[str, Split] = {part: whole.take(numbers) for part, numbers in parts.items()}
    if not len(rest):
        raise DataError("nothing is left for training: every example is given as validation or test")
    if classes and len(parts) < 2:
        _check_counts(rest, classes, parts=3 - len(parts))
    notes = list(_rare(whole, rest, classes, unit, divides=len(parts) < 2))
    for part, fraction in (("test", data.test_fraction), ("validation", data.validation_fraction)):
        if part not in held:
            rest, held[part] = hold_out(rest, fraction, data.seed)
    notes.insert(0, _how(rest, held, tuple(parts), unit, data.seed))
    return Splits(rest, held["validation"], held["test"], notes=tuple(notes))


def _how(train: Split, held: dict[str, Split], given: tuple[str, ...], unit: str, seed: int) -> str:
    words = [f"{' and '.join(sorted(given))} as given"] if given else []
    made = [part for part in ("test", "validation") if part not in given]
    if made:
        words.append(f"{' and '.join(made)} held out by {unit}, seed {seed}")
    counts = ""
    if train.groups is not None:
        parts = {"train": train, "validation": held["validation"], "test": held["test"]}
        each = (f"{len(np.unique(np.asarray(part.groups)))} {name}" for name, part in parts.items())
        counts = f" ({', '.join(each)})"
    return f"split: {'; '.join(words)}{counts}"


def _check_counts(rest: Split, classes: tuple[str, ...], parts: int) -> None:
    """Raise `DataError` for a class of too few examples to have one in each part that `rest` is divided into."""
    counts = np.bincount(np.asarray(rest.y[:]), minlength=len(classes))
    for name, count in zip(classes, counts, strict=True):
        if 0 < count < parts and rest.groups is None:
            raise DataError(
                f"class {name} has {count} example{'' if count == 1 else 's'} to divide; each split needs one: "
                f"{parts} or more"
            )


def _rare(whole: Split, rest: Split, classes: tuple[str, ...], unit: str, divides: bool) -> Iterable[str]:
    """Notes on classes of few examples, and on those in few groups of the `rest` that is still to be divided."""
    if not classes:
        return
    counts = np.bincount(np.asarray(whole.y[:]), minlength=len(classes))
    rare = [f"{name}: {count}" for name, count in zip(classes, counts, strict=True) if count < RARE]
    if rare:
        yield f"few examples of a class, so that its scores say little: {_some(rare)}"
    if rest.groups is None or not divides:
        return
    pairs = np.unique(np.stack([rest.y[:], np.unique(rest.groups, return_inverse=True)[1]]), axis=1)
    groups = np.bincount(pairs[0], minlength=len(classes))
    alone = [f"{name}: {count}" for name, count in zip(classes, groups, strict=True) if 0 < count < _LEAST_GROUPS]
    if alone:
        yield f"classes in fewer than 3 of what stays together ({unit}), so that a split may lack them: {_some(alone)}"


def _some(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
