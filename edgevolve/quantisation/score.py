"""How well a network answers in int8, by the scores of its target, and the stage of training that says so."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Split, Splits, Target
from edgevolve.metric import Metric
from edgevolve.quantisation.calibrate import calibration_examples
from edgevolve.quantisation.litert import Int8Model, open_model
from edgevolve.quantisation.network import int8_network
from edgevolve.training import Progress, TrainState

_HALF_A_STEP = 1 / 512
"""Of a share in int8."""


def int8_metric(metric: Metric) -> Metric:
    """The same score of the int8 network: `NAME_int8`."""
    return replace(metric, name=f"{metric.name}_int8", title=f"{metric.title}, int8", learned=True)


def int8_scores(model: Int8Model, split: Split, target: Target) -> dict[str, float]:
    """The target's scores of an int8 file, by the names of its metrics. Raises `ValueError` where they do not fit."""
    if split.x.shape[1:] != model.input_shape[1:] or len(model.output_shape) != 2:
        raise ValueError(f"images of {split.x.shape[1:]} do not fit a model of {model.input_shape[1:]}")
    outputs = model.real(model.outputs(split.x))
    return target.score(_logits(model, outputs) if target.loss == "cross-entropy" else outputs, split)


def _logits(model: Int8Model, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Outputs before a softmax or sigmoid that ends the file; targets take them so."""
    last = model.operators[-1].name
    if last not in ("SOFTMAX", "LOGISTIC"):
        return outputs
    shares = outputs.clip(_HALF_A_STEP, 1 - _HALF_A_STEP)
    return np.asarray(np.log(shares if last == "SOFTMAX" else shares / (1 - shares)), np.float32)


@dataclass(frozen=True, slots=True)
class ScoreInt8:
    """A stage that leaves the network as it is and scores its int8 file, run by LiteRT on the validation split."""

    def __call__(self, state: TrainState, data: Splits, rng: np.random.Generator, progress: Progress) -> TrainState:
        """The state with `NAME_int8` of each of the target's metrics; raises `ValueError` as `int8_network`."""
        if state.weights is None or data.target is None:
            raise ValueError("a network is scored in int8 after it was trained")
        network = int8_network(state.graph, state.weights, calibration_examples(data.train))
        scores = int8_scores(open_model(network.tflite()), data.validation, data.target)
        found = {int8_metric(one).name: scores[one.name] for one in data.target.metrics}
        return replace(state, metrics={**state.metrics, **found})
