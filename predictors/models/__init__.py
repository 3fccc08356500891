"""How a device is predicted from its sheet alone, by its kind: `MODELS` is the only table of kinds.

Two kinds need few rates: a roofline, and a microcontroller with cycles for each multiply-accumulate. Each of the others
has a file.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from edgevolve.graph import Graph
from predictors.models import cpu, systolic, vela
from predictors.values import PredictorError
from resource_models.graph_features import live_nodes, operator_kind

if TYPE_CHECKING:
    from predictors.sheets import Sheet

Metrics = dict[str, float]

_CYCLES_PER_MAC = "cycles_per_mac"


class Kind(StrEnum):
    """How a device is predicted."""

    SYSTOLIC = "systolic"
    ROOFLINE = "roofline"
    CYCLES = "cycles"
    VELA = "vela"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Model:
    """How one kind of device is predicted.

    A sheet must have the figures `needs` and the `options`. With `by_operator` it may also have figures for single
    classes of operators, `{by_operator}_{class}`. `predict` gives `metrics`; `counters` gives the columns that a
    learned predictor may weigh beside the features of a graph. `check` raises `PredictorError` for a sheet that cannot
    predict here and now. `source` says where predictions come from; `{}` stands for the weakest provenance of the
    sheet.
    """

    predict: Callable[["Sheet", Graph], Metrics]
    needs: tuple[str, ...]
    metrics: tuple[str, ...] = ("latency_ms",)
    counters: Callable[["Sheet", Graph], Metrics] | None = None
    options: tuple[str, ...] = ()
    by_operator: str = ""
    check: Callable[["Sheet"], None] = lambda sheet: None
    source: str = "simulated from {} figures"


def roofline_ms(graph: Graph, ops_per_second: float, memory_bandwidth: float) -> float:
    """Milliseconds of a graph: each operator takes the time of its operations or its bytes, whichever is longer.

    `memory_bandwidth` is in bytes a second; a multiply-accumulate is two operations (Williams et al. 2009).
    """
    seconds = 0.0
    for node in live_nodes(graph):
        moved = sum(x.size_bytes for x in (*node.inputs, *node.weights, *node.outputs))
        seconds += max(2 * node.macs / ops_per_second, moved / memory_bandwidth)
    return 1e3 * seconds


def _roofline(sheet: "Sheet", graph: Graph) -> Metrics:
    """`latency_ms` by the two rates of the sheet."""
    return {"latency_ms": roofline_ms(graph, sheet["ops_per_second"], sheet["memory_bandwidth"])}


def _cycles(sheet: "Sheet", graph: Graph) -> Metrics:
    """`latency_ms` by the cycles for each multiply-accumulate: `cycles_per_mac_KIND`, or else `cycles_per_mac`."""
    total = 0.0
    for node in live_nodes(graph):
        name = f"{_CYCLES_PER_MAC}_{operator_kind(node)}"
        total += node.macs * sheet[name if name in sheet.figures else _CYCLES_PER_MAC]
    return {"latency_ms": total / sheet["clock_mhz"] / 1e3}


MODELS: Mapping[Kind, Model] = {
    Kind.SYSTOLIC: Model(
        systolic.predict, systolic.NEEDS, ("latency_ms", "energy_uj", "tops_per_watt"), counters=systolic.counters
    ),
    Kind.ROOFLINE: Model(_roofline, ("ops_per_second", "memory_bandwidth")),
    Kind.CYCLES: Model(_cycles, ("clock_mhz", _CYCLES_PER_MAC), by_operator=_CYCLES_PER_MAC),
    Kind.VELA: Model(
        vela.predict, ("clock_mhz",), options=("accelerator",), check=vela.check, source="simulated by Arm's compiler"
    ),
    Kind.HOST: Model(cpu.predict, (), check=cpu.check),
}


def analyse(sheet: "Sheet", graph: Graph) -> Metrics:
    """The prediction of a sheet alone: `latency_ms`; for a systolic array also `energy_uj` and `tops_per_watt`.

    Raises `PredictorError`, in one line, where the sheet cannot predict the network.
    """
    try:
        figures = MODELS[sheet.kind].predict(sheet, graph)
    except ArithmeticError as error:
        raise PredictorError(f"{sheet.name}: its figures give a number that is too large ({error})") from error
    for name, value in figures.items():
        if not (math.isfinite(value) and value >= 0):
            raise PredictorError(f"{sheet.name}: its figures give {name} = {value}")
    return figures


def counters(sheet: "Sheet", graph: Graph) -> Metrics:
    """The columns that a learned predictor may weigh: the parts of a systolic array's time, or the latency."""
    own = MODELS[sheet.kind].counters
    return own(sheet, graph) if own else {"sheet": analyse(sheet, graph)["latency_ms"]}
