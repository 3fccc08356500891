"""A network's constants and shapes with channels before height and width, as in ONNX and PyTorch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.graph import DepthwiseConv2D, Graph, Node, Padding, Shape
from edgevolve.training.weights import folded


def constants(graph: Graph, weights: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """`NODE/kernel` and `NODE/bias`, batch norm folded in.

    Kernels are (filters, channels / groups, height, width), a depthwise one (channels · multiplier, 1, height, width),
    or (units, features).
    """
    values = folded(graph, weights)
    for node in graph.nodes:
        name = f"{node.name}/kernel"
        if name not in values:
            continue
        kernel = values[name]
        if isinstance(node.op, DepthwiseConv2D):
            kernel = kernel.transpose(2, 3, 0, 1).reshape(-1, 1, *node.op.kernel)
        else:
            kernel = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
        values[name] = np.ascontiguousarray(kernel)
    return values


def margins(node: Node) -> tuple[int, int, int, int]:
    """(rows on top, rows at the bottom, columns left, columns right) that padding SAME adds; 0 for VALID.

    TensorFlow puts the larger half of an odd number at the bottom and on the right.
    """
    op: Any = node.op
    if op.padding is Padding.VALID:
        return 0, 0, 0, 0
    amounts: list[int] = []
    for size, window, stride in zip(node.inputs[0].shape[1:3], op.window, op.stride, strict=True):
        total = max((-(-size // stride) - 1) * stride + window - size, 0)
        amounts += (total // 2, total - total // 2)
    return amounts[0], amounts[1], amounts[2], amounts[3]


def shape_of(shape: Shape) -> Shape:
    """`shape` without the batch, channels first."""
    return (shape[3], *shape[1:3]) if len(shape) == 4 else shape[1:]


def images_of(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """(number, height, width, channels) as (number, channels, height, width)."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))
