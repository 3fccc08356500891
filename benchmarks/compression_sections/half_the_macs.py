"""MNIST at half the multiply-accumulates: pruned, beside the same shape from scratch and the whole network.

All are trained for as many epochs in all: a network is pruned after half of them, or all along, from the first step,
as Lin et al. (2020) do it. The shape is the one that pruning came to: the network from scratch says what the kept
weights are worth (Liu et al. 2019, arXiv 1810.05270). Errors are those on the test split; which way of pruning counts
is chosen by the validation split.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from benchmarks.compression_sections.real_data import mnist
from benchmarks.compression_sections.section import Found, Options
from edgevolve.data import Split, Splits
from edgevolve.graph import (
    Activation,
    Add,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    Graph,
    GraphBuilder,
    from_json,
    to_json,
)
from edgevolve.training import Fit, Prune, TrainingSettings, TrainState, unreported
from edgevolve.training.trainer import evaluate
from resource_models import macs

SHARES = (0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7)
"""Of channels; the first that leaves half the multiply-accumulates counts."""

WAYS: Mapping[str, Callable[[float, int], Prune]] = {
    "magnitude": lambda share, epochs: Prune(share, TrainingSettings(epochs=epochs)),
    "taylor": lambda share, epochs: Prune(share, TrainingSettings(epochs=epochs), by="taylor"),
    "all along": lambda share, epochs: Prune(share, TrainingSettings(epochs=2 * epochs)),
}
"""The stage for a share, where half of the training takes so many epochs."""


@dataclass(frozen=True)
class Trial:
    """What one way of pruning lost with one seed, in points: validation, test, and the shape from scratch on test."""

    validation: float
    test: float
    from_scratch: float


def measure(options: Options) -> Found:
    """Three seeds of 10 and 10 epochs, in three ways; two of 6 and 6, by magnitude alone, with `--quick`."""
    columns = "pruned", "seed", "share", "MACs left", "whole", "pruned, error", "its shape from scratch"
    table = Table(*columns, title="MNIST 12k, error on the test split")
    keys = "half_macs_loss_points", "half_macs_from_scratch_loss_points"
    if options.data is None:
        return Found([table], dict.fromkeys(keys), ["half the MACs of MNIST: give --data"])
    splits, epochs = mnist(options.data), 6 if options.quick else 10
    by_way: dict[str, list[Trial]] = {way: [] for way in list(WAYS)[: 1 if options.quick else 3]}
    for seed in range(2 if options.quick else 3):
        fitted, whole = (fit(network(), splits, count, seed) for count in (epochs, 2 * epochs))
        for way, trials in by_way.items():
            start = TrainState(network()) if way == "all along" else fitted
            share, pruned = halved(start, splits, lambda share, way=way: WAYS[way](share, epochs), seed)
            scratch = fit(pruned.graph, splits, 2 * epochs, seed)
            base, ours, theirs = (error(state, splits.test, splits) for state in (whole, pruned, scratch))
            lost = error(pruned, splits.validation, splits) - error(whole, splits.validation, splits)
            trials.append(Trial(100 * lost, 100 * (ours - base), 100 * (theirs - base)))
            left = macs(pruned.graph) / macs(network())
            table.add_row(way, str(seed), f"{share}", f"{left:.0%}", f"{base:.2%}", f"{ours:.2%}", f"{theirs:.2%}")
    best = min(by_way.values(), key=lambda trials: float(np.median([one.validation for one in trials])))
    medians = (float(np.median([getattr(one, name) for one in best])) for name in ("test", "from_scratch"))
    return Found([table], dict(zip(keys, medians, strict=True)))


def network() -> Graph:
    """A small residual network of 28 × 28 pixels."""
    relu, net = Activation.RELU, GraphBuilder()
    x = net.add(Conv2D(12, (3, 3), (2, 2), activation=relu, batch_norm=True), net.input((1, 28, 28, 1)))
    for filters in (24, 32):
        x = net.add(Conv2D(filters, (3, 3), (2, 2), activation=relu, batch_norm=True), x)
        y = net.add(DepthwiseConv2D((3, 3), activation=relu, batch_norm=True), x)
        x = net.add(Add(relu), x, net.add(Conv2D(filters, (1, 1), batch_norm=True), y))
    x = net.add(Dense(32, relu), net.add(GlobalAveragePool(), x))
    return from_json(to_json(net.build(net.add(Dense(10), x))))


def fit(graph: Graph, splits: Splits, epochs: int, seed: int) -> TrainState:
    """From scratch."""
    return Fit(TrainingSettings(epochs=epochs))(TrainState(graph), splits, np.random.default_rng(seed), unreported)


def halved(state: TrainState, splits: Splits, stage: Callable[[float], Prune], seed: int) -> tuple[float, TrainState]:
    """The least share of channels that halves the multiply-accumulates, and the network pruned by it."""
    for share in SHARES:
        pruned = stage(share)(state, splits, np.random.default_rng(seed), unreported)
        if macs(pruned.graph) <= macs(state.graph) / 2:
            break
    return share, pruned


def error(state: TrainState, split: Split, splits: Splits) -> float:
    """On a split."""
    assert state.weights is not None
    return evaluate(state.graph, state.weights, split, splits.target).metrics["error"]
