"""Devices as tables: what there is, and where each figure comes from."""

import math
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from predictors import DevicePredictor, Sheet, Validation

_NOTE = (
    "A search forecasts edge_tpu_v6 by what was learned from a simulated chip (EdgeTPUv6Predictor), the others from "
    "these figures alone.\nNone of them is a measurement: for those of your own device, see calibrate and fit. "
    "`devices NAME` tells where each figure is from."
)


def device_table(sheets: Sequence[Sheet]) -> RenderableType:
    """One row a device: how it is predicted, and the least sure of its figures."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in ("device", "predicted by", "weakest figure", "what it is"):
        table.add_column(title)
    for sheet in sheets:
        claim = sheet.weakest if sheet.figures else "–"
        table.add_row(sheet.name, sheet.kind, claim, Text(sheet.description))
    return Group(table, Text(_NOTE))


def figure_table(sheet: Sheet) -> Table:
    """One row a figure, with provenance and source."""
    table = Table(
        title=Text(f"{sheet.name}: {sheet.description}"), title_justify="left", box=SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("provenance")
    table.add_column("source")
    for name, figure in sheet.figures.items():
        table.add_row(name, f"{figure.value:g}", figure.provenance, Text(figure.source))
    return table


def predictor_table(predictor: DevicePredictor) -> RenderableType:
    """What was learned: cross-validated errors by learner, coverage, and the constants of the physics."""
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


def validation_table(found: Validation) -> Table:
    """One figure a row."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column("figure")
    table.add_column("value", justify="right")
    rows = {
        "networks": f"{found.networks}",
        "mean absolute error": f"{found.mae:.4g} ms",
        "mean relative error": f"{found.mape:.2%}",
        "90th percentile of the relative error": f"{found.p90:.2%}",
        "share within 10 %": f"{found.within_10:.1%}",
        "Spearman": f"{found.spearman:.4f}",
        "Kendall": f"{found.kendall:.4f}",
        "measurements within their intervals": f"{found.coverage:.1%}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table
