"""Features in rows of columns, such as the bands of each window: standardised column by column."""

from dataclasses import replace
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.c_parts import floats
from edgevolve.data.rows import Rows, chunks

_FLAT = 1e-6
"""A column whose deviation is below this is constant."""


C = TypeVar("C")


def with_statistics(front_end: C, rows: Rows) -> C:
    """The front end, a dataclass, with mean and standard deviation of each column of its features of `rows`.

    A column is one of width × channels. They are float32 values; 1 is the deviation of a constant column.
    """
    plain: Any = replace(cast(Any, front_end), mean=(), deviation=())
    number, mean, squares = 0, np.zeros(1), np.zeros(1)
    for chunk in chunks(rows):
        features = plain.apply(chunk)
        values = features.reshape(-1, features.shape[2] * features.shape[3]).astype(np.float64)
        there = values.mean(axis=0)
        shift, before, number = there - mean, number, number + len(values)
        squares = squares + ((values - there) ** 2).sum(axis=0) + shift**2 * (before * len(values) / number)
        mean = mean + shift * (len(values) / number)
    deviation = np.sqrt(squares / max(number, 1))
    deviation = np.where(deviation < _FLAT, 1.0, deviation)
    fitted: C = replace(
        plain, mean=tuple(mean.astype(np.float32).tolist()), deviation=tuple(deviation.astype(np.float32).tolist())
    )
    return fitted


def standardised_columns(
    features: NDArray[np.float32], mean: tuple[float, ...], deviation: tuple[float, ...]
) -> NDArray[np.float32]:
    """Each column of (number, height, width, channels) less its mean, over its deviation; as it is without means."""
    if not mean:
        return features
    means, deviations = (np.array(values, np.float32).reshape(features.shape[2:]) for values in (mean, deviation))
    standardised: NDArray[np.float32] = (features - means) / deviations
    return standardised


def column_constants(mean: tuple[float, ...], deviation: tuple[float, ...]) -> tuple[str, ...]:
    """Means and deviations in C; nothing where features are not standardised."""
    return (floats("Mean", mean), floats("Deviation", deviation)) if mean else ()


def column_value(value: str, column: str, mean: tuple[float, ...]) -> str:
    """The C expression of a feature from that of the value before it is standardised."""
    return f"({value} - kFrontEndMean[{column}]) / kFrontEndDeviation[{column}]" if mean else value


def constant_bytes(columns: int, mean: tuple[float, ...]) -> int:
    """What means and deviations will take in C once they are known; 0 where they stand there already."""
    return 0 if mean else 8 * columns
