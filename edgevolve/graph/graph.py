"""The graph: nodes in the order in which they run, each with its tensors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgevolve.graph.op import KERNEL_TYPES, Op, ShapeError
from edgevolve.graph.opaque import Opaque
from edgevolve.graph.ops import Reshape
from edgevolve.graph.tensor import DType, Shape, Tensor


@dataclass(frozen=True, slots=True)
class Node:
    """One operator at work: activations in, constants, activations out."""

    name: str
    op: Op
    inputs: tuple[Tensor, ...]
    weights: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    @property
    def output(self) -> Tensor:
        """The only output."""
        (output,) = self.outputs
        return output

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return self.op.macs(*(x.shape for x in self.inputs))


@dataclass(frozen=True, slots=True)
class Graph:
    """A network exactly as it will be deployed: shapes and costs, no weight values.

    Nodes are in topological order, which is also the order in which the exported file runs them. Tensors are identified
    by name. Raises `ShapeError` if a tensor is used before it is made, is made twice, or has another shape than its
    operator gives.
    """

    inputs: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Tensor, ...]

    def __post_init__(self) -> None:
        known = {x.name: x for x in self.inputs}
        if len(known) != len(self.inputs):
            raise ShapeError("a graph needs inputs of different names")
        for node in self.nodes:
            for x in node.inputs:
                if known.get(x.name) != x:
                    raise ShapeError(f"{node.name} reads {x.name} before it is made")
            expected = _output_shapes(node)
            if tuple(y.shape for y in node.outputs) != expected:
                raise ShapeError(f"{node.name} must make tensors of shapes {expected}, not {node.outputs}")
            for y in node.outputs:
                if y.name in known:
                    raise ShapeError(f"{node.name} makes {y.name} a second time")
                known[y.name] = y
        for y in self.outputs:
            if known.get(y.name) != y:
                raise ShapeError(f"output {y.name} is never made")

    @property
    def consumers(self) -> dict[str, list[int]]:
        """For each activation tensor's name, the indices of the nodes that read it, in order."""
        readers: dict[str, list[int]] = {x.name: [] for x in self.inputs}
        for index, node in enumerate(self.nodes):
            for name in dict.fromkeys(x.name for x in node.inputs):
                readers[name].append(index)
            for y in node.outputs:
                readers[y.name] = []
        return readers


class GraphBuilder:
    """Writes a graph node by node; shapes, weights and names follow from the operators.

    >>> net = GraphBuilder()
    >>> x = net.input((1, 8, 8, 1))
    >>> x = net.add(Conv2D(4, (3, 3)), x)
    >>> graph = net.build(x)
    """

    def __init__(self, merge: bool = True) -> None:
        """Start empty. With `merge`, equal operators without kernels on the same input become one node."""
        self._merge = merge
        self._inputs: list[Tensor] = []
        self._nodes: list[Node] = []
        self._without_kernel: dict[tuple[Op, tuple[Tensor, ...]], Tensor] = {}

    def __len__(self) -> int:
        """The number of nodes so far."""
        return len(self._nodes)

    def input(self, shape: Shape, dtype: DType = DType.INT8) -> Tensor:
        """Add a network input; `shape` includes the batch of 1."""
        tensor = Tensor(f"input_{len(self._inputs)}", shape, dtype)
        self._inputs.append(tensor)
        return tensor

    def add(self, op: Op, *inputs: Tensor) -> Tensor:
        """Add a node and return its output. Raises `ShapeError` when the shapes do not fit.

        Two equal operators without a kernel on the same inputs are one node, since TFLite's converter merges them.
        """
        if self._merge and (op, inputs) in self._without_kernel:
            return self._without_kernel[op, inputs]
        shapes = tuple(x.shape for x in inputs)
        name = f"{type(op).__name__.lower()}_{len(self._nodes)}"
        output = Tensor(name, op.output_shape(*shapes), inputs[0].dtype)
        weights = weight_tensors(op, name, inputs)
        self._nodes.append(Node(name, op, inputs, weights, (output,)))
        if not any(weight.dtype in KERNEL_TYPES.values() for weight in weights):
            self._without_kernel[op, inputs] = output
        return output

    def flatten(self, x: Tensor) -> Tensor:
        """An input for `Dense`: `x` reshaped to (1, features), or `x` itself where it is a vector or one pixel.

        The exported file leaves the `Reshape` out, since `Dense` also reads a map.
        """
        return x if math.prod(x.shape[:-1]) == 1 else self.add(Reshape((1, math.prod(x.shape))), x)

    def build(self, *outputs: Tensor) -> Graph:
        """The checked graph with these outputs. Raises `ShapeError` also where it has no inputs or no outputs."""
        if not self._inputs or not outputs:
            raise ShapeError("a network needs inputs and outputs")
        return Graph(tuple(self._inputs), tuple(self._nodes), outputs)


def weight_tensors(op: Op, name: str, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The constants of node `name`. With activations of 16 bits a bias has 64 bits, as TFLite's kernels expect."""
    wide = DType.INT64 if inputs[0].dtype is DType.INT16 else DType.INT32
    return tuple(
        Tensor(f"{name}/{w.role}", w.shape, wide if w.role == "bias" else w.dtype, constant=True)
        for w in op.weights(*(x.shape for x in inputs))
    )


def _output_shapes(node: Node) -> tuple[Shape, ...]:
    if isinstance(node.op, Opaque):
        return node.op.shapes
    return (node.op.output_shape(*(x.shape for x in node.inputs)),)


def reordered(graph: Graph, order: Sequence[int]) -> Graph:
    """The same graph with its nodes run in `order`, a permutation of node indices."""
    return Graph(graph.inputs, tuple(graph.nodes[i] for i in order), graph.outputs)
