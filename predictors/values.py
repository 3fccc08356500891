"""What predictors take and give: a table of networks' features, and predicted numbers with their intervals.

`FEATURES` and `VERSION` are saved with every fitted predictor, which refuses a table of other names and a file of
another version: fit and predict agree by construction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgevolve.graph import Graph
from resource_models.graph_features import ADDITIVE, FEATURES, graph_features

FloatArray = NDArray[np.float64]

VERSION = 1
"""Raised whenever a feature changes its meaning."""


class PredictorError(ValueError):
    """A predictor, device or measurement that cannot be used. The message is one line."""


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """One row for each network, one column for each name: `rows` is (networks, names).

    `additive` says for each column whether it grows with the work. Raises `PredictorError` for values that are not
    finite or do not fit the names.
    """

    names: tuple[str, ...]
    additive: tuple[bool, ...]
    rows: FloatArray

    def __post_init__(self) -> None:
        if self.rows.ndim != 2 or self.rows.shape[1] != len(self.names) or len(self.names) != len(self.additive):
            raise PredictorError(f"{len(self.names)} features do not fit rows of shape {self.rows.shape}")
        if not np.isfinite(self.rows).all():
            row, column = np.argwhere(~np.isfinite(self.rows))[0]
            raise PredictorError(f"feature {self.names[column]} of network {row} is not finite")

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Sequence[int] | NDArray[np.integer]) -> "FeatureTable":
        """The chosen rows."""
        return FeatureTable(self.names, self.additive, self.rows[np.asarray(rows, dtype=int)])

    def with_column(self, name: str, values: Sequence[float] | FloatArray) -> "FeatureTable":
        """The table with one more additive column, such as a counter or another device's latency; one value a row."""
        column = np.asarray(values, dtype=np.float64)[:, None]
        return FeatureTable((*self.names, name), (*self.additive, True), np.hstack([self.rows, column]))


def feature_table(graphs: Sequence[Graph], counters: Sequence[Mapping[str, float]] = ()) -> FeatureTable:
    """A row of `FEATURES` for each graph, then the `counters` of an analytical model where there are any."""
    rows = np.array([graph_features(graph) for graph in graphs], dtype=np.float64).reshape(-1, len(FEATURES))
    additive = tuple(name in ADDITIVE for name in FEATURES)
    table = FeatureTable(FEATURES, additive, rows)
    for name in counters[0] if counters else ():
        table = table.with_column(name, [row[name] for row in counters])
    return table


@dataclass(frozen=True, slots=True)
class Estimated:
    """A prediction. `low` and `high` are its interval, or None if its error is unknown.

    The error of a spec sheet is unknown, so analytical predictions have no interval. Learned predictions have the
    conformal interval of their predictor if the network is similar to its training samples, and none otherwise.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Estimates:
    """Predictions of several networks, one row each; `in_domain` is false for a network unlike all training samples."""

    value: FloatArray
    low: FloatArray
    high: FloatArray
    in_domain: NDArray[np.bool_]

    def __getitem__(self, row: int) -> Estimated:
        """The prediction of one row, without an interval if the network is unlike all training samples."""
        value, low, high = (float(part[row]) for part in (self.value, self.low, self.high))
        return Estimated(value, low, high) if self.in_domain[row] else Estimated(value)
