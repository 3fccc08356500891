"""From a device that is known well to one with few measurements: another generation, one's own board.

What the source takes for a network, measured or estimated, is a counter like any other: a sum of the work in which
it may weigh as much as the samples say. `PerformanceRegressor` does the rest.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from predictors.features import FeatureTable, FloatArray, PredictorError
from predictors.regressor import PerformanceRegressor


def with_source(table: FeatureTable, counters: Mapping[str, Sequence[float] | FloatArray]) -> FeatureTable:
    """`table` with what the source device gives for each network: time, cycles, bytes, by name.

    Raises `PredictorError` for counters that are negative, not finite or not one for each network.
    """
    for name, values in counters.items():
        column = np.asarray(values, dtype=np.float64)
        if column.shape != (len(table),):
            raise PredictorError(f"source counter {name}: {column.size} values for {len(table)} networks")
        if not (np.isfinite(column) & (column >= 0)).all():
            raise PredictorError(f"source counter {name}: must be finite and at least 0")
        table = table.with_column(f"source_{name}", column)
    return table


def few_shot(
    table: FeatureTable,
    counters: Mapping[str, Sequence[float] | FloatArray],
    measured: Mapping[int, float],
    rng: np.random.Generator,
    groups: Sequence[int] | NDArray[np.int64] | None = None,
    metric: str = "latency_ms",
) -> tuple[PerformanceRegressor, FeatureTable]:
    """Fit the target device from a few measurements, by row of `table`.

    Returns the predictor and the table with the source's counters, ready for `predict`. Raises `PredictorError`.
    """
    rows = sorted(measured)
    if rows and not 0 <= rows[0] <= rows[-1] < len(table):
        raise PredictorError(f"measurements are for rows 0 to {len(table) - 1}")
    known = with_source(table, counters)
    group = None if groups is None else np.asarray(groups)[rows]
    values = [measured[row] for row in rows]
    return PerformanceRegressor.fit(known[rows], values, rng, groups=group, metric=metric), known
