"""What an exported network needs if parts of it may run in bands, before its file exists."""

from dataclasses import replace
from functools import lru_cache

from edgevolve.graph import DType, Graph, Tensor, reordered
from edgevolve.tflite import CORTEX_M, Operator, Subgraph, Target, TfliteModel, operators
from resource_models.arena import Footprint, file_footprint
from resource_models.cut_network import Choice
from resource_models.deployed import deployed
from resource_models.effort import QUICK
from resource_models.flash import flash_bytes
from resource_models.memory import peak_memory
from resource_models.partial import last_choice


@lru_cache(maxsize=64)
def in_bands(graph: Graph, slower: float, most_arena_bytes: int = 0) -> Choice:
    """The plan that export writes: the least extra work with an arena within `most_arena_bytes`, or the least arena.

    Extra work is at most `slower` times the multiply-accumulates of the uncut network. The choice has no parts where
    none are needed or none saves memory. The search is short (`QUICK`) and plans for a Cortex-M, whatever the target.
    """
    merged = deployed(graph).graph
    return last_choice(as_file(reordered(merged, peak_memory(merged).order)), slower, most_arena_bytes, QUICK)


def measure_in_bands(graph: Graph, slower: float, most_arena_bytes: int = 0, target: Target = CORTEX_M) -> Footprint:
    """Like `measure`, with the parts of `in_bands` in bands."""
    chosen = in_bands(graph, slower, most_arena_bytes)
    model = chosen.banded.model
    needed = chosen.footprint if target == CORTEX_M else file_footprint(model, target)
    planned = needed.planned_head_bytes < needed.greedy_head_bytes
    flash = flash_bytes(model.graph, model.operators, planned=planned)
    return replace(needed, flash_bytes=flash)


def as_file(graph: Graph) -> TfliteModel:
    """The model that reading these operators' file would give; equal tables of numbers are one tensor."""
    tables: dict[tuple[int, ...], Tensor] = {}
    listed = tuple(_with_shared(operator, tables) for operator in operators(graph))
    computed = (*graph.inputs, *(y for node in graph.nodes for y in node.outputs))
    weights = {x.name: x for operator in listed for x in operator.inputs if x is not None and x.constant}
    part = Subgraph(graph, listed, (*computed, *weights.values()), (), graph.outputs, False)
    return TfliteModel((part,), None, 0, sum(x.size_bytes for x in weights.values()))


def _with_shared(operator: Operator, tables: dict[tuple[int, ...], Tensor]) -> Operator:
    if not any(operator.values):
        return operator
    given = tuple(
        tables.setdefault(values, x) if x is not None and x.constant and x.dtype is DType.INT32 and values else x
        for x, values in zip(operator.inputs, operator.values, strict=True)
    )
    return replace(operator, inputs=given)
