"""`DevicePredictor`: all that was learned about one device, in one JSON file that predicts any graph.

First, the constants of a physical model are fitted to the measurements, and layers that were measured alone correct it
(`physics.py`). Then `PerformanceRegressor` learns from whole networks the weights of these estimates, a nonlinear
correction, and the intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.graph import Graph, graph_hash
from predictors.files import format_of, read_predictor, write_predictor
from predictors.learned.learner import TreeCorrection, folds, out_of_fold
from predictors.learned.physics import Physics
from predictors.learned.regressor import PerformanceRegressor
from predictors.models import Kind, counters
from predictors.models.cpu import layer_key, layers
from predictors.own_device import small_network
from predictors.sheets import Sheet
from predictors.values import Estimates, FeatureTable, FloatArray, PredictorError, feature_table

FORMAT = "edgevolve-device-predictor-1"

Counters = dict[str, FloatArray]
_FOLDS = 5
_CROSSED = 20
"""The least number of different networks with which the analytic part is fitted out of fold."""


@dataclass(frozen=True, slots=True)
class DevicePredictor:
    """A predictor of the latency of one device, in milliseconds.

    `physics` estimates operator by operator. `sheet` has the figures of the device that were known before, if any.
    `base` is the predictor that this one improves, if any.
    """

    device: str
    physics: Physics
    sheet: Sheet | None
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
        """Learn from networks and their latencies in ms; networks of a single layer train the layer model.

        A network may occur several times; its measurements count as one sample. Raises `PredictorError` for fewer than
        five different networks of more than one layer, or for bad values.
        """
        values = np.asarray(measured, dtype=np.float64)
        if values.shape != (len(graphs),) or not (np.isfinite(values) & (values > 0)).all():
            raise PredictorError(f"{len(graphs)} networks need as many latencies, all positive and finite")
        whole = np.array([len(graph.nodes) > 1 for graph in graphs], dtype=bool)
        networks, singles = [[g for g, w in zip(graphs, whole, strict=True) if w == kind] for kind in (True, False)]
        groups = _groups(networks)
        different = len(np.unique(groups))
        if different < 5:
            raise PredictorError(f"at least 5 different networks of more than one layer are needed, not {different}")
        measured_ms = (values[whole], values[~whole])
        source = f"{different} networks and {len(singles)} layers"
        physics = Physics.fit(_name(device), source, networks, singles, *measured_ms, rng)
        columns = _held_out(physics, networks, singles, *measured_ms, groups, rng)
        table = _table(networks, columns | _sheet_counters(sheet, networks))
        regressor = PerformanceRegressor.fit(table, values[whole], rng, groups=groups)
        return cls(device, physics, sheet, None, regressor)

    def improved(
        self, graphs: Sequence[Graph], measured: Sequence[float] | FloatArray, rng: np.random.Generator
    ) -> "DevicePredictor":
        """A predictor that corrects this one by new measurements, in ms. Raises `PredictorError` as `fit`."""
        following = replace(self, base=self)
        regressor = PerformanceRegressor.fit(following.table(graphs), measured, rng, groups=_groups(graphs))
        return replace(following, regressor=regressor)

    @property
    def fitted(self) -> Sheet:
        """The sheet fitted to the measurements."""
        return self.physics.sheet

    def table(self, graphs: Sequence[Graph]) -> FeatureTable:
        """The features of networks as this predictor needs them."""
        columns = self.physics.counters(graphs) | _sheet_counters(self.sheet, graphs)
        if self.base:
            columns["base"] = self.base.predict(graphs).value
        return _table(graphs, columns)

    def predict(self, graphs: Sequence[Graph]) -> Estimates:
        """For each network a latency in ms, an interval, and whether the network is like the training samples."""
        return self.regressor.predict(self.table(graphs))

    def save(self, path: Path | str) -> None:
        """Write JSON; nothing in it is executed when it is read."""
        write_predictor(path, self.to_json())

    @classmethod
    def load(cls, path: Path | str) -> "DevicePredictor":
        """Read what `save` wrote. Raises `PredictorError` for any other file, in one line."""
        return read_predictor(path, cls.from_json)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "format": FORMAT,
            "device": self.device,
            "fitted": self.physics.sheet.model_dump(mode="json"),
            "layers": self.physics.layers.model if self.physics.layers else None,
            "sheet": self.sheet.model_dump(mode="json") if self.sheet else None,
            "base": self.base.to_json() if self.base else None,
            "regressor": self.regressor.to_json(),
        }

    @classmethod
    def from_json(cls, payload: Any) -> "DevicePredictor":
        """Read what `to_json` wrote. Raises `PredictorError` for anything else."""
        if format_of(payload) != FORMAT:
            raise PredictorError(f"not a predictor of this format ({FORMAT}): {format_of(payload)!r}; fit it again")
        try:
            sheet, model, base = (payload[name] for name in ("sheet", "layers", "base"))
            predictor = cls(
                device=str(payload["device"])[:200],
                physics=Physics(Sheet(**payload["fitted"]), _layers(model) if model else None),
                sheet=Sheet(**sheet) if sheet else None,
                base=cls.from_json(base) if base else None,
                regressor=PerformanceRegressor.from_json(payload["regressor"]),
            )
            if not sheet or sheet["kind"] != Kind.VELA:  # to read a file, Vela need not be installed
                predictor.predict([small_network()])  # parts that do not fit together raise here
            return predictor
        except PredictorError:
            raise
        except Exception as error:
            raise PredictorError(f"not a predictor: {type(error).__name__}") from error


def _layers(model: Any) -> TreeCorrection:
    try:
        return TreeCorrection.from_json(model)
    except ValueError as error:  # XGBoost's own error is one
        raise PredictorError("not a predictor: its layer model cannot be read") from error


def _groups(graphs: Sequence[Graph]) -> NDArray[np.int64]:
    """A number for each network, equal for isomorphic ones."""
    return np.unique([graph_hash(graph) for graph in graphs], return_inverse=True)[1].astype(np.int64)


def _held_out(
    physics: Physics,
    networks: Sequence[Graph],
    singles: Sequence[Graph],
    network_ms: FloatArray,
    single_ms: FloatArray,
    groups: NDArray[np.int64],
    rng: np.random.Generator,
) -> Counters:
    """The counters of networks, out of fold: the physics of a fold never saw them, so that its errors are realistic.

    Layers that only the fold has are left out as well. Below `_CROSSED` networks the counters are those of `physics`,
    which saw them.
    """
    if len(np.unique(groups)) < _CROSSED:
        return physics.counters(networks)
    keys = [layer_key(single.nodes[0]) for single in singles]
    names = tuple(physics.counters(networks[:1]))

    def estimated(seen: list[int], unseen: list[int]) -> FloatArray:
        others = [networks[i] for i in seen]
        known = {layer_key(single.nodes[0]) for single in layers(others)} if singles else set()
        kept = [i for i, key in enumerate(keys) if key in known]
        fitted = Physics.fit(
            "fold", "other folds", others, [singles[i] for i in kept], network_ms[seen], single_ms[kept], rng
        )
        counted = fitted.counters([networks[i] for i in unseen])
        return np.column_stack([counted.get(name, counted["fitted"]) for name in names])  # too few layers may be left

    return dict(zip(names, out_of_fold(folds(groups, _FOLDS, rng), estimated).T, strict=True))


def _sheet_counters(sheet: Sheet | None, graphs: Sequence[Graph]) -> Counters:
    """The prediction of the sheet alone for each network; empty without one."""
    rows = [counters(sheet, graph) for graph in graphs] if sheet else []
    return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else ())}


def _table(graphs: Sequence[Graph], columns: Counters) -> FeatureTable:
    """The features of graphs and the counters; only the counters count as additive."""
    table = feature_table(graphs)
    additive = (False,) * len(table.names) + (True,) * len(columns)
    rows = np.column_stack([table.rows, *columns.values()])
    return FeatureTable((*table.names, *columns), additive, rows)


def _name(device: str) -> str:
    """A device as a sheet's name: `usb:0` is `usb_0`."""
    name = "".join(letter if letter.isalnum() else "_" for letter in device.lower())
    return name if name[:1].isalpha() else f"device_{name}"
