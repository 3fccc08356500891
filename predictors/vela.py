"""Ethos-U devices through Arm's own compiler, in process: cycles, memory accesses and fallbacks; it gives no energy.

The compiler (`ethos-u-vela`) reads a weightless int8 skeleton of the graph, so no training, TensorFlow or file is
needed. Its figures are its own estimates, not measurements.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from graph import Graph
from graph.skeleton import skeleton
from predictors.features import PredictorError
from predictors.sheets import Kind, Sheet

_CORES = {"ethos-u65-512": 2}
_SYSTEMS = {
    "u55": ("Ethos_U55_High_End_Embedded", "Shared_Sram", 4 * 2**20),
    "u65": ("Ethos_U65_Client_Server", "Dedicated_Sram_384KB", 384 * 2**10),
    "u85": ("Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB", 384 * 2**10),
}
"""The compiler's own defaults: system configuration, memory mode, bytes of SRAM it may use."""

_OPTIONS = """
[compiler]
enable_db=true
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

    All in cycles of the accelerator. `cycles` is 0 for a node that another one swallowed.
    """

    cycles: float
    npu_cycles: float
    memory_cycles: float


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the compiler says of a network; `layers` by the name of the node."""

    cycles: int
    macs: int
    peak_sram_bytes: int
    operators_on_cpu: int
    layers: Mapping[str, Layer]


def compile_graph(sheet: Sheet, graph: Graph) -> Compiled:
    """Compile for the device of `sheet`. Raises `PredictorError` where the compiler is missing or refuses."""
    if sheet.kind is not Kind.VELA:
        raise PredictorError(f"{sheet.name} is not a device of Arm's compiler")
    if find_spec("ethosu") is None:
        raise PredictorError(f"{sheet.name} needs Arm's compiler: pip install ethos-u-vela")
    from ethosu import regor

    architecture, system, options = _configuration(sheet.options["accelerator"])
    try:
        found = regor.compile(architecture, skeleton(graph), "TFLITE", system, options, verbose=False)
    except Exception as error:
        raise PredictorError(f"{sheet.name}: the compiler refuses: {' '.join(str(error).split())}") from error
    report = found.perf_report
    memories = {name: memory.peakUsage for name, memory in report.memories.items()}
    return Compiled(
        cycles=int(report.totalCycles),
        macs=int(report.macCount),
        peak_sram_bytes=int(memories.get("Sram", 0)),
        operators_on_cpu=int(report.cpuOps),
        layers=_layers(found.opt_database.tables["perf"]),
    )


def latency_ms(sheet: Sheet, graph: Graph) -> float:
    """The compiler's cycles at the sheet's clock."""
    return compile_graph(sheet, graph).cycles / sheet["clock_mhz"] / 1e3


def _layers(table: Any) -> dict[str, Layer]:
    column = {name: index for index, name in enumerate(table.header)}
    memories = [index for name, index in column.items() if name.endswith("_ac")]
    layers: dict[str, Layer] = {}
    for row in table.data:
        name = row[column["name"]]
        before = layers.get(name, Layer(0.0, 0.0, 0.0))
        layers[name] = Layer(
            before.cycles + float(row[column["op_cycles"]]),
            before.npu_cycles + float(row[column["npu_cycles"]]),
            before.memory_cycles + max(float(row[index]) for index in memories),
        )
    return layers


@cache
def _configuration(accelerator: str) -> tuple[str, str, str]:
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
    return f"Ethos{family.upper()}", text, _OPTIONS.format(arena=arena)
