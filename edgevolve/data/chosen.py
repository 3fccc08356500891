"""A candidate's own front end and its features, which are computed once for each front end and cached."""

import math
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.cost import cost_of
from edgevolve.data.data_error import DataError
from edgevolve.data.front_end import Fittable, FrontEnd, Pixels, Samples, Standardise, Unchanged
from edgevolve.data.mel import Mel
from edgevolve.data.micro_front_end import Micro
from edgevolve.data.resize import Resize
from edgevolve.data.rows import Rows, StoredArray, chunks, size_bytes
from edgevolve.data.spectrum import Spectrum
from edgevolve.data.split import Split, Splits
from edgevolve.data.spool import spooled

FRONT_END = "front_end"
"""The key of a candidate's front end in its recipe."""

FRONT_ENDS: dict[str, type[Any]] = {
    kind.__name__: kind for kind in (Mel, Micro, Pixels, Resize, Samples, Spectrum, Standardise, Unchanged)
}
"""The front ends of the package by the name of their class."""

KEPT_BYTES = 512 << 20
"""The most bytes of features that a process keeps, in memory and in temporary files together."""


def as_recipe(front_end: Fittable) -> dict[str, Any]:
    """A front end of the package as JSON, without constants of the data."""
    left_out = ("mean", "deviation")
    return {
        "type": type(front_end).__name__,
        **{name: value for name, value in front_end.parameters.items() if name not in left_out},
    }


def from_recipe(recipe: Mapping[str, Any]) -> Fittable | None:
    """The front end of a candidate's recipe, None where it has none. Raises `DataError` for an unknown one."""
    given = recipe.get(FRONT_END)
    if given is None:
        return None
    kind = FRONT_ENDS.get(str(given.get("type"))) if isinstance(given, Mapping) else None
    if kind is None:
        raise DataError(f"recipe: no front end {str(given)[:100]}; there are {', '.join(FRONT_ENDS)}")
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items() if name != "type"}
    try:
        made: Fittable = kind(**values)
    except TypeError as error:
        raise DataError(f"recipe: {given['type']}: {error}") from error
    return made


def read_shape(front_end: Fittable, example: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that a front end reads of data with examples of this shape: fewer steps at a lower rate."""
    steps = getattr(front_end, "samples", None) or getattr(front_end, "steps", None)
    return (steps, *example[1:]) if steps else example


def needs(front_end: Fittable, example: tuple[int, ...]) -> dict[str, float]:
    """The costs that a front end adds to those of a network, and its operations; `example` is the shape that it reads.

    RAM is that of its C code and of one example as read, flash that of its tables and code.
    """
    cost = cost_of(front_end)
    read_bytes = math.prod(read_shape(front_end, example)) * np.dtype(front_end.raw_type).itemsize
    return {
        "arena_bytes": cost.work_bytes + read_bytes,
        "flash_bytes": cost.flash_bytes,
        "float_operations": cost.float_operations,
        "integer_operations": cost.integer_operations,
    }


def features_of(recipe: Mapping[str, Any], splits: Splits) -> Splits:
    """The features of the splits by the front end of a candidate's recipe; the splits where it has none.

    Features are computed once for each front end and kept, in memory up to 64 MiB and beyond in a temporary file. When
    all take more than `KEPT_BYTES`, the oldest are removed. Raises `DataError` where examples do not fit the front end.
    """
    front_end = from_recipe(recipe)
    return splits if front_end is None else _STORE.get(front_end, splits)


def through(front_end: Fittable, splits: Splits) -> Splits:
    """The features of the splits, with constants fitted to the training split; examples are resampled as needed."""
    if splits.front_end is not None:
        raise DataError(f"the data set has a front end of its own, {splits.front_end.name}, and a candidate another")
    steps = read_shape(front_end, tuple(splits.train.x.shape[1:]))[0]
    fitted = front_end.fitted(_Resampled(splits.train.x, steps))
    train, validation, test = (
        Split(_computed(fitted, _Resampled(part.x, steps)), part.y, part.groups, part.names)
        for part in (splits.train, splits.validation, splits.test)
    )
    raw = None if splits.raw is None and not len(splits.test) else _Resampled(splits.test.x, steps)
    return replace(splits, train=train, validation=validation, test=test, front_end=fitted, raw=raw)


@dataclass(frozen=True, slots=True)
class _Resampled:
    """Rows on demand with `steps` steps along their first axis, as of a device that reads at another rate."""

    rows: Rows
    steps: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), self.steps, *self.rows.shape[2:])

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.rows.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        rows: NDArray[Any] = self.rows[index]
        return rows if self.steps == self.rows.shape[1] else _resampled(rows, self.steps)


def _resampled(rows: NDArray[Any], steps: int) -> NDArray[Any]:
    """Resample by SciPy's polyphase filter, after subtracting the line between an example's ends, to keep an offset."""
    from scipy.signal import resample_poly

    common = math.gcd(steps, rows.shape[1])
    samples = resample_poly(
        rows.astype(np.float32), steps // common, rows.shape[1] // common, axis=1, padtype="line"
    )  # float32 holds 16 bits exactly
    if rows.dtype.kind in "iu":
        ends = np.iinfo(rows.dtype)
        samples = np.round(samples).clip(ends.min, ends.max)
    kept: NDArray[Any] = samples.astype(rows.dtype)
    return kept


def _computed(front_end: FrontEnd, rows: Rows) -> Rows:
    def pieces() -> Iterator[NDArray[np.float32]]:
        for chunk in chunks(rows):
            yield front_end.apply(chunk)

    shape = front_end.apply(np.zeros((1, *rows.shape[1:]), rows.dtype)).shape[1:]
    return spooled(pieces(), shape, np.float32)


@dataclass(slots=True)
class FeatureStore:
    """Features by front end, of one data set at a time; the least recently used are removed beyond `most_bytes`."""

    most_bytes: int = KEPT_BYTES
    source: Splits | None = None
    kept: OrderedDict[str, Splits] = field(default_factory=OrderedDict)

    def get(self, front_end: Fittable, splits: Splits) -> Splits:
        """The features of the splits, computed where they are not kept. Raises `DataError` as `through`."""
        if self.source is not splits:
            for features in self.kept.values():
                _discard(features)
            self.kept.clear()
            self.source = splits
        key = repr(front_end)
        if key not in self.kept:
            self.kept[key] = through(front_end, splits)
        self.kept.move_to_end(key)
        while len(self.kept) > 1 and sum(map(_bytes, self.kept.values())) > self.most_bytes:
            _discard(self.kept.popitem(last=False)[1])
        return self.kept[key]


_STORE = FeatureStore()


def _parts(splits: Splits) -> list[Rows]:
    return [part.x for part in (splits.train, splits.validation, splits.test)]


def _bytes(splits: Splits) -> int:
    return sum(map(size_bytes, _parts(splits)))


def _discard(splits: Splits) -> None:
    """Remove the temporary files of features."""
    for rows in _parts(splits):
        if isinstance(rows, StoredArray):
            os.unlink(rows.path)
