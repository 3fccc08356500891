"""The bits of a deployed network's activations: 8, or 16 with kernels of 8 bits (TFLite's 16x8)."""

from dataclasses import replace

from edgevolve.graph.graph import Graph, Node, weight_tensors
from edgevolve.graph.op import ShapeError
from edgevolve.graph.tensor import DType, Tensor

ACTIVATION_TYPES = {8: DType.INT8, 16: DType.INT16}


def activation_bits(graph: Graph) -> int:
    """The bits of an activation; all have those of the input."""
    return 16 if graph.inputs[0].dtype is DType.INT16 else 8


def with_activation_bits(graph: Graph, bits: int) -> Graph:
    """The network with all activations, inputs and outputs included, of `bits` bits; 16 bits give biases 64.

    Raises `ShapeError` for bits other than 8 and 16.
    """
    if type(bits) is not int or bits not in ACTIVATION_TYPES:
        raise ShapeError(f"activations have {' or '.join(map(str, ACTIVATION_TYPES))} bits, not {bits!r}")
    if bits == activation_bits(graph):
        return graph

    def typed(tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(replace(x, dtype=ACTIVATION_TYPES[bits]) for x in tensors)

    def changed(node: Node) -> Node:
        inputs = typed(node.inputs)
        weights = weight_tensors(node.op, node.name, inputs)[: len(node.weights)]
        return replace(node, inputs=inputs, weights=weights, outputs=typed(node.outputs))

    return Graph(typed(graph.inputs), tuple(map(changed, graph.nodes)), typed(graph.outputs))
