"""Cuts recordings of sensors into windows; no window crosses a recording or a split."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.data_error import DataError
from edgevolve.data.division import Divisible, divided
from edgevolve.data.folder import Place
from edgevolve.data.layout import needs_standardising
from edgevolve.data.rows import Rows
from edgevolve.data.scaling import standardised
from edgevolve.data.split import Split, Splits
from edgevolve.data.spool import in_memory_if_small, spooled
from edgevolve.data.unreadable import Unreadable, shown

Piece = tuple[Place, NDArray[np.float32]]
"""(steps, channels) of a recording; pieces of the same `Place`, one after the other, are one recording."""

_LEAST_RECORDINGS = 3
"""The recordings of a class with fewer recordings are divided in time."""
_BLOCKS = 10
_BLOCK_WINDOWS = 2
"""A recording is divided in time into up to `_BLOCKS` blocks of at least this number of windows."""
_SAME_RATE = 0.02
_OTHER_RATE = 0.05
_MOST_RATIO = 1000


class Windowing(Divisible, Protocol):
    """A reader that cuts recordings into windows, and how it cuts them."""

    @property
    def window(self) -> int | None:
        """The steps of a window; None for whole recordings."""

    @property
    def stride(self) -> int | None:
        """The steps from one window to the next; None for half a window."""

    @property
    def rate(self) -> float | None:
        """The steps a second to which recordings of other rates are resampled; None refuses them."""

    @property
    def normalise(self) -> bool | None:
        """Whether channels are standardised; None means if they need it."""


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Rows on demand: windows of `length` steps of a long array (steps, channels)."""

    source: Rows
    starts: NDArray[np.int64]
    length: int

    @property
    def shape(self) -> tuple[int, ...]:
        """(number, length, 1, channels)."""
        return (len(self.starts), self.length, 1, self.source.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the source."""
        return self.source.dtype

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """The windows of a slice or of an array of indices, or a single window."""
        starts = np.atleast_1d(self.starts[index])
        steps = self.source[(starts[:, np.newaxis] + np.arange(self.length)).ravel()]
        rows: NDArray[Any] = steps.reshape(len(starts), *self.shape[1:])
        return rows[0] if np.ndim(self.starts[index]) == 0 else rows


def names_of(columns: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """Names of columns as a tuple, also from a single name; None stays None."""
    if columns is None:
        return None
    return (columns,) if isinstance(columns, str) else tuple(columns)


def check_windowing(data: Windowing) -> None:
    """Raise `DataError` for an impossible window, stride or rate."""
    for name, value in (("window", data.window), ("stride", data.stride)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise DataError(f"{type(data).__name__}: {name} must be a number of steps from 1, not {value!r}")
    if data.rate is not None and not data.rate > 0:
        raise DataError(f"{type(data).__name__}: rate must be above 0 steps a second, not {data.rate!r}")


def windowed(
    pieces: Iterable[Piece],
    classes: tuple[str, ...],
    channels: int,
    data: Windowing,
    grouped_by: str,
    unreadable: Unreadable,
) -> Splits:
    """The windows of all recordings, split by group, or by recording where `grouped_by` is empty.

    Recordings of a class with fewer than three are divided in time, into blocks that no window crosses. Raises
    `DataError`, with the path, for recordings that give no windows.
    """
    places: list[Place] = []
    lengths: list[int] = []

    def noted() -> Iterator[NDArray[np.float32]]:
        for place, values in pieces:
            if not places or places[-1] is not place:
                places.append(place)
                lengths.append(0)
            lengths[-1] += len(values)
            yield values

    source = spooled(noted(), (channels,), np.float32)
    here = shown(data.path)
    lacking = sorted(set(classes) - {place.label for place in places})
    if lacking:
        raise DataError(f"{here}: no recording of class {lacking[0]} can be read")
    window = _window(here, data, places, lengths)
    blocks, notes = _blocks(places, lengths, window, grouped_by)
    stride = data.stride or max(1, window // 2)
    starts, owners = [np.empty(0, np.int64)], list[Place]()
    for place, begin, end in blocks:
        first = np.arange(begin, end - window + 1, stride)
        if not len(first):
            unreadable(place.path, f"has {end - begin} steps, a window takes {window}")
        starts.append(first)
        owners += [place] * len(first)
    label = {name: number for number, name in enumerate(classes)}
    y = np.array([label[place.label] for place in owners], np.int64)
    empty = [name for name, count in zip(classes, np.bincount(y, minlength=len(classes)), strict=True) if not count]
    if empty:
        raise DataError(f"{here}: no recording of class {empty[0]} holds a window of {window} steps")
    x = in_memory_if_small(Windows(source, np.concatenate(starts), window))
    whole = Split(x, y, np.array([place.group for place in owners]))
    given = np.array([place.part for place in owners], str)
    splits = divided(whole, classes, given, data, grouped_by or "recording")
    about = f"{len(y)} windows of {window} steps, one each {stride}, of {len(places)} recordings"
    notes = (*splits.notes, about, *notes, *unreadable.notes)
    splits = replace(splits, notes=notes)
    return standardised(splits) if needs_standardising(splits.train.x, data.normalise) else splits


def _window(here: str, data: Windowing, places: list[Place], lengths: list[int]) -> int:
    if data.window is not None:
        return data.window
    if len(set(lengths)) > 1:
        (usual, _), *_ = Counter(lengths).most_common(1)
        odd = next(number for number, length in enumerate(lengths) if length != usual)
        raise DataError(
            f"{here}: recordings are of different length, {usual} steps and {lengths[odd]} "
            f"({shown(places[odd].name)}); window={min(usual, lengths[odd])} takes windows of them"
        )
    return lengths[0]


def _blocks(
    places: list[Place], lengths: list[int], window: int, grouped_by: str
) -> tuple[list[tuple[Place, int, int]], tuple[str, ...]]:
    """The blocks in which windows may lie: (place with its group, begin, end), in steps of all recordings."""
    ends = np.cumsum(lengths)
    begins = ends - lengths
    spans = [(place, int(begin), int(end)) for place, begin, end in zip(places, begins, ends, strict=True)]
    if grouped_by:
        return spans, ()
    numbered = [
        (replace(place, group=place.group or str(number)), begin, end)
        for number, (place, begin, end) in enumerate(spans)
    ]
    if any(place.part for place in places):
        return numbered, ()
    each: dict[str, set[str]] = {}
    for place, *_ in numbered:
        each.setdefault(place.label, set()).add(place.group)
    few = sorted(label for label, groups in each.items() if len(groups) < _LEAST_RECORDINGS)
    blocks = [part for span in numbered for part in (_in_time(span, window) if span[0].label in few else [span])]
    note = (
        f"fewer than {_LEAST_RECORDINGS} recordings of {', '.join(few[:5])}: divided in time, so that scores are "
        "too good; record each class several times"
    )
    return blocks, (note,) if few else ()


def _in_time(span: tuple[Place, int, int], window: int) -> list[tuple[Place, int, int]]:
    """A recording as up to ten blocks in time."""
    place, begin, end = span
    number = min(_BLOCKS, (end - begin) // (_BLOCK_WINDOWS * window))
    if number < 2:
        return [span]
    edges = np.linspace(begin, end, number + 1).astype(int).tolist()
    return [
        (replace(place, group=f"{place.group}, part {part}"), low, high)
        for part, (low, high) in enumerate(pairwise(edges))
    ]


@dataclass(slots=True)
class Rate:
    """The rate of all recordings, in steps a second: `wanted`, or that of the first recording with a known rate."""

    wanted: float | None
    first: float | None = None

    def applied(self, values: NDArray[Any], recorded: float | None) -> NDArray[Any]:
        """`values` at the wanted rate. Without one, raises `DataError` for another rate than the first."""
        if recorded is None:
            return values
        if self.wanted is not None:
            return resampled(values, recorded, self.wanted)
        self.first = self.first or recorded
        if abs(recorded / self.first - 1) > _OTHER_RATE:
            raise DataError(
                f"is at {recorded:.4g} Hz, the first at {self.first:.4g} Hz; rate={self.first:.4g} resamples all"
            )
        return values


def resampled(values: NDArray[Any], recorded: float, wanted: float) -> NDArray[Any]:
    """A recording, (steps, channels), at another rate; unchanged where rates differ by 2 % at most.

    The line between the first and the last step is subtracted before SciPy's polyphase filter, so that an offset such
    as gravity leaves no ripple and the ends do not ring.
    """
    if abs(recorded / wanted - 1) <= _SAME_RATE:
        return values
    from scipy.signal import resample_poly

    ratio = Fraction(wanted / recorded).limit_denominator(_MOST_RATIO)
    first, last, steps = values[0], values[-1], max(1, len(values) - 1)
    slope = (last - first) / steps
    rest = values - (first + np.arange(len(values))[:, np.newaxis] * slope)
    made: NDArray[Any] = resample_poly(rest, ratio.numerator, ratio.denominator, axis=0)
    made += first + np.arange(len(made))[:, np.newaxis] * slope / float(ratio)
    return made
