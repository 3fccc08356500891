"""Chooses the most promising child of an ask, by draws of its costs."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from search_algorithms.pareto import non_dominated
from search_algorithms.problem import Problem, ProblemError
from search_algorithms.search_archive import Archive

Costs = NDArray[np.float64]

_POINTS = 40_000
_COUNTED = 2000
"""The number of points drawn in the box between the best and the worst costs, and the most of them that are kept among
those that a candidate might gain. A gain in hypervolume is the number of points gained."""

_AT_ONCE = 8
"""The number of rows of the front with which points are compared at once."""

_MARGIN = 0.01
"""The margin of the box below the best cost seen, as a share of its width; predictions beyond it gain nothing more.
Random directions begin at the same margin above the worst cost."""

_INDIFFERENCE = 0.003
"""A candidate that is better than the front by no more than this share of the box gains nothing (epsilon-dominance,
Laumanns et al. 2002, doi 10.1162/106365602760234108). Otherwise all asks would go to the direct neighbourhood of the
front, where a surrogate always promises about this much. Chosen on the NAS-Bench-201 table of
`benchmarks/search_efficiency.py`."""

_DIRECTIONS = 64
"""The number of directions in one ask; the mean gain over many directions is the gain in hypervolume."""


@dataclass(frozen=True, slots=True)
class Prospects:
    """The predictions for an ask's children."""

    mean: Costs
    """Predicted costs, (children, objectives)."""
    draws: Costs
    """Drawn costs, (draws, children, objectives)."""
    violations: Costs
    """Drawn violations of the hard bounds, (draws, children)."""


class Gain(Protocol):
    """A rule by which one of several children is chosen."""

    def best(self, prospects: Prospects, archive: Archive, rng: Generator) -> int:
        """The index of the most promising child; the archive has at least one entry."""


@dataclass(frozen=True, slots=True)
class WeightedCost:
    """Chooses the child with the least weighted cost; weights are drawn anew for each ask.

    Costs are measured from the best one, in units of their scales (`Problem.scales`), or of their median distances
    where an objective has no scale.
    """

    problem: Problem

    def best(self, prospects: Prospects, archive: Archive, rng: Generator) -> int:
        """The index of that child."""
        observed = _observed(archive)
        low = observed.min(axis=0)
        try:
            widths = np.array(self.problem.scales())
        except ProblemError:
            widths = np.median(observed, axis=0) - low
        weights = 1.0 - rng.random(len(low))  # in (0, 1]
        weighted = (prospects.draws.mean(axis=0) - low) / np.maximum(widths, 1e-12) * weights
        return int(np.argmin(weighted.max(axis=1)))


@dataclass(frozen=True, slots=True)
class AddedHypervolume:
    """Chooses the child with the greatest mean gain in hypervolume over the draws, counted within all bounds.

    This is the expected hypervolume improvement (Emmerich et al. 2006, doi 10.1109/TEVC.2005.859463), by sampling.
    Where no child gains in any draw, it is the best child in a random direction. A child that breaks a hard bound in
    every draw is chosen only where all do.
    """

    problem: Problem

    def best(self, prospects: Prospects, archive: Archive, rng: Generator) -> int:
        """The index of that child."""
        observed, limits = _observed(archive), np.array(self.problem.limits())
        broken = np.asarray((prospects.violations > 0).all(axis=0))
        if broken.all():
            return int(np.argmin(prospects.violations.mean(axis=0)))
        draws, mean = (np.where(broken[:, None], np.inf, costs) for costs in (prospects.draws, prospects.mean))
        points = open_points(observed[archive.front.items], observed.max(axis=0), limits, rng)
        points = points[reached(points, draws.min(axis=0))][:_COUNTED]
        gains = sum(gained(points, drawn) for drawn in draws)
        if np.any(gains):
            return int(np.argmax(gains))
        return _nearest(observed, mean + np.nan_to_num(np.maximum(mean - limits, 0)), rng)


@dataclass(frozen=True, slots=True)
class GainInDirections:
    """Chooses the child with the greatest gain over the front in random directions.

    Where no child gains, it is the best child in one direction. A hard bound on a drawn metric is judged by the draw.
    If every child breaks a hard bound, the least violation wins. Source: Zhang and Golovin 2020 (arXiv 2006.04655).
    """

    def best(self, prospects: Prospects, archive: Archive, rng: Generator) -> int:
        """The index of that child."""
        costs, violations = prospects.draws[0], prospects.violations[0]
        observed = _observed(archive)
        low, span = observed.min(axis=0), np.ptp(observed, axis=0)
        weights = np.abs(rng.standard_normal((_DIRECTIONS, observed.shape[1])))
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)

        def reach(rows: Costs) -> Costs:
            """How far each row gets from the reference point towards the ideal, (directions, rows)."""
            ahead = 1 + _MARGIN - (rows - low) / np.where(span > 0, span, 1.0)
            return np.asarray((ahead / weights[:, None]).min(axis=2))

        best = reach(observed[archive.front.items]).max(axis=1, initial=0.0)
        ahead = reach(costs)
        power = costs.shape[1]
        gains = (np.maximum(ahead, best[:, None]) ** power - best[:, None] ** power).mean(axis=0)
        gains[violations > 0] = 0.0
        return int(np.lexsort((-ahead[0], violations, -gains))[0])


def open_points(front: Costs, worst: Costs, limits: Costs, rng: Generator) -> Costs:
    """Points well outside of what the front dominates, from points drawn evenly between the best and the worst costs.

    Costs beyond the `limits` gain nothing; where no cost is within a limit yet, the box lies just within it.
    """
    high = np.minimum(worst, limits)
    low = np.minimum(front.min(axis=0), high)
    width = np.where(low < high, high, worst) - low
    low = low - _MARGIN * width
    points = low + (high - low) * rng.random((_POINTS, front.shape[1]))
    return np.asarray(points[~reached(points, front - _INDIFFERENCE * width)])


def reached(points: Costs, costs: Costs) -> NDArray[np.bool_]:
    """Which points some row of costs dominates, (points,); rows that dominate most are compared first."""
    rows = costs[non_dominated(costs)]
    heavy = rows[np.argsort(-np.prod(np.maximum(points.max(axis=0, initial=-np.inf) - rows, 0), axis=1), kind="stable")]
    left, columns = np.arange(len(points)), np.ascontiguousarray(points.T)
    for some in np.split(heavy, range(_AT_ONCE, len(heavy), _AT_ONCE)):
        open_still = ~_no_worse(some, columns.T).any(axis=0)
        left, columns = left[open_still], columns[:, open_still]
    dominated = np.ones(len(points), np.bool_)
    dominated[left] = False
    return dominated


def gained(points: Costs, costs: Costs) -> NDArray[np.int64]:
    """The hypervolume that each row of costs would add to the front: the number of open points that it dominates."""
    return np.asarray(_no_worse(costs, points).sum(axis=1))


def _observed(archive: Archive) -> Costs:
    return np.array([entry.costs for entry in archive.entries])


def _nearest(costs: Costs, drawn: Costs, rng: Generator) -> int:
    """The row of `drawn` that is best in a random direction."""
    low = costs.min(axis=0)
    weights = rng.dirichlet(np.ones(costs.shape[1]))
    return int(np.argmin(((drawn - low) / np.maximum(costs.max(axis=0) - low, 1e-12) * weights).max(axis=1)))


def _no_worse(costs: Costs, others: Costs) -> NDArray[np.bool_]:
    """Whether each row of `costs` is, in every column, at most each row of `others`, (costs, others)."""
    return np.asarray(np.logical_and.reduce([a[:, None] <= b for a, b in zip(costs.T, others.T, strict=True)]))
