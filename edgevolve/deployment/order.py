"""The order in which a `.tflite` runs its operators: that of the graph, on which memory figures rest."""

import heapq
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from edgevolve.graph import Graph

_OPERATORS_FIELD = 10
"""Offset of `operators` in SubGraph's table of fields (TensorFlow Lite's schema.fbs)."""


def in_graph_order(graph: Graph, model: bytes) -> bytes:
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
