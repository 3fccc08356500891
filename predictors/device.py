"""Any device through one entrance: what a network costs on it, and where the figures come from.

A device is a packaged sheet, a sheet of the user's own, either of them together with a predictor that was fitted on
measurements, or an object of the user's own.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from edgevolve.graph import Conv2D, Dense, Graph, GraphBuilder, from_json, to_json
from edgevolve.metric import Metric, register
from predictors import edge_tpu, vela
from predictors.analytical import analyse, plain_operations_ms, roofline_ms
from predictors.device_predictor import FORMAT as OF_DEVICE
from predictors.device_predictor import DevicePredictor
from predictors.edge_tpu_v6 import PROVENANCE as V6_PROVENANCE
from predictors.edge_tpu_v6 import TARGET as V6
from predictors.edge_tpu_v6 import EdgeTPUv6Predictor
from predictors.features import FEATURES, PredictorError, feature_table
from predictors.files import read_predictor
from predictors.regressor import PerformanceRegressor, Prediction
from predictors.sheets import Kind, Sheet, sheet

LATENCY = Metric("latency_ms", "latency", "ms")
ENERGY = Metric("energy_uj", "energy", "µJ")
EFFICIENCY = Metric("tops_per_watt", "TOPS/W", "TOPS/W", better="higher")
register(LATENCY, ENERGY, EFFICIENCY)

METRICS = (LATENCY.name, ENERGY.name, EFFICIENCY.name)
"""What a device may be asked for: milliseconds and microjoules of one inference, 10¹² operations a joule."""

_BEYOND = "; without interval where unlike what was learned from"
"""Journals hold these words, and a resume compares them: they stay as they are."""

_METRICS: Mapping[Kind, tuple[str, ...]] = {
    Kind.SYSTOLIC: METRICS,
    Kind.ROOFLINE: ("latency_ms",),
    Kind.CYCLES: ("latency_ms",),
    Kind.VELA: ("latency_ms",),
    Kind.HOST: ("latency_ms",),
}


@dataclass(frozen=True, slots=True)
class Estimated:
    """A prediction. `low` and `high` are its interval, or None where nothing is known of the error.

    A spec sheet says nothing of its own error, so analytical predictions have no interval; learned ones have the
    conformal interval of their predictor where the network is known ground, and none beyond it.
    """

    value: float
    low: float | None = None
    high: float | None = None


@runtime_checkable
class Device(Protocol):
    """Something that tells what a network costs before it is trained."""

    @property
    def name(self) -> str:
        """As in `latency_ms@NAME`."""

    @property
    def metric_names(self) -> tuple[str, ...]:
        """What `predict` gives; the unit is in the name."""

    @property
    def provenance(self) -> str:
        """Where the figures come from, in words: simulated from rumoured figures, learned from measurements."""

    def predict(self, graph: Graph) -> Mapping[str, Estimated]:
        """A prediction for each metric. Raises `PredictorError` for a network that the device cannot run."""


def device(source: Any, predictor: str | PathLike[str] | None = None) -> Device:
    """The device of a packaged name, a `.yaml` file, or an object of the user's own.

    `edge_tpu_v6` is `EdgeTPUv6Predictor.from_pretrained()`; the other packaged devices are what their sheets say.

    With `predictor`, a JSON file that `DevicePredictor.save` or `PerformanceRegressor.save` wrote, its metric is
    learned from measurements; a file of the former names its device, so that it may also stand alone. An object has
    either `ops_per_second` and `memory_bandwidth` (bytes a second), or `predict(graph)`, which returns numbers by
    metric, or one number for `latency_ms`, or `predict_latency(graph)`, which returns that number; `name`,
    `metric_names` and `provenance` if it likes. Its own function is called, not its rates, where it has both.

    Raises `PredictorError`, in one line, for what is no device, or a device that cannot predict.
    """
    if predictor is not None:
        return _learned(source, Path(predictor))
    if isinstance(source, _SheetDevice | _LearnedDevice | _RooflineDevice | _OwnDevice):
        return source
    if not isinstance(source, str | PathLike | Sheet):
        return _own(source)
    if str(source) == V6:
        return _edge_tpu_v6()
    if str(source).endswith(".json"):
        return _learned(None, Path(str(source)))
    found = _sheet(source)
    if found.kind is Kind.HOST and not found.figures:
        raise PredictorError(
            f"{found.name} is known by measurements alone: fit a predictor, and give device({found.name!r}, "
            "predictor='FILE.json')"
        )
    if found.kind is Kind.VELA:
        vela.check(found)
    return _SheetDevice(found)


@dataclass(frozen=True, slots=True)
class _SheetDevice:
    """What the sheet alone says, or Arm's compiler under it."""

    sheet: Sheet

    @property
    def name(self) -> str:
        return self.sheet.name

    @property
    def metric_names(self) -> tuple[str, ...]:
        return _METRICS[self.sheet.kind]

    @property
    def provenance(self) -> str:
        if self.sheet.kind is Kind.VELA:
            return "simulated by Arm's compiler"
        return f"simulated from {self.sheet.weakest} figures"

    def operations_ms(self, floats: float, integers: float) -> float:
        """Time of a front end's operations; 0 where the sheet says nothing of them."""
        return plain_operations_ms(self.sheet, floats, integers)

    def predict(self, graph: Graph) -> Mapping[str, Estimated]:
        if self.sheet.kind is Kind.VELA:
            canonical = from_json(to_json(graph))  # so that isomorphic graphs cost the same
            found = {"latency_ms": vela.latency_ms(self.sheet, canonical)}
        else:
            found = analyse(self.sheet, graph)
        return {name: Estimated(value) for name, value in found.items()}


@dataclass(frozen=True, slots=True)
class _LearnedDevice:
    """What was learned, with its intervals; `digest` tells one predictor's file from another."""

    name: str
    metric_names: tuple[str, ...]
    provenance: str
    digest: str
    predicted: Callable[[Graph], Mapping[str, Estimated]] = field(repr=False)

    def predict(self, graph: Graph) -> Mapping[str, Estimated]:
        return self.predicted(graph)


@dataclass(frozen=True, slots=True)
class _RooflineDevice:
    """An object of the user's own with operations and bytes a second."""

    name: str
    ops_per_second: float
    memory_bandwidth: float
    provenance: str
    metric_names = ("latency_ms",)

    def predict(self, graph: Graph) -> Mapping[str, Estimated]:
        return {"latency_ms": Estimated(roofline_ms(graph, self.ops_per_second, self.memory_bandwidth))}


@dataclass(frozen=True, slots=True)
class _OwnDevice:
    """An object of the user's own with `predict`; what it gives is checked each time."""

    own: Any
    name: str
    metric_names: tuple[str, ...]
    provenance: str

    def predict(self, graph: Graph) -> Mapping[str, Estimated]:
        found = _asked(self.own, self.name, graph)
        if set(found) != set(self.metric_names):
            raise PredictorError(
                f"{self.name}: predict gives {', '.join(sorted(found)) or 'nothing'}, "
                f"not {', '.join(sorted(self.metric_names))}"
            )
        return found


@cache
def _edge_tpu_v6() -> Device:
    predictor = EdgeTPUv6Predictor.from_pretrained()
    digest = hashlib.sha256(json.dumps(predictor.to_json()).encode()).hexdigest()[:32]
    return _LearnedDevice(V6, METRICS, f"{V6_PROVENANCE}{_BEYOND}", digest, partial(_from_v6, predictor))


def _from_v6(predictor: EdgeTPUv6Predictor, graph: Graph) -> Mapping[str, Estimated]:
    found = predictor.predict(graph)
    forecasts = {metric: getattr(found, metric) for metric in METRICS}
    return {metric: _within(found.in_domain, one.value, one.low, one.high) for metric, one in forecasts.items()}


def _sheet(source: Any) -> Sheet:
    if isinstance(source, Sheet):
        return source
    if not isinstance(source, str | PathLike):
        raise PredictorError(f"a predictor belongs to a device by name or .yaml file, not to a {type(source).__name__}")
    return sheet(str(source))


def _learned(source: Any, path: Path) -> Device:
    """The device of a predictor's file: `source`, or the one that the file names."""
    found = None if source is None else _sheet(source)
    predictor = read_predictor(path, _from_json)
    predicted: Callable[[Graph], Mapping[str, Estimated]]
    if isinstance(predictor, DevicePredictor):
        name, metric = found.name if found else predictor.fitted.name, predictor.regressor.metric
        predicted = partial(_from_device_predictor, predictor)
    elif found is None:
        raise PredictorError(f"{path}: is of no device that it names: give device(NAME, predictor={path.name!r})")
    else:
        name, metric = found.name, predictor.metric
        predicted = partial(_from_regressor, predictor, found)
        more = predictor.names[len(FEATURES) :]
        known = _counters(found, _small_network()) if more else ()
        if predictor.names[: len(FEATURES)] != FEATURES or more != tuple(known):
            raise PredictorError(f"{path}: was fitted on other columns than those of {found.name}; fit it again")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    words = f"learned from measurements ({path.name}){_BEYOND}"
    return _LearnedDevice(name, (metric,), words, digest, predicted)


def _from_device_predictor(predictor: DevicePredictor, graph: Graph) -> Mapping[str, Estimated]:
    return {predictor.regressor.metric: _first(predictor.predict([graph]))}


def _from_regressor(predictor: PerformanceRegressor, found: Sheet, graph: Graph) -> Mapping[str, Estimated]:
    counters = [_counters(found, graph)] if len(predictor.names) > len(FEATURES) else []
    return {predictor.metric: _first(predictor.predict(feature_table([graph], counters)))}


def _first(found: Prediction) -> Estimated:
    return _within(bool(found.in_domain[0]), *(float(part[0]) for part in (found.value, found.low, found.high)))


def _within(in_domain: bool, value: float, low: float, high: float) -> Estimated:
    """Beyond known ground nothing is known of the error."""
    return Estimated(value, low, high) if in_domain else Estimated(value)


def _from_json(payload: Any) -> DevicePredictor | PerformanceRegressor:
    """What either of them saved."""
    of_device = isinstance(payload, dict) and payload.get("format") == OF_DEVICE
    return DevicePredictor.from_json(payload) if of_device else PerformanceRegressor.from_json(payload)


def _counters(found: Sheet, graph: Graph) -> Mapping[str, float]:
    """The columns that a predictor of this device may have beside the features of the graph."""
    return edge_tpu.estimate(found, graph).counters if found.kind is Kind.SYSTOLIC else {}


def _own(source: Any) -> Device:
    kind = type(source).__name__
    name = getattr(source, "name", kind)
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][\w.-]*", name):
        raise PredictorError(f"{kind}: a device's name has letters A to Z, digits, '_', '.' and '-', unlike {name!r}")
    provenance = getattr(source, "provenance", "as the configuration has it")
    if not isinstance(provenance, str) or not provenance.isprintable():
        raise PredictorError(f"{name}: provenance must be a line of text, not {provenance!r}")
    if _method(source):
        return _OwnDevice(source, name, _names(source, name), provenance)
    if not hasattr(source, "ops_per_second") or not hasattr(source, "memory_bandwidth"):
        raise PredictorError(
            f"{name} is no device: it needs ops_per_second and memory_bandwidth, or predict(graph); "
            "a packaged device is given by its name"
        )
    for part in ("ops_per_second", "memory_bandwidth"):
        value = getattr(source, part)
        if not _is_number(value) or value <= 0:
            raise PredictorError(f"{name}: {part} must be a number above 0, not {value!r}")
    return _RooflineDevice(name, float(source.ops_per_second), float(source.memory_bandwidth), provenance)


def _method(source: Any) -> str:
    """The name of the object's own function of a graph; "" where it has none."""
    return next((name for name in ("predict", "predict_latency") if callable(getattr(source, name, None))), "")


def _names(source: Any, name: str) -> tuple[str, ...]:
    """The metrics an object declares, or else those that it gives for a small network."""
    declared = getattr(source, "metric_names", None)
    if declared is None:
        try:
            return tuple(_asked(source, name, _small_network()))
        except PredictorError as error:
            raise PredictorError(f"{error} (of a small network; or declare metric_names)") from error
    if not isinstance(declared, list | tuple) or not declared or not all(map(_is_name, declared)):
        raise PredictorError(f"{name}: metric_names must be some names, not {declared!r}")
    return tuple(declared)


def _asked(source: Any, name: str, graph: Graph) -> dict[str, Estimated]:
    """What the object's own `predict` or `predict_latency` gives, as checked numbers."""
    method = _method(source)
    try:
        found = getattr(source, method)(graph)
    except PredictorError as error:
        raise PredictorError(f"{name}: {error}") from error
    except Exception as error:
        raise PredictorError(
            f"{name}: {method} fails: {type(error).__name__}: {' '.join(str(error).split())}"
        ) from error
    if not isinstance(found, Mapping):
        found = {"latency_ms": found}
    if not found:
        raise PredictorError(f"{name}: {method} gives no metric")
    odd = [metric for metric in found if not _is_name(metric)]
    if odd:
        raise PredictorError(f"{name}: {method} gives {odd[0]!r}, which is no name such as latency_ms")
    return {metric: _checked(f"{name}: {method} gives {metric}", value) for metric, value in found.items()}


def _checked(what: str, given: Any) -> Estimated:
    found = given if isinstance(given, Estimated) else Estimated(given)
    low, high = found.low, found.high
    for value in (found.value, *(end for end in (low, high) if end is not None)):
        if not _is_number(value) or value < 0:
            raise PredictorError(f"{what} = {value!r}; it must be a finite number of at least 0")
    if (low is None) != (high is None) or (low is not None and high is not None and not low <= found.value <= high):
        raise PredictorError(f"{what} = {found.value!r}, not within its interval from {low!r} to {high!r}")
    return Estimated(float(found.value), None if low is None else float(low), None if high is None else float(high))


def _is_name(metric: Any) -> bool:
    return isinstance(metric, str) and re.fullmatch(r"[A-Za-z]\w*", metric) is not None


def _is_number(value: Any) -> bool:
    try:
        return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer beyond any float
        return False


def _small_network() -> Graph:
    net = GraphBuilder()
    x = net.add(Conv2D(4, (3, 3)), net.input((1, 8, 8, 1)))
    return net.build(net.add(Dense(3), net.flatten(x)))
