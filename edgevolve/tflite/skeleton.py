"""Writes a graph as an int8 `.tflite` of the right shapes, operators and sizes, with random weights and made-up scales.

A vendor's compiler or a profiler measures with it what a network costs before it is trained. Its outputs mean nothing.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.graph import Graph, Shape
from edgevolve.tflite.operator_rows import row_of
from edgevolve.tflite.writer import Quantisation, write_tflite

_SCALE = 0.05
_WEIGHT_SCALE = 0.01


def skeleton(graph: Graph, seed: int = 0, *, shared: bool = False) -> bytes:
    """The bytes of the file. Kernels are drawn from `seed`; they are about as hard to compress as real ones.

    With `shared`, kernels of one kind and shape share a buffer, which a caching compiler compresses once. Raises
    `ShapeError` for an operator without a row.
    """
    rng = np.random.default_rng(seed)
    constants: dict[str, NDArray[Any]] = {}
    quantised = {x.name: _plain(_SCALE) for x in graph.inputs}
    kernels: dict[tuple[type, Shape], NDArray[np.int8]] = {}
    for node in graph.nodes:
        row = row_of(node.op)
        quantised[node.output.name] = _plain(*(row.output_scale or (_SCALE, 0)))
        channels = 1 if row.per_tensor else node.output.shape[-1]
        for weight in node.op.weights(*(x.shape for x in node.inputs)):
            name = f"{node.name}/{weight.role}"
            if weight.role == "kernel":
                drawn = kernels.get((type(node.op), weight.shape)) if shared else None
                constants[name] = _kernel(rng, weight.shape) if drawn is None else drawn
                kernels[type(node.op), weight.shape] = constants[name]
                quantised[name] = _by_channel(_WEIGHT_SCALE, channels, row.channel_axis)
            elif weight.role == "bias":
                constants[name] = np.zeros(weight.shape, np.int32)
                quantised[name] = _by_channel(_WEIGHT_SCALE * _SCALE, channels, 0)
    return write_tflite(graph, constants, quantised)


def _kernel(rng: np.random.Generator, shape: Shape) -> NDArray[np.int8]:
    """Normally distributed values."""
    return np.clip(rng.standard_normal(shape, dtype=np.float32) * 30, -127, 127).astype(np.int8)


def _plain(scale: float, zero_point: int = 0) -> Quantisation:
    return Quantisation((scale,), (zero_point,))


def _by_channel(scale: float, channels: int, axis: int) -> Quantisation:
    return Quantisation(np.full(channels, scale), np.zeros(channels, np.int64), axis)
