"""Ethos-U devices through Arm's own compiler, in process: cycles, memory accesses and fallbacks; it gives no energy.

The compiler (`ethos-u-vela`) reads a weightless int8 skeleton of the graph, so no training, TensorFlow or file is
needed. Its figures are its own estimates, not measurements.
"""

import os
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from edgevolve.graph import Graph
from edgevolve.tflite import skeleton
from predictors.features import PredictorError
from predictors.sheets import Kind, Sheet

_CORES = {"ethos-u65-512": 2}
_SYSTEMS = {
    "u55": ("Ethos_U55_High_End_Embedded", "Shared_Sram", 4 * 2**20),
    "u65": ("Ethos_U65_Client_Server", "Dedicated_Sram_384KB", 384 * 2**10),
    "u85": ("Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB", 384 * 2**10),
}
"""The compiler's own defaults: system configuration, memory mode, bytes of SRAM it may use."""

_LONGEST = 300

_OPTIONS = """
[compiler]
enable_db={database}
output_format=TFLite
cop_format=COP1
cpu_tensor_alignment=16
[scheduler]
optimize=Performance
arena_size_limit={arena}
[graph]
"""


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


def check(sheet: Sheet) -> None:
    """See whether the compiler is installed and knows the device. Raises `PredictorError`."""
    if sheet.kind is not Kind.VELA:
        raise PredictorError(f"{sheet.name} is not a device of Arm's compiler")
    if find_spec("ethosu") is None:
        raise PredictorError(f"{sheet.name} needs Arm's compiler: pip install ethos-u-vela")
    _configuration(sheet.options["accelerator"])


def compile_graph(sheet: Sheet, graph: Graph) -> Compiled:
    """Compile for the device of `sheet`. Raises `PredictorError` where the compiler is missing or refuses."""
    found, _ = _compiled(sheet, graph, database=True)
    report = found.perf_report
    memories = {name: memory.peakUsage for name, memory in report.memories.items()}
    return Compiled(
        cycles=int(report.totalCycles),
        macs=int(report.macCount),
        peak_sram_bytes=int(memories.get("Sram", 0)),
        operators_on_cpu=int(report.cpuOps),
        layers=_layers(found.opt_database.tables, {node.name for node in graph.nodes}),
    )


def latency_ms(sheet: Sheet, graph: Graph) -> float:
    """The compiler's cycles at the sheet's clock.

    Raises `PredictorError` where it leaves operators to the CPU: it does not tell their time, so that the cycles are
    those of a smaller network.
    """
    found, said = _compiled(sheet, graph, database=False)
    if found.perf_report.cpuOps:
        count = f"{found.perf_report.cpuOps} operator{'s are' if found.perf_report.cpuOps > 1 else ' is'}"
        raise PredictorError(f"{sheet.name}: {count} left to the CPU, whose time is not known: {said}")
    return int(found.perf_report.totalCycles) / sheet["clock_mhz"] / 1e3


def _compiled(sheet: Sheet, graph: Graph, database: bool) -> tuple[Any, str]:
    """The compiler's report, and what it said; `database` asks for its tables of layers, which cost time."""
    check(sheet)
    from ethosu import regor

    architecture, system, options = _configuration(sheet.options["accelerator"], database)
    with TemporaryFile() as said:
        try:
            with _stdout_into(said):
                found = regor.compile(
                    architecture, skeleton(graph, shared=True), "TFLITE", system, options, verbose=False
                )
        except Exception as error:
            raise PredictorError(f"{sheet.name}: the compiler refuses: {' '.join(str(error).split())}") from error
        said.seek(0)
        return found, " ".join(said.read(_LONGEST).decode(errors="replace").split())


@contextmanager
def _stdout_into(file: IO[bytes]) -> Iterator[None]:
    """The compiler prints its warnings past Python."""
    saved = os.dup(1)
    os.dup2(file.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


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


@cache
def _configuration(accelerator: str, database: bool = False) -> tuple[str, str, str]:
    """The compiler's architecture, system description and options for a name such as `ethos-u55-128`."""
    try:
        _, family, multipliers = accelerator.split("-")
        system, memory, arena = _SYSTEMS[family]
        macs = int(multipliers)
    except (ValueError, KeyError):
        raise PredictorError(f"unknown accelerator {accelerator!r}: write ethos-u55-128") from None
    cores = _CORES.get(accelerator, 1)
    text = f"[architecture]\nmacs={macs // cores}\ncores={cores}\n"
    text += f"[vela]\nsystem_config_name={system}\nmemory_mode_name={memory}\n"
    package = find_spec("ethosu")
    assert package and package.submodule_search_locations
    text += (Path(package.submodule_search_locations[0]) / "config_files" / "Arm" / "vela.ini").read_text()
    return f"Ethos{family.upper()}", text, _OPTIONS.format(arena=arena, database=str(database).lower())
