"""The runs of a folder as a table."""

from datetime import datetime
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgevolve.printable import printable
from edgevolve.reports.quantities import duration, quantity, short
from edgevolve.runs import JournalError, Run, run_names


def runs_table(folder: Path) -> RenderableType:
    """A row a run, the latest first: name, start, evaluations, front, best; below, why other runs cannot be read."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("run", "begun", "evaluations", "searching", "front", "best", "ended"):
        table.add_column(name, justify="left" if name in ("run", "begun", "ended") else "right")
    rows: list[tuple[float, list[str]]] = []
    unread: list[Text] = []
    for name in run_names(folder):
        try:
            run = Run.open(folder / name)
        except JournalError as error:
            unread.append(Text(short(printable(str(error)), 200)))
            continue
        rows.append((run.started.time, [printable(name), *_cells(run)]))
    for _, cells in sorted(rows, key=lambda row: row[0], reverse=True):
        table.add_row(*map(Text, cells))
    if not rows and not unread:
        return Text(f"{folder}: no runs")
    return Group(table, *unread)


def _cells(run: Run) -> list[str]:
    try:
        begun = f"{datetime.fromtimestamp(run.started.time):%Y-%m-%d %H:%M}"
    except (OverflowError, ValueError, OSError):
        begun = "?"
    best = run.best
    value = quantity(run.main, best.metrics[run.main.name]) if best else "–"
    counts = [str(run.evaluations), duration(run.active_seconds), str(len(run.front))]
    return [begun, *counts, f"{run.main.title} {value}", short(run.stopped.reason, 40) if run.stopped else "not ended"]
