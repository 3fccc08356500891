"""TensorFlow Lite's own converter, which our int8 files are compared with."""

import heapq
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from edgevolve.graph import Graph
from edgevolve.training.forward import forward
from edgevolve.training.session import silenced
from edgevolve.training.weights import folded


def to_tflite_int8(graph: Graph, weights: Mapping[str, NDArray[Any]], calibration: NDArray[np.float32]) -> bytes:
    """What the converter makes of the network, its operators in the order of the graph's nodes.

    It computes a SAME convolution of an even kernel on a map of its size wrongly while it looks for the ranges of
    activations (TensorFlow 2.21): it takes it for one of a single output pixel.
    """
    values = {name: tf.constant(value) for name, value in folded(graph, weights).items()}

    def network(x: Any) -> Any:
        return forward(graph, values, x, graph.outputs[0].name)[0]

    signature = [tf.TensorSpec(graph.inputs[0].shape, tf.float32)]
    function = tf.function(network, input_signature=signature, autograph=False)
    with silenced(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[np.newaxis]] for image in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
        return _in_graph_order(graph, bytes(converter.convert()))


_OPERATORS_FIELD = 10
"""Offset of `operators` in SubGraph's table of fields (TensorFlow Lite's schema.fbs)."""


def _in_graph_order(graph: Graph, model: bytes) -> bytes:
    """The same file with its operators in the order of the graph's nodes.

    The converter runs the branches of a network in an order of its own. Operators are known by their output's name,
    which starts with the node's (`training.forward` sees to that). Only the vector of operators changes, four bytes
    for each.
    """
    schema = import_module("ai_edge_litert.schema_py_generated")
    content = bytearray(model)
    subgraph = schema.Model.GetRootAs(content, 0).Subgraphs(0)
    operators = [subgraph.Operators(i) for i in range(subgraph.OperatorsLength())]
    makers = {int(tensor): i for i, operator in enumerate(operators) for tensor in operator.OutputsAsNumpy()}
    sources = [
        sorted({makers[int(tensor)] for tensor in operator.InputsAsNumpy() if int(tensor) in makers})
        for operator in operators
    ]
    order = _ordered(sources, _places(graph, subgraph, operators, sources))
    table = subgraph._tab
    start = table.Vector(table.Offset(_OPERATORS_FIELD))
    slots = start + 4 * np.arange(len(operators))
    offsets = np.frombuffer(content, "<u4", len(operators), start)
    moved = (offsets + slots)[order] - slots
    if moved.size and moved.min() <= 0:
        raise ValueError("the file keeps its operators before their list; it cannot be reordered")
    content[start : start + 4 * len(operators)] = moved.astype("<u4").tobytes()
    return bytes(content)


def _places(graph: Graph, subgraph: Any, operators: Sequence[Any], sources: Sequence[Sequence[int]]) -> list[int]:
    """For each operator the index of its node, the last one where nodes were merged.

    An operator without a node's name (the network's output) goes right after what it reads.
    """
    numbers = {node.name: i for i, node in enumerate(graph.nodes)}
    places: list[int] = []
    for i, operator in enumerate(operators):
        names = subgraph.Tensors(int(operator.Outputs(0))).Name().decode().split(";")
        known = [numbers[name.split("/")[0]] for name in names if name.split("/")[0] in numbers]
        places.append(max(known, default=max((places[source] for source in sources[i]), default=0)))
    return places


def _ordered(sources: Sequence[Sequence[int]], places: Sequence[int]) -> list[int]:
    """Operators sorted by place as far as data flow allows."""
    waiting = [len(own) for own in sources]
    readers: list[list[int]] = [[] for _ in sources]
    for i, own in enumerate(sources):
        for source in own:
            readers[source].append(i)
    ready = [(places[i], i) for i, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        _, i = heapq.heappop(ready)
        order.append(i)
        for reader in readers[i]:
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, (places[reader], reader))
    return order
