"""What a section of `compression.py` is, and which there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rich.table import Table

SECTIONS = {
    "shrunk": "shrunk_and_masked",
    "half-macs": "half_the_macs",
    "sparsity": "sparsity_gene",
    "inheritance": "inherited_weights",
    "fake-quant": "fake_quant_steps",
    "drop": "quantised_drop",
    "int4": "four_bits",
    "distil": "distilled",
}
"""Modules by the names that `--only` takes."""

TOGETHER = (("inheritance",), ("shrunk", "sparsity"), ("drop", "int4", "distil"), ("half-macs",), ("fake-quant",))
"""Sections that run in one process, the longest ones first; those of small networks share what they train."""

KEYS = (
    "shrunk_masked_max_difference",
    "half_macs_loss_points",
    "half_macs_from_scratch_loss_points",
    "sparsity_hypervolume_ratio",
    "inheritance_hypervolume_ratio",
    "fake_quant_max_steps",
    "fake_quant_whole_network_max_steps",
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
    spaces: tuple[str, ...] = ()
    """Of the section `fake-quant`; none: all."""


@dataclass(frozen=True)
class Found:
    """Tables for people, lines that explain them, and figures for the JSON."""

    tables: Sequence[Table]
    figures: Mapping[str, float | bool | None]
    notes: Sequence[str] = field(default=())


class Section(Protocol):
    """A module of this folder."""

    def measure(self, options: Options) -> Found:
        """Measure; the script says how long it took."""
