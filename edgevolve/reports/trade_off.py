"""The trade-off of a file in bands, arena against work and flash, as a table and as a picture."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from edgevolve.quantity import SIZES, size, size_unit
from edgevolve.reports.colours import FRONT
from edgevolve.reports.picture_file import plain, write_picture

Step = tuple[int, float, float, float | None]
"""Arena in bytes; extra multiply-accumulates, flash and modelled time as shares of those without bands."""


def trade_off_table(steps: Sequence[Step]) -> Table:
    """A row for the file without bands; then for each share of extra work the arena, and the other costs."""
    table, before = Table(box=None, pad_edge=False, header_style="bold"), steps[0][0]
    for name in ("more work", "arena", "saved", "more flash", "more time"):
        table.add_column(name, justify="right")
    for arena, work, flash, time in steps:
        saved, modelled = f"{1 - arena / before:.1%}", "not known" if time is None else f"{time:.1%}"
        table.add_row(f"{max(work, 0):.1%}", size(arena), saved, f"{flash:.1%}", modelled)
    return table


def save_trade_off(path: Path, steps: Sequence[Step], title: str) -> None:
    """Draw the arena over extra multiply-accumulates and over extra flash; the file without bands is at the left.

    Raises `ConfigError` if the picture cannot be written.
    """
    from matplotlib.figure import Figure

    unit = size_unit(max(step[0] for step in steps))
    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    arenas = [step[0] / SIZES[unit] for step in steps]
    titles = ("more multiply-accumulates, %", "more flash, %")
    for place, (axes, label) in enumerate(zip(figure.subplots(1, 2, sharey=True), titles, strict=True), start=1):
        across = [100 * max(float(step[place] or 0), 0) for step in steps]
        shown = sorted(zip(across, arenas, strict=True))
        axes.plot(*zip(*shown, strict=True), drawstyle="steps-post", color=FRONT, linewidth=1)
        axes.scatter(across, arenas, color=FRONT, s=24, zorder=2)
        axes.set(xlabel=label, ylim=(0, 1.06 * max(arenas)))
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel(f"arena on a Cortex-M, {unit}")
    figure.suptitle(f"{plain(title)}: {size(steps[0][0])} without bands, {size(steps[-1][0])} in bands", fontsize=11)
    write_picture(path, figure)
