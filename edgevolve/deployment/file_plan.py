"""Gives any `.tflite` the order and memory plan that `resource_models` finds for the graph read from it."""

from typing import Any

from edgevolve.deployment.flatbuffer import packed, set_plan
from edgevolve.tflite import CORTEX_M, read_tflite
from resource_models import Plan, buffers, memory_plan, peak_memory
from resource_models.packing import MAX_PLACED

_HAVE_A_PLACE_IN_TIME = frozenset(
    {"CALL_ONCE", "IF", "WHILE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL"}
)
"""Operators that, like custom ones, may have side effects; a subgraph that has one keeps its order."""


def lay_out(content: Any, max_placed: int = MAX_PLACED) -> Plan:
    """Give a `ModelT` the best plan for the order of its operators, or no plan where none saves anything.

    `max_placed` is passed to `memory_plan`. Raises `TfliteError` for what `read_tflite` refuses.
    """
    model = read_tflite(packed(content))
    best, placed = memory_plan(model, CORTEX_M, max_placed), buffers(model, CORTEX_M)
    offsets = None
    if best.offsets is not None:
        offsets = [-1] * sum(len(subgraph.tensors) for subgraph in model.subgraphs)
        for number, offset in zip(placed.numbers, best.offsets, strict=True):
            offsets[number] = offset
    set_plan(content, offsets)
    return best


def put_in_best_order(content: Any) -> None:
    """Put the operators of each subgraph of a `ModelT` in the order of least peak memory.

    A subgraph keeps its order if an operator may have side effects, reads nothing computed, or makes nothing.
    """
    for read, written in zip(read_tflite(packed(content)).subgraphs, content.subgraphs, strict=True):
        bound = any(operator.custom or operator.name in _HAVE_A_PLACE_IN_TIME for operator in read.operators)
        if not bound and not read.variables and all(node.inputs and node.outputs for node in read.graph.nodes):
            order = peak_memory(read.graph, alignment_bytes=CORTEX_M.alignment_bytes).order
            written.operators = [written.operators[i] for i in order]
