"""The stage that scores a network in int8."""

from dataclasses import dataclass, replace

import numpy as np

from edgevolve.data import Splits, classes_of
from edgevolve.metric import QUANTISATION_DROP, int8_metric
from edgevolve.quantisation.calibrate import calibration_examples
from edgevolve.quantisation.int8_network import int8_network
from edgevolve.quantisation.litert import int8_scores
from edgevolve.training import Progress, TrainState


@dataclass(frozen=True, slots=True)
class ScoreInt8:
    """A stage that keeps the network and scores its int8 file, run by LiteRT on the validation split."""

    def __call__(self, state: TrainState, data: Splits, rng: np.random.Generator, progress: Progress) -> TrainState:
        """The state with `NAME_int8` of each of the target's metrics; raises `ValueError` as `int8_network`.

        It also has `quantisation_drop`, by the main metric, unless an earlier stage gave it.
        """
        if state.weights is None:
            raise ValueError("a network is scored in int8 after it was trained")
        network = int8_network(state.graph, state.weights, calibration_examples(data.train))
        target = data.target or classes_of(state.graph.outputs[0].shape[-1])
        scores = int8_scores(network.tflite(), data.validation, target)
        in_int8 = {int8_metric(metric).name: scores[metric.name] for metric in target.metrics}
        main = target.metrics[0]
        if QUANTISATION_DROP.name not in state.metrics and main.name in state.metrics:
            in_int8[QUANTISATION_DROP.name] = main.sign * (scores[main.name] - state.metrics[main.name])
        return replace(state, metrics={**state.metrics, **in_int8})
