"""`PerformanceRegressor`: from measurements to predictions with intervals, in JSON.

The learner is the geometric mean of several members (`MEMBERS`), which is better than most of them as long as their
errors differ. A member is left out if the mean without it is better by a standard error, out of fold.

The intervals are conformal: their width is a quantile of the out-of-fold errors of the same cross-validation (Vovk
2015, cross-conformal predictors), so they hold the stated share whatever the learner. These errors also say how far the
learner, which fits means, is from the median, which minimises the mean absolute error: outliers of measured time are
mostly slow.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictors.files import format_of, read_predictor, write_predictor
from predictors.learned.learner import (
    Fit,
    GaussianCorrection,
    Learned,
    NoCorrection,
    Standard,
    TreeCorrection,
    WorkModel,
    conformal,
    correction_from_json,
    folds,
    in_domain,
    nearest,
    out_of_fold,
)
from predictors.values import VERSION, Estimates, FeatureTable, FloatArray, PredictorError
from resource_models.graph_features import COUNTS

FORMAT = "edgevolve-predictor-2"
_EARLIER = "edgevolve-predictor-1"
"""The earlier format, which had one learner, or the mean of several corrections of one sum."""

_FEWEST = 5
_SCATTERED = 50
"""The most samples that are divided into ten folds; more are divided into five."""

_SURE = 50
"""The number of samples at which half of the median's distance is corrected."""

_FAR = 2.0
"""A network is out of domain where it is farther from every sample than this times the largest gap between samples."""


@dataclass(frozen=True, slots=True)
class Member:
    """One of the learners whose mean is taken, from `fewest` samples on.

    Its correction sees all features, or only `COUNTS`; without `sums` it corrects a constant.
    """

    fewest: int
    correction: Fit
    counts: bool = False
    sums: bool = True


MEMBERS: Mapping[str, Member] = {
    "sum": Member(0, lambda points, logarithms, seed: NoCorrection()),
    "process": Member(12, GaussianCorrection.fit),
    "trees": Member(60, TreeCorrection.fit),
    "process of counts": Member(60, GaussianCorrection.fit, counts=True),
    "counts alone": Member(60, GaussianCorrection.fit, counts=True, sums=False),
}


@dataclass(frozen=True, slots=True)
class PerformanceRegressor:
    """A fitted predictor of one metric: the geometric mean of `parts`.

    `width` is half the interval's width, in natural logarithms, and `coverage` the share of measurements that it should
    hold. `cross_validated` is the mean relative error of each member and of `learner`, their mean. `standard`,
    `samples` and `reach` define the domain.
    """

    metric: str
    names: tuple[str, ...]
    additive: tuple[bool, ...]
    learner: str
    parts: tuple[Learned, ...]
    width: float
    coverage: float
    cross_validated: dict[str, float]
    standard: Standard
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
        """Learn from measurements, one positive value for each row of `table`.

        Rows of one of the `groups` (several measurements of one network, isomorphic networks, a family) are never on
        both sides of a cross-validation, and count as one sample. Raises `PredictorError` for fewer than five groups,
        or values that are not positive and finite.
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

        def errors(member: str, columns: Sequence[int]) -> FloatArray:
            def held_out(seen: list[int], unseen: list[int]) -> FloatArray:
                predicted = _fit(table[seen], measured[seen], member, columns, seed)(table.rows[unseen])
                return np.asarray(np.log(measured[unseen] / predicted))

            return out_of_fold(fold, held_out)

        columns, more = _columns(table)
        if more != columns and _ahead(errors("sum", more), errors("sum", columns), group):
            columns = more
        tried = {name: errors(name, columns) for name in _members(table, count)}
        kept = _kept(tried, group)
        learner, error = f"mean of {', '.join(kept)}" if len(kept) > 1 else kept[0], _mean(tried, kept)
        centre = float(np.median(error)) * count / (count + _SURE)
        parts = tuple(_fit(table, measured, name, columns, seed).scaled(math.exp(centre)) for name in kept)
        standard = Standard.fit(table.rows)
        points = standard(table.rows)
        points = points[np.sort(np.unique(points.round(9), axis=0, return_index=True)[1])]
        return cls(
            metric=metric,
            names=table.names,
            additive=table.additive,
            learner=learner,
            parts=parts,
            width=conformal(abs(error - centre), group, coverage),
            coverage=coverage,
            cross_validated={name: float(np.mean(abs(np.expm1(-e)))) for name, e in (tried | {learner: error}).items()},
            standard=standard,
            samples=points,
            reach=_FAR * float(nearest(points, points, itself=True).max()) if len(points) > 1 else 0.0,
        )

    def predict(self, table: FeatureTable) -> Estimates:
        """A value, an interval and whether it is in the domain, for each row. Raises `PredictorError`.

        The table must have exactly the features of the fitted table.
        """
        if table.names != self.names:
            raise PredictorError(
                f"the predictor was fitted to version {VERSION} of {len(self.names)} features, "
                f"not to these {len(table.names)}; fit it again"
            )
        with np.errstate(all="ignore"):
            value = self._value(table.rows)
            low, high = value / np.exp(self.width), value * np.exp(self.width)
            known = in_domain(self.standard, self.samples, self.reach, table.rows)
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
        return {
            "format": FORMAT,
            "metric": self.metric,
            "version": VERSION,
            "names": self.names,
            "additive": self.additive,
            "learner": self.learner,
            "standard": self.standard.to_json(),
            "parts": [_part_json(part) for part in self.parts],
            "width": self.width,
            "coverage": self.coverage,
            "cross_validated": self.cross_validated,
            "samples": self.samples.tolist(),
            "reach": self.reach,
        }

    @classmethod
    def from_json(cls, payload: Any) -> "PerformanceRegressor":
        """Read what `to_json` wrote. Raises `PredictorError` for another format, version or shape."""
        if format_of(payload) not in (FORMAT, _EARLIER):
            raise PredictorError(f"not a predictor of this format ({FORMAT}): {format_of(payload)!r}")
        if payload.get("version") != VERSION:
            raise PredictorError(
                f"fitted on version {payload.get('version')} of the features, this is {VERSION}: fit again"
            )
        try:
            names = tuple(map(str, payload["names"]))
            standard = Standard.from_json(payload["standard"], len(names))
            predictor = cls(
                metric=str(payload["metric"]),
                names=names,
                additive=tuple(map(bool, payload["additive"])),
                learner=str(payload["learner"]),
                parts=tuple(_parts_from_json(payload, standard)),
                width=float(payload["width"]),
                coverage=float(payload["coverage"]),
                cross_validated={str(k): float(v) for k, v in payload["cross_validated"].items()},
                standard=standard,
                samples=np.array(payload["samples"], dtype=np.float64).reshape(
                    -1, int(np.sum(standard.deviations > 0))
                ),
                reach=float(payload["reach"]),
            )
            predictor._check_read()
            return predictor
        except PredictorError:
            raise
        except Exception as error:
            raise PredictorError(f"not a predictor: {type(error).__name__}: {' '.join(str(error).split())}") from error

    def _check_read(self) -> None:
        """Raise unless every number is finite and in range, and every array fits the features."""
        numbers = (self.width, self.coverage, self.reach, *self.cross_validated.values())
        numbers += tuple(x for part in self.parts for x in (*part.work.weights, part.work.constant, part.work.floor))
        positive = all(part.work.floor for part in self.parts) and self.coverage < 1
        if not all(math.isfinite(value) and value >= 0 for value in numbers) or not positive:
            raise PredictorError("not a predictor: a number is out of its range")
        if not np.isfinite(self.samples).all():
            raise PredictorError("not a predictor: a number is not finite")
        works = [part.work for part in self.parts]
        fits = len(self.additive) == len(self.names) and all(len(w.weights) == len(w.columns) for w in works)
        used = {column for part in self.parts for column in (*part.work.columns, *(part.shape or ()))}
        if not fits or not used <= set(range(len(self.names))) or not len(self.samples) or not self.parts:
            raise PredictorError("not a predictor: columns, weights and names do not fit")
        with np.errstate(all="ignore"):
            self._value(self.standard.means[None])  # arrays that do not fit together raise here

    def _value(self, rows: FloatArray) -> FloatArray:
        value: FloatArray = np.exp(np.mean([np.log(part(rows)) for part in self.parts], axis=0))
        return value


def _part_json(part: Learned) -> dict[str, Any]:
    return {
        "work": part.work.to_json(),
        "shape": part.shape,
        "standard": part.standard.to_json(),
        "correction": part.correction.to_json(),
    }


def _parts_from_json(payload: Mapping[str, Any], standard: Standard) -> Iterator[Learned]:
    """The parts of a file; a file of the earlier format has one for each correction of its only sum."""
    if payload["format"] == _EARLIER:
        correction = payload["correction"]
        for one in correction["parts"] if correction["kind"] == "mean" else [correction]:
            yield Learned(WorkModel.from_json(payload["work"]), standard, correction_from_json(one))
        return
    for part in payload["parts"]:
        shape = None if part["shape"] is None else tuple(map(int, part["shape"]))
        scales = Standard.from_json(part["standard"], len(payload["names"]) if shape is None else len(shape))
        yield Learned(WorkModel.from_json(part["work"]), scales, correction_from_json(part["correction"]), shape)


def _members(table: FeatureTable, samples: int) -> list[str]:
    """The members for which there are enough samples, and the columns they need."""
    counted = bool(_counts(table))
    return [name for name, one in MEMBERS.items() if samples >= one.fewest and (counted or not one.counts)]


def _counts(table: FeatureTable) -> tuple[int, ...]:
    return tuple(index for index, name in enumerate(table.names) if name in COUNTS)


def _columns(table: FeatureTable) -> tuple[list[int], list[int]]:
    """The columns to sum: operators, their operations and the counters; and these with bytes and depth."""
    more = [index for index, additive in enumerate(table.additive) if additive]
    small = ("weight_bytes", "bytes_written", "bytes_read", "bytes_held", "depth")
    return [index for index in more if table.names[index] not in small], more


def _fit(table: FeatureTable, values: FloatArray, name: str, columns: Sequence[int], seed: int) -> Learned:
    member = MEMBERS[name]
    summed = columns if member.sums else []
    shape = _counts(table) if member.counts else None
    return Learned.fit(table.rows, values, summed, member.correction, seed, shape)


def _mean(errors: Mapping[str, FloatArray], names: Sequence[str]) -> FloatArray:
    """The errors, in logarithms, of the geometric mean of some members."""
    mean: FloatArray = np.mean([errors[name] for name in names], axis=0)
    return mean


def _kept(errors: Mapping[str, FloatArray], group: NDArray[np.int64]) -> list[str]:
    """The members that stay: those without which the mean is better are left out, the worst first."""
    kept = list(errors)
    while len(kept) > 1:
        without = {name: _mean(errors, [other for other in kept if other != name]) for name in kept}
        worst = min(kept, key=lambda name: float(np.mean(abs(without[name]))))
        if not _ahead(without[worst], _mean(errors, kept), group):
            break
        kept.remove(worst)
    return kept


def _ahead(one: FloatArray, other: FloatArray, group: NDArray[np.int64]) -> bool:
    """Whether the errors `one` are smaller than `other` by a standard error; each group is one sample."""
    gain = np.bincount(group, abs(other) - abs(one)) / np.bincount(group)
    return bool(gain.mean() > gain.std() / math.sqrt(len(gain)))


def _check(table: FeatureTable, values: FloatArray, coverage: float) -> None:
    if values.shape != (len(table),):
        raise PredictorError(f"{len(table)} networks but {values.size} measurements")
    wrong = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
    if len(wrong):
        raise PredictorError(f"measurement {wrong[0]} is {values[wrong[0]]}; it must be positive and finite")
    if not 0.5 <= coverage < 1:
        raise PredictorError(f"coverage must be from 0.5 to below 1, not {coverage}")
