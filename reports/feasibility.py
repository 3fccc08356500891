"""The dry run of a configuration as a table."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reports.metrics import provenance
from reports.quantities import quantity, title
from runs import SearchConfig
from runs.feasibility import Feasibility


def feasibility_table(config: SearchConfig, found: Feasibility) -> RenderableType:
    """A row a bound that is known before training: how many random networks break it, and what they range over."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("bound", "", "broken by", "lowest", "highest"):
        table.add_column(name, justify="left" if name == "bound" else "right")
    for constraint in config.problem.constraints:
        metric = constraint.metric
        sign = "≤" if constraint.sense == "at_most" else "≥"
        cells = [f"{title(metric)} {sign} {quantity(metric, constraint.bound)}"]
        if metric not in found.lowest:
            cells += ["soft" if not constraint.hard else "hard", "known after training", "", ""]
        elif constraint.hard:
            cells += ["hard", f"{found.broken.get(str(constraint), 0) / found.samples:.1%}"]
            cells += [quantity(metric, found.lowest[metric]), quantity(metric, found.highest[metric])]
        else:
            cells += ["soft", "", quantity(metric, found.lowest[metric]), quantity(metric, found.highest[metric])]
        table.add_row(*cells)
    share = f"{found.feasible / found.samples:.1%} of {found.samples} random networks are within all hard bounds"
    if found.broken:
        bound, _ = max(found.broken.items(), key=lambda item: item[1])
        share += f"; {bound} binds most"
    sources = [
        Text(f"{metric}: {words}; {_range(found, metric)}") for metric, words in provenance(config.devices_used).items()
    ]
    for name, reason in found.refused.items():
        refusing = found.broken[f"runs on {name}"] / found.samples
        sources.append(Text(f"{refusing:.1%} of them cannot run on {name}; the first: {reason}"))
    untrained = Text("Nothing was trained: the time a candidate takes is not known yet.")
    return Group(table, Text(""), Text(share), *sources, untrained)


def _range(found: Feasibility, metric: str) -> str:
    if metric not in found.lowest:
        return "of none of them known"
    return f"from {quantity(metric, found.lowest[metric])} to {quantity(metric, found.highest[metric])}"
