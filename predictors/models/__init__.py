"""How a device is predicted from its sheet alone, by its kind: `MODELS` is the only table of kinds."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from edgevolve.graph import Graph
from predictors.models import cpu, rates, systolic, vela
from predictors.values import PredictorError

if TYPE_CHECKING:
    from predictors.sheets import Sheet

Metrics = dict[str, float]


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

    def reads(self, figure: str) -> bool:
        """Whether predictions use a figure; others are for readers, or for front ends."""
        return figure in self.needs or bool(self.by_operator and figure.startswith(f"{self.by_operator}_"))


MODELS: Mapping[Kind, Model] = {
    Kind.SYSTOLIC: Model(
        systolic.predict, systolic.NEEDS, ("latency_ms", "energy_uj", "tops_per_watt"), counters=systolic.counters
    ),
    Kind.ROOFLINE: Model(rates.roofline, ("ops_per_second", "memory_bandwidth")),
    Kind.CYCLES: Model(rates.cycles, ("clock_mhz", rates.CYCLES_PER_MAC), by_operator=rates.CYCLES_PER_MAC),
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
