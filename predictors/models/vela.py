"""Ethos-U devices through Arm's own compiler, in process: cycles, memory accesses and fallbacks, but no energy.

The compiler (`ethos-u-vela`) reads an int8 skeleton of the graph (`edgevolve.tflite.skeleton`), so that neither
training nor TensorFlow nor a file is needed. Its figures are its own estimates, not measurements.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from edgevolve.graph import Graph, from_json, to_json
from edgevolve.process import redirected
from edgevolve.tflite import skeleton
from predictors.values import PredictorError

if TYPE_CHECKING:
    from predictors.sheets import Sheet

_CORES = {"ethos-u65-512": 2}
_SYSTEMS = {
    "u55": ("Ethos_U55_High_End_Embedded", "Shared_Sram", 4 * 2**20),
    "u65": ("Ethos_U65_Client_Server", "Dedicated_Sram_384KB", 384 * 2**10),
    "u85": ("Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB", 384 * 2**10),
}
"""The compiler's own defaults: system configuration, memory mode, bytes of SRAM that it may use."""

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


def check(sheet: "Sheet") -> None:
    """Raise `PredictorError` unless the compiler is installed and knows the device."""
    if find_spec("ethosu") is None:
        raise PredictorError(f"{sheet.name} needs Arm's compiler: pip install ethos-u-vela")
    _configuration(sheet.options["accelerator"])


def predict(sheet: "Sheet", graph: Graph) -> dict[str, float]:
    """`latency_ms`: the compiler's cycles at the sheet's clock, the same for isomorphic graphs.

    Raises `PredictorError` where it leaves operators to the CPU: it gives no time for them, so that its cycles are
    those of a smaller network.
    """
    compilation, said = compiled(sheet, from_json(to_json(graph)))
    if compilation.perf_report.cpuOps:
        count = f"{compilation.perf_report.cpuOps} operator{'s are' if compilation.perf_report.cpuOps > 1 else ' is'}"
        raise PredictorError(f"{sheet.name}: {count} left to the CPU, whose time is not known: {said}")
    return {"latency_ms": int(compilation.perf_report.totalCycles) / sheet["clock_mhz"] / 1e3}


def compiled(sheet: "Sheet", graph: Graph, database: bool = False) -> tuple[Any, str]:
    """The compiler's report, and the text that it printed; `database` asks for its tables of layers, which take time.

    Raises `PredictorError` where the compiler is missing or refuses the network.
    """
    check(sheet)
    from ethosu import regor

    architecture, system, options = _configuration(sheet.options["accelerator"], database)
    with TemporaryFile() as said:
        try:
            with redirected(1, said.fileno()):  # the compiler prints warnings past Python
                compilation = regor.compile(
                    architecture, skeleton(graph, shared=True), "TFLITE", system, options, verbose=False
                )
        except Exception as error:
            raise PredictorError(f"{sheet.name}: the compiler refuses: {' '.join(str(error).split())}") from error
        said.seek(0)
        return compilation, " ".join(said.read(_LONGEST).decode(errors="replace").split())


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
