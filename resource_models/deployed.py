"""The operators of an exported file: a node that costs nothing is merged into its neighbour.

TensorFlow's converter does the same, but keeps a `Reshape` of a map of several pixels before `Dense`.
"""

from dataclasses import replace
from typing import NamedTuple

from edgevolve.graph import (
    Activate,
    Activation,
    Add,
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Graph,
    MaxPool2D,
    Multiply,
    Node,
    Pad,
    Padding,
    Reshape,
    Tensor,
)

_TAKES_ACTIVATION = (Conv2D, DepthwiseConv2D, Dense, Add, Multiply, MaxPool2D, AveragePool2D)


class Deployed(NamedTuple):
    """A graph of the file's operators, and for each of them the indices of the nodes that it stands for.

    Merged nodes take the name and place of the last of them.
    """

    graph: Graph
    groups: tuple[tuple[int, ...], ...]

    def original_order(self, order: tuple[int, ...]) -> tuple[int, ...]:
        """An order of the file's operators as an order of the original graph's nodes."""
        return tuple(index for operator in order for index in self.groups[operator])


def deployed(graph: Graph) -> Deployed:
    """The file's operators in the order of the graph's nodes.

    Two nodes merge where nothing else reads the tensor between them: an `Activate` of RELU or RELU6 with the node
    before it, a `Pad` with a VALID convolution that then equals a SAME one, a `Reshape` with the `Reshape` or `Dense`
    behind it, and a node that changes nothing with the node before it. A linear `Dense` that only another `Dense` reads
    gives its bias to that one.
    """
    readers = graph.consumers
    kept = {y.name for y in graph.outputs}
    nodes: list[Node | None] = list(graph.nodes)
    groups: list[tuple[int, ...]] = [(i,) for i in range(len(nodes))]
    maker = {node.output.name: i for i, node in enumerate(graph.nodes) if len(node.outputs) == 1}
    for i, node in enumerate(graph.nodes):
        source = node.inputs[0].name if len(node.inputs) == 1 else ""
        if source in maker and len(readers[source]) == 1 and source not in kept:
            first = nodes[maker[source]]
            if first is None:
                continue
            merged = _merged(first, node)
            if isinstance(node.op, Dense) and isinstance(first.op, Dense) and first.op.activation is Activation.NONE:
                nodes[maker[source]] = replace(first, weights=first.weights[:1])
            if merged:
                before = groups[maker[source]]
                nodes[maker[source]], nodes[i], groups[i] = None, merged, (*before, i)
    left = [i for i, node in enumerate(nodes) if node]
    if nodes == list(graph.nodes):
        return Deployed(graph, tuple(groups))
    operators = tuple(node for node in nodes if node)
    return Deployed(Graph(graph.inputs, operators, graph.outputs), tuple(groups[i] for i in left))


def _merged(first: Node, second: Node) -> Node | None:
    """One node for both, or None where the file keeps both; only the second reads the first."""
    a, b = first.op, second.op
    if _changes_nothing(first, second):
        return replace(second, op=a, inputs=first.inputs, weights=first.weights)
    if isinstance(b, Activate):
        if not b.function.fusable or not isinstance(a, _TAKES_ACTIVATION):
            return None
        if a.activation is not Activation.NONE:
            return None
        return replace(second, op=replace(a, activation=b.function), inputs=first.inputs, weights=first.weights)
    if isinstance(a, Reshape) and isinstance(b, Reshape):
        return replace(second, inputs=first.inputs)
    if isinstance(a, Reshape) and isinstance(b, Dense) and len(first.inputs[0].shape) != 3:
        return replace(second, inputs=first.inputs)
    if isinstance(a, Pad) and isinstance(b, Conv2D | DepthwiseConv2D) and _equals_same(a, b, first.inputs[0]):
        return replace(second, op=replace(b, padding=Padding.SAME), inputs=first.inputs)
    return None


def _changes_nothing(first: Node, second: Node) -> bool:
    """Whether the second node gives what the first gives, unchanged."""
    op = second.op
    if isinstance(op, Activate):
        return op.function.fusable and getattr(first.op, "activation", None) is op.function
    return isinstance(op, Reshape | Pad) and first.output.shape == second.output.shape


def _equals_same(pad: Pad, op: Conv2D | DepthwiseConv2D, x: Tensor) -> bool:
    """Whether a VALID convolution of the padded map is a SAME one of the map."""
    if op.padding is not Padding.VALID:
        return False
    for amounts, size, window, stride in zip((pad.height, pad.width), x.shape[1:3], op.window, op.stride, strict=True):
        total = max((-(-size // stride) - 1) * stride + window - size, 0)
        if amounts != (total // 2, total - total // 2):
            return False
    return True
