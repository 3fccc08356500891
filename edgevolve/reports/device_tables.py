"""Devices and boards as tables, each figure with its source."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgevolve.quantity import size
from edgevolve.runs.events import BoardUsed
from predictors import UNSUPPORTED, Board, BoardSheet, DevicePredictor, Figure, Sheet, Validation

_NOTE = (
    "A search forecasts edge_tpu_v6 by what was learned from a simulated chip (EdgeTPUv6Predictor), the others from "
    "these figures alone.\nNo network was measured for them: for those of your own device, see calibrate and fit. "
    "`devices NAME` tells where each figure is from."
)

_BOARDS = (
    "The first framework of a board is the usual one. An arena must lie in one region; what the runtime and a small "
    "program take is subtracted.\nNo latency was measured on these boards: sheets tell it. `boards NAME` tells where "
    "each figure is from."
)


def device_table(sheets: Sequence[Sheet]) -> RenderableType:
    """One row a device: how it is predicted, and the weakest provenance among its figures."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in ("device", "predicted by", "weakest figure", "what it is"):
        table.add_column(title)
    for sheet in sheets:
        claim = sheet.weakest if sheet.figures else "–"
        table.add_row(sheet.name, sheet.kind, claim, Text(sheet.description))
    return Group(table, Text(_NOTE))


def figure_table(sheet: Sheet) -> Table:
    """One row a figure, with provenance and source."""
    return _figures(
        f"{sheet.name}: {sheet.description}", ((name, figure, "g") for name, figure in sheet.figures.items())
    )


def _figures(title: str, rows: Iterable[tuple[str, Figure, str]]) -> Table:
    table = Table(title=Text(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("provenance")
    table.add_column("source")
    for name, figure, how in rows:
        table.add_row(name, format(figure.value, how), figure.provenance, Text(figure.source))
    return table


def board_table(boards: Sequence[BoardSheet]) -> RenderableType:
    """One row a board and framework: kernels, the largest arena and model, and the source of latencies."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in ("board", "core", "kernels", "arena at most", "model at most", "weakest figure", "latency by"):
        table.add_column(title, justify="right" if title.endswith("most") else "left", no_wrap=title != "core")
    for sheet in boards:
        core = f"{sheet.core}, {sheet.clock_mhz.value:g} MHz"
        latency = sheet.latency.device if sheet.latency else "–"
        for number, framework in enumerate(sheet.frameworks):
            board = Board(sheet, framework)
            about = (core, sheet.kernels, latency) if number == 0 else ("", "", "")
            rooms = [size(room.free_bytes) for room in (board.arena, board.flash)]
            table.add_row(board.name, *about[:2], *rooms, board.weakest, about[2])
    reasons = "\n".join(f"Not supported: {name}: {reason}." for name, reason in UNSUPPORTED.items())
    return Group(table, Text(f"{_BOARDS}\n{reasons}"))


def board_figures(board: Board) -> RenderableType:
    """Every figure of a board under its framework, with provenance and source; then the bounds that follow."""
    sheet, framework = board.sheet, board.sheet.frameworks[board.framework]
    rows = [("clock_mhz", sheet.clock_mhz, "g")]
    for kind, regions, used in (("ram", sheet.ram, framework.ram), ("flash", sheet.flash, framework.flash)):
        for region, figure in regions.items():
            rows.append((f"{kind} {region}, bytes", figure, ".0f"))
            rows += [(f"  taken by {part}", taken, ".0f") for part, taken in used.get(region, {}).items()]
    if sheet.latency:
        rows += [(f"{sheet.latency.device} {name}", figure, "g") for name, figure in sheet.latency.figures.items()]
    return Group(_figures(f"{board.name}: {sheet.description}", rows), Text("\n".join(board.words[1:])))


def board_json(board: Board) -> dict[str, Any]:
    """A board's file as plain values, and the bounds that follow under its framework: bytes by metric."""
    bounds = {metric: room.free_bytes for metric, room in board.rooms.items()}
    about = {"framework": board.framework, "target": board.target.name, "bounds": bounds, "words": list(board.words)}
    return {**board.sheet.model_dump(mode="json"), **about}


def board_lines(board: BoardUsed | None) -> list[str]:
    """The board of a run and its remarks, a line each; no line without a board."""
    if board is None:
        return []
    about, *more = board.words or ("",)
    return [f"board {board.name}: {about}", *(f"  {words}" for words in more)]


def predictor_table(predictor: DevicePredictor) -> RenderableType:
    """A fitted predictor: cross-validated errors by learner, coverage of intervals, constants of the analytic part."""
    regressor = predictor.regressor
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("learner")
    table.add_column("mean error, held out", justify="right")
    for name, error in regressor.cross_validated.items():
        table.add_row(f"{name}{' ← taken' if name == regressor.learner else ''}", f"{error:.1%}")
    physics = "physics and layers measured one by one" if predictor.physics.layers else "physics"
    words = (
        f"{predictor.device}: {len(regressor.samples)} networks over {physics}; {regressor.coverage:.0%} intervals of "
        f"a factor {math.exp(regressor.width):.3f} either way"
    )
    return Group(Text(words), table)


def validation_table(validation: Validation) -> Table:
    """One figure a row."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column("figure")
    table.add_column("value", justify="right")
    rows = {
        "networks": f"{validation.networks}",
        "mean absolute error": f"{validation.mae:.4g} ms",
        "mean relative error": f"{validation.mape:.2%}",
        "90th percentile of the relative error": f"{validation.p90:.2%}",
        "share within 10 %": f"{validation.within_10:.1%}",
        "Spearman": f"{validation.spearman:.4f}",
        "Kendall": f"{validation.kendall:.4f}",
        "measurements within their intervals": f"{validation.coverage:.1%}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table
