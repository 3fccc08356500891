"""Standard networks compared with the front: is a candidate better than the standard model at this budget?"""

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from edgevolve.reports.quantities import quantity
from edgevolve.runs import Run
from search_space.topologies import TOPOLOGIES


def standard_lines(run: Run) -> list[str]:
    """A line for each standard network trained: objectives, broken bounds, and how the front compares."""
    return [
        f"{_title(name)}, {event.epochs} epochs: {_words(run, event.metrics)}; {_verdict(run, event.metrics)}"
        for name, event in sorted(run.standards.items())
    ]


def standards_table(run: Run, costs: Mapping[str, Mapping[str, float]]) -> Table:
    """A row a standard network: costs, broken bounds, and scores if it was trained."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    names = [name for name in _objectives(run) if any(name in cost for cost in costs.values()) or run.standards]
    for title in ("network", "for --train", *(run.metric(name).title for name in names), "beside the front"):
        table.add_column(title, justify="left" if title in ("network", "for --train", "beside the front") else "right")
    for name, cost in costs.items():
        event = run.standards.get(name)
        known = {**cost, **(event.metrics if event else {})}
        words = _verdict(run, known) if event else "; ".join(["not trained", *_broken(run, known)])
        cells = (quantity(run.metric(shown), known[shown]) if shown in known else "" for shown in names)
        table.add_row(*map(Text, (_title(name), name, *cells, words)))
    return table


def _title(name: str) -> str:
    return TOPOLOGIES[name].words if name in TOPOLOGIES else name


def _objectives(run: Run) -> list[str]:
    return [objective.metric for objective in run.problem.objectives]


def _words(run: Run, metrics: Mapping[str, float]) -> str:
    known = (name for name in _objectives(run) if name in metrics)
    return ", ".join(f"{run.metric(name).title} {quantity(run.metric(name), metrics[name])}" for name in known)


def _broken(run: Run, metrics: Mapping[str, float]) -> list[str]:
    """The hard bounds on known metrics that a network breaks, in words."""
    broken = [
        str(bound)
        for bound in run.problem.constraints
        if bound.hard and bound.metric in metrics and bound.broken(metrics)
    ]
    return [f"breaks {', '.join(broken)}"] if broken else []


def _verdict(run: Run, metrics: Mapping[str, float]) -> str:
    if any(name not in metrics for name in _objectives(run)):
        return "; ".join([*_broken(run, metrics), "not all objectives are known of it"])
    costs = run.problem.costs(metrics)
    better = [
        record.number
        for record in run.front
        if all(ours <= its for ours, its in zip(run.problem.costs(record.metrics), costs, strict=True))
    ]
    if not better:
        words = "no candidate of the front is as good in every objective"
    else:
        some = ", ".join(map(str, better[:5])) + (" and more" if len(better) > 5 else "")
        words = f"candidate{'s' if len(better) > 1 else ''} {some} {'are' if len(better) > 1 else 'is'} better"
    return "; ".join([*_broken(run, metrics), words])
