"""What a section of `compression.py` is, and which there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rich.table import Table

SECTIONS = {
    "fake-quant": "fake_quant_steps",
    "drop": "quantised_drop",
    "int4": "four_bits",
    "distil": "distilled",
}
"""Modules by the names that `--only` takes, in the order in which they run."""

KEYS = (
    "fake_quant_max_steps",
    "qat_drop_points_mnist",
    "qat_drop_points_digits_spoken",
    "qat_drop_points_har",
    "int4_flash_ratio",
    "int4_equal_on_tflm",
)
"""Figures of the last line of JSON, in their order."""


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    quick: bool
    data: Path | None


@dataclass(frozen=True)
class Found:
    """Tables for people, lines that explain them, and figures for the JSON."""

    tables: Sequence[Table]
    figures: Mapping[str, float | bool | None]
    notes: Sequence[str] = field(default=())


class Section(Protocol):
    """A module of this folder."""

    def measure(self, options: Options) -> Found:
        """Measure, and say how long nothing: the script does."""
