"""The progress of a search: best so far, hypervolume and feasible share after each evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from edgevolve.reports.frames import seconds_active
from edgevolve.runs import Run
from search_algorithms import Completed, Problem, Rejected
from search_algorithms.pareto import Front, hypervolume

_LARGEST = 1e15
"""Larger costs are clipped to this, so that their products stay finite."""


@dataclass(frozen=True, slots=True)
class Box:
    """The box of which a hypervolume is a share: for each objective the costs from `low` to `high`."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def scaled(self, costs: Sequence[float]) -> NDArray[np.float64]:
        """Costs scaled so that the box goes from 0 to 1; costs below it become 0."""
        span = self.high - self.low
        return np.maximum((_bounded(costs) - self.low) / np.where(span > 0, span, 1.0), 0.0)

    def share(self, rows: Sequence[Sequence[float]]) -> float:
        """The hypervolume of `rows` of costs as a share of the box, 0 to 1; rows beyond it do not count."""
        scaled = [costs for costs in map(self.scaled, rows) if (costs <= 1).all()]
        return hypervolume(scaled, np.ones(len(self.low))) if scaled else 0.0


def common_box(runs: Sequence[Run]) -> Box | None:
    """The common box of runs with the same objectives; None if they differ or nothing completed within the bounds.

    Each side begins at 0, or at the lowest cost if that is below 0. It ends at the hard upper bound on the objective,
    or else at the highest cost of a candidate that completed within all hard bounds.
    """
    problems = [run.problem for run in runs]
    if any(problem.objectives != problems[0].objectives for problem in problems):
        return None
    rows = [problem.costs(r.metrics) for run, problem in zip(runs, problems, strict=True) for r in _within(run)]
    if not rows:
        return None
    costs = np.array([_bounded(row) for row in rows])
    return box_around(problems, costs.min(axis=0), costs.max(axis=0))


def box_around(problems: Sequence[Problem], lowest: NDArray[np.float64], highest: NDArray[np.float64]) -> Box:
    """The box of costs from `lowest`, or 0, to `highest`; hard upper bounds of the problems replace `highest`."""
    high = _bounded(highest)
    for index, objective in enumerate(problems[0].objectives):
        bounds = [
            c.bound
            for problem in problems
            for c in problem.constraints
            if c.hard and c.metric == objective.metric and c.sense == "at_most"
        ]
        if bounds and objective.direction == "minimise":
            high[index] = min(max(bounds), _LARGEST)
    return Box(np.minimum(_bounded(lowest), 0.0), high)


def history(run: Run, box: Box | None = None) -> pd.DataFrame:
    """A row an evaluation, in the order in which they ended.

    Columns: `evaluation` from 1, `seconds` of searching, `number` of the candidate, `feasible_share`, `hypervolume` (0
    to 1, of `box`, by default the run's own), and `best METRIC` for each objective. `feasible_share` (0 to 1) is the
    share of the distinct candidates asked for by then that kept every hard bound known before training. `best METRIC`
    is the best value within all hard bounds so far, NaN before there is one.
    """
    box = box or common_box([run])
    ended = sorted((r for r in run.records.values() if r.ended), key=lambda r: (r.session, r.ended, r.number))
    share = _feasible_share(run)
    best: dict[str, float] = {}
    front: Front[NDArray[np.float64]] = Front()
    volume, latest = 0.0, 0
    rows = []
    for evaluation, record in enumerate(ended, start=1):
        latest = max(latest, record.number)
        if isinstance(record.outcome, Completed) and not run.problem.broken(record.metrics):
            for objective in run.problem.objectives:
                value, name = record.metrics[objective.metric], objective.metric
                if name not in best or objective.cost(record.metrics) < objective.cost(best):
                    best[name] = value
            if box:
                costs = box.scaled(run.problem.costs(record.metrics))
                if (costs <= 1).all() and front.offer(costs, costs):
                    volume = hypervolume(front.items, np.ones(len(costs)))
        row = {"evaluation": evaluation, "seconds": seconds_active(run, record)[1], "number": record.number}
        row |= {"feasible_share": share[latest], "hypervolume": volume}
        rows.append(row | {f"best {name}": value for name, value in best.items()})
    names = ["evaluation", "seconds", "number", "feasible_share", "hypervolume"]
    return pd.DataFrame(rows, columns=[*names, *(f"best {o.metric}" for o in run.problem.objectives)])


def _within(run: Run) -> list[Completed]:
    outcomes = (record.outcome for record in run.records.values())
    return [o for o in outcomes if isinstance(o, Completed) and not run.problem.broken(o.metrics)]


def _feasible_share(run: Run) -> NDArray[np.float64]:
    """`Run.feasible_share` as it was after each candidate, by number."""
    outcomes = [record.outcome for record in run.records.values()]
    beyond = np.cumsum([isinstance(outcome, Rejected) and bool(outcome.broken) for outcome in outcomes])
    distinct = np.cumsum([not isinstance(outcome, Rejected) or outcome.twin is None for outcome in outcomes])
    share: NDArray[np.float64] = np.divide(distinct - beyond, np.maximum(distinct, 1), dtype=np.float64)
    return share


def _bounded(costs: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    clipped: NDArray[np.float64] = np.clip(np.asarray(costs, dtype=float), -_LARGEST, _LARGEST)
    return clipped
