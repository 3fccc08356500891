"""MNIST at half the multiply-accumulates: pruned, beside the same shape from scratch and the whole network.

All are trained for as many epochs in all. The shape is the one that pruning came to: the network from scratch says what
the kept weights are worth (Liu et al. 2019, arXiv 1810.05270). Errors are those on the test split.
"""

import numpy as np
from rich.table import Table

from benchmarks.compression_sections.real_data import mnist
from benchmarks.compression_sections.section import Found, Options
from edgevolve.data import Splits
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

SHARES = (0.3, 0.35, 0.4, 0.5, 0.6, 0.7)
"""Of channels; the first that leaves half the multiply-accumulates counts."""


def measure(options: Options) -> Found:
    """Three seeds of 10 and 10 epochs, by both rankings; one of 6 and 6, by magnitude, with `--quick`."""
    table = Table(
        "by", "seed", "macs left", "whole", "pruned", "from scratch", title="MNIST 12k, error on the test split"
    )
    nothing: dict[str, float | bool | None] = dict.fromkeys(
        ("half_macs_loss_points", "half_macs_from_scratch_loss_points")
    )
    if options.data is None:
        return Found([table], nothing, ["half the MACs of MNIST: give --data"])
    splits, epochs, seeds = mnist(options.data), 6 if options.quick else 10, 1 if options.quick else 3
    losses: dict[str, list[tuple[float, float]]] = {
        by: [] for by in ("magnitude", "taylor")[: 1 if options.quick else 2]
    }
    for seed in range(seeds):
        fitted = fit(network(), splits, epochs, seed)
        whole = error(fit(network(), splits, 2 * epochs, seed), splits)
        for by, found in losses.items():
            pruned = halved(fitted, splits, epochs, by, seed)
            scratch = error(fit(pruned.graph, splits, 2 * epochs, seed), splits)
            after, left = error(pruned, splits), macs(pruned.graph) / macs(network())
            found.append((100 * (after - whole), 100 * (scratch - whole)))
            table.add_row(by, str(seed), f"{left:.0%}", f"{whole:.2%}", f"{after:.2%}", f"{scratch:.2%}")
    best = min(losses.values(), key=lambda found: float(np.median([one for one, _ in found])))
    loss, scratch = (float(np.median(column)) for column in zip(*best, strict=True))
    return Found([table], {"half_macs_loss_points": loss, "half_macs_from_scratch_loss_points": scratch})


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


def halved(state: TrainState, splits: Splits, epochs: int, by: str, seed: int) -> TrainState:
    """Pruned by the least share of channels that halves the multiply-accumulates."""
    for share in SHARES:
        stage = Prune(share, TrainingSettings(epochs=epochs, learning_rate=0.02), by=by)  # type: ignore[arg-type]
        pruned = stage(state, splits, np.random.default_rng(seed), unreported)
        if macs(pruned.graph) <= macs(state.graph) / 2:
            break
    return pruned


def error(state: TrainState, splits: Splits) -> float:
    """On the test split."""
    assert state.weights is not None
    return evaluate(state.graph, state.weights, splits.test, splits.target).metrics["error"]
