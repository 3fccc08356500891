"""What a sheet alone says of a network: one entrance for every kind of device that needs no measurement."""

import math
from collections.abc import Callable, Mapping

from edgevolve.graph import Graph
from predictors import edge_tpu, host
from predictors.features import PredictorError, live_nodes, operator_kind
from predictors.sheets import Kind, Sheet

Metrics = dict[str, float]


def analyse(sheet: Sheet, graph: Graph) -> Metrics:
    """`latency_ms`, and `energy_uj` and `tops_per_watt` where the sheet tells. Raises `PredictorError`."""
    if sheet.kind not in _MODELS or not sheet.figures:
        raise PredictorError(f"{sheet.name}: a {sheet.kind} device is not predicted from its sheet")
    try:
        found = _MODELS[sheet.kind](sheet, graph)
    except ArithmeticError as error:
        raise PredictorError(f"{sheet.name}: its figures are beyond all numbers ({error})") from error
    for name, value in found.items():
        if not (math.isfinite(value) and value >= 0):
            raise PredictorError(f"{sheet.name}: its figures give {name} = {value}")
    return found


def _systolic(sheet: Sheet, graph: Graph) -> Metrics:
    found = edge_tpu.estimate(sheet, graph)
    return {"latency_ms": found.latency_ms, "energy_uj": found.energy_uj, "tops_per_watt": found.tops_per_watt}


def roofline_ms(graph: Graph, ops_per_second: float, memory_bandwidth: float) -> float:
    """Each operator takes what its operations or its bytes take, whichever is more (Williams et al. 2009).

    `memory_bandwidth` is in bytes a second; a multiply-accumulate is two operations.
    """
    seconds = 0.0
    for node in live_nodes(graph):
        moved = sum(x.size_bytes for x in (*node.inputs, *node.weights, *node.outputs))
        seconds += max(2 * node.macs / ops_per_second, moved / memory_bandwidth)
    return 1e3 * seconds


def _roofline(sheet: Sheet, graph: Graph) -> Metrics:
    return {"latency_ms": roofline_ms(graph, sheet["ops_per_second"], sheet["memory_bandwidth"])}


def _host(sheet: Sheet, graph: Graph) -> Metrics:
    return {"latency_ms": host.latency_ms(sheet, graph)}


def _cycles(sheet: Sheet, graph: Graph) -> Metrics:
    """Cycles for each multiply-accumulate, by class of kernel: `cycles_per_mac_KIND`, or else `cycles_per_mac`."""
    cycles = 0.0
    for node in live_nodes(graph):
        name = f"cycles_per_mac_{operator_kind(node)}"
        cycles += node.macs * sheet[name if name in sheet.figures else "cycles_per_mac"]
    return {"latency_ms": cycles / sheet["clock_mhz"] / 1e3}


def plain_operations_ms(sheet: Sheet, floats: float, integers: float) -> float:
    """Time of so many operations of ordinary C, by `cycles_per_float_operation` and `cycles_per_integer_operation`.

    0 where the sheet does not count cycles or does not have both figures.
    """
    figures = ("cycles_per_float_operation", "cycles_per_integer_operation")
    if sheet.kind is not Kind.CYCLES or not all(name in sheet.figures for name in figures):
        return 0.0
    cycles = floats * sheet[figures[0]] + integers * sheet[figures[1]]
    return float(cycles / sheet["clock_mhz"] / 1e3)


_MODELS: Mapping[Kind, Callable[[Sheet, Graph], Metrics]] = {
    Kind.SYSTOLIC: _systolic,
    Kind.ROOFLINE: _roofline,
    Kind.CYCLES: _cycles,
    Kind.HOST: _host,
}
