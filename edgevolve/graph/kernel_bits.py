"""The bits of a deployed network's kernels: 8, or 4 where the microcontroller unpacks them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgevolve.graph.activation_bits import activation_bits
from edgevolve.graph.graph import Graph, Node, weight_tensors
from edgevolve.graph.op import ShapeError

BITS = ("bits", "first_bits", "last_bits")
"""Keys of a recipe for the bits of kernels: of all layers, of the first and of the last."""

LAYER_BITS = tuple(f"bits_{number}" for number in range(1, 65))
"""Keys of a recipe for the bits of each layer with a kernel, from the first on."""


def kernel_bits(graph: Graph) -> dict[str, int]:
    """The bits of an element of each kernel, by the name of its node."""
    return {node.name: node.op.kernel_bits for node in graph.nodes if hasattr(node.op, "kernel_bits")}


def with_kernel_bits(graph: Graph, bits: Mapping[str, int]) -> Graph:
    """The network with kernels of these bits an element, by the name of the node; other nodes stay as they are.

    Raises `ShapeError` for a node without a kernel, and for bits other than 8 and 4.
    """
    known = kernel_bits(graph)
    for name in bits:
        if name not in known:
            raise ShapeError(f"{name} is not a node with a kernel")
    return Graph(graph.inputs, tuple(_with(node, bits.get(node.name)) for node in graph.nodes), graph.outputs)


def with_bits(
    graph: Graph,
    bits: int | None = None,
    first: int | None = None,
    last: int | None = None,
    each: Sequence[int | None] = (),
) -> Graph:
    """The network with kernels of `bits` bits, its `first` and `last` layer with their own; None changes nothing.

    `each` holds the bits of the layers with a kernel, from the first on, and overrides the others; entries beyond the
    last layer are ignored. Raises `ShapeError` for bits other than 8 and 4.
    """
    chosen = {name: bits or given for name, given in kernel_bits(graph).items()}
    names = list(chosen)
    for name, given in (*zip((*names[:1], *names[-1:]), (first, last), strict=False), *zip(names, each, strict=False)):
        chosen[name] = given or chosen[name]
    return with_kernel_bits(graph, chosen)


def bits_in(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The bits in a recipe as keyword arguments of `with_bits`, without those that it does not name."""
    bits = {key.removesuffix("_bits"): recipe[key] for key in BITS if key in recipe}
    numbers = [number for number, key in enumerate(LAYER_BITS) if key in recipe]
    each = tuple(recipe.get(key) for key in LAYER_BITS[: max(numbers, default=-1) + 1])
    return {**bits, "each": each} if each else bits


def form_in_words(graph: Graph) -> str:
    """The form of its exported file: `int8`, `int8 with 4-bit kernels`, `int8 with 2 of 5 kernels in 4 bits`, ..."""
    if activation_bits(graph) == 16:
        return "int8 with int16 activations"
    bits = list(kernel_bits(graph).values())
    few = bits.count(4)
    if not few:
        return "int8"
    return "int8 with 4-bit kernels" if few == len(bits) else f"int8 with {few} of {len(bits)} kernels in 4 bits"


def _with(node: Node, bits: int | None) -> Node:
    if bits is None:
        return node
    op: Any = node.op
    op = replace(op, kernel_bits=bits)
    weights = weight_tensors(op, node.name, node.inputs)
    return replace(node, op=op, weights=weights[: len(node.weights)])
