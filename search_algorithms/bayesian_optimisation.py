"""Bayesian optimisation: Gaussian processes, Thompson sampling, random weights.

An ask draws one function from the process of each metric that only an evaluation tells (Kandasamy et al. 2018,
"Parallelised Bayesian optimisation via Thompson sampling"), and takes of a pool the candidate whose drawn and measured
costs gain most over the front in random directions (Zhang and Golovin 2020, "Random hypervolume scalarizations for
provable multi-objective black box optimization", arXiv 2006.04655). What is in flight counts as if it had been observed
the mean (the constant liar of Ginsbourg, Le Riche and Carraro 2010, doi 10.1007/978-3-642-10701-6_6).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from search_algorithms.candidate import Candidate, Completed, Outcome, Proposal, fresh
from search_algorithms.pareto import Front, non_dominated_sort
from search_algorithms.problem import Metrics, Problem, check_whole
from search_algorithms.protocol import Exhausted, Measure
from search_algorithms.surrogate import Prior, draw, likeliest_prior
from search_space import SearchSpace

Array = NDArray[np.float64]

_REFIT_GROWTH = 1.2
"""Priors are chosen again when so many times the candidates of the last choice are observed (at least one more)."""

_MOST_ROWS = 500
"""Of more observed candidates than that, the processes see the best by non-dominated rank."""

_DIRECTIONS = 64
"""Weights in one ask; the mean of the gains over many directions is the gain in hypervolume."""

_BEYOND = 0.01
"""The reference point lies so far beyond the worst costs observed, in shares of their range."""

_CHILDREN = 8
_ANOTHER_STEP = 0.5
"""The chance that mutants are one step further away."""

_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class BayesianOptimisation:
    """Settings: after `founders` random candidates, propose the best of a pool under a draw of the Gaussian processes.

    The pool holds eight mutants, one or a few steps away, of each of `parents` random members of the front, and
    `samples` random candidates. Priors are fitted again whenever the number of observed candidates has grown by a
    fifth. A metric that `measure` gives is exact and needs no process. The cost of an ask grows with the cube of the
    number of observed candidates, up to 500; the strategy is meant for some 200 evaluations.
    """

    founders: int = 15
    parents: int = 6
    samples: int = 16

    def __post_init__(self) -> None:
        check_whole(self, founders=2, parents=0, samples=1)

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> "_BayesianOptimisation":
        """The search before its first ask."""
        return _BayesianOptimisation(self, space, problem, seed, measure)


class _BayesianOptimisation:
    def __init__(
        self, settings: BayesianOptimisation, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure
    ) -> None:
        self._settings, self._space, self._problem = settings, space, problem
        self._seed, self._measure = seed, measure
        self._names = sorted(problem.metrics)
        self._known: set[Any] = set()
        """Every genotype that was asked, whatever became of it."""
        self._in_flight: dict[int, Candidate] = {}
        self._observed: list[Candidate] = []
        self._metrics: list[list[float]] = []
        """Of each observed candidate, in the order of the names."""
        self._costs: list[tuple[float, ...]] = []
        self._violations: list[float] = []
        self._front: Front[int] = Front()
        """Places among the observed: the feasible that nothing feasible dominates."""
        self._priors: dict[str, Prior] = {}
        self._next_choice = settings.founders

    def ask(self, number: int) -> Proposal:
        rng = np.random.default_rng([self._seed, number])
        if len(self._observed) < self._settings.founders:
            return self._random(rng)
        pool = self._pool(rng)
        if not pool:
            return self._random(rng)
        genotypes = list(pool)
        drawn = self._drawn(genotypes, rng)
        costs = np.array([self._problem.costs(metrics) for metrics in drawn])
        violations = np.array([self._problem.violation(metrics) for metrics in drawn])
        best = genotypes[self._choose(costs, violations, rng)]
        return self._proposal(best, pool[best])

    def asked(self, candidate: Candidate) -> None:
        self._known.add(candidate.genotype)
        self._in_flight[candidate.number] = candidate

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        del self._in_flight[candidate.number]
        if not isinstance(outcome, Completed):
            return
        metrics = [float(outcome.metrics[name]) for name in self._names]
        if not np.isfinite(metrics).all():
            return
        self._observed.append(candidate)
        self._metrics.append(metrics)
        self._costs.append(self._problem.costs(outcome.metrics))
        self._violations.append(self._problem.violation(outcome.metrics))
        if not self._violations[-1]:
            self._front.offer(self._costs[-1], len(self._observed) - 1)
        if len(self._observed) == self._next_choice:
            self._choose_priors()

    def _choose_priors(self) -> None:
        """By all that is observed; a function of how many that is, so of a prefix of the tells."""
        observed = len(self._observed)
        rows = self._rows()
        encoded = self._encoded([self._observed[row].genotype for row in rows])
        metrics = np.array(self._metrics)[rows]
        measured = self._measure(self._observed[0].genotype)
        self._priors = {
            name: likeliest_prior(encoded, metrics[:, column])
            for column, name in enumerate(self._names)
            if name not in measured
        }
        self._next_choice = max(observed + 1, int(observed * _REFIT_GROWTH))

    def _rows(self) -> NDArray[np.int64]:
        """Places of the observed that the processes see."""
        if len(self._observed) <= _MOST_ROWS:
            return np.arange(len(self._observed))
        return np.sort(np.concatenate(non_dominated_sort(self._costs))[:_MOST_ROWS])

    def _random(self, rng: Generator) -> Proposal:
        genotype = fresh(self._space.sample(rng), lambda _: self._space.sample(rng), self._known, _ATTEMPTS - 1)
        if genotype not in self._known:
            return Proposal(genotype, change="random")
        raise Exhausted(f"{_ATTEMPTS} random networks were all asked before")

    def _pool(self, rng: Generator) -> dict[Any, Candidate | None]:
        """Unknown candidates, each with its parent."""
        parents = self._front.items or [int(np.argmin(self._violations))]
        pool: dict[Any, Candidate | None] = {}
        for _ in range(self._settings.parents):
            parent = self._observed[parents[int(rng.integers(len(parents)))]]
            pool |= dict.fromkeys(self._mutants(parent.genotype, rng), parent)
        for _ in range(self._settings.samples):
            pool[self._space.sample(rng)] = None
        return {genotype: parent for genotype, parent in pool.items() if genotype not in self._known}

    def _mutants(self, genotype: Any, rng: Generator) -> list[Any]:
        """Neighbours of a genotype, or of a neighbour, or of a neighbour's."""
        children = list(self._space.neighbours(genotype, rng))
        while children and rng.random() < _ANOTHER_STEP:
            children = list(self._space.neighbours(children[int(rng.integers(len(children)))], rng))
        return [children[int(i)] for i in rng.permutation(len(children))[:_CHILDREN]]

    def _drawn(self, genotypes: list[Any], rng: Generator) -> list[Metrics]:
        """The metrics of each genotype: as measured, and drawn where only an evaluation tells them."""
        rows = self._rows()
        waiting = [candidate.genotype for candidate in self._in_flight.values()]
        encoded = self._encoded([self._observed[row].genotype for row in rows] + waiting)
        at = self._encoded(genotypes)
        columns = {}
        for name, prior in self._priors.items():
            values = np.array(self._metrics)[rows, self._names.index(name)]
            lies = np.full(len(waiting), values.mean())
            columns[name] = draw(prior, encoded, np.concatenate([values, lies]), at, rng).tolist()
        drawn: list[Metrics] = []
        for row, genotype in enumerate(genotypes):
            drawn.append({name: column[row] for name, column in columns.items()} | dict(self._measure(genotype)))
        return drawn

    def _choose(self, costs: Array, violations: Array, rng: Generator) -> int:
        """The row within the bounds that gains most over the front; without a gain the best in one direction.

        A hard bound on a drawn metric decides by what is drawn. If every row breaks one, the least violation wins.
        """
        observed = np.array(self._costs)
        low, span = observed.min(axis=0), np.ptp(observed, axis=0)
        weights = np.abs(rng.standard_normal((_DIRECTIONS, observed.shape[1])))
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)

        def reach(rows: Array) -> Array:
            """From the reference point towards the ideal, direction by direction: directions × rows."""
            ahead = 1 + _BEYOND - (rows - low) / np.where(span > 0, span, 1.0)
            return np.asarray((ahead / weights[:, None]).min(axis=2))

        best = reach(observed[self._front.items]).max(axis=1, initial=0.0)
        reached = reach(costs)
        power = costs.shape[1]
        gains = (np.maximum(reached, best[:, None]) ** power - best[:, None] ** power).mean(axis=0)
        gains[violations > 0] = 0.0
        return int(np.lexsort((-reached[0], violations, -gains))[0])

    def _encoded(self, genotypes: Sequence[Any]) -> Array:
        """Rows for the processes; what is no finite number counts as 0."""
        rows = np.array([self._space.encode(genotype) for genotype in genotypes])
        return np.where(np.isfinite(rows), rows, 0.0)

    def _proposal(self, genotype: Any, parent: Candidate | None) -> Proposal:
        if parent is None:
            return Proposal(genotype, change="random, the best of a draw")
        return Proposal(genotype, (parent.number,), self._space.difference(parent.genotype, genotype))
