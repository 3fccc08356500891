"""`DevicePredictor`: all that was learned of one device, in one JSON file that predicts any graph.

Physics first: a sheet fitted to the measurements (`host.py`). Where single layers were measured, what they take beyond
it (`layer_model.py`). Then `PerformanceRegressor` learns from whole networks how these estimates, the only work that it
may sum, have to be weighed and bent, and how far to trust them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from graph import Graph
from predictors import edge_tpu, host
from predictors.analytical import analyse
from predictors.features import FeatureTable, FloatArray, PredictorError, feature_table
from predictors.layer_model import FEWEST, LayerModel
from predictors.regressor import PerformanceRegressor, Prediction
from predictors.sheets import Kind, Sheet

FORMAT = "edgevolve-device-predictor-1"


@dataclass(frozen=True, slots=True)
class DevicePredictor:
    """A predictor of the latency of one device, in milliseconds.

    `fitted` holds the constants of the physics; `sheet` is what was known of the device before, if anything; `base` is
    the predictor that this one improves.
    """

    device: str
    fitted: Sheet
    sheet: Sheet | None
    layers: LayerModel | None
    base: "DevicePredictor | None"
    regressor: PerformanceRegressor

    @classmethod
    def fit(
        cls,
        device: str,
        graphs: Sequence[Graph],
        measured: Sequence[float] | FloatArray,
        rng: np.random.Generator,
        *,
        sheet: Sheet | None = None,
    ) -> "DevicePredictor":
        """Learn from networks and what they were measured to take; networks of one layer teach about layers.

        Raises `PredictorError` for fewer than five different networks of more than a layer, or bad values.
        """
        values = np.asarray(measured, dtype=np.float64)
        if values.shape != (len(graphs),) or not (np.isfinite(values) & (values > 0)).all():
            raise PredictorError(f"{len(graphs)} networks need as many latencies, all positive and finite")
        whole = np.array([len(graph.nodes) > 1 for graph in graphs], dtype=bool)
        networks, singles = [[g for g, w in zip(graphs, whole, strict=True) if w == kind] for kind in (True, False)]
        if len(networks) < 5:
            raise PredictorError(f"at least 5 networks of more than one layer are needed, not {len(networks)}")
        fitted = host.fit(_name(device), graphs, values, f"{len(graphs)} measurements of {device}")
        layers = LayerModel.fit(fitted, singles, values[~whole], rng) if len(singles) >= FEWEST else None
        table = _table(networks, _counters(fitted, sheet, layers, None, networks))
        regressor = PerformanceRegressor.fit(table, values[whole], rng)
        return cls(device, fitted, sheet, layers, None, regressor)

    def improved(
        self, graphs: Sequence[Graph], measured: Sequence[float] | FloatArray, rng: np.random.Generator
    ) -> "DevicePredictor":
        """A predictor that weighs and bends this one's figures by new measurements. Raises `PredictorError`."""
        following = replace(self, base=self)
        regressor = PerformanceRegressor.fit(following.table(graphs), measured, rng)
        return replace(following, regressor=regressor)

    def table(self, graphs: Sequence[Graph]) -> FeatureTable:
        """The features of networks as this predictor needs them."""
        return _table(graphs, _counters(self.fitted, self.sheet, self.layers, self.base, graphs))

    def predict(self, graphs: Sequence[Graph]) -> Prediction:
        """A value, an interval and whether it is known ground, for each network."""
        return self.regressor.predict(self.table(graphs))

    def save(self, path: Path | str) -> None:
        """Write JSON; nothing in it is executed when it is read."""
        Path(path).write_text(json.dumps(self.to_json(), separators=(",", ":")) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> "DevicePredictor":
        """Read what `save` wrote. Raises `PredictorError` for any other file, in one line."""
        try:
            payload = json.loads(Path(path).read_text())
        except (OSError, ValueError, RecursionError) as error:
            raise PredictorError(f"{path}: cannot be read as a predictor ({type(error).__name__})") from error
        try:
            return cls.from_json(payload)
        except PredictorError as error:
            raise PredictorError(f"{path}: {error}") from None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "format": FORMAT,
            "device": self.device,
            "fitted": self.fitted.model_dump(mode="json"),
            "sheet": self.sheet.model_dump(mode="json") if self.sheet else None,
            "layers": self.layers.model if self.layers else None,
            "base": self.base.to_json() if self.base else None,
            "regressor": self.regressor.to_json(),
        }

    @classmethod
    def from_json(cls, payload: Any) -> "DevicePredictor":
        """Read what `to_json` wrote. Raises `PredictorError` for anything else."""
        if not isinstance(payload, dict) or payload.get("format") != FORMAT:
            found = payload.get("format") if isinstance(payload, dict) else type(payload).__name__
            raise PredictorError(f"not a predictor of this format ({FORMAT}): {found!r}; fit it again")
        try:
            sheet, layers, base = (payload[name] for name in ("sheet", "layers", "base"))
            return cls(
                device=str(payload["device"]),
                fitted=Sheet(**payload["fitted"]),
                sheet=Sheet(**sheet) if sheet else None,
                layers=LayerModel.from_json(layers) if layers else None,
                base=cls.from_json(base) if base else None,
                regressor=PerformanceRegressor.from_json(payload["regressor"]),
            )
        except (KeyError, TypeError, ValidationError) as error:
            raise PredictorError(f"not a predictor: {type(error).__name__}") from error


def _counters(
    fitted: Sheet,
    sheet: Sheet | None,
    layers: LayerModel | None,
    base: DevicePredictor | None,
    graphs: Sequence[Graph],
) -> dict[str, FloatArray]:
    """What is estimated of each network before anything is learned from whole ones."""
    found: dict[str, Sequence[float] | FloatArray] = {"fitted": [host.latency_ms(fitted, graph) for graph in graphs]}
    if layers:
        found["layers"] = [layers.latency_ms(fitted, graph) for graph in graphs]
    if sheet and sheet.kind is Kind.SYSTOLIC:
        estimates = [edge_tpu.estimate(sheet, graph).counters for graph in graphs]
        found |= {name: [counters[name] for counters in estimates] for name in estimates[0]} if estimates else {}
    elif sheet:
        found["sheet"] = [analyse(sheet, graph)["latency_ms"] for graph in graphs]
    if base:
        found["base"] = base.predict(graphs).value
    return {name: np.asarray(values, dtype=np.float64) for name, values in found.items()}


def _table(graphs: Sequence[Graph], counters: dict[str, FloatArray]) -> FeatureTable:
    """The features of graphs; of all that grows with the work only the counters may be summed."""
    table = feature_table(graphs)
    table = replace(table, additive=(False,) * len(table.names))
    for name, values in counters.items():
        table = table.with_column(name, values)
    return table


def _name(device: str) -> str:
    """A device as a sheet's name: `usb:0` is `usb_0`."""
    name = "".join(letter if letter.isalnum() else "_" for letter in device.lower())
    return name if name[:1].isalpha() else f"device_{name}"
