"""The network exactly as it will be deployed: typed operators, shapes, multiply-accumulates, weight shapes."""

from edgevolve.graph import ops
from edgevolve.graph.activation_bits import activation_bits, with_activation_bits
from edgevolve.graph.attributes import Activation, Padding
from edgevolve.graph.canonical import canonical, from_json, graph_hash, json_hash, to_json
from edgevolve.graph.channels import Channels, channels_of
from edgevolve.graph.graph import Graph, GraphBuilder, Node, reordered
from edgevolve.graph.kernel_bits import (
    BITS,
    LAYER_BITS,
    bits_in,
    form_in_words,
    kernel_bits,
    with_bits,
    with_kernel_bits,
)
from edgevolve.graph.opaque import Opaque
from edgevolve.graph.ops import *  # noqa: F403
from edgevolve.graph.tensor import DType, Shape, Tensor

__all__ = [
    "BITS",
    "LAYER_BITS",
    "Activation",
    "Channels",
    "DType",
    "Graph",
    "GraphBuilder",
    "Node",
    "Opaque",
    "Padding",
    "Shape",
    "Tensor",
    "activation_bits",
    "bits_in",
    "canonical",
    "channels_of",
    "form_in_words",
    "from_json",
    "graph_hash",
    "json_hash",
    "kernel_bits",
    "reordered",
    "to_json",
    "with_activation_bits",
    "with_bits",
    "with_kernel_bits",
]
__all__ += ops.__all__
