"""`PerformanceRegressor`: from measurements to predictions with intervals, in JSON.

The learner is chosen by cross-validation: a more complex one must be ahead of a simpler one by a standard error. The
intervals are conformal: their width is a quantile of the errors that the same cross-validation made on rows it had
not seen (Vovk 2015, cross-conformal predictors), so they hold the stated share whatever the learner. They also say
how far the learner, which fits means, is off the median, which the mean absolute error asks for: outliers of measured
time are mostly slow.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictors.estimated import Estimates
from predictors.files import read_predictor, write_predictor
from predictors.learned.learner import (
    CORRECTIONS,
    Learned,
    Standard,
    conformal,
    correction_from_json,
    folds,
    in_domain,
    nearest,
    out_of_fold,
    work_from_json,
    work_json,
)
from predictors.workload import VERSION, FeatureTable, FloatArray, PredictorError

FORMAT = "edgevolve-predictor-1"

_FEWEST = 5
_SCATTERED = 50
"""Up to so many samples there are ten folds, else five."""

_SURE = 50
"""Samples at which half of the median's distance is believed."""

_FAR = 2.0
"""Farther from every sample than this many times the samples' own largest gap is out of domain."""


@dataclass(frozen=True, slots=True)
class PerformanceRegressor:
    """A fitted predictor of one metric.

    `width` is half the interval's, in natural logarithms; `coverage` the share that it is meant to hold;
    `cross_validated` the mean relative error of each learner that was tried, and `learner` the one that was taken.
    """

    metric: str
    names: tuple[str, ...]
    additive: tuple[bool, ...]
    version: int
    learner: str
    learned: Learned
    width: float
    coverage: float
    cross_validated: dict[str, float]
    samples: FloatArray
    reach: float

    @classmethod
    def fit(
        cls,
        table: FeatureTable,
        values: Sequence[float] | FloatArray,
        rng: np.random.Generator,
        *,
        groups: Sequence[int] | NDArray[np.int64] | None = None,
        metric: str = "latency_ms",
        coverage: float = 0.9,
    ) -> "PerformanceRegressor":
        """Learn from measurements, one of at least 0 for each row of `table`.

        Rows of one of the `groups` (several measurements of one network, isomorphic networks, a family) are never on
        both sides of a cross-validation, and count as one sample.
        Raises `PredictorError` for fewer than five groups, or values that are not positive and finite.
        """
        measured = np.asarray(values, dtype=np.float64)
        _check(table, measured, coverage)
        given = np.arange(len(measured)) if groups is None else np.asarray(groups, dtype=np.int64)
        unique, group = np.unique(given, return_inverse=True)
        count = len(unique)
        if count < _FEWEST:
            raise PredictorError(f"at least {_FEWEST} different networks are needed, not {count}")
        fold = folds(group, min(10 if count <= _SCATTERED else 5, count), rng)
        seed = int(rng.integers(2**31))

        def errors(learner: str) -> FloatArray:
            def held_out(seen: list[int], unseen: list[int]) -> FloatArray:
                predicted = _fit(table[seen], measured[seen], learner, seed)(table.rows[unseen])
                return np.asarray(np.log(measured[unseen] / predicted))

            return out_of_fold(fold, held_out)

        logarithms = {name: errors(name) for name in _learners(table, count)}
        chosen = _choose(logarithms, group)
        centre = float(np.median(logarithms[chosen])) * count / (count + _SURE)
        learned = _fit(table, measured, chosen, seed).scaled(math.exp(centre))
        points = Standard.fit(table.rows)(table.rows)
        points = points[np.sort(np.unique(points.round(9), axis=0, return_index=True)[1])]
        return cls(
            metric=metric,
            names=table.names,
            additive=table.additive,
            version=table.version,
            learner=chosen,
            learned=learned,
            width=conformal(abs(logarithms[chosen] - centre), group, coverage),
            coverage=coverage,
            cross_validated={name: float(np.mean(abs(np.expm1(-error)))) for name, error in logarithms.items()},
            samples=points,
            reach=_FAR * float(nearest(points, points, itself=True).max()) if len(points) > 1 else 0.0,
        )

    def predict(self, table: FeatureTable) -> Estimates:
        """A value, an interval and whether it is known ground, for each row. Raises `PredictorError`.

        The table must have the very features that the predictor was fitted with.
        """
        if (table.names, table.version) != (self.names, self.version):
            raise PredictorError(
                f"the predictor knows version {self.version} of {len(self.names)} features, "
                f"not version {table.version} of {len(table.names)}"
            )
        with np.errstate(all="ignore"):
            value = self.learned(table.rows)
            low, high = value / np.exp(self.width), value * np.exp(self.width)
            known = in_domain(self.learned, self.samples, self.reach, table.rows)
        if not (np.isfinite(high) & (value >= 0)).all():
            raise PredictorError(f"the predictor gives no finite {self.metric} of at least 0; fit it again")
        return Estimates(value, low, high, known)

    def save(self, path: Path | str) -> None:
        """Write JSON; nothing in it is executed when it is read."""
        write_predictor(path, self.to_json())

    @classmethod
    def load(cls, path: Path | str) -> "PerformanceRegressor":
        """Read what `save` wrote. Raises `PredictorError` for any other file, in one line."""
        return read_predictor(path, cls.from_json)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        work, standard = self.learned.work, self.learned.standard
        return {
            "format": FORMAT,
            "metric": self.metric,
            "version": self.version,
            "names": self.names,
            "additive": self.additive,
            "learner": self.learner,
            "work": work_json(work),
            "standard": {
                "means": standard.means.tolist(),
                "deviations": standard.deviations.tolist(),
            },
            "correction": self.learned.correction.to_json(),
            "width": self.width,
            "coverage": self.coverage,
            "cross_validated": self.cross_validated,
            "samples": self.samples.tolist(),
            "reach": self.reach,
        }

    @classmethod
    def from_json(cls, payload: Any) -> "PerformanceRegressor":
        """Read what `to_json` wrote. Raises `PredictorError` for another format, version or shape."""
        if not isinstance(payload, dict) or payload.get("format") != FORMAT:
            found = payload.get("format") if isinstance(payload, dict) else type(payload).__name__
            raise PredictorError(f"not a predictor of this format ({FORMAT}): {found!r}")
        if payload.get("version") != VERSION:
            raise PredictorError(
                f"fitted on version {payload.get('version')} of the features, this is {VERSION}: fit again"
            )
        try:
            standard = payload["standard"]
            names = tuple(map(str, payload["names"]))
            scales = Standard(_vector(standard["means"], names), _vector(standard["deviations"], names))
            learned = Learned(work_from_json(payload["work"]), scales, correction_from_json(payload["correction"]))
            found = cls(
                metric=str(payload["metric"]),
                names=names,
                additive=tuple(map(bool, payload["additive"])),
                version=VERSION,
                learner=str(payload["learner"]),
                learned=learned,
                width=float(payload["width"]),
                coverage=float(payload["coverage"]),
                cross_validated={str(k): float(v) for k, v in payload["cross_validated"].items()},
                samples=np.array(payload["samples"], dtype=np.float64).reshape(-1, int(np.sum(scales.deviations > 0))),
                reach=float(payload["reach"]),
            )
            found._check_read()
            return found
        except PredictorError:
            raise
        except Exception as error:
            raise PredictorError(f"not a predictor: {type(error).__name__}: {' '.join(str(error).split())}") from error

    def _check_read(self) -> None:
        """Raise unless every number is finite and in its range, and every array fits the features."""
        work, standard = self.learned.work, self.learned.standard
        numbers = (*work.weights, work.constant, work.floor, self.width, self.coverage, self.reach)
        numbers += tuple(self.cross_validated.values())
        if not all(math.isfinite(value) and value >= 0 for value in numbers) or not (work.floor and self.coverage < 1):
            raise PredictorError("not a predictor: a number is out of its range")
        arrays = (standard.means, standard.deviations, self.samples)
        if not all(np.isfinite(array).all() for array in arrays) or (standard.deviations < 0).any():
            raise PredictorError("not a predictor: a number is not finite")
        lengths = len(self.additive) == len(self.names) and len(work.weights) == len(work.columns)
        if not lengths or not all(0 <= column < len(self.names) for column in work.columns) or not len(self.samples):
            raise PredictorError("not a predictor: columns, weights and names do not fit")
        with np.errstate(all="ignore"):
            self.learned(standard.means[None])  # arrays that do not fit one another raise here


def _learners(table: FeatureTable, samples: int) -> Iterator[str]:
    """`COLUMNS+CORRECTION`, simplest first."""
    choices = ("work", "all") if _columns(table, "work") != _columns(table, "all") else ("work",)
    for correction, (fewest, _) in CORRECTIONS.items():
        if samples >= fewest:
            for columns in choices:
                yield f"{columns}+{correction}"


def _columns(table: FeatureTable, choice: str) -> list[int]:
    """`work`: operators, their operations and the counters; `all`: bytes and depth as well."""
    small = ("weight_bytes", "bytes_written", "bytes_read", "bytes_held", "depth")
    return [
        index
        for index, (name, additive) in enumerate(zip(table.names, table.additive, strict=True))
        if additive and (choice == "all" or name not in small)
    ]


def _fit(table: FeatureTable, values: FloatArray, learner: str, seed: int) -> Learned:
    columns, _, correction = learner.partition("+")
    return Learned.fit(table.rows, values, _columns(table, columns), CORRECTIONS[correction][1], seed)


def _choose(logarithms: dict[str, FloatArray], group: NDArray[np.int64]) -> str:
    """The simplest learner, or a later one that is ahead of it by a standard error; each group is one sample."""
    names, sizes = list(logarithms), np.bincount(group)
    best = names[0]
    for name in names[1:]:
        gain = np.bincount(group, abs(logarithms[best]) - abs(logarithms[name])) / sizes
        if gain.mean() > gain.std() / math.sqrt(len(gain)):
            best = name
    return best


def _vector(values: Any, like: Sequence[str]) -> FloatArray:
    vector = np.array(values, dtype=np.float64)
    if vector.shape != (len(like),):
        raise PredictorError("not a predictor: means, deviations and names differ in length")
    return vector


def _check(table: FeatureTable, values: FloatArray, coverage: float) -> None:
    if values.shape != (len(table),):
        raise PredictorError(f"{len(table)} networks but {values.size} measurements")
    wrong = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
    if len(wrong):
        raise PredictorError(f"measurement {wrong[0]} is {values[wrong[0]]}; it must be positive and finite")
    if not 0.5 <= coverage < 1:
        raise PredictorError(f"coverage must be from 0.5 to below 1, not {coverage}")
