"""Examines a data set before anything is trained on it: refuses what cannot be right, and notes what looks odd."""

import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.data_error import DataError
from edgevolve.data.layout import is_one_hot, needs_standardising, value_range
from edgevolve.data.near_duplicates import is_of_images, near_duplicates
from edgevolve.data.rows import chunks, size_bytes
from edgevolve.data.split import FULL_SCALE, DataSet, Split, Splits, fingerprint
from edgevolve.data.target import Classes, Target, Values, target_of
from edgevolve.place import place

_PARTS = ("train", "validation", "test")
_COMPARED_BYTES = 512 << 20
"""The largest data in which duplicates are looked for."""
_MOST_LINES = 20
"""The most classes that are listed."""


@dataclass(frozen=True, slots=True)
class DataReport:
    """The findings as lines to print, and `notes` on what looks wrong but may be intended, one line each."""

    lines: tuple[str, ...]
    notes: tuple[str, ...]


def load_splits(data: DataSet) -> Splits:
    """The splits that `data.load()` gives, with the fitted target.

    Raises `DataError`, in one line that names part and value, for any other error or result of it.
    """
    name = type(data).__name__
    try:
        splits = data.load()
    except DataError:
        raise
    except (Exception, SystemExit) as error:  # the user's own code
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        at = place("".join(traceback.format_exception(error)))
        raise DataError(f"{name}.load() failed: {said}{at}{_folder(error)}") from error
    if not isinstance(splits, Splits):
        raise DataError(f"{name}.load() gives {_a(splits)}; it must give Splits(train, validation, test)")
    target = target_of(data)
    for part in _PARTS:
        split = getattr(splits, part)
        _check_arrays(f"{name}: {part}", split, tuple(data.input_shape))
        if len(split):
            _check_target(f"{name}: {part}", target, split)
    if not len(splits.train) or not len(splits.validation):
        part = "validation" if len(splits.train) else "train"
        raise DataError(f"{name}: {part} has no example; training and validation need at least one each")
    return replace(splits, target=target.fitted(splits.train) if hasattr(data, "target") else target)


def examine(data: DataSet, splits: Splits) -> DataReport:
    """Examine the values of splits from `load_splits`. Raises `DataError` for data that cannot be trained on."""
    name = type(data).__name__
    shape = tuple(data.input_shape)
    parts = {part: getattr(splits, part) for part in _PARTS}
    ranges = {part: _check_values(f"{name}: {part}", split) for part, split in parts.items()}
    target = target_of(data)
    low, high = ranges["train"]
    if low == high:
        raise DataError(f"{name}: every value of train is {low:g}; the network could learn nothing from it")
    lines = [
        f"{name}: examples of {'×'.join(map(str, shape))}, {parts['train'].x.dtype}, values from {low:g} to {high:g}",
        "examples: " + ", ".join(f"{len(split)} {part}" for part, split in parts.items()),
    ]
    notes = [*splits.notes, *_range_notes(splits, ranges), *_constant_channels(splits.train)]
    if isinstance(target, Classes):
        counts = {part: np.bincount(split.y[:], minlength=target.number) for part, split in parts.items()}
        lines += _class_lines(counts, target.names)
        notes += _class_notes(name, counts)
    elif isinstance(target, Values):
        lines += _value_lines(target, parts["train"])
    notes += [*_shared_groups(parts), *_duplicates(parts, target), *_near_duplicates(parts)]
    return DataReport(tuple(lines), tuple(notes))


def _check_arrays(where: str, split: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(split, Split):
        raise DataError(f"{where} is {_a(split)}; it must be a Split(x, y)")
    for name, rows in (("x", split.x), ("y", split.y)):
        if not hasattr(rows, "shape") or not isinstance(getattr(rows, "dtype", None), np.dtype):
            raise DataError(f"{where}.{name} is {_a(rows)}; write np.asarray({name})")
        if not len(rows.shape):
            raise DataError(f"{where}.{name} is a single value; it must hold one for each example")
    if split.x.dtype.kind not in "buif":
        raise DataError(f"{where}.x holds {split.x.dtype}, not numbers; give uint8 or float32")
    if tuple(split.x.shape[1:]) != shape:
        given = tuple(split.x.shape[1:])
        remedy = "; write x[..., np.newaxis]" if (*given, 1) == shape else ""
        raise DataError(f"{where}.x has examples of {given}, input_shape says {shape}{remedy}")
    if len(split.x) != len(split.y):
        raise DataError(f"{where} has {len(split.x)} examples in x and {len(split.y)} in y; give one for each")
    if split.groups is not None and np.shape(split.groups) != (len(split.y),):
        raise DataError(
            f"{where}.groups is {np.shape(split.groups)}; it must name one group for each of {len(split.y)}"
        )


def _check_target(where: str, target: Target, split: Split) -> None:
    if isinstance(target, Classes):
        _check_labels(where, split, target.number)
    try:
        target.check(split)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None


def _check_values(where: str, split: Split) -> tuple[float, float]:
    """The lowest and the highest value. Raises `DataError` unless all are finite."""
    number = 0
    for chunk in chunks(split.x) if split.x.dtype.kind == "f" else ():
        finite = np.isfinite(chunk).reshape(len(chunk), -1).all(axis=1)
        if not finite.all():
            row = int(finite.argmin())
            value = chunk[row][~np.isfinite(chunk[row])].ravel()[0]
            raise DataError(
                f"{where}.x holds {value} in {split.called(number + row)} ({(~finite).sum()} such rows); remove them"
            )
        number += len(chunk)
    return value_range(split.x)


def _check_labels(where: str, split: Split, classes: int) -> None:
    y = split.y[:]
    if y.ndim == 2 and len(y) and y.shape[1] > 1 and is_one_hot(y):
        raise DataError(f"{where}.y is one-hot, {y.shape}; labels are whole numbers: y.argmax(1)")
    if y.ndim != 1:
        raise DataError(f"{where}.y is {y.shape}; labels are one whole number for each of {len(y)} examples")
    if not np.issubdtype(y.dtype, np.integer):
        raise DataError(f"{where}.y is {y.dtype}; labels are whole numbers from 0{_as_labels(y)}")
    if len(y) and (y.min() < 0 or y.max() >= max(classes, 2)):
        odd = y.min() if y.min() < 0 else y.max()
        raise DataError(f"{where}.y holds label {odd}; {classes} classes have labels from 0 to {max(classes, 2) - 1}")


def _as_labels(y: NDArray[Any]) -> str:
    if y.dtype.kind == "f" and not (y == np.round(y)).all():
        return "; for other numbers give the data set target = Values(...)"
    return ": y.astype(np.int64)" if y.dtype.kind in "bf" else ": np.unique(y, return_inverse=True)[1]"


def _a(thing: Any) -> str:
    return "None" if thing is None else f"a {type(thing).__name__}"


def _folder(error: BaseException) -> str:
    """The folders in which a relative path is looked for, for the error of a missing file."""
    path = getattr(error, "filename", None)
    if not isinstance(error, FileNotFoundError) or not isinstance(path, str) or Path(path).is_absolute():
        return ""
    return f"; looked in {Path.cwd()}: Path(__file__).parent / '{path[:100]}' is beside your file"


def _class_lines(counts: dict[str, NDArray[np.int64]], names: tuple[str, ...] | int) -> Iterable[str]:
    classes = len(counts["train"])
    if classes > _MOST_LINES:
        yield f"{classes} classes, of {counts['train'].min()} to {counts['train'].max()} examples in train"
        return
    labels = range(classes) if isinstance(names, int) else names
    for part, count in counts.items():
        if count.sum():
            each = ", ".join(f"{label}: {number}" for label, number in zip(labels, count, strict=False))
            yield f"{classes} classes in {part}: {each}"


def _value_lines(target: Values, train: Split) -> Iterable[str]:
    y = np.asarray(train.y[:]).reshape(len(train), -1)
    units = target.units or ("",) * len(target.names)
    for name, unit, low, high in zip(target.names, units, y.min(axis=0), y.max(axis=0), strict=True):
        yield f"{name} from {low:g} to {high:g} {unit}".rstrip()


def _class_notes(name: str, counts: dict[str, NDArray[np.int64]]) -> Iterable[str]:
    total = np.sum(list(counts.values()), axis=0)
    there = np.flatnonzero(total)
    if len(there) == 1:
        raise DataError(f"{name}: every label is {there[0]}; a classifier needs at least two classes")
    absent = np.flatnonzero(total == 0)
    if absent.size:
        remedy = "y - 1" if absent.tolist() == [0] else "np.unique(y, return_inverse=True)[1]"
        which, out = ("it", "it out") if len(absent) == 1 else ("each", "them out")
        yield f"no example has label {_some(absent)}, but networks get an output for {which}; {remedy} leaves {out}"
    for part in ("train", "validation", "test"):
        lacking = np.flatnonzero((counts[part] == 0) & (total > 0))
        if lacking.size and counts[part].sum():
            yield f"{part} has no example of class {_some(lacking)}"


def _range_notes(splits: Splits, ranges: dict[str, tuple[float, float]]) -> Iterable[str]:
    train = splits.train
    low, high = ranges["train"]
    largest = max(abs(low), abs(high))
    if train.x.dtype == np.uint8 and high <= 1:
        yield f"x is uint8 from {low:g} to {high:g} and read as value / 255: nearly 0; write x.astype(np.float32)"
    elif train.x.dtype.name not in FULL_SCALE and splits.front_end is None and needs_standardising(train.x, None):
        yield (
            f"x holds {train.x.dtype} from {low:g} to {high:g}, taken as it is; many networks learn nothing from such "
            "values where no FrontEndChoices standardise them; load may return with_front_end(splits, "
            "Standardise.fit(splits.train.x)), whose constants reach journal, manifest and C code"
        )
    for part in ("validation", "test"):
        other = max(map(abs, ranges[part]))
        if len(getattr(splits, part)) and not largest / 20 <= other <= largest * 20:
            yield f"{part} reaches {other:g} and train {largest:g}: are both scaled alike?"


def _constant_channels(train: Split) -> Iterable[str]:
    """A note on channels with a single value, from which nothing can be learned."""
    axes = tuple(range(len(train.x.shape) - 1))
    ends = [(chunk.min(axis=axes), chunk.max(axis=axes)) for chunk in chunks(train.x)]
    low, high = np.min([each[0] for each in ends], axis=0), np.max([each[1] for each in ends], axis=0)
    constant = np.flatnonzero(low == high)
    if constant.size:
        yield f"channel {_some(constant)} of x has the same value in every example of train: leave it out"


def _shared_groups(parts: dict[str, Split]) -> Iterable[str]:
    names = {part: set(np.unique(split.groups)) for part, split in parts.items() if split.groups is not None}
    for first, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        both = sorted(names.get(first, set()) & names.get(other, set()))
        if both:
            yield f"group {both[0]} is in {first} and in {other} ({len(both)} such groups)"


def _duplicates(parts: dict[str, Split], target: Target) -> Iterable[str]:
    """Notes on examples that are in two splits, and on those that occur with different labels."""
    if sum(size_bytes(split.x) for split in parts.values()) > _COMPARED_BYTES:
        return
    seen: dict[bytes, tuple[str, int]] = {}
    labels = {part: np.asarray(split.y[:]) for part, split in parts.items()}
    contrary: list[str] = []
    for part, split in parts.items():
        twins: Counter[str] = Counter()
        first: dict[str, str] = {}
        row = 0
        for chunk in chunks(split.x):
            for example in np.ascontiguousarray(chunk):
                before, number = seen.setdefault(blake2b(example.data, digest_size=16).digest(), (part, row))
                if before != part:
                    first.setdefault(
                        before, f"the first: {split.called(row)}, {parts[before].called(number)} of {before}"
                    )
                    twins[before] += 1
                if isinstance(target, Classes) and labels[part][row] != labels[before][number]:
                    contrary.append(f"{split.called(row)} of {part}, {parts[before].called(number)} of {before}")
                row += 1
        for before, count in twins.items():
            yield f"{count} of {row} examples of {part} are in {before} too ({first[before]}): their scores say little"
    if contrary:
        yield f"{len(contrary)} examples are there again with another label (the first: {contrary[0]}): one is wrong"


def _near_duplicates(parts: dict[str, Split]) -> Iterable[str]:
    """Notes on images of two splits that are nearly the same; identical ones are noted already."""
    if sum(size_bytes(split.x) for split in parts.values()) > _COMPARED_BYTES or not is_of_images(parts["train"].x):
        return
    for name, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        first, second = parts[name].x, parts[other].x
        near = [(a, b) for a, b in near_duplicates(first, second) if not np.array_equal(first[int(a)], second[int(b)])]
        if near:
            a, b = near[0]
            yield (
                f"{len(near)} of {len(second)} images of {other} are nearly the same as one of {name} "
                f"(the first: {parts[other].called(b)}, {parts[name].called(a)} of {name}): scores on them "
                "say little; a group keeps frames of one scene together"
            )


def _some(labels: NDArray[np.int64]) -> str:
    shown = ", ".join(map(str, labels[:5]))
    return shown if len(labels) <= 5 else f"{shown} and {len(labels) - 5} more"


def differs(data: DataSet, splits: Splits) -> Iterable[str]:
    """A note where loading a user's own data set again gives other rows, so that a run cannot be resumed."""
    if not type(data).__module__.startswith("edgevolve.") and fingerprint(load_splits(data)) != fingerprint(splits):
        yield f"{type(data).__name__}.load() gives other rows each time: no run can be resumed; seed its generator"
