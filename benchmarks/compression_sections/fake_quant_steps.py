"""The network rounded in TensorFlow, as it is trained, against its file on LiteRT: random networks of every space.

Weights are drawn anew, and batch norm has the statistics of random examples, so that activations are of the size that
they have in trained networks. Each operator is compared by itself: it is given what the file's operator was given, and
its output is counted in steps of the file's output. What the whole network gives is compared as well: there an
operator's difference of a step goes through all that follow, and random weights amplify it.

An activation that is zero on all calibration examples is left out: its steps are so small that the runtime's sums
overflow.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.arena_fidelity import SHAPES
from benchmarks.compression_sections.section import Found, Options
from edgevolve.graph import Graph, from_json, kernel_bits, to_json, with_activation_bits, with_kernel_bits
from edgevolve.quantisation import Int8Network, int8_network, open_model
from edgevolve.quantisation.fake_quant import FakeQuantised, as_scales
from edgevolve.quantisation.litert import started
from edgevolve.quantisation.quantise import LEAST_ACTIVATION
from edgevolve.tflite import row_of
from edgevolve.training.forward import forward
from edgevolve.training.weights import Weights, initial_weights
from search_space import CellSpace, CnnSpace, MlpSpace, MobileSpace, NasBench201Space

SPACES: Mapping[str, Any] = {
    "CNN": CnnSpace,
    "mobile": MobileSpace,
    "NAS-Bench-201": NasBench201Space,
    "MLP": MlpSpace,
    "cells": CellSpace,
}
BITS = ((8, 8), (4, 8), (8, 16))
"""Of kernels and of activations."""

EXAMPLES = 4


def measure(options: Options) -> Found:
    """200 networks of each space with each choice of bits; 25 with `--quick`."""
    number = 25 if options.quick else 200
    names = (
        "space",
        "bits",
        "networks",
        "values",
        "equal",
        "most steps",
        "whole network: equal",
        "90 % within",
        "most",
    )
    table = Table(*names, title="rounded in training against the file on LiteRT, in steps of the output")
    most, whole_most = 0, 0
    for space, bits in ((space, bits) for space in options.spaces or SPACES for bits in BITS):
        pairs = (steps(graph, seed) for seed, graph in enumerate(networks_of(space, number, *bits)))
        compared = [(each.size, int((each == 0).sum()), int(each.max()), ends) for each, ends in filter(None, pairs)]
        values, equal, largest, whole = zip(*compared, strict=True)
        ends = np.concatenate(whole)
        if bits[1] == 8:  # steps of 16 bits are finer, and stand in the table alone
            most, whole_most = max(most, *largest), max(whole_most, int(ends.max()))
        shares = f"{sum(equal) / sum(values):.1%}", str(max(largest)), f"{(ends == 0).mean():.0%}"
        figures = f"{bits[0]}, {bits[1]}", str(len(compared)), f"{sum(values):,}", *shares
        table.add_row(space, *figures, f"{np.quantile(ends, 0.9):.0f}", f"{ends.max()}")
    return Found([table], {"fake_quant_max_steps": most, "fake_quant_whole_network_max_steps": whole_most})


def networks_of(space: str, number: int, bits: int, activations: int = 8) -> Iterator[Graph]:
    """Random ones of one space, of several inputs; without those that no runtime runs with int16 activations."""
    for seed in range(number):
        chosen = SPACES[space](SHAPES[seed % len(SHAPES)], 10)
        graph = from_json(to_json(chosen.graph(chosen.sample(np.random.default_rng(seed)))))
        if activations == 8 or not any(row_of(node.op).narrow for node in graph.nodes):
            yield with_activation_bits(with_kernel_bits(graph, dict.fromkeys(kernel_bits(graph), bits)), activations)


def steps(graph: Graph, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """How far each value of each operator is from the file's, and each output; None where LiteRT refuses the file."""
    rng = np.random.default_rng(seed)
    examples = rng.uniform(0, 1, (EXAMPLES, *graph.inputs[0].shape[1:])).astype(np.float32)
    weights = weights_like_trained(graph, seed, examples)
    network = int8_network(graph, weights, examples)
    try:
        seen = integers(network, examples)
    except (ValueError, RuntimeError):
        return None
    rounded = FakeQuantised(graph, graph.outputs[0].name, examples)
    constants = rounded.constants(weights)  # folded by NumPy, as the converter does: the last bit decides some ties
    scales = as_scales({name: one for name, one in network.scales.items() if "/" not in name})
    each = rounded.by_operator(constants, scales, {name: real(seen[name], *scales[name]) for name in seen})
    output = graph.outputs[0].name
    ends = rounded.outputs(constants, scales, tf.constant(examples))
    alive = {name: made for name, made in each.items() if scales[name][0] > LEAST_ACTIVATION / 10}
    apart = [distance(made, seen[name], *scales[name]) for name, made in alive.items()]
    return np.concatenate(apart), distance(ends, seen[output], *scales[output])


def weights_like_trained(graph: Graph, seed: int, examples: NDArray[np.float32]) -> Weights:
    """Drawn, with biases, and with the moving statistics of these examples."""
    rng, weights = np.random.default_rng(seed), initial_weights(graph, seed)
    for name, value in weights.items():
        if name.endswith(("/bias", "/beta")):
            weights[name] = rng.normal(0, 0.2, value.shape).astype(np.float32)
        elif name.endswith("/gamma"):
            weights[name] = rng.uniform(0.5, 1.5, value.shape).astype(np.float32)
    values = {name: tf.constant(value) for name, value in weights.items()}
    _, statistics = forward(graph, values, tf.constant(examples), graph.outputs[0].name)
    return weights | {name: value.numpy() for name, value in statistics.items()}


def integers(network: Int8Network, examples: NDArray[np.float32]) -> dict[str, NDArray[np.int64]]:
    """What each activation of the file is for each example, by its tensor's name."""
    model = network.tflite()
    running, names = started(model, keep_all=True), [x.name for x in network.graph.inputs]
    names += [node.output.name for node in network.graph.nodes]
    running.allocate_tensors()
    rows: dict[str, list[NDArray[np.int64]]] = {name: [] for name in names}
    for image in open_model(model).quantised(examples):
        running.set_tensor(0, image[np.newaxis])
        running.invoke()
        for index, name in enumerate(names):
            rows[name].append(running.get_tensor(index).astype(np.int64))
    return {name: np.concatenate(parts) for name, parts in rows.items()}


def real(stored: NDArray[np.int64], scale: float, zero_point: float) -> Any:
    """What integers stand for."""
    return tf.constant((stored - zero_point) * scale, tf.float32)


def distance(made: Any, stored: NDArray[np.int64], scale: float, zero_point: float) -> NDArray[np.int64]:
    """In steps."""
    integers = np.round(made.numpy().astype(float) / scale) + zero_point
    return np.abs(integers.ravel() - stored.ravel()).astype(np.int64)
