"""The weights of a graph: names, shapes in Keras' layout, initial values, and folding of batch norm."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.graph import Activation, Conv2D, Dense, DepthwiseConv2D, Graph, Node, Shape

Weights = dict[str, NDArray[np.float32]]
"""Values by name: `NODE/kernel`, and `NODE/bias` or, with batch norm, `NODE/gamma`, `/beta`, `/mean`, `/variance`."""

Values = Mapping[str, Any]
"""Arrays or tensors, by the same names."""

BATCH_NORM_EPSILON = 1e-3
BATCH_NORM_MOMENTUM = 0.9


@dataclass(frozen=True, slots=True)
class Parameter:
    """One array of weights. If `deviation` is 0, each element starts as `start`; else normal with that deviation."""

    name: str
    shape: Shape
    start: float = 0.0
    deviation: float = 0.0
    trainable: bool = True

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def is_kernel(self) -> bool:
        """Whether weight decay acts on it."""
        return self.name.endswith("/kernel")


def parameters(graph: Graph) -> tuple[Parameter, ...]:
    """Every parameter of the network, node by node."""
    return tuple(parameter for node in graph.nodes for parameter in node_parameters(node))


def node_parameters(node: Node) -> tuple[Parameter, ...]:
    """A kernel, and a bias or, in its place, the four vectors of batch norm; nothing for a node without weights.

    Kernels are (height, width, channels / groups, filters), (height, width, channels, multiplier) or (features, units),
    and start as in He et al. (2015), without the factor of two for a linear `Dense`.
    """
    op = node.op
    channels = node.inputs[0].shape[-1]
    if isinstance(op, Conv2D):
        kernel: Shape = (*op.kernel, channels // op.groups, op.filters)
        fan_in, outputs = math.prod(kernel[:3]), op.filters
    elif isinstance(op, DepthwiseConv2D):
        kernel = (*op.kernel, channels, op.multiplier)
        fan_in, outputs = math.prod(op.kernel), channels * op.multiplier
    elif isinstance(op, Dense):
        fan_in, outputs = math.prod(node.inputs[0].shape), op.units
        kernel = (fan_in, outputs)
    else:
        return ()
    gain = 1 if isinstance(op, Dense) and op.activation is Activation.NONE else 2
    first = Parameter(f"{node.name}/kernel", kernel, deviation=math.sqrt(gain / fan_in))
    if not getattr(op, "batch_norm", False):
        return first, Parameter(f"{node.name}/bias", (outputs,))
    return (
        first,
        Parameter(f"{node.name}/gamma", (outputs,), start=1.0),
        Parameter(f"{node.name}/beta", (outputs,)),
        Parameter(f"{node.name}/mean", (outputs,), trainable=False),
        Parameter(f"{node.name}/variance", (outputs,), start=1.0, trainable=False),
    )


def initial_weights(graph: Graph, seed: int) -> Weights:
    """Initial values, a function of graph and seed alone: kernels are normal, clipped at two standard deviations."""
    rng = np.random.default_rng(seed)
    values: Weights = {}
    for parameter in parameters(graph):
        if parameter.deviation:
            noise = rng.standard_normal(parameter.shape, np.float32).clip(-2, 2)
            values[parameter.name] = noise * np.float32(parameter.deviation)
        else:
            values[parameter.name] = np.full(parameter.shape, parameter.start, np.float32)
    return values


def check_weights(graph: Graph, weights: Mapping[str, NDArray[Any]]) -> None:
    """Raise `ValueError` unless `weights` are exactly those of `graph`."""
    wanted = {parameter.name: parameter.shape for parameter in parameters(graph)}
    shapes = {name: value.shape for name, value in weights.items()}
    wrong = sorted(name for name in wanted.keys() | shapes.keys() if wanted.get(name) != shapes.get(name))
    if wrong:
        name = wrong[0]
        raise ValueError(f"weights do not fit the network: {name} is {shapes.get(name)}, not {wanted.get(name)}")


def folded(graph: Graph, values: Values, reshape: Callable[[Any, Shape], Any] = np.reshape) -> dict[str, Any]:
    """Kernels and biases with batch norm's moving statistics folded in, as they are deployed.

    Values are NumPy arrays; for tensors, pass their `reshape`.
    """
    result = {}
    for node in graph.nodes:
        name = node.name
        if f"{name}/kernel" not in values:
            continue
        kernel = values[f"{name}/kernel"]
        if f"{name}/gamma" in values:
            scale = values[f"{name}/gamma"] * (values[f"{name}/variance"] + BATCH_NORM_EPSILON) ** -0.5
            result[f"{name}/bias"] = values[f"{name}/beta"] - values[f"{name}/mean"] * scale
            by_output = reshape(scale, kernel.shape[2:]) if isinstance(node.op, DepthwiseConv2D) else scale
            result[f"{name}/kernel"] = kernel * by_output
        else:
            result[f"{name}/kernel"] = kernel
            result[f"{name}/bias"] = values[f"{name}/bias"]
    return result
