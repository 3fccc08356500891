"""The network as its file runs it, still in floats: operators merged, batch norm folded, kernels in TFLite's layout."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgevolve.graph import Dense, DepthwiseConv2D, Graph, Node, Shape
from edgevolve.training.weights import Values, check_weights, folded
from resource_models import Deployed, deployed


class FloatNetwork(NamedTuple):
    """`graph` holds the file's operators; `constants` are `NODE/kernel` and `NODE/bias` in the shapes of `Op.weights`.

    A linear `Dense` that only another `Dense` reads has no bias: it is part of the other's bias.
    """

    graph: Graph
    constants: Mapping[str, NDArray[np.float32]]


def float_network(graph: Graph, weights: Mapping[str, NDArray[Any]]) -> FloatNetwork:
    """Merge operators and fold batch norm. Raises `ValueError` unless `weights` (`training.weights`) fit the graph."""
    check_weights(graph, weights)
    merged = deployed(graph)
    values = merged_values(graph, merged, folded(graph, weights))
    nodes = {node.name: node for node in merged.graph.nodes}
    constants = {
        name: _as_stored(nodes[name.rpartition("/")[0]], value) if name.endswith("/kernel") else value
        for name, value in values.items()
    }
    return FloatNetwork(merged.graph, constants)


def merged_values(
    graph: Graph, merged: Deployed, values: Values, reshape: Callable[[Any, Shape], Any] = np.reshape
) -> dict[str, Any]:
    """The kernels and biases of the file's operators, from `folded` values; kernels as in `training.weights`.

    Values are NumPy arrays; for tensors, pass their `reshape`.
    """
    result: dict[str, Any] = {}
    for node, group in zip(merged.graph.nodes, merged.groups, strict=True):
        for name in (graph.nodes[index].name for index in group):
            if f"{name}/kernel" in values:
                result[f"{node.name}/kernel"] = values[f"{name}/kernel"]
                result[f"{node.name}/bias"] = values[f"{name}/bias"]
    for node in merged.graph.nodes:
        if f"{node.name}/bias" in result and len(node.weights) == 1:
            (reader,) = (merged.graph.nodes[index].name for index in merged.graph.consumers[node.output.name])
            row = reshape(result.pop(f"{node.name}/bias"), (1, -1))
            result[f"{reader}/bias"] = result[f"{reader}/bias"] + (row @ result[f"{reader}/kernel"])[0]
    return result


def _as_stored(node: Node, kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """A kernel of `training.weights` in TFLite's order of axes: outputs first, or last for a depthwise kernel."""
    if isinstance(node.op, DepthwiseConv2D):
        return kernel.reshape(1, *kernel.shape[:2], -1)
    axes = (1, 0) if isinstance(node.op, Dense) else (3, 0, 1, 2)
    return np.ascontiguousarray(kernel.transpose(axes))
