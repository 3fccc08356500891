"""Reads a network's path through a program from the network itself: what is built is what runs.

The builder says which nodes belong to which part of the program. Within a part each node is taken by the first
remaining step with such an operator. A node that no step takes is an error, so that a path never leaves anything out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgevolve.graph import (
    Activate,
    Activation,
    Add,
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    Graph,
    GraphBuilder,
    MaxPool2D,
    Multiply,
    Node,
    Op,
    Reshape,
)
from search_space.shared import (
    FUNCTIONS,
    AddUp,
    Either,
    Excite,
    Keep,
    Layer,
    Mean,
    Pool,
    Recall,
    Settings,
    Step,
    Use,
)


class PartedBuilder(GraphBuilder):
    """A builder that records which nodes belong to which part of a program."""

    def __init__(self, merge: bool = True) -> None:
        """Record parts; without `merge` equal nodes of different parts are not shared."""
        super().__init__(merge)
        self._parts: list[tuple[str, str, int]] = []

    def part(self, name: str, branch: str = "") -> None:
        """Begin the part `name`, and this branch of an `Either`: later nodes belong to it."""
        self._parts.append((name, branch, len(self)))

    def parts(self, graph: Graph) -> list[tuple[str, str, tuple[Node, ...]]]:
        """Every part of the built graph: name, branch and nodes."""
        ends = [*(begin for _, _, begin in self._parts[1:]), len(graph.nodes)]
        return [
            (name, kind, graph.nodes[begin:end]) for (name, kind, begin), end in zip(self._parts, ends, strict=True)
        ]


@dataclass(slots=True)
class Nodes:
    """The nodes of a part that no step has taken yet."""

    left: list[Node]

    def is_next(self, *kinds: type) -> bool:
        """Whether the next node has such an operator."""
        return bool(self.left) and isinstance(self.left[0].op, kinds)

    def take(self) -> Node:
        """Take the next node."""
        return self.left.pop(0)


@dataclass(slots=True)
class Reading:
    """What was read of a network so far: settings, and what its nodes with a kernel use, in their order."""

    settings: Settings = field(default_factory=dict)
    uses: list[Use] = field(default_factory=list)

    def part(self, steps: Sequence[Step], nodes: Sequence[Node]) -> None:
        """Read a part. Raises `ValueError` for a node that no step takes."""
        left = Nodes(list(nodes))
        for step in steps:
            _TAKE[type(step)](self, step, left)
        if left.left:
            raise ValueError(f"{left.left[0].name} has no place in the shared weights")

    def branch(self, either: Either, kind: str, nodes: Sequence[Node]) -> None:
        """Read a part that is the branch `kind`."""
        names = [name for name, _ in either.branches]
        self.settings[either.name] = (names.index(kind) + 1,)
        self.part(either.branches[names.index(kind)][1], nodes)


def _layer(reading: Reading, layer: Layer, nodes: Nodes) -> None:
    if not nodes.left or not _fits(layer, nodes.left):
        if not layer.optional:
            raise ValueError(f"the network has no {layer.name}")
        return
    node = nodes.take()
    pixels = node.inputs[0].shape[1:] if layer.kind == "dense" else None
    if isinstance(node.op, Reshape):
        node = nodes.take()
    op: Any = node.op
    channels, filters = node.inputs[0].shape[-1], node.output.shape[-1]
    height, width = (1, 1) if pixels else op.kernel
    if pixels and len(pixels) == 3:
        height, width, channels = pixels
    stride, norm = getattr(op, "stride", (1, 1)), bool(getattr(op, "batch_norm", False))
    used = (height, width, channels, filters)
    function = _function(op, node, nodes)
    most = (*layer.kernel[:3], layer.filters)
    step, sides = max(stride), node.inputs[0].shape[1:3]
    square = all(taken == step or side == 1 for taken, side in zip(stride, sides, strict=False))  # a side of 1 stays 1
    allowed = function in layer.functions and square and step in layer.strides
    if any(a > b for a, b in zip(used, most, strict=True)) or not allowed:
        raise ValueError(f"{node.name} is no part of {layer.name}")
    reading.settings[layer.name] = (1, *used, step, int(norm), FUNCTIONS.index(function))
    reading.uses.append(Use(layer, *used, norm))


def _fits(layer: Layer, left: Sequence[Node]) -> bool:
    op = left[0].op
    if layer.kind == "dense":
        return isinstance(op, Dense | Reshape)
    if layer.norm is not None and getattr(op, "batch_norm", None) != layer.norm:
        return False
    single = layer.kind == "depthwise" and isinstance(op, Conv2D) and left[0].inputs[0].shape[3] == op.filters == 1
    return single or isinstance(op, Conv2D if layer.kind == "conv" else DepthwiseConv2D)


def _function(op: Op, node: Node, nodes: Nodes) -> str:
    """The function after a node: fused, or as separate nodes, which are taken."""
    fused: Any = getattr(op, "activation", Activation.NONE)
    if fused is not Activation.NONE or not nodes.is_next(Activate) or nodes.left[0].inputs[0] != node.output:
        return str(fused.value)
    function: Any = nodes.left[0].op
    if function.function is not Activation.SIGMOID:
        nodes.take()
        return str(function.function.value)
    product = nodes.left[1] if len(nodes.left) > 1 else None
    if product and isinstance(product.op, Multiply) and node.output in product.inputs:
        del nodes.left[:2]
        return "swish"
    return "none"


def _excite(reading: Reading, step: Excite, nodes: Nodes) -> None:
    pooled = nodes.is_next(AveragePool2D)
    if not pooled and not (nodes.left and _fits(step.squeeze, nodes.left)):
        return
    if pooled:
        nodes.take()
    _layer(reading, step.squeeze, nodes)
    _layer(reading, step.excite, nodes)
    gate, product = nodes.take(), nodes.take()
    if not (isinstance(gate.op, Activate) and isinstance(product.op, Multiply)):
        raise ValueError(f"{gate.name} is no gate of {step.name}")
    reading.settings[step.name] = (1,)


def _add(reading: Reading, step: AddUp, nodes: Nodes) -> None:
    if nodes.is_next(Add):
        node = nodes.take()
        reading.settings[step.name] = (1, FUNCTIONS.index(_function(node.op, node, nodes)))


def _pool(reading: Reading, step: Pool, nodes: Nodes) -> None:
    kind = {"average": AveragePool2D, "max": MaxPool2D}[step.kind]
    reading.settings[step.name] = (1, 1)
    if nodes.is_next(kind):
        op: Any = nodes.take().op
        if op.size != op.stride:
            raise ValueError(f"{step.name}: windows overlap")
        reading.settings[step.name] = op.size


def _mean(reading: Reading, step: Mean, nodes: Nodes) -> None:
    if nodes.is_next(GlobalAveragePool):
        nodes.take()


def _nothing(reading: Reading, step: Step, nodes: Nodes) -> None:
    """A step that has no nodes."""


_TAKE: dict[type, Callable[[Reading, Any, Nodes], None]] = {
    Layer: _layer,
    Excite: _excite,
    AddUp: _add,
    Pool: _pool,
    Mean: _mean,
    Keep: _nothing,
    Recall: _nothing,
}
