"""Measures the ranges of a network's activations over examples, by running the float file on LiteRT."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Split, as_float
from edgevolve.graph import DType, Graph, Node, Tensor
from edgevolve.quantisation.float_network import FloatNetwork
from edgevolve.quantisation.litert import started
from edgevolve.tflite import write_tflite

Ranges = Mapping[str, tuple[float, float]]
"""The smallest and the largest value of each activation, by its tensor's name."""

CALIBRATION_EXAMPLES = 256

_BYTES_AT_ONCE = 2**26


def calibration_examples(train: Split) -> NDArray[np.float32]:
    """Up to 256 training images, evenly spread over the split, as float32."""
    chosen = np.linspace(0, len(train) - 1, min(len(train), CALIBRATION_EXAMPLES)).round().astype(int)
    return as_float(train.x[chosen])


def activation_ranges(network: FloatNetwork, examples: NDArray[np.float32]) -> Ranges:
    """The range of each activation over `examples`, (number, height, width, channels) as the network takes them.

    Raises `ValueError` where the examples do not fit, or an activation is not finite.
    """
    graph = network.graph
    shape = graph.inputs[0].shape
    if examples.dtype != np.float32 or examples.shape[1:] != shape[1:] or not len(examples):
        raise ValueError(f"calibration needs float32 examples of {shape[1:]}, not {examples.dtype} {examples.shape}")
    running = started(write_tflite(_in_floats(graph), network.constants, {}), keep_all=True)
    tensors = (*graph.inputs, *(node.output for node in graph.nodes))  # in the order of the file's numbers
    batch = max(1, _BYTES_AT_ONCE // (4 * sum(math.prod(x.shape) for x in tensors)))
    least = np.full(len(tensors), np.inf)
    largest = -least
    for start in range(0, len(examples), batch):
        part = examples[start : start + batch]
        running.resize_tensor_input(0, (len(part), *shape[1:]))
        running.allocate_tensors()
        running.set_tensor(0, part)
        running.invoke()
        for index in range(len(tensors)):
            values = running.get_tensor(index)
            least[index] = min(least[index], values.min())
            largest[index] = max(largest[index], values.max())
    if not np.isfinite((least, largest)).all():
        raise ValueError("an activation of the float network is not finite")
    return dict(zip((x.name for x in tensors), zip(least.tolist(), largest.tolist(), strict=True), strict=True))


def _in_floats(graph: Graph) -> Graph:
    def tensor(x: Tensor) -> Tensor:
        return replace(x, dtype=DType.FLOAT32)

    def tensors(several: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(tensor(x) for x in several)

    nodes = tuple(Node(n.name, n.op, tensors(n.inputs), n.weights, tensors(n.outputs)) for n in graph.nodes)
    return Graph(tensors(graph.inputs), nodes, tensors(graph.outputs))
