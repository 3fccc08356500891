"""Boards: the memory that a program may use, the kernels, and the device that predicts the latency.

A board is a YAML file, like the sheets of devices: every figure has a provenance and a source. Sizes are in bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edgevolve.quantity import size
from edgevolve.spelling import suggestion
from edgevolve.tflite import CORTEX_M, TARGETS, Target
from predictors.device import Device, device
from predictors.files import is_yaml, read_yaml
from predictors.models import Kind
from predictors.sheets import Figure, Name, Provenance, Words, sheet, sheets, weakest
from predictors.values import PredictorError
from resource_models import ARENA, FLASH

FOLDER = Path(__file__).parent / "boards"

UNSUPPORTED = {
    "f28p55x": "TI's C28x and its NPU run TI's own compiled code, not TensorFlow Lite Micro",
    "max78000": "its CNN engine is programmed through Analog Devices' ai8x tools, not TensorFlow Lite Micro",
}
"""Boards that are not supported, with the reason."""


class Kernels(StrEnum):
    """The kernels that TensorFlow Lite Micro is built with for a board."""

    REFERENCE = "reference"
    CMSIS_NN = "cmsis-nn"
    CMSIS_NN_DSP = "cmsis-nn-dsp"
    CMSIS_NN_MVE = "cmsis-nn-mve"
    ESP_NN = "esp-nn"


_TARGETS: Mapping[Kernels, Target] = {
    Kernels.REFERENCE: CORTEX_M,
    Kernels.CMSIS_NN: TARGETS["cortex-m-dsp"],
    Kernels.CMSIS_NN_DSP: TARGETS["cortex-m-dsp"],
    Kernels.CMSIS_NN_MVE: TARGETS["cortex-m-mve"],
    Kernels.ESP_NN: CORTEX_M,
}
"""The target that sizes the arena. CMSIS-NN's plain C asks for the DSP kernels' columns in convolutions and for nothing
else (`arm_convolve_get_buffer_sizes_s8.c` and its like), so that the DSP figure is never too small."""

_REMARKS: Mapping[Kernels, str] = {
    Kernels.CMSIS_NN: "plain C of CMSIS-NN takes at most the scratch of its DSP kernels, which is counted",
    Kernels.ESP_NN: (
        "scratch of ESP-NN's kernels is not known and not counted; it holds copies of filters and inputs, so that the "
        "arena is a lower bound: leave at least the largest layer's weights free"
    ),
}


class Latency(BaseModel):
    """The device that predicts the latency: the name of its sheet, and the figures that differ on this board."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Words
    figures: dict[Name, Figure] = {}


class Framework(BaseModel):
    """The memory that a program may use under a framework: for each region the parts that are taken.

    A model is stored in `flash`, an arena in `ram`. A region that is not named can hold neither.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ram: dict[Name, dict[Name, Figure]] = Field(min_length=1)
    flash: dict[Name, dict[Name, Figure]] = Field(min_length=1)


class BoardSheet(BaseModel):
    """A board as its file describes it; `ram` and `flash` are contiguous regions by name.

    The first framework is the default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    description: Words
    core: Words
    clock_mhz: Figure
    kernels: Kernels
    latency: Latency | None = None
    ram: dict[Name, Figure] = Field(min_length=1)
    flash: dict[Name, Figure] = Field(min_length=1)
    frameworks: dict[Name, Framework] = Field(min_length=1)
    remarks: tuple[Words, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> "BoardSheet":
        for name, framework in self.frameworks.items():
            for kind, regions, used in (("ram", self.ram, framework.ram), ("flash", self.flash, framework.flash)):
                unknown = [region for region in used if region not in regions]
                if unknown:
                    raise ValueError(f"frameworks.{name}.{kind}: {self.name} has no region {unknown[0]}")
                if _largest(regions, used).free_bytes <= 0:
                    raise ValueError(f"frameworks.{name}.{kind}: nothing is left of {' and '.join(used)}")
        return self


@dataclass(frozen=True, slots=True)
class Room:
    """The region of a memory with the most bytes left: its size, and the parts that are taken."""

    region: str
    size: Figure
    taken: Mapping[str, Figure]

    @property
    def free_bytes(self) -> int:
        """The whole bytes that are left."""
        return int(self.size.value - sum(part.value for part in self.taken.values()))

    @property
    def words(self) -> str:
        """The free bytes, the size of the region, and what takes the rest, each with its provenance, in words."""
        parts = [f"{_plain(name)} {size(part.value)} ({part.provenance})" for name, part in self.taken.items()]
        less = f", less {', '.join(parts)}" if parts else ""
        whole = f"{size(self.size.value)} ({self.size.provenance})"
        return f"{size(self.free_bytes)} in {_plain(self.region)}: {whole}{less}"


@dataclass(frozen=True, slots=True)
class Board:
    """A board under one framework."""

    sheet: BoardSheet
    framework: str

    def __post_init__(self) -> None:
        if self.framework not in self.sheet.frameworks:
            known = self.sheet.frameworks
            raise PredictorError(
                f"{self.sheet.name} has no framework {self.framework[:100]!r}: give one of "
                f"{', '.join(known)}{suggestion(self.framework, known)}"
            )

    @property
    def name(self) -> str:
        """The name BOARD/FRAMEWORK."""
        return f"{self.sheet.name}/{self.framework}"

    @property
    def target(self) -> Target:
        """The build of TensorFlow Lite Micro for which the arena is computed."""
        return _TARGETS[self.sheet.kernels]

    @property
    def lower_bound(self) -> bool:
        """Whether the target's arena is only a lower bound, since the board's kernels ask for more scratch."""
        return self.sheet.kernels is Kernels.ESP_NN

    @property
    def arena(self) -> Room:
        """The region with the most free bytes for the arena, which must be in one region."""
        return _largest(self.sheet.ram, self.sheet.frameworks[self.framework].ram)

    @property
    def flash(self) -> Room:
        """The region with the most free bytes for the model, after the runtime and the program."""
        return _largest(self.sheet.flash, self.sheet.frameworks[self.framework].flash)

    @property
    def rooms(self) -> Mapping[str, Room]:
        """The regions by the metric that each bounds: `arena_bytes` and `flash_bytes`."""
        arena = ARENA.name if self.target == CORTEX_M else f"{ARENA.name}@{self.target.name}"
        return {arena: self.arena, FLASH.name: self.flash}

    @property
    def weakest(self) -> Provenance:
        """The least certain provenance among the figures behind its bounds."""
        return weakest(one for room in self.rooms.values() for one in (room.size, *room.taken.values()))

    @property
    def remarks(self) -> tuple[str, ...]:
        """Notes on the figures."""
        given = self.sheet.latency
        latency = f"was not measured on it: {given.device} with its figures" if given else "is not known"
        kernels = (_REMARKS[self.sheet.kernels],) if self.sheet.kernels in _REMARKS else ()
        return (*kernels, f"latency {latency}", *self.sheet.remarks)

    @property
    def words(self) -> tuple[str, ...]:
        """The description of the board, a line for each bound, and the notes."""
        about = f"{self.sheet.description}, {self.sheet.core}, {self.sheet.clock_mhz.value:g} MHz"
        rooms = (f"{metric} at most {room.words}" for metric, room in self.rooms.items())
        lines = (f"{about}, kernels {self.sheet.kernels}", *rooms, *self.remarks)
        return tuple(" ".join(line.split()) for line in lines)

    def device(self) -> Device | None:
        """The device that predicts the board's latency, with the board's name; None if there is none.

        A sheet of cycles takes the board's clock. Raises `PredictorError` as `predictors.device` does.
        """
        given = self.sheet.latency
        if given is None:
            return None
        base = sheet(given.device)
        clock = {"clock_mhz": self.sheet.clock_mhz} if base.kind is Kind.CYCLES else {}
        figures = {**base.figures, **clock, **given.figures}
        return device(base.model_copy(update={"name": self.sheet.name, "figures": figures}))


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _largest(regions: Mapping[str, Figure], used: Mapping[str, Mapping[str, Figure]]) -> Room:
    rooms = [Room(region, regions[region], taken) for region, taken in used.items()]
    return max(rooms, key=lambda room: room.free_bytes)


def read_board(path: Path | str) -> BoardSheet:
    """Read and check a board's file. Raises `PredictorError`, in one line that says what and where."""
    return read_yaml(path, BoardSheet, "board")


@cache
def boards() -> Mapping[str, BoardSheet]:
    """The packaged boards by name."""
    sheets = [read_board(path) for path in sorted(FOLDER.glob("*.yaml"))]
    return {one.name: one for one in sheets}


def board(name: str) -> Board:
    """The board NAME or NAME/FRAMEWORK; NAME is a packaged board or a YAML file. Raises `PredictorError`."""
    called, slash, framework = name.rpartition("/")
    if not slash or is_yaml(name):
        called, framework = name, ""
    board_sheet = read_board(called) if is_yaml(called) else boards().get(called)
    if board_sheet is None:
        if called in sheets():
            raise PredictorError(f"{called} is a device, not a board: give one of {', '.join(boards())}")
        if called in UNSUPPORTED:
            raise PredictorError(f"board {called} is not supported: {UNSUPPORTED[called]}")
        raise PredictorError(
            f"unknown board {called[:100]!r}: give a .yaml file, or one of {', '.join(boards())}"
            f"{suggestion(called, [*boards(), *UNSUPPORTED])}"
        )
    return Board(board_sheet, framework or next(iter(board_sheet.frameworks)))
