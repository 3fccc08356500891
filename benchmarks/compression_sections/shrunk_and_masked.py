"""Networks without some of their channels, against the same networks with these channels silenced, on random inputs."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.arena_fidelity import SHAPES
from benchmarks.compression_sections.fake_quant_steps import SPACES, weights_like_trained
from benchmarks.compression_sections.section import Found, Options
from edgevolve.graph import Channels, Graph, channels_of
from edgevolve.training.forward import forward
from edgevolve.training.shrink import shrunk, silenced
from edgevolve.training.weights import Weights, folded

EXAMPLES = 8


def measure(options: Options) -> Found:
    """100 networks of each space, pruned at random rates; 12 with `--quick`."""
    number = 12 if options.quick else 100
    table = Table("space", "networks", "weights left, median", "largest difference", title="shrunk against masked")
    worst = 0.0
    for space, kind in SPACES.items():
        differences, left = [], []
        for seed in range(number):
            chosen = kind(SHAPES[seed % len(SHAPES)], 10)
            graph = chosen.graph(chosen.sample(np.random.default_rng(seed)))
            difference, share = compared(graph, seed)
            differences.append(difference)
            left.append(share)
        worst = max(worst, *differences)
        table.add_row(space, str(number), f"{np.median(left):.0%}", f"{max(differences):.1e}")
    note = "Differences of outputs, in the largest output of the network or 1."
    return Found([table], {"shrunk_masked_max_difference": worst}, [note])


def compared(graph: Graph, seed: int) -> tuple[float, float]:
    """The largest difference of the outputs, and the share of weights that is left."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, (EXAMPLES, *graph.inputs[0].shape[1:])).astype(np.float32)
    weights, channels = weights_like_trained(graph, seed, x), channels_of(graph)
    kept = some(channels, rng)
    smaller, fewer = shrunk(graph, weights, channels, kept)
    masked = answers(graph, silenced(graph, weights, channels, kept), x)
    size = sum(value.size for value in fewer.values()) / sum(value.size for value in weights.values())
    return float(np.abs(answers(smaller, fewer, x) - masked).max() / max(1, np.abs(masked).max())), size


def some(channels: Channels, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Groups that stay, at a random rate, and as many as each tensor needs."""
    kept = channels.fixed | (rng.random(channels.number) > rng.uniform())
    for ids in channels.ids.values():
        if not kept[ids].any():
            kept[rng.choice(ids)] = True
    return kept


def answers(graph: Graph, weights: Weights, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a network gives."""
    values = {name: tf.constant(value) for name, value in folded(graph, weights).items()}
    given: NDArray[np.float32] = forward(graph, values, tf.constant(x), graph.outputs[0].name)[0].numpy()
    return given
