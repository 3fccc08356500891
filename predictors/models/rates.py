"""Devices described by few rates: a roofline, and a microcontroller with cycles for each multiply-accumulate."""

from typing import TYPE_CHECKING

from edgevolve.graph import Graph
from resource_models.graph_features import live_nodes, operator_kind

if TYPE_CHECKING:
    from predictors.sheets import Sheet

CYCLES_PER_MAC = "cycles_per_mac"


def roofline_ms(graph: Graph, ops_per_second: float, memory_bandwidth: float) -> float:
    """Milliseconds of a graph: each operator takes the time of its operations or its bytes, whichever is longer.

    `memory_bandwidth` is in bytes a second; a multiply-accumulate is two operations (Williams et al. 2009).
    """
    seconds = 0.0
    for node in live_nodes(graph):
        moved = sum(x.size_bytes for x in (*node.inputs, *node.weights, *node.outputs))
        seconds += max(2 * node.macs / ops_per_second, moved / memory_bandwidth)
    return 1e3 * seconds


def roofline(sheet: "Sheet", graph: Graph) -> dict[str, float]:
    """`latency_ms` by the two rates of the sheet."""
    return {"latency_ms": roofline_ms(graph, sheet["ops_per_second"], sheet["memory_bandwidth"])}


def cycles(sheet: "Sheet", graph: Graph) -> dict[str, float]:
    """`latency_ms` by the cycles for each multiply-accumulate: `cycles_per_mac_KIND`, or else `cycles_per_mac`."""
    total = 0.0
    for node in live_nodes(graph):
        name = f"{CYCLES_PER_MAC}_{operator_kind(node)}"
        total += node.macs * sheet[name if name in sheet.figures else CYCLES_PER_MAC]
    return {"latency_ms": total / sheet["clock_mhz"] / 1e3}


def plain_operations_ms(sheet: "Sheet", floats: float, integers: float) -> float:
    """Milliseconds of operations in plain C, by `cycles_per_float_operation` and `cycles_per_integer_operation`.

    0 where the sheet lacks one of these figures or a clock.
    """
    figures = ("cycles_per_float_operation", "cycles_per_integer_operation", "clock_mhz")
    if not all(name in sheet.figures for name in figures):
        return 0.0
    taken = floats * sheet[figures[0]] + integers * sheet[figures[1]]
    return float(taken / sheet["clock_mhz"] / 1e3)


def bands_ms(sheet: "Sheet", sliced_bytes: int, joined_bytes: int, operators: int) -> float:
    """Milliseconds that bands add for copied bytes and for added operators, without multiply-accumulates.

    The figures are `cycles_per_byte_sliced` (TensorFlow Lite Micro copies them one by one), `cycles_per_byte_joined`
    (copied by `memcpy`) and `cycles_per_operator`. A missing figure is 0; without a clock the result is 0.
    """
    work = {"byte_sliced": sliced_bytes, "byte_joined": joined_bytes, "operator": operators}
    figures = {f"cycles_per_{each}": number for each, number in work.items()}
    taken = sum(number * sheet[name] for name, number in figures.items() if name in sheet.figures)
    return float(taken / sheet["clock_mhz"] / 1e3) if taken else 0.0
