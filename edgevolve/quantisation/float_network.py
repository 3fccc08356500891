"""The network as its file runs it, still in floats: operators merged, batch norm folded, kernels as TFLite has them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgevolve.graph import Dense, DepthwiseConv2D, Graph, Node
from edgevolve.training.weights import check_weights, folded
from resource_models import deployed


class FloatNetwork(NamedTuple):
    """`graph` holds the file's operators; `constants` are `NODE/kernel` and `NODE/bias` in the shapes of `Op.weights`.

    A linear `Dense` that another `Dense` alone reads has no bias: it is part of that one's.
    """

    graph: Graph
    constants: Mapping[str, NDArray[np.float32]]


def float_network(graph: Graph, weights: Mapping[str, NDArray[Any]]) -> FloatNetwork:
    """Merge and fold. Raises `ValueError` unless `weights`, by the names of `training.weights`, fit the graph."""
    check_weights(graph, weights)
    values = folded(graph, weights)
    merged = deployed(graph)
    constants: dict[str, NDArray[np.float32]] = {}
    for node, group in zip(merged.graph.nodes, merged.groups, strict=True):
        for name in (graph.nodes[index].name for index in group):
            if f"{name}/kernel" in values:
                constants[f"{node.name}/kernel"] = _as_stored(node, values[f"{name}/kernel"])
                constants[f"{node.name}/bias"] = values[f"{name}/bias"]
    for node in merged.graph.nodes:
        if f"{node.name}/bias" in constants and len(node.weights) == 1:
            (reader,) = (merged.graph.nodes[index].name for index in merged.graph.consumers[node.output.name])
            moved = constants[f"{reader}/kernel"] @ constants.pop(f"{node.name}/bias")
            constants[f"{reader}/bias"] = constants[f"{reader}/bias"] + moved
    return FloatNetwork(merged.graph, constants)


def _as_stored(node: Node, kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """A kernel of `training.weights` in TFLite's order of axes: outputs first, or last where they are depthwise."""
    if isinstance(node.op, DepthwiseConv2D):
        return kernel.reshape(1, *kernel.shape[:2], -1)
    axes = (1, 0) if isinstance(node.op, Dense) else (3, 0, 1, 2)
    return np.ascontiguousarray(kernel.transpose(axes))
