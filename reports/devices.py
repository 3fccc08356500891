"""Devices as tables: what there is, and where each figure comes from."""

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from predictors import Sheet


def device_table(sheets: Sequence[Sheet]) -> Table:
    """One row a device: how it is predicted, and the least sure of its figures."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in ("device", "predicted by", "weakest figure", "what it is"):
        table.add_column(title)
    for sheet in sheets:
        claim = sheet.weakest if sheet.figures else "–"
        table.add_row(sheet.name, sheet.kind, claim, sheet.description)
    return table


def figure_table(sheet: Sheet) -> Table:
    """One row a figure, with provenance and source."""
    table = Table(title=f"{sheet.name}: {sheet.description}", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("provenance")
    table.add_column("source")
    for name, figure in sheet.figures.items():
        table.add_row(name, f"{figure.value:g}", figure.provenance, figure.source)
    return table
