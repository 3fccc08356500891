"""Which child of an ask promises most, by draws of its costs."""

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
"""Points in the box between the best and the worst costs, and at most how many of those that a candidate might gain;
by these a gain in hypervolume is measured."""

_AT_ONCE = 8
"""Rows of the front that points are compared with at once."""

_MARGIN = 0.01
"""The box reaches so far, in its own widths, below the best cost seen: what is predicted beyond counts no more. Random
directions begin so far above the worst."""

_INDIFFERENCE = 0.003
"""What is better than the front by no more than this share of the box is no gain (epsilon-dominance,
Laumanns et al. 2002, doi 10.1162/106365602760234108): a surrogate promises so much beside what is on the front, and
the asks would go there. Chosen on the NAS-Bench-201 table of `benchmarks/search_efficiency.py`."""

_DIRECTIONS = 64
"""Weights in one ask; the mean of the gains over many directions is the gain in hypervolume."""


@dataclass(frozen=True, slots=True)
class Prospects:
    """What is expected of an ask's children."""

    mean: Costs
    """Children × objectives."""
    draws: Costs
    """Draws × children × objectives."""
    violations: Costs
    """Draws × children: how far beyond the hard bounds."""


class Gain(Protocol):
    """A rule by which one of several children is chosen."""

    def best(self, prospects: Prospects, archive: Archive, rng: Generator) -> int:
        """The place of the most promising child; the archive has at least one entry."""


@dataclass(frozen=True, slots=True)
class WeightedCost:
    """The least weighted cost, weights drawn anew each time.

    Costs are measured from the best, in their scales (or bounds) or, where an objective has none, in their median
    distances.
    """

    problem: Problem

    def best(self, prospects: Prospects, archive: Archive, rng: Generator) -> int:
        """Its place."""
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
    """The greatest gain in hypervolume, averaged over the draws; only what is within all bounds gains.

    Expected hypervolume improvement (Emmerich et al. 2006, doi 10.1109/TEVC.2005.859463), by sampling. Where no child
    gains in any draw, it is the best in a random direction. One that breaks a hard bound in every draw is taken only
    where each does.
    """

    problem: Problem

    def best(self, prospects: Prospects, archive: Archive, rng: Generator) -> int:
        """Its place."""
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
    """The greatest gain over the front in random directions (Zhang and Golovin 2020, arXiv 2006.04655).

    Without a gain it is the best in one direction. A hard bound on a drawn metric decides by what is drawn. If every
    child breaks one, the least violation wins.
    """

    def best(self, prospects: Prospects, archive: Archive, rng: Generator) -> int:
        """Its place."""
        costs, violations = prospects.draws[0], prospects.violations[0]
        observed = _observed(archive)
        low, span = observed.min(axis=0), np.ptp(observed, axis=0)
        weights = np.abs(rng.standard_normal((_DIRECTIONS, observed.shape[1])))
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)

        def reach(rows: Costs) -> Costs:
            """From the reference point towards the ideal, direction by direction: directions × rows."""
            ahead = 1 + _MARGIN - (rows - low) / np.where(span > 0, span, 1.0)
            return np.asarray((ahead / weights[:, None]).min(axis=2))

        best = reach(observed[archive.front.items]).max(axis=1, initial=0.0)
        ahead = reach(costs)
        power = costs.shape[1]
        gains = (np.maximum(ahead, best[:, None]) ** power - best[:, None] ** power).mean(axis=0)
        gains[violations > 0] = 0.0
        return int(np.lexsort((-ahead[0], violations, -gains))[0])


def open_points(front: Costs, worst: Costs, limits: Costs, rng: Generator) -> Costs:
    """Points well clear of what the front dominates, of so many drawn evenly between the best and the worst costs.

    What is beyond the `limits` gains nothing; where no cost is within one yet, the box lies just within it.
    """
    high = np.minimum(worst, limits)
    low = np.minimum(front.min(axis=0), high)
    width = np.where(low < high, high, worst) - low
    low = low - _MARGIN * width
    points = low + (high - low) * rng.random((_POINTS, front.shape[1]))
    return np.asarray(points[~reached(points, front - _INDIFFERENCE * width)])


def reached(points: Costs, costs: Costs) -> NDArray[np.bool_]:
    """Which points are dominated by a row of costs; those of the rows that dominate most are soon left out."""
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
    """The hypervolume that each row of costs would add to the front: how many of its open points it dominates."""
    return np.asarray(_no_worse(costs, points).sum(axis=1))


def _observed(archive: Archive) -> Costs:
    return np.array([entry.costs for entry in archive.entries])


def _nearest(costs: Costs, drawn: Costs, rng: Generator) -> int:
    """The row of `drawn` that is best in a random direction."""
    low = costs.min(axis=0)
    weights = rng.dirichlet(np.ones(costs.shape[1]))
    return int(np.argmin(((drawn - low) / np.maximum(costs.max(axis=0) - low, 1e-12) * weights).max(axis=1)))


def _no_worse(costs: Costs, others: Costs) -> NDArray[np.bool_]:
    """Whether each row of `costs` is, in every column, at most each of `others`."""
    return np.asarray(np.logical_and.reduce([a[:, None] <= b for a, b in zip(costs.T, others.T, strict=True)]))
