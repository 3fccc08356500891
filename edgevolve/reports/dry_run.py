"""The dry run of a configuration as a table."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgevolve.metric import Metric, metric
from edgevolve.reports.device_tables import board_lines
from edgevolve.reports.metrics import sources
from edgevolve.reports.quantities import quantity
from edgevolve.runs import SearchConfig
from edgevolve.runs.feasibility import Feasibility
from resource_models import FLASH

_FILE_ALONE = (
    f"{FLASH.name} is the file alone: TensorFlow Lite Micro takes 50 to 180 kB beside it, and the program its own; "
    "SearchConfig(board=...) counts both."
)


def feasibility_table(config: SearchConfig, tried: Feasibility) -> RenderableType:
    """A row for each bound, and for each other metric of a device.

    A row gives the share of random networks that break the bound and the range of the metric. For a device's metric it
    also gives the share of networks with an interval.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    predicted = [metric for one in config.devices_used for metric in one.metrics]
    described = {one.name: one for one in config.described(config.task)}
    for name in ("bound", "", "broken by", "lowest", "highest", *(["with interval"] if predicted else [])):
        table.add_column(name, justify="left" if name == "bound" else "right")
    for constraint in config.problem.constraints:
        known = metric(constraint.metric, described)
        sign = "≤" if constraint.sense == "at_most" else "≥"
        cells = [f"{known.title} {sign} {quantity(known, constraint.bound)}"]
        if known.name not in tried.lowest:
            cells += ["soft" if not constraint.hard else "hard", "known after training", "", ""]
        elif constraint.hard:
            cells += ["hard", f"{tried.broken.get(str(constraint), 0) / tried.samples:.1%}", *_range(tried, known)]
        else:
            cells += ["soft", "", *_range(tried, known)]
        table.add_row(*cells, *([_with_interval(tried, known.name)] if known.name in predicted else []))
    bounded = {constraint.metric for constraint in config.problem.constraints}
    for name in dict.fromkeys(predicted):
        if name not in bounded:
            known = metric(name, described)
            table.add_row(known.title, "", "no bound", *_range(tried, known), _with_interval(tried, name))
    share = f"{tried.feasible / tried.samples:.1%} of {tried.samples} random networks are within all hard bounds"
    if tried.broken:
        bound, _ = max(tried.broken.items(), key=lambda item: item[1])
        share += f"; {bound} binds most"
    notes = [Text(line) for line in sources(config.devices_used, predicted)]
    notes += [Text(line) for line in board_lines(config.board_used)]
    if config.board is None and FLASH.name in bounded:
        notes.append(Text(_FILE_ALONE))
    for name, reason in tried.refused.items():
        refusing = tried.broken[f"runs on {name}"] / tried.samples
        notes.append(Text(f"{refusing:.1%} of them cannot run on {name}; the first: {reason}"))
    untrained = Text("Nothing was trained: the time a candidate takes is not known yet.")
    return Group(table, Text(""), Text(share), *notes, untrained)


def _range(tried: Feasibility, known: Metric) -> tuple[str, str]:
    if known.name not in tried.lowest:
        return ("of none", "")
    return quantity(known, tried.lowest[known.name]), quantity(known, tried.highest[known.name])


def _with_interval(tried: Feasibility, metric: str) -> str:
    return f"{tried.intervals.get(metric, 0) / tried.samples:.1%}"
