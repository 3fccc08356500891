"""One small convolutional network a task, trained once for all sections that need it, and a larger one to teach it."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks.compression_sections.real_data import TASKS
from edgevolve.data import Splits
from edgevolve.graph import (
    Activation,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    Graph,
    GraphBuilder,
    from_json,
    to_json,
)
from edgevolve.training import Fit, TrainingSettings, TrainState, unreported

WIDTH = {"mnist": 8, "digits_spoken": 12, "har": 8}
PASSES = {"mnist": 1, "digits_spoken": 3, "har": 2}
"""Epochs of a task for each of MNIST's, which has the most examples."""


@lru_cache
def splits_of(task: str, folder: Path) -> Splits:
    """The task's data."""
    return TASKS[task](folder)


def network(task: str, data: Splits, widened: float = 1) -> Graph:
    """A convolution, then three pairs of a depthwise and a pointwise one, as keyword spotters are; batch norm, ReLU."""
    width = int(WIDTH[task] * widened)
    _, height, columns, channels = data.train.x.shape
    net = GraphBuilder()
    window = (3, 3 if columns > 1 else 1)
    x = net.input((1, height, columns, channels))
    x = net.add(Conv2D(width, window, (2, 2 if columns > 1 else 1), activation=Activation.RELU, batch_norm=True), x)
    for filters, stride in ((2 * width, 1), (2 * width, 2), (3 * width, 1)):
        step = (stride, stride if columns > 1 else 1)
        x = net.add(DepthwiseConv2D(window, step, activation=Activation.RELU, batch_norm=True), x)
        x = net.add(Conv2D(filters, (1, 1), activation=Activation.RELU, batch_norm=True), x)
    assert data.target
    graph = net.build(net.add(Dense(data.target.outputs), net.add(GlobalAveragePool(), x)))
    return from_json(to_json(graph))


@lru_cache
def trained(task: str, folder: Path, seed: int, epochs: int, widened: float = 1) -> TrainState:
    """From scratch, on the training split."""
    data = splits_of(task, folder)
    fit = Fit(TrainingSettings(epochs=PASSES[task] * epochs))
    return fit(TrainState(network(task, data, widened)), data, np.random.default_rng(seed), unreported)
