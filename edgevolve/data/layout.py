"""Checks arrays of images and labels, and brings them into the standard layout."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.data_error import DataError
from edgevolve.data.front_end import Standardise
from edgevolve.data.rows import Rows, StoredArray, chunks
from edgevolve.data.split import Split

MOST_CLASSES = 100_000

_MOST_SENSOR_CHANNELS = 9
"""The channels of three sensors with three axes each; an image seldom has so few columns."""


def images(path: str, name: str, x: Rows, channels_first: bool | None, notes: list[str]) -> Rows:
    """`x` as (number, height, width, channels), uint8 or floating point. Raises `DataError`."""
    shape = tuple(x.shape)
    if len(shape) == 2:
        raise DataError(
            f"{path}: {name} must be (number, height, width[, channels]), it is {shape}; "
            f"for columns of a table write {name}.reshape({shape[0]}, 1, 1, {shape[1]})"
        )
    if len(shape) not in (3, 4) or min(shape) < 1:
        raise DataError(f"{path}: {name} must be (number, height, width[, channels]), it is {shape}")
    if x.dtype != np.uint8 and not np.issubdtype(x.dtype, np.floating):
        raise DataError(f"{path}: {name} must be uint8 or floating point, it is {x.dtype}{_as_type(name, x)}")
    if len(shape) == 3 and 1 < shape[2] <= _MOST_SENSOR_CHANNELS and shape[1] >= 3 * shape[2]:
        notes.append(
            f"{name} is read as images of {shape[1]}×{shape[2]} with one channel; for {shape[1]} steps of "
            f"{shape[2]} sensor channels save {name}[:, :, np.newaxis, :]"
        )
    x = _reshaped(x, (*shape, 1)) if len(shape) == 3 else _channels_last(path, name, x, channels_first, notes)
    if x.dtype == np.uint8:
        return x
    _check_finite(path, name, x)
    return x.astype(np.float32) if isinstance(x, np.ndarray) else x


def _as_type(name: str, x: Rows) -> str:
    if not np.issubdtype(x.dtype, np.integer):
        return f"; {name}.astype(np.float32), if it holds numbers"
    lowest, highest = value_range(x)
    if lowest >= 0 and highest <= 255:
        return f" from {lowest:g} to {highest:g}; {name}.astype(np.uint8) is read as value / 255"
    return f" from {lowest:g} to {highest:g}; write {name}.astype(np.float32)"


def _reshaped(x: Rows, shape: tuple[int, ...]) -> Rows:
    if isinstance(x, StoredArray):
        return replace(x, shape=shape)
    array: NDArray[Any] = x[:].reshape(shape)
    return array


def _channels_last(path: str, name: str, x: Rows, channels_first: bool | None, notes: list[str]) -> Rows:
    _, first, height, width = x.shape
    if channels_first:
        if not isinstance(x, np.ndarray):
            raise DataError(f"{path}: {name} is too large to be turned here; save np.moveaxis({name}, 1, -1)")
        return np.ascontiguousarray(np.moveaxis(x, 1, -1))
    if channels_first is None and first in (1, 3, 4) and min(height, width) > 4:
        if height == width or (first > 1 and width > 16):
            raise DataError(
                f"{path}: {name} is {tuple(x.shape)}: do its channels stand first? NpzImages(…, channels_first=True) "
                f"reads {height}×{width} with {first} channels, False {first}×{height} with {width}"
            )
        notes.append(
            f"{name} is read as {first}×{height} with {width} channels; "
            f"channels_first=True reads {height}×{width} with {first}"
        )
    return x


def _check_finite(path: str, name: str, x: Rows) -> None:
    number = 0
    with np.errstate(over="ignore"):
        for chunk in chunks(x):
            finite = np.isfinite(chunk.astype(np.float32, copy=False)).reshape(len(chunk), -1).all(axis=1)
            if not finite.all():
                row = int(finite.argmin())
                value = chunk[row][~np.isfinite(chunk[row].astype(np.float32))].ravel()[0]
                where = f"{value} in row {number + row}"
                raise DataError(f"{path}: {name} holds values that are not finite in float32: {where}")
            number += len(chunk)


def labels(path: str, name: str, y: NDArray[Any], number: int) -> NDArray[np.int64]:
    """`y` as (number,) int64 from 0. Raises `DataError` with the wrong value and what to do."""
    where = f"{path}: {name} must be {number} whole numbers from 0"
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and len(y) == number and y.shape[1] > 1 and is_one_hot(y):
        raise DataError(f"{where}, it is one-hot, {y.shape}; write {name}.argmax(1)")
    if y.ndim != 1 or len(y) != number:
        raise DataError(f"{where}, one for each of the first axis of x, it is {y.dtype} {y.shape}")
    if not np.issubdtype(y.dtype, np.integer):
        raise DataError(f"{where}, it is {y.dtype}{_whole(name, y)}")
    if y.min() < 0:
        two = f"; write np.where({name} < 0, 0, 1)" if set(np.unique(y).tolist()) == {-1, 1} else ""
        raise DataError(f"{where}, it holds {y.min()}{two}")
    if y.max() > MOST_CLASSES:
        raise DataError(f"{where} to {MOST_CLASSES}, it holds {y.max()}; np.unique({name}, return_inverse=True)[1]")
    return y.astype(np.int64)


def is_one_hot(y: NDArray[Any]) -> bool:
    """Whether each row holds a single 1 among zeros."""
    if y.dtype.kind not in "biuf":
        return False
    return bool((np.isin(y, (0, 1)).all(axis=1) & ((y == 1).sum(axis=1) == 1)).all())


def _whole(name: str, y: NDArray[Any]) -> str:
    if y.dtype.kind in "US":
        return f" such as {str(y[0])!r}; write np.unique({name}, return_inverse=True)[1]"
    if y.dtype.kind == "b":
        return f"; write {name}.astype(np.int64)"
    if y.dtype.kind != "f":
        return ""
    odd = y[~(np.isfinite(y) & (y == np.round(y)))]
    numbers = "; numbers to predict are read by Table(…, values=True), or a data set of yours with the target Values"
    return f"; it holds {odd[0]:g}{numbers}" if odd.size else f"; write {name}.astype(np.int64)"


def check_match(path: str, train: Split, other: Split, part: str) -> None:
    """Raise `DataError` where another split differs from training in type, shape or labels."""
    x, y = f"x_{part}", f"y_{part}"
    if other.x.dtype != train.x.dtype:
        raise DataError(f"{path}: {x} is {other.x.dtype} and x_train {train.x.dtype}; give both the same type")
    if other.x.shape[1:] != train.x.shape[1:]:
        raise DataError(f"{path}: images of {x} are {other.x.shape[1:]}, those of x_train {train.x.shape[1:]}")
    if other.y.max() > train.y.max():
        raise DataError(f"{path}: {y} holds label {other.y.max()}, the highest of y_train is {train.y.max()}")


def value_range(x: Rows) -> tuple[float, float]:
    """The lowest and the highest value."""
    ends = [(float(chunk.min()), float(chunk.max())) for chunk in chunks(x) if chunk.size]
    return min((low for low, _ in ends), default=0.0), max((high for _, high in ends), default=0.0)


def needs_standardising(x: Rows, normalise: bool | None) -> bool:
    """Whether to standardise floats: `normalise`, or by default if they are not within −1…1 and not standardised."""
    if normalise is not None or x.dtype == np.uint8:
        return bool(normalise) and x.dtype != np.uint8
    lowest, highest = value_range(x)
    if lowest >= -1 and highest <= 1:
        return False
    fitted = Standardise.fit(x)
    mean, deviation = np.array(fitted.mean), np.array(fitted.deviation)
    return bool((np.abs(mean) > 0.5).any() or (deviation < 0.5).any() or (deviation > 2).any())
