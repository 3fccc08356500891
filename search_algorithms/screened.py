"""Any strategy's offspring, screened: of several candidates that it would ask for, the one that promises most.

What training alone can tell is predicted, with its uncertainty, by an ensemble of boosted trees over the encoding and
what `measure` knows; that is exact. A candidate that breaks a hard bound is never taken where another is left.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from search_algorithms.nsga3 import NSGA3
from search_algorithms.problem import Candidate, Completed, Metrics, Outcome, Problem, ProblemError, Proposal
from search_algorithms.protocol import Continuing, Measure, SearchAlgorithm, Strategy
from search_algorithms.surrogate import Surrogate, fit_trees
from search_space import SearchSpace

Costs = NDArray[np.float64]

_FEWEST = 20
"""Candidates that must be told before a surrogate is fitted."""

_GROWTH = 1.1
"""It is fitted again when so many times the candidates of its last fit are told (at least one more)."""

_APART = 2**40
"""No candidate has such a number: what a strategy would ask for under it, it will not ask again."""


@dataclass(frozen=True, slots=True)
class Screened:
    """Settings: of `children` candidates that `strategy` would ask for, a surrogate chooses the one that is asked for.

    It learns the ranks of the costs in place of the costs, so that neither their units nor a failed training matter,
    and draws its predictions from what it is unsure of. Chosen is the candidate of the least weighted cost, weights
    drawn anew for each ask, costs measured from the best in their scales (or bounds) or, where an objective has none,
    in their median distances. Nothing is screened before 20 candidates are told.
    """

    strategy: Strategy = field(default_factory=NSGA3)
    children: int = 8

    def __post_init__(self) -> None:
        if isinstance(self.strategy, type) or not isinstance(self.strategy, Strategy):
            raise ProblemError(f"Screened: strategy must be a strategy such as NSGA3(), not {self.strategy!r}")
        if type(self.children) is not int or self.children < 2:
            raise ProblemError(f"Screened: children must be a whole number of at least 2, not {self.children!r}")

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> "_Screened":
        """The search before its first ask. Raises `ProblemError` where the strategy does, or continues candidates."""
        strategy = self.strategy.start(space, problem, seed, measure)
        if isinstance(strategy, Continuing):
            raise ProblemError(
                f"Screened: {type(self.strategy).__name__} continues candidates; put Screened(...) inside it"
            )
        return _Screened(self.children, space, problem, seed, measure, strategy)


class _Screened:
    def __init__(
        self,
        children: int,
        space: SearchSpace[Any],
        problem: Problem,
        seed: int,
        measure: Measure,
        strategy: SearchAlgorithm,
    ) -> None:
        self._children, self._space, self._problem = children, space, problem
        self._seed, self._measure, self._strategy = seed, measure, strategy
        self._known: set[Any] = set()
        """Every genotype that was asked, whatever became of it."""
        self._encoded: list[NDArray[np.float64]] = []
        self._costs: list[tuple[float, ...]] = []
        self._surrogates: dict[int, Surrogate] = {}
        """Of each objective that only training tells, by its place."""
        self._names: tuple[str, ...] = ()
        """The metrics that `measure` knows."""
        self._sorted: Costs = np.empty((0, 0))
        """The costs that the surrogates were fitted to, each objective's in order; none before."""
        self._next_fit = _FEWEST

    def ask(self, number: int) -> Proposal | None:
        first = self._strategy.ask(number)
        if first is None or not len(self._sorted):
            return first
        others = (self._strategy.ask(_APART + number * self._children + turn) for turn in range(1, self._children))
        pool = {p.genotype: p for p in (first, *others) if p is not None and p.genotype not in self._known}
        metrics = {genotype: self._measure(genotype) for genotype in pool}
        allowed = [genotype for genotype in pool if self._allowed(metrics[genotype])]
        if not allowed:
            return first
        rng = np.random.default_rng([self._seed, number, 1])
        costs = self._drawn(allowed, [metrics[genotype] for genotype in allowed], rng)
        weights = 1.0 - rng.random(costs.shape[1])  # in (0, 1]
        return pool[allowed[int(np.argmin((self._shares(costs) * weights).max(axis=1)))]]

    def asked(self, candidate: Candidate) -> None:
        self._known.add(candidate.genotype)
        self._strategy.asked(candidate)

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        self._strategy.tell(candidate, outcome)
        if not isinstance(outcome, Completed):
            return
        known = self._measure(candidate.genotype)
        if not self._costs:
            self._names = tuple(sorted(known))
        self._encoded.append(self._row(candidate.genotype, known))
        self._costs.append(self._problem.costs(outcome.metrics))
        if len(self._costs) >= self._next_fit:
            self._fit()

    def _fit(self) -> None:
        """By all that is told, for each objective that only training tells."""
        encoded, costs = np.array(self._encoded), np.array(self._costs)
        self._sorted = np.sort(costs, axis=0)
        self._next_fit = max(len(costs) + 1, int(len(costs) * _GROWTH))
        for column, objective in enumerate(self._problem.objectives):
            if objective.metric in self._names:
                continue
            known, values = self._sorted[:, column], costs[:, column]
            first, end = (np.searchsorted(known, values, side) for side in ("left", "right"))
            ranks = (first + end - 1) / 2  # of equals, their mean
            self._surrogates[column] = fit_trees(encoded, ranks[:, None], self._seed)

    def _drawn(self, genotypes: list[Any], metrics: list[Metrics], rng: Generator) -> Costs:
        """A draw of each genotype's costs; exact where `measure` knows them."""
        rows = np.array([self._row(genotype, known) for genotype, known in zip(genotypes, metrics, strict=True)])
        columns = []
        for column, objective in enumerate(self._problem.objectives):
            if column not in self._surrogates:
                columns.append(np.array([objective.cost(known) for known in metrics]))
                continue
            mean, spread = self._surrogates[column].predict(rows)
            ranks = (mean + spread * rng.standard_normal(mean.shape))[:, 0]
            columns.append(np.interp(ranks, np.arange(len(self._sorted)), self._sorted[:, column]))
        return np.stack(columns, axis=1)

    def _shares(self, costs: Costs) -> Costs:
        """Distances from the best costs told, in the objectives' scales or else the median distance."""
        best = self._sorted[0]
        try:
            widths = np.array(self._problem.scales())
        except ProblemError:
            widths = np.median(self._sorted, axis=0) - best
        return np.asarray((costs - best) / np.maximum(widths, 1e-12))

    def _allowed(self, metrics: Metrics) -> bool:
        """Whether all is known that can be, and within the hard bounds."""
        return not self._problem.broken(metrics) and all(name in metrics for name in self._names)

    def _row(self, genotype: Any, metrics: Metrics) -> NDArray[np.float64]:
        """What is known of a genotype before training: its encoding and its metrics."""
        return np.append(self._space.encode(genotype), [metrics[name] for name in self._names])
