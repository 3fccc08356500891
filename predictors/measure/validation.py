"""Compares predictions with measurements: the size of errors, and the agreement of rankings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from predictors.values import FloatArray, PredictorError


@dataclass(frozen=True, slots=True)
class Validation:
    """Errors of predictions over some networks.

    `mae` is in the unit of the measurements. `mape`, `p90` (the 90th percentile of the relative error), `within_10`
    (the share of errors of at most 10 %) and `coverage` (the share of measurements within the intervals; NaN without
    intervals) are fractions.
    """

    networks: int
    mae: float
    mape: float
    p90: float
    within_10: float
    spearman: float
    kendall: float
    coverage: float


def validate(
    predicted: Sequence[float] | FloatArray,
    measured: Sequence[float] | FloatArray,
    low: Sequence[float] | FloatArray | None = None,
    high: Sequence[float] | FloatArray | None = None,
    networks: int | None = None,
) -> Validation:
    """Compare predictions with measurements; `networks` is smaller where some were measured several times.

    Raises `PredictorError` for fewer than two measurements or values that are not positive and finite.
    """
    from scipy.stats import kendalltau, spearmanr

    guesses, truth = np.asarray(predicted, dtype=np.float64), np.asarray(measured, dtype=np.float64)
    if guesses.shape != truth.shape or guesses.ndim != 1 or len(truth) < 2:
        raise PredictorError(
            f"validation needs at least 2 networks, not {guesses.size} predictions and {truth.size} measurements"
        )
    if not (np.isfinite(truth) & (truth > 0) & np.isfinite(guesses)).all():
        raise PredictorError("predictions and measurements must be finite, and measurements positive")
    relative = abs(guesses / truth - 1)
    varied = np.ptp(guesses) > 0 and np.ptp(truth) > 0
    inside = np.nan
    if low is not None and high is not None:
        inside = float(np.mean((np.asarray(low) <= truth) & (truth <= np.asarray(high))))
    return Validation(
        networks=len(truth) if networks is None else networks,
        mae=float(abs(guesses - truth).mean()),
        mape=float(relative.mean()),
        p90=float(np.quantile(relative, 0.9)),
        within_10=float(np.mean(relative <= 0.1)),
        spearman=float(spearmanr(guesses, truth).statistic) if varied else float("nan"),
        kendall=float(kendalltau(guesses, truth).statistic) if varied else float("nan"),
        coverage=inside,
    )
