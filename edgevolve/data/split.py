"""Examples in three splits, train, validation and test, which are divided once, by seed."""

import hashlib
import math
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.data_error import DataError
from edgevolve.data.front_end import FrontEnd
from edgevolve.data.groups import held_out_groups
from edgevolve.data.rows import Rows, chunks, on_demand, take
from edgevolve.data.unreadable import shown

if TYPE_CHECKING:
    from edgevolve.data.target import Target


@dataclass(frozen=True, slots=True)
class Split:
    """Examples and their labels, as rows on demand: `x[rows]`, `y[rows]`.

    `x` is (number, ...), such as (number, height, width, channels): uint8, which means value / 255, int16, which means
    value / 32768, or floating point. `y` is (number,) int64 class labels from 0, or floating point for values.
    Both are in memory or in a file: a memory-mapped array becomes a `StoredArray`, which is sent to workers as its
    path. Examples with the same value in `groups` (number,), such as the windows of one person, stay in one split.
    `names` (number,) identify the examples in messages, such as their files.
    """

    x: Rows
    y: Any
    groups: NDArray[Any] | None = None
    names: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", on_demand(self.x))
        object.__setattr__(self, "y", on_demand(self.y))

    def __len__(self) -> int:
        return len(self.y)

    def take(self, numbers: NDArray[np.int64]) -> "Split":
        """The examples of these indices; arrays in files are not read yet."""
        groups, names = (
            None if column is None else np.asarray(column)[numbers] for column in (self.groups, self.names)
        )
        return Split(take(self.x, numbers), take(self.y, numbers), groups, names)

    def called(self, row: int) -> str:
        """The name of an example for messages, or its row."""
        return f"row {row}" if self.names is None else shown(self.names[row])


@dataclass(frozen=True, slots=True)
class Splits:
    """The three parts of a data set. The search sees `train` and `validation`; `test` is for the end.

    If a `front_end` computed every `x` from what the device reads, `raw` holds the test examples as read, in the same
    order. `notes` are lines on what the reader noticed. `target` is the target fitted to the training split;
    `load_splits` sets it.
    """

    train: Split
    validation: Split
    test: Split
    _: KW_ONLY
    front_end: FrontEnd | None = None
    raw: Rows | None = None
    notes: tuple[str, ...] = ()
    target: "Target | None" = None


@runtime_checkable
class DataSet(Protocol):
    """A data set: the shape of an example and the target are known before the arrays are loaded.

    It has an attribute `target`, a `Target`, or else `classes`, the number of classes.
    """

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""

    def load(self) -> Splits:
        """Read and split; the same arrays each time. Raises `DataError`."""


FULL_SCALE = {"uint8": 255, "int16": 32_768}
"""The integer that means 1, by the type of examples: pixels, and samples of sound. Other types mean themselves."""


def as_float(x: NDArray[Any]) -> NDArray[np.float32]:
    """Examples as a network takes them, float32: uint8 becomes value / 255, int16 value / 32768, floats stay."""
    scale = FULL_SCALE.get(x.dtype.name)
    return x.astype(np.float32) / np.float32(scale) if scale else x.astype(np.float32, copy=False)


def hold_out(part: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Divide `part` into (rest, held out): every class in proportion, and no group in both.

    With groups, classes are as close to their proportions as whole groups allow, and every class stays in the rest.
    Labels that are not integers have no proportions. Raises `DataError` if a class is too rare.
    """
    if isinstance(fraction, bool) or not isinstance(fraction, int | float) or not 0 < fraction < 1:
        raise DataError(f"a fraction to hold out must be between 0 and 1, not {fraction!r}")
    number = len(part)
    if part.groups is not None:
        if np.shape(part.groups) != (number,):
            raise DataError(f"groups must be one for each of {number} examples, they are {np.shape(part.groups)}")
        labels = part.y[:] if _has_classes(part.y) else np.zeros(number, np.int64)
        chosen = held_out_groups(np.asarray(part.groups), labels, fraction, seed)
        rest, held = np.flatnonzero(~chosen), np.flatnonzero(chosen)
    else:
        rest, held = _held_out_examples(part, fraction, seed)
    return part.take(rest), part.take(held)


def _held_out_examples(part: Split, fraction: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    from sklearn.model_selection import train_test_split

    stratify = part.y[:] if _has_classes(part.y) else None
    if stratify is not None and len(stratify):
        labels, counts = np.unique(stratify, return_counts=True)
        if counts.min() < 2:
            raise DataError(
                f"cannot hold out {fraction:.0%} of {len(part)} examples: class {labels[counts.argmin()]} has "
                f"a single one, and each split needs one{_rare(len(labels), len(part))}"
            )
    number = math.ceil(fraction * len(part))
    if stratify is not None and len(stratify):
        number = max(number, len(labels))
    try:
        rest, held = train_test_split(np.arange(len(part)), test_size=number, random_state=seed, stratify=stratify)
    except ValueError as error:
        raise DataError(f"cannot hold out {fraction:.0%} of {len(part)} examples: {error}") from error
    return np.sort(rest), np.sort(held)


def _rare(classes: int, examples: int) -> str:
    if 2 * classes > examples:
        return f"; with {classes} different labels, are these class labels?"
    return ": add examples of it, or leave the class out"


def _has_classes(y: Rows) -> bool:
    return len(y.shape) == 1 and np.issubdtype(y.dtype, np.integer)


def fingerprint(splits: Splits) -> str:
    """A hash of all arrays by split, 128 bits in hexadecimal: equal means the same data, divided the same way."""
    digest = hashlib.sha256()
    for part in (splits.train, splits.validation, splits.test):
        groups = () if part.groups is None else (np.asarray(part.groups),)
        for rows in (part.x, part.y, *(column.astype(str) if column.dtype.hasobject else column for column in groups)):
            digest.update(f"{rows.dtype.str}{rows.shape}".encode())
            for chunk in chunks(rows):
                digest.update(np.ascontiguousarray(chunk).data)
    return digest.hexdigest()[:32]
