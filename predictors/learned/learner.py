"""The parts of a learned prediction: a sum of the work times a correction.

To first order a network takes the sum of its operators' times: counts, operations and bytes with weights of at least
zero. `WorkModel` fits these weights. A Gaussian process or XGBoost then learns the logarithm of what remains; it is
zero far from the samples. The errors of out-of-fold predictions (`out_of_fold`) give the intervals: a quantile of them
is half the width (`conformal`).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgevolve.gaussian_process import GaussianProcess, Posterior
from predictors.values import FloatArray, PredictorError

_RIDGE = 1e-2
"""The ridge on the weights, relative to the measurements."""

_CONSTANT = 1e-9
"""Columns that vary by less than this share count as constant."""

_FLOOR = 0.05
"""A sum is never below this share of the least measurement."""

_TREES = {"max_depth": 3, "eta": 0.03, "subsample": 0.8, "colsample_bytree": 0.5, "min_child_weight": 3}
_ROUNDS = 300


@dataclass(frozen=True, slots=True)
class WorkModel:
    """`constant + columns · weights`, in the unit of what was measured, and never below `floor`."""

    columns: tuple[int, ...]
    weights: tuple[float, ...]
    constant: float
    floor: float

    @classmethod
    def fit(cls, rows: FloatArray, values: FloatArray, columns: Sequence[int]) -> "WorkModel":
        """Least squares of the relative error, with weights of at least zero and a small ridge on them.

        Without columns the model is the geometric mean of the values.
        """
        from scipy.optimize import nnls  # takes long to load

        floor = _FLOOR * float(values.min())
        if not columns:
            return cls((), (), float(np.exp(np.log(values).mean())), floor)
        chosen = rows[:, list(columns)]
        spread = chosen.std(axis=0)
        kept = np.flatnonzero(spread > _CONSTANT * (1 + abs(chosen).max(axis=0)))
        work = np.hstack([np.ones((len(rows), 1)), chosen[:, kept] / spread[kept]]) / values[:, None]
        ridge = np.sqrt(_RIDGE * len(rows)) / values.mean() * np.eye(1 + len(kept))
        ridge[0] = 0
        solution = nnls(np.vstack([work, ridge]), np.append(np.ones(len(rows)), np.zeros(1 + len(kept))))[0]
        weights = solution[1:] / spread[kept]
        names = tuple(columns[k] for k in kept.tolist())
        return cls(names, tuple(weights.tolist()), float(solution[0]), floor)

    def __call__(self, rows: FloatArray) -> FloatArray:
        """The estimate for each row, (rows,)."""
        total: FloatArray = self.constant + rows[:, list(self.columns)] @ np.array(self.weights)
        return np.maximum(total, self.floor)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, payload: Mapping[str, Any]) -> "WorkModel":
        """Read what `to_json` wrote. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        columns, weights = tuple(map(int, payload["columns"])), tuple(map(float, payload["weights"]))
        return cls(columns, weights, float(payload["constant"]), float(payload["floor"]))


@dataclass(frozen=True, slots=True)
class Standard:
    """The mean and standard deviation of every column over the fitted rows; deviation 0 for a constant column."""

    means: FloatArray
    deviations: FloatArray

    @classmethod
    def fit(cls, rows: FloatArray) -> "Standard":
        """Measure the columns."""
        means, deviations = rows.mean(axis=0), rows.std(axis=0)
        return cls(means, np.where(deviations > _CONSTANT * (1 + abs(means)), deviations, 0))

    def __call__(self, rows: FloatArray) -> FloatArray:
        """The columns that vary, standardised: mean 0 and standard deviation 1 over the fitted rows."""
        varying = self.deviations > 0
        scaled: FloatArray = (rows - self.means)[:, varying] / self.deviations[varying]
        return scaled

    def as_fitted(self, rows: FloatArray) -> NDArray[np.bool_]:
        """For each row, whether the constant columns have the value of the fitted rows."""
        fixed = self.deviations == 0
        away = abs(rows - self.means)[:, fixed] > _CONSTANT * (1 + abs(self.means[fixed]))
        still: NDArray[np.bool_] = ~away.any(axis=1)
        return still

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"means": self.means.tolist(), "deviations": self.deviations.tolist()}

    @classmethod
    def from_json(cls, payload: Mapping[str, Any], width: int) -> "Standard":
        """Read what `to_json` wrote for `width` columns. Raises `ValueError` and the like for anything else."""
        means, deviations = (np.array(payload[name], dtype=np.float64) for name in ("means", "deviations"))
        if not means.shape == deviations.shape == (width,):
            raise ValueError("means and deviations do not fit the columns")
        if not (np.isfinite(means).all() and np.isfinite(deviations).all() and (deviations >= 0).all()):
            raise ValueError("a mean or deviation is out of its range")
        return cls(means, deviations)


class Correction(Protocol):
    """The logarithm of measured over estimated time, as a function of standardised features."""

    def __call__(self, points: FloatArray) -> FloatArray:
        """One logarithm for each point, (points,)."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values with a `kind`."""


@dataclass(frozen=True, slots=True)
class NoCorrection:
    """Zero everywhere."""

    def __call__(self, points: FloatArray) -> FloatArray:
        """Zeros."""
        return np.zeros(len(points))

    def to_json(self) -> dict[str, Any]:
        """Its kind."""
        return {"kind": "none"}


@dataclass(frozen=True, slots=True)
class GaussianCorrection:
    """The mean of a Gaussian process."""

    mean: Posterior

    @classmethod
    def fit(cls, points: FloatArray, logarithms: FloatArray, seed: int) -> "GaussianCorrection":
        """Fit; nothing is random."""
        return cls(GaussianProcess.fit(points, logarithms).predictor())

    def __call__(self, points: FloatArray) -> FloatArray:
        """The mean."""
        return self.mean(points)

    def to_json(self) -> dict[str, Any]:
        """The process with its data."""
        return {"kind": "gaussian_process", **self.mean.process.to_json()}


@dataclass(frozen=True, slots=True)
class TreeCorrection:
    """XGBoost; `model` is its own JSON text."""

    model: str
    booster: Any

    @classmethod
    def fit(
        cls, points: FloatArray, logarithms: FloatArray, seed: int, trees: Mapping[str, float] = _TREES
    ) -> "TreeCorrection":
        """Fit `trees`, shallow by default, with squared error."""
        import xgboost

        data = xgboost.DMatrix(points, label=logarithms)
        settings = {**trees, "nthread": 1, "objective": "reg:squarederror", "base_score": 0.0, "seed": seed}
        booster = xgboost.train(settings, data, num_boost_round=_ROUNDS)
        return cls(booster.save_raw("json").decode(), booster)

    @classmethod
    def from_json(cls, model: Any) -> "TreeCorrection":
        """Read XGBoost's text. Raises `XGBoostError` for anything else."""
        import xgboost

        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(bytearray(str(model).encode()))
        return cls(str(model), booster)

    def __call__(self, points: FloatArray) -> FloatArray:
        """The sum of the trees."""
        return np.asarray(self.booster.inplace_predict(points), dtype=np.float64)

    def to_json(self) -> dict[str, Any]:
        """XGBoost's text."""
        return {"kind": "xgboost", "model": self.model}


Fit = Callable[[FloatArray, FloatArray, int], Correction]


def correction_from_json(payload: dict[str, Any]) -> Correction:
    """Read what a correction's `to_json` wrote. Raises `PredictorError` for a kind that is unknown."""
    kind = payload["kind"]
    if kind == "none":
        return NoCorrection()
    if kind == "gaussian_process":
        return GaussianCorrection(GaussianProcess.from_json(payload).predictor())
    if kind == "xgboost":
        return TreeCorrection.from_json(payload["model"])
    raise PredictorError(f"unknown correction {kind!r}")


@dataclass(frozen=True, slots=True)
class Learned:
    """A work model and its correction, which sees the columns `shape`, or all columns."""

    work: WorkModel
    standard: Standard
    correction: Correction
    shape: tuple[int, ...] | None = None

    @classmethod
    def fit(
        cls,
        rows: FloatArray,
        values: FloatArray,
        columns: Sequence[int],
        correction: Fit,
        seed: int,
        shape: tuple[int, ...] | None = None,
    ) -> "Learned":
        """Fit the sum over `columns`, then the correction on the columns `shape`."""
        work = WorkModel.fit(rows, values, columns)
        seen = rows if shape is None else rows[:, shape]
        standard = Standard.fit(seen)
        return cls(work, standard, correction(standard(seen), np.log(values / work(rows)), seed), shape)

    def scaled(self, factor: float) -> "Learned":
        """The same model with all predictions times a factor above 0."""
        work = self.work
        weights = tuple(weight * factor for weight in work.weights)
        return replace(self, work=WorkModel(work.columns, weights, work.constant * factor, work.floor * factor))

    def __call__(self, rows: FloatArray) -> FloatArray:
        """Predicted values, in the unit of the measurements, (rows,)."""
        predicted: FloatArray = self.work(rows) * np.exp(self.correction(self.standard(self.seen(rows))))
        return predicted

    def seen(self, rows: FloatArray) -> FloatArray:
        """The columns that the correction sees."""
        return rows if self.shape is None else rows[:, self.shape]


def folds(groups: NDArray[np.int64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The fold of each row: groups are never divided, and go at random into `count` folds of about equal size."""
    order = rng.permutation(np.unique(groups))
    sizes = np.array([np.sum(groups == group) for group in order])
    starts = np.cumsum(sizes) - sizes
    fold = dict(zip(order.tolist(), (starts * count // len(groups)).tolist(), strict=True))
    return np.array([fold[group] for group in groups.tolist()])


def out_of_fold(fold: NDArray[np.int64], predict: Callable[[list[int], list[int]], FloatArray]) -> FloatArray:
    """Out-of-fold predictions, in the order of the rows: `predict(seen, unseen)` predicts each fold from the others."""
    parts = [(np.flatnonzero(fold != part).tolist(), np.flatnonzero(fold == part).tolist()) for part in np.unique(fold)]
    predicted = np.concatenate([predict(seen, unseen) for seen, unseen in parts])
    return predicted[np.argsort(np.concatenate([unseen for _, unseen in parts]))]


def conformal(errors: FloatArray, group: NDArray[np.int64], coverage: float) -> float:
    """The conformal quantile of the absolute errors: the ⌈(n + 1) · coverage⌉-th of n, or the largest (Vovk 2015).

    n counts groups: the errors of a group share a weight of 1.
    """
    sizes, order = np.bincount(group), np.argsort(errors)
    reached = np.cumsum((1 / sizes[group])[order])
    index = int(np.searchsorted(reached, math.ceil((len(sizes) + 1) * coverage) - 1e-9))
    return float(errors[order][min(index, len(errors) - 1)])


def nearest(points: FloatArray, samples: FloatArray, itself: bool = False) -> FloatArray:
    """The distance from each point to the nearest sample; with `itself`, from each sample to the nearest other one."""
    squares = (points**2).sum(1)[:, None] + (samples**2).sum(1) - 2 * points @ samples.T
    if itself:
        np.fill_diagonal(squares, np.inf)
    distances: FloatArray = np.sqrt(np.maximum(squares.min(axis=1), 0))
    return distances


def in_domain(standard: Standard, samples: FloatArray, reach: float, rows: FloatArray) -> NDArray[np.bool_]:
    """Whether each row is within `reach` of a sample, in standardised columns, with constant columns unchanged."""
    near: NDArray[np.bool_] = nearest(standard(rows), samples) <= reach
    return near & standard.as_fitted(rows)
