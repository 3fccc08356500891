"""Estimates the statistics of batch norm anew from training examples: shared weights have none of their own network.

Slimmable networks fail without this (Yu and Huang 2019, arXiv 1903.05134). Once-for-All does it before it scores a
network.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Split, Splits, Target, as_float, classes_of
from edgevolve.graph import Graph
from edgevolve.training.stage import Progress, TrainState

BATCH = 200


def recalibrated(
    graph: Graph, weights: Mapping[str, NDArray[Any]], train: Split, examples: int, logits: str
) -> dict[str, NDArray[Any]]:
    """The weights with means and variances estimated on at most `examples` training examples.

    Every network gets the same examples: evenly spread over the split, in shuffled batches of about 200. Batches count
    by their size. The variance of the batches' means is added to the variance. `logits` names the last activation.
    """
    import tensorflow as tf

    from edgevolve.training.forward import forward

    values = {name: tf.constant(value) for name, value in weights.items() if not name.endswith(("/mean", "/variance"))}
    if len(values) == len(weights):
        return dict(weights)
    number = min(examples, len(train))
    rows = np.linspace(0, len(train) - 1, number).round().astype(np.int64)
    rows = np.random.default_rng(0).permutation(rows)
    batches = np.array_split(rows, -(-number // BATCH))
    sums: dict[str, Any] = {}
    for batch in batches:
        _, statistics = forward(graph, values, tf.constant(as_float(train.x[np.sort(batch)])), logits)
        share = len(batch) / number
        for name, value in statistics.items():
            moment = value.numpy().astype(np.float64)
            sums[name] = sums.get(name, 0.0) + share * moment
            if name.endswith("/mean"):
                sums[f"{name} squared"] = sums.get(f"{name} squared", 0.0) + share * moment**2
    new = {name: value for name, value in sums.items() if name.endswith("/mean")}
    for name, mean in list(new.items()):
        key = f"{name.removesuffix('/mean')}/variance"
        new[key] = sums[key] + np.maximum(sums[f"{name} squared"] - mean**2, 0)
    return {name: new[name].astype(np.float32) if name in new else np.asarray(weights[name]) for name in weights}


def scores(
    graph: Graph, weights: Mapping[str, NDArray[Any]], split: Split, target: Target | None = None
) -> dict[str, float]:
    """The target's scores of a network, run operator by operator: for a single run this beats compiling it.

    Raises `ValueError` where network and data do not fit.
    """
    import tensorflow as tf

    from edgevolve.training.descent import EVALUATION_BATCH
    from edgevolve.training.forward import forward
    from edgevolve.training.trainer import check_fit
    from edgevolve.training.weights import folded

    target = target or classes_of(graph.outputs[0].shape[-1])
    logits = check_fit(graph, target, split)
    values = {name: tf.constant(value) for name, value in folded(graph, weights).items()}
    begins = range(0, len(split), EVALUATION_BATCH)
    batches = (as_float(split.x[begin : begin + EVALUATION_BATCH]) for begin in begins)
    given = [forward(graph, values, tf.constant(batch), logits)[0].numpy() for batch in batches]
    return target.score(np.concatenate(given), split)


@dataclass(frozen=True, slots=True)
class Recalibrate:
    """A stage: estimate the statistics of batch norm on at most `examples` training examples, and score the network."""

    examples: int = 2000

    def __post_init__(self) -> None:
        if type(self.examples) is not int or self.examples < 1:
            raise ValueError(f"Recalibrate: examples must be a whole number of at least 1, not {self.examples!r}")

    def __call__(self, state: TrainState, data: Splits, rng: np.random.Generator, progress: Progress) -> TrainState:
        """The same network and weights with new statistics. Raises `ValueError` if there are no weights."""
        from edgevolve.training.trainer import check_fit
        from edgevolve.training.weights import check_weights

        if state.weights is None:
            raise ValueError("there are no weights to recalibrate")
        check_weights(state.graph, state.weights)
        target = data.target or classes_of(state.graph.outputs[0].shape[-1])
        logits = check_fit(state.graph, target, data.train)
        weights = recalibrated(state.graph, state.weights, data.train, self.examples, logits)
        return replace(state, weights=weights, metrics=scores(state.graph, weights, data.validation, target))
