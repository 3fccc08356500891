"""A network as Arm's compiler schedules it, layer by layer: its tables, which cost time and no prediction needs."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from edgevolve.graph import Graph
from predictors import Kind, PredictorError, Sheet
from predictors.models.vela import compiled


@dataclass(frozen=True, slots=True)
class Layer:
    """A node as the compiler schedules it: what it takes, and what of that is computing and waiting for a memory.

    `cycles`, `npu_cycles`, `memory_cycles` and `mac_cycles` are cycles of the accelerator, `read_bytes`,
    `written_bytes` and `weight_bytes` what it moves, feature maps and weights, however often. A layer takes what the
    slowest of five takes: computing, SRAM, and the feature maps, weights and scales that the memory behind SRAM
    holds. All are 0 for a node that another one swallowed.
    """

    cycles: float = 0.0
    npu_cycles: float = 0.0
    memory_cycles: float = 0.0
    mac_cycles: float = 0.0
    read_bytes: float = 0.0
    written_bytes: float = 0.0
    weight_bytes: float = 0.0
    sram_cycles: float = 0.0
    feature_cycles: float = 0.0
    weight_cycles: float = 0.0
    scale_cycles: float = 0.0


_PARTS = tuple(Layer.__dataclass_fields__)
_NEAR = ("Sram", "shram", "lutram")
_FAR = {"feature_cycles": "FeatureMap_ac", "weight_cycles": "Weights_ac", "scale_cycles": "Scales_ac"}
_MOVED = {"read_bytes": "FeatureMap_read", "written_bytes": "FeatureMap_write", "weight_bytes": "Weights_read"}


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the compiler says of a network; `layers` by the name of the node."""

    cycles: int
    macs: int
    peak_sram_bytes: int
    operators_on_cpu: int
    layers: Mapping[str, Layer]


def compile_graph(sheet: Sheet, graph: Graph) -> Compiled:
    """Compile for the device of `sheet`. Raises `PredictorError` where it is another kind, or the compiler refuses."""
    if sheet.kind is not Kind.VELA:
        raise PredictorError(f"{sheet.name} is not a device of Arm's compiler")
    compiled_network, _ = compiled(sheet, graph, database=True)
    report = compiled_network.perf_report
    memories = {name: memory.peakUsage for name, memory in report.memories.items()}
    return Compiled(
        cycles=int(report.totalCycles),
        macs=int(report.macCount),
        peak_sram_bytes=int(memories.get("Sram", 0)),
        operators_on_cpu=int(report.cpuOps),
        layers=_layers(compiled_network.opt_database.tables, {node.name for node in graph.nodes}),
    )


def _layers(tables: Mapping[str, Any], nodes: Set[str]) -> dict[str, Layer]:
    """Rows of the compiler's tables by node; what it cut a node into is called `NODE_intermediate` and the like."""
    perf, moved, macs = (_rows(tables, name) for name in ("perf", "perf_debug", "perf_debug_main"))
    sums: dict[str, dict[str, float]] = {}
    for number, row in perf.items():
        name = row["name"]
        while name not in nodes and "_" in name:
            name = name.rpartition("_")[0]
        traffic = moved.get(number, {})
        total = sums.setdefault(name, dict.fromkeys(_PARTS, 0.0))
        total["cycles"] += _float(row["op_cycles"])
        total["npu_cycles"] += _float(row["npu_cycles"])
        total["memory_cycles"] += max(_float(value) for key, value in row.items() if key.endswith("_ac"))
        total["mac_cycles"] += _float(macs.get(number, {}).get("mac_cycles", ""))
        total["sram_cycles"] += _float(row.get("Sram_ac", ""))
        far = {key: value for key, value in traffic.items() if not key.startswith(_NEAR)}
        for part, ending in _FAR.items():
            total[part] += sum(_float(value) for key, value in far.items() if key.endswith(ending))
        for part, ending in _MOVED.items():
            total[part] += sum(_float(value) for key, value in traffic.items() if key.endswith(ending))
    return {name: Layer(**total) for name, total in sums.items()}


def _rows(tables: Mapping[str, Any], name: str) -> dict[str, dict[str, str]]:
    """A table's rows as mappings, by their id; empty where the compiler made no such table."""
    table = tables.get(name)
    rows = [dict(zip(table.header, row, strict=False)) for row in table.data] if table else []
    return {row["id"]: row for row in rows}


def _float(text: str) -> float:
    return float(text) if text else 0.0
