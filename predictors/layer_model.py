"""What the physics of `host.py` does not know of a layer, learned by XGBoost from layers measured one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgevolve.graph import Graph, Node
from predictors.features import FloatArray, PredictorError
from predictors.host import Work, node_features, node_ms, node_work
from predictors.sheets import Sheet

FEWEST = 100
"""Layers that must have been measured."""

_TREES = {"max_depth": 6, "eta": 0.05, "subsample": 0.7, "colsample_bytree": 0.5, "nthread": 1}
_ROUNDS = 300


@dataclass(frozen=True, slots=True)
class LayerModel:
    """A factor for each layer, over what the sheet says that it takes; `model` is XGBoost's own JSON text."""

    model: str
    booster: Any

    @classmethod
    def fit(
        cls, sheet: Sheet, layers: Sequence[Graph], measured_ms: FloatArray, rng: np.random.Generator
    ) -> "LayerModel":
        """Learn from networks of one layer, each with its latency in milliseconds."""
        import xgboost

        nodes = [layer.nodes[0] for layer in layers]
        work = node_work(nodes)
        overhead_ms = sheet["inference_us"] / 1e3
        labels = np.log(measured_ms / (overhead_ms + node_ms(sheet, work)))
        data = xgboost.DMatrix(node_features(nodes, work), label=labels)
        settings = {**_TREES, "base_score": 0.0, "seed": int(rng.integers(2**31))}
        booster = xgboost.train(settings, data, num_boost_round=_ROUNDS)
        return cls(booster.save_raw("json").decode(), booster)

    @classmethod
    def from_json(cls, text: Any) -> "LayerModel":
        """Read XGBoost's text. Raises `PredictorError` for anything else."""
        import xgboost

        booster = xgboost.Booster({"nthread": 1})
        try:
            booster.load_model(bytearray(str(text).encode()))
        except xgboost.core.XGBoostError as error:
            raise PredictorError("not a predictor: its layer model cannot be read") from error
        return cls(str(text), booster)

    def latency_ms(self, sheet: Sheet, nodes: Sequence[Node], work: Work) -> float:
        """The sum over the layers of a network, all that take time, with their work."""
        overhead_ms = sheet["inference_us"] / 1e3
        if not nodes:
            return overhead_ms
        factors = np.exp(np.asarray(self.booster.inplace_predict(node_features(nodes, work)), dtype=np.float64))
        times = (overhead_ms + node_ms(sheet, work)) * factors - overhead_ms
        return overhead_ms + float(np.maximum(times, 0).sum())
