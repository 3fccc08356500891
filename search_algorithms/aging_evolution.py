"""Aging evolution (Real et al. 2019, arXiv 1802.01548) with μNAS's random-weight fitness (arXiv 2010.14246)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from search_algorithms.candidate import Candidate, Outcome, Proposal
from search_algorithms.problem import Metrics, Problem, check_whole
from search_algorithms.protocol import Measure
from search_algorithms.search_archive import Archive
from search_space import SearchSpace

_PATIENCE = 100
_FURTHEST = 10
"""The most steps that rejections in a row add to one mutation."""


@dataclass(frozen=True, slots=True)
class AgingEvolution:
    """Settings: the fittest of `sample_size` of the youngest `population` candidates is mutated.

    Fitness is -max(λ · min(value / scale, 10)), with a weight λ for each objective, drawn uniformly from (0, 1) anew
    for each ask. (μNAS divides by λ, so that one tiny weight decides alone.)
    """

    population: int = 100
    sample_size: int = 25

    def __post_init__(self) -> None:
        check_whole(self, population=1, sample_size=1)

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> "_AgingEvolution":
        """The search before its first ask. Raises `ProblemError` for an objective without scale."""
        return _AgingEvolution(self, space, problem, seed)


class _AgingEvolution:
    def __init__(self, settings: AgingEvolution, space: SearchSpace[Any], problem: Problem, seed: int) -> None:
        self._settings, self._space, self._seed = settings, space, seed
        self._problem = problem
        problem.scales()
        self._archive = Archive(problem)

    def ask(self, number: int) -> Proposal:
        rng = np.random.default_rng([self._seed, number])
        if self._archive.begun < self._settings.population or not self._archive.entries:
            return Proposal(self._space.sample(rng), change="random")
        parent = self._choose(rng)
        child = parent.genotype
        for _ in range(1 + min(self._archive.rejections // _PATIENCE, _FURTHEST)):
            child = self._space.mutate(child, rng)
        return Proposal(child, (parent.number,), self._space.difference(parent.genotype, child))

    def asked(self, candidate: Candidate) -> None:
        self._archive.asked(candidate)

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        self._archive.tell(candidate, outcome)

    def revise(self, metrics: Mapping[int, Metrics]) -> None:
        self._archive.revise(metrics)

    def _choose(self, rng: np.random.Generator) -> Candidate:
        """The fittest of a sample drawn with replacement, as in μNAS."""
        alive = self._archive.entries[-self._settings.population :]
        drawn = rng.integers(len(alive), size=self._settings.sample_size)
        shares = self._problem.shares_of(np.stack([alive[i].costs for i in drawn]))
        weights = 1.0 - rng.random(shares.shape[1])  # in (0, 1]
        return alive[int(drawn[np.argmin((shares * weights).max(axis=1))])].candidate
