"""The network exactly as it will be deployed: typed operators, shapes, multiply-accumulates, weight shapes."""

from edgevolve.graph.attributes import Activation, Padding
from edgevolve.graph.canonical import from_json, graph_hash, json_hash, to_json
from edgevolve.graph.network import Graph, GraphBuilder, Node, reordered
from edgevolve.graph.opaque import Opaque
from edgevolve.graph.ops import (
    OPS,
    Activate,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    MaxPool2D,
    Multiply,
    Op,
    Pad,
    Reshape,
    ShapeError,
    Softmax,
    Weight,
)
from edgevolve.graph.tensor import DType, Shape, Tensor

__all__ = [
    "OPS",
    "Activate",
    "Activation",
    "Add",
    "AveragePool2D",
    "Concat",
    "Conv2D",
    "DType",
    "Dense",
    "DepthwiseConv2D",
    "GlobalAveragePool",
    "Graph",
    "GraphBuilder",
    "MaxPool2D",
    "Multiply",
    "Node",
    "Op",
    "Opaque",
    "Pad",
    "Padding",
    "Reshape",
    "Shape",
    "ShapeError",
    "Softmax",
    "Tensor",
    "Weight",
    "from_json",
    "graph_hash",
    "json_hash",
    "reordered",
    "to_json",
]
