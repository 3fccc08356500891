"""The Edge TPU v6, known only from rumours: latency and energy, forecast from a rumoured sheet and a simulated chip.

The predictor is learned from simulated measurements of the same networks on v5e and v6
(`benchmarks/make_v6_predictor.py`); every forecast says so. Own measurements on a v5e improve a forecast: their
distance from what is expected of a v5e carries over to v6, by a learned share. Every operator is taken to run on the
chip.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.gaussian_process import GaussianProcess
from edgevolve.graph import Graph
from predictors.files import format_of, read_predictor, write_predictor
from predictors.learned.learner import (
    Correction,
    GaussianCorrection,
    Learned,
    Standard,
    WorkModel,
    conformal,
    in_domain,
    nearest,
    out_of_fold,
)
from predictors.models.systolic import PARTS, SHAPES, workload_table
from predictors.sheets import Sheet, sheet
from predictors.values import Estimated, FeatureTable, FloatArray, PredictorError

FORMAT = "edgevolve-v6-1"
FOLDER = Path(__file__).parent.parent / "pretrained"
SOURCE, TARGET = "edge_tpu_v5e", "edge_tpu_v6"
METRICS = ("latency_ms", "energy_uj")
PROVENANCE = "simulated, from rumoured figures"

_COVERAGE = 0.9
_FEWEST = 20
_FAR = 2.0
"""A network is out of domain where it is farther from every sample than this times nearly all gaps between samples."""

_DIGITS = 3
"""Significant digits of points in the file; targets have one more."""

_SHAPE = tuple(range(len(PARTS), len(PARTS) + len(SHAPES)))

Models = Mapping[str, Mapping[str, Learned]]


@dataclass(frozen=True, slots=True)
class EdgeTPUv6Predictor:
    """Forecasts of `METRICS`: `models` by chip and metric, fitted on the same networks.

    Each model is a sum of `PARTS` of the workload times a Gaussian process of its `SHAPES`.

    `carried` is the share of a network's surprise on v5e (log of measured over expected, mean over the metrics) that is
    expected on v6. `widths` are half the interval, in natural logarithms, without and with v5e measurements. `reach`
    bounds the domain.
    """

    models: Models
    carried: Mapping[str, float]
    widths: Mapping[str, tuple[float, float]]
    reach: float

    @classmethod
    def fit(
        cls,
        graphs: Sequence[Graph],
        v5e: Sequence[Mapping[str, float]],
        v6: Sequence[Mapping[str, float]],
        groups: Sequence[int] | NDArray[np.int64],
    ) -> "EdgeTPUv6Predictor":
        """Learn from networks measured on both chips, `METRICS` of each; nothing is random.

        Intervals follow from errors on groups (families) that were held out. Raises `PredictorError` for fewer than 20
        networks or two groups, for lengths that differ, and for values that are not positive and finite.
        """
        group = np.asarray(groups, dtype=np.int64)
        if not len(graphs) == len(v5e) == len(v6) == len(group) >= _FEWEST or len(np.unique(group)) < 2:
            raise PredictorError(
                f"{len(graphs)} networks, {len(v5e)} v5e and {len(v6)} v6 measurements, {len(np.unique(group))} "
                f"groups: give equally many of each, at least {_FEWEST}, in at least two groups"
            )
        models: dict[str, dict[str, Learned]] = {}
        errors: dict[str, dict[str, FloatArray]] = {}
        for chip, measured in ((SOURCE, v5e), (TARGET, v6)):
            table = workload_table(sheet(chip), graphs)
            models[chip], errors[chip] = {}, {}
            for metric in METRICS:
                values = np.array([_positive(f"network {i}", one, metric) for i, one in enumerate(measured)])
                fitted = _fit(table, values)
                models[chip][metric] = fitted
                errors[chip][metric] = _held_out(table, values, group, fitted)
        surprise = np.mean([errors[SOURCE][metric] for metric in METRICS], axis=0)
        carried, widths = {}, {}
        for metric in METRICS:
            error = errors[TARGET][metric]
            share = float(np.clip(surprise @ error / (surprise @ surprise), 0, 1))
            carried[metric] = share
            widths[metric] = (_width(error), _width(error - share * surprise))
        points = _process(models[TARGET][METRICS[0]]).points
        return cls(models, carried, widths, _FAR * float(np.quantile(nearest(points, points, itself=True), 0.95)))

    def predict(self, graph: Graph, v5e: Mapping[str, float] | None = None) -> dict[str, Estimated]:
        """Forecast one inference: `METRICS` and `tops_per_watt`; `v5e` holds any of `METRICS` as measured on a v5e.

        There are no intervals for a network unlike all samples. Raises `PredictorError` for measurements of other names
        or that are not positive and finite.
        """
        table = workload_table(sheet(TARGET), [graph])
        surprise = self._surprise(graph, v5e) if v5e else 0.0
        estimates = {}
        for metric in METRICS:
            value = float(self.models[TARGET][metric](table.rows)[0]) * math.exp(self.carried[metric] * surprise)
            factor = math.exp(self.widths[metric][bool(v5e)])
            estimates[metric] = Estimated(value, value / factor, value * factor)
        operations = 2 * float(table.rows[0, PARTS.index("macs_uj")]) / sheet(TARGET)["mac_pj"]
        energy, factor = estimates["energy_uj"].value, math.exp(self.widths["energy_uj"][bool(v5e)])
        estimates["tops_per_watt"] = Estimated(
            operations / energy, operations / (energy * factor), operations / (energy / factor)
        )
        model = self.models[TARGET][METRICS[0]]
        known = bool(in_domain(model.standard, _process(model).points, self.reach, model.seen(table.rows))[0])
        return estimates if known else {metric: Estimated(one.value) for metric, one in estimates.items()}

    def save(self, path: Path | str, made_by: str = "") -> None:
        """Write JSON; `made_by` says how it was made. Nothing in it is executed when it is read."""
        write_predictor(path, {**self.to_json(), "made_by": made_by})

    @classmethod
    def from_pretrained(cls, name: str = "v5e_to_v6_model") -> "EdgeTPUv6Predictor":
        """A packaged predictor by name, or the one in a `.json` file. Raises `PredictorError`, in one line."""
        if name.endswith(".json"):
            return cls.load(name)
        packaged = {path.stem: path for path in sorted(FOLDER.glob("*.json"))}
        if name not in packaged:
            raise PredictorError(f"no v6 predictor {name!r}: give a .json file, or one of {', '.join(packaged)}")
        return cls.load(packaged[name])

    @classmethod
    def load(cls, path: Path | str) -> "EdgeTPUv6Predictor":
        """Read what `save` wrote. Raises `PredictorError` for any other file, in one line."""
        return read_predictor(path, cls.from_json, "v6 predictor")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        any_model = self.models[TARGET][METRICS[0]]
        return {
            "format": FORMAT,
            "provenance": PROVENANCE,
            "sheets": {chip: fingerprint(sheet(chip)) for chip in (SOURCE, TARGET)},
            "columns": [*PARTS, *SHAPES],
            **any_model.standard.to_json(),
            "points": _process(any_model).points.tolist(),
            "models": {
                chip: {metric: _model_json(model) for metric, model in by_metric.items()}
                for chip, by_metric in self.models.items()
            },
            "carried": dict(self.carried),
            "widths": {metric: list(pair) for metric, pair in self.widths.items()},
            "reach": self.reach,
        }

    @classmethod
    def from_json(cls, payload: Any) -> "EdgeTPUv6Predictor":
        """Read what `to_json` wrote. Raises `PredictorError` for another format, other sheets or columns."""
        if format_of(payload) != FORMAT:
            raise PredictorError(f"not a v6 predictor of this format ({FORMAT}): {format_of(payload)!r}")
        if payload.get("columns") != [*PARTS, *SHAPES]:
            raise PredictorError(
                "made for other columns of the workload; benchmarks/make_v6_predictor.py makes it again"
            )
        if payload.get("sheets") != {chip: fingerprint(sheet(chip)) for chip in (SOURCE, TARGET)}:
            raise PredictorError(
                f"the sheets of {SOURCE} or {TARGET} changed since it was made; "
                "benchmarks/make_v6_predictor.py makes it again"
            )
        try:
            return cls._parsed(payload)
        except Exception as error:
            raise PredictorError(
                f"not a v6 predictor: {type(error).__name__}: {' '.join(str(error).split())}"
            ) from error

    @classmethod
    def _parsed(cls, payload: Mapping[str, Any]) -> "EdgeTPUv6Predictor":
        standard = Standard.from_json(payload, len(SHAPES))
        points = np.array(payload["points"], dtype=np.float64)
        models = {
            chip: {m: _model_from_json(payload["models"][chip][m], standard, points) for m in METRICS}
            for chip in (SOURCE, TARGET)
        }
        carried = {metric: float(payload["carried"][metric]) for metric in METRICS}
        widths = {m: (float(payload["widths"][m][0]), float(payload["widths"][m][1])) for m in METRICS}
        numbers = np.array([*carried.values(), *(w for pair in widths.values() for w in pair), float(payload["reach"])])
        if not (np.isfinite(points).all() and np.isfinite(numbers).all() and (numbers >= 0).all()):
            raise ValueError("a number is negative or not finite")
        return cls(models, carried, widths, float(payload["reach"]))

    def _surprise(self, graph: Graph, v5e: Mapping[str, float]) -> float:
        """The mean logarithm of measured over expected on v5e."""
        unknown = sorted(set(v5e) - set(METRICS))
        if unknown:
            raise PredictorError(f"v5e measurements are {' and '.join(METRICS)}, not {unknown[0]}")
        table = workload_table(sheet(SOURCE), [graph])
        return float(np.mean([math.log(_positive("v5e", v5e, m) / self.models[SOURCE][m](table.rows)[0]) for m in v5e]))


def fingerprint(sheet: Sheet) -> str:
    """A hash of the sheet's figures."""
    figures = {name: figure.value for name, figure in sorted(sheet.figures.items())}
    return hashlib.sha256(json.dumps(figures).encode()).hexdigest()[:16]


def _positive(what: str, measured: Mapping[str, float], metric: str) -> float:
    value = measured.get(metric)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise PredictorError(f"{what}: {metric} must be positive and finite, not {value!r}")
    return float(value)


def _width(errors: FloatArray) -> float:
    """Half the width of the interval, in natural logarithms."""
    return conformal(abs(errors), np.arange(len(errors)), _COVERAGE)


def _fit(table: FeatureTable, values: FloatArray, like: Learned | None = None) -> Learned:
    """Learn from one measurement a row; `like` gives the process's hyperparameters in place of a search."""
    correction = partial(_correction, None if like is None else _process(like))
    return Learned.fit(table.rows, values, range(len(PARTS)), correction, 0, _SHAPE)


def _correction(like: GaussianProcess | None, points: FloatArray, logarithms: FloatArray, seed: int) -> Correction:
    """A process fitted to numbers that are rounded as in the file."""
    points = np.array(np.round(points, _DIGITS), order="C")
    targets = np.round(logarithms, _DIGITS + 1)
    process = GaussianProcess.fit(points, targets) if like is None else replace(like, points=points, targets=targets)
    return GaussianCorrection(process.predictor())


def _held_out(table: FeatureTable, values: FloatArray, group: NDArray[np.int64], like: Learned) -> FloatArray:
    """log(measured / predicted) of each row, out of fold: by a model that saw none of its group."""

    def errors(seen: list[int], unseen: list[int]) -> FloatArray:
        return np.asarray(np.log(values[unseen] / _fit(table[seen], values[seen], like)(table.rows[unseen])))

    return out_of_fold(group, errors)


def _process(model: Learned) -> GaussianProcess:
    assert isinstance(model.correction, GaussianCorrection)
    return model.correction.mean.process


def _model_json(model: Learned) -> dict[str, Any]:
    """Plain JSON values, without the points and their scales, which models of the same networks share."""
    process = _process(model)
    return {
        **model.work.to_json(),
        "targets": process.targets.tolist(),
        "amplitude": process.amplitude,
        "length": process.length,
        "noise": process.noise,
    }


def _model_from_json(payload: Mapping[str, Any], standard: Standard, points: FloatArray) -> Learned:
    """Read what `_model_json` wrote. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
    work = WorkModel.from_json(payload)
    if len(work.columns) != len(work.weights) or not set(work.columns) <= set(range(len(PARTS))):
        raise ValueError("columns and weights do not fit")
    process = GaussianProcess.from_json({**payload, "points": points})
    return Learned(work, standard, GaussianCorrection(process.predictor()), _SHAPE)
