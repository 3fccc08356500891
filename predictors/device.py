"""The one entrance to all devices: what a network costs on a device, and the source of the figures.

A device is a packaged sheet, a user's own sheet, either of them with a predictor fitted to measurements, or a user's
own object.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from edgevolve.graph import Graph
from edgevolve.metric import Metric, register
from predictors.files import format_of, read_predictor
from predictors.learned.device_predictor import FORMAT as OF_DEVICE
from predictors.learned.device_predictor import DevicePredictor
from predictors.learned.edge_tpu_v6 import PROVENANCE as V6_PROVENANCE
from predictors.learned.edge_tpu_v6 import TARGET as V6
from predictors.learned.edge_tpu_v6 import EdgeTPUv6Predictor
from predictors.learned.regressor import PerformanceRegressor
from predictors.models import MODELS, analyse, counters
from predictors.own_device import OWN, own_device, small_network
from predictors.sheets import Sheet, sheet
from predictors.values import Estimated, PredictorError, feature_table
from resource_models.graph_features import FEATURES

LATENCY = Metric("latency_ms", "latency", "ms")
ENERGY = Metric("energy_uj", "energy", "µJ")
EFFICIENCY = Metric("tops_per_watt", "TOPS/W", "TOPS/W", better="higher")
register(LATENCY, ENERGY, EFFICIENCY)

METRICS = (LATENCY.name, ENERGY.name, EFFICIENCY.name)
"""The metrics of devices: milliseconds and microjoules of one inference, and 10¹² operations a joule."""

_BEYOND = "; without interval where unlike what was learned from"
"""Journals hold these words, and a resume compares them: never change them."""


@runtime_checkable
class Device(Protocol):
    """An object that predicts what a network costs before it is trained."""

    @property
    def name(self) -> str:
        """The name of the device, as in `latency_ms@NAME`."""

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The metrics that `predict` gives; the unit is in the name."""

    @property
    def provenance(self) -> str:
        """The source of the figures in words, such as "simulated from rumoured figures"."""

    def predict(self, graph: Graph) -> Mapping[str, Estimated]:
        """A prediction for each metric. Raises `PredictorError` for a network that the device cannot run."""


def device(source: Any, predictor: str | PathLike[str] | None = None) -> Device:
    """The device of a packaged name, of a `.yaml` sheet, or of a user's own object.

    `edge_tpu_v6` is `EdgeTPUv6Predictor.from_pretrained()`. Other packaged devices predict from their sheets.

    `predictor` is a JSON file that `DevicePredictor.save` or `PerformanceRegressor.save` wrote; its metric is then
    learned from measurements. A `DevicePredictor` names its device, so its file also serves as `source` alone.

    An object has `predict(graph)`, which returns numbers by metric, or one number for `latency_ms`; or
    `predict_latency(graph)`, which returns that number; or `ops_per_second` and `memory_bandwidth` (bytes a second),
    which count only where it has no function. `name`, `metric_names` and `provenance` are optional.

    Raises `PredictorError`, in one line, for anything else, and for a device that cannot predict.
    """
    if predictor is not None:
        return _learned(source, Path(predictor))
    if isinstance(source, _SheetDevice | _LearnedDevice | OWN):
        return source
    if not isinstance(source, str | PathLike | Sheet):
        return own_device(source)
    if str(source) == V6:
        return _edge_tpu_v6()
    if str(source).endswith(".json"):
        return _learned(None, Path(str(source)))
    named = _sheet(source)
    MODELS[named.kind].check(named)
    return _SheetDevice(named)


@dataclass(frozen=True, slots=True)
class _SheetDevice:
    """A device predicted by its sheet alone, or by Arm's compiler with the sheet's settings."""

    sheet: Sheet

    @property
    def name(self) -> str:
        return self.sheet.name

    @property
    def metric_names(self) -> tuple[str, ...]:
        return MODELS[self.sheet.kind].metrics

    @property
    def provenance(self) -> str:
        return MODELS[self.sheet.kind].source.format(self.sheet.weakest)

    def operations_ms(self, floats: float, integers: float) -> float:
        """Milliseconds of a front end's operations in plain C; 0 where the sheet lacks a figure for them."""
        work = {"cycles_per_float_operation": floats, "cycles_per_integer_operation": integers}
        return self._milliseconds(work) if work.keys() <= self.sheet.figures.keys() else 0.0

    def bands_ms(self, sliced_bytes: int, joined_bytes: int, operators: int) -> float:
        """Milliseconds that bands add for copied bytes and for added operators, without multiply-accumulates.

        TensorFlow Lite Micro copies what is sliced byte by byte, what is joined by `memcpy`. A missing figure is 0.
        """
        work = {
            "cycles_per_byte_sliced": sliced_bytes,
            "cycles_per_byte_joined": joined_bytes,
            "cycles_per_operator": operators,
        }
        return self._milliseconds({name: number for name, number in work.items() if name in self.sheet.figures})

    def _milliseconds(self, work: Mapping[str, float]) -> float:
        """Milliseconds of amounts of work by the figure that gives the cycles of one; 0 without a clock."""
        if "clock_mhz" not in self.sheet.figures:
            return 0.0
        return float(sum(number * self.sheet[name] for name, number in work.items()) / self.sheet["clock_mhz"] / 1e3)

    def predict(self, graph: Graph) -> Mapping[str, Estimated]:
        return {name: Estimated(value) for name, value in analyse(self.sheet, graph).items()}


@dataclass(frozen=True, slots=True)
class _LearnedDevice:
    """A device with a learned predictor, which gives intervals; `digest` identifies the predictor's file."""

    name: str
    metric_names: tuple[str, ...]
    provenance: str
    digest: str
    predicted: Callable[[Graph], Mapping[str, Estimated]] = field(repr=False)

    def predict(self, graph: Graph) -> Mapping[str, Estimated]:
        return self.predicted(graph)


@cache
def _edge_tpu_v6() -> Device:
    predictor = EdgeTPUv6Predictor.from_pretrained()
    digest = hashlib.sha256(json.dumps(predictor.to_json()).encode()).hexdigest()[:32]
    return _LearnedDevice(V6, METRICS, f"{V6_PROVENANCE}{_BEYOND}", digest, predictor.predict)


def _sheet(source: Any) -> Sheet:
    if isinstance(source, Sheet):
        return source
    if not isinstance(source, str | PathLike):
        raise PredictorError(f"a predictor belongs to a device by name or .yaml file, not to a {type(source).__name__}")
    return sheet(str(source))


def _learned(source: Any, path: Path) -> Device:
    """The device of a predictor's file, named by `source`, or by the file."""
    base = None if source is None else _sheet(source)
    predictor = read_predictor(path, _from_json)
    if isinstance(predictor, DevicePredictor):
        name, metric = base.name if base else predictor.fitted.name, predictor.regressor.metric
    elif base is None:
        raise PredictorError(f"{path}: does not name its device: give device(NAME, predictor={path.name!r})")
    else:
        name, metric = base.name, predictor.metric
        more = predictor.names[len(FEATURES) :]
        known = tuple(counters(base, small_network())) if more and base.figures else ()
        if predictor.names[: len(FEATURES)] != FEATURES or more != known:
            raise PredictorError(f"{path}: was fitted on other columns than those of {base.name}; fit it again")

    def predicted(graph: Graph) -> Mapping[str, Estimated]:
        if isinstance(predictor, DevicePredictor):
            return {metric: predictor.predict([graph])[0]}
        columns = [counters(base, graph)] if base and more else []
        return {metric: predictor.predict(feature_table([graph], columns))[0]}

    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    words = f"learned from measurements ({path.name}){_BEYOND}"
    return _LearnedDevice(name, (metric,), words, digest, predicted)


def _from_json(payload: Any) -> DevicePredictor | PerformanceRegressor:
    """The predictor that one of the two classes saved."""
    of_device = format_of(payload) == OF_DEVICE
    return DevicePredictor.from_json(payload) if of_device else PerformanceRegressor.from_json(payload)
