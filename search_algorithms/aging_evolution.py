"""Aging evolution (Real et al. 2019, arXiv 1802.01548) with μNAS's random-weight fitness (arXiv 2010.14246)."""

from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from search_algorithms.candidate import Candidate, Completed, Outcome, Proposal, Rejected
from search_algorithms.problem import Problem, ProblemError, check_whole
from search_algorithms.protocol import Measure
from search_space import SearchSpace

_PATIENCE = 100
_FURTHEST = 10
"""Every so many rejections in a row add a step to the next mutation, up to this many."""


@dataclass(frozen=True, slots=True)
class AgingEvolution:
    """Settings: the fittest of `sample_size` of the youngest `population` candidates is mutated.

    Fitness is drawn anew for each ask: weights λ uniform in (0, 1), one an objective, and
    -max(λ · min(value / scale, 10)) with `weights="multiply"`. `weights="divide"` is μNAS's original,
    value / scale / λ, in which one tiny weight decides alone.
    """

    population: int = 100
    sample_size: int = 25
    weights: Literal["multiply", "divide"] = "multiply"

    def __post_init__(self) -> None:
        check_whole(self, population=1, sample_size=1)
        if self.weights not in ("multiply", "divide"):
            raise ProblemError(f"AgingEvolution: weights must be 'multiply' or 'divide', not {self.weights!r}")

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> "_AgingEvolution":
        """The search before its first ask. Raises `ProblemError` for an objective without scale."""
        return _AgingEvolution(self, space, problem, seed)


class _AgingEvolution:
    def __init__(self, settings: AgingEvolution, space: SearchSpace[Any], problem: Problem, seed: int) -> None:
        self._settings = settings
        self._space = space
        self._problem = problem
        self._seed = seed
        self._objectives = len(problem.scales())
        self._alive: deque[tuple[Candidate, NDArray[np.float64]]] = deque(maxlen=settings.population)
        self._founders = 0
        """Candidates asked and not rejected or failed: below the population's size, the next is random."""
        self._rejections = 0
        """In a row: where every neighbour of the living is known or out of bounds, children go further."""

    def ask(self, number: int) -> Proposal:
        rng = np.random.default_rng([self._seed, number])
        if self._founders < self._settings.population or not self._alive:
            return Proposal(self._space.sample(rng), change="random")
        parent = self._choose(rng)
        child = parent.genotype
        for _ in range(1 + min(self._rejections // _PATIENCE, _FURTHEST)):
            child = self._space.mutate(child, rng)
        return Proposal(child, (parent.number,), self._space.difference(parent.genotype, child))

    def asked(self, candidate: Candidate) -> None:
        self._founders += 1

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        self._rejections = self._rejections + 1 if isinstance(outcome, Rejected) else 0
        if isinstance(outcome, Completed):
            self._alive.append((candidate, np.array(self._problem.shares(outcome.metrics))))
        else:
            self._founders -= 1

    def _choose(self, rng: np.random.Generator) -> Candidate:
        """The fittest of a sample drawn with replacement, as in μNAS."""
        drawn = rng.integers(len(self._alive), size=self._settings.sample_size)
        weights = 1.0 - rng.random(self._objectives)  # in (0, 1]
        costs = np.stack([self._alive[i][1] for i in drawn])
        weighted = costs * weights if self._settings.weights == "multiply" else costs / weights
        return self._alive[drawn[int(np.argmin(weighted.max(axis=1)))]][0]
