"""Standardises features column by column, such as the bands of each window."""

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
    """The front end, a dataclass, with mean and standard deviation of each column of its features for `rows`.

    Columns are width × channels. The constants are float32 values; a constant column has deviation 1.
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
    """(column − mean) / deviation for each column of (number, height, width, channels); unchanged without means."""
    if not mean:
        return features
    means, deviations = (np.array(values, np.float32).reshape(features.shape[2:]) for values in (mean, deviation))
    standardised: NDArray[np.float32] = (features - means) / deviations
    return standardised


def column_constants(mean: tuple[float, ...], deviation: tuple[float, ...]) -> tuple[str, ...]:
    """Means and deviations as C arrays; empty where features are not standardised."""
    return (floats("Mean", mean), floats("Deviation", deviation)) if mean else ()


def column_value(value: str, column: str, mean: tuple[float, ...]) -> str:
    """The C expression of a feature from that of its value before standardising."""
    return f"({value} - kFrontEndMean[{column}]) / kFrontEndDeviation[{column}]" if mean else value


def constant_bytes(columns: int, mean: tuple[float, ...]) -> int:
    """The bytes that means and deviations will take in C once they are fitted; 0 where they are fitted already."""
    return 0 if mean else 8 * columns
