"""Pareto local search (Paquete et al. 2004), for networks as in White et al. 2021 (arXiv 2005.02960)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from search_algorithms.candidate import Candidate, Completed, Outcome, Proposal, fresh
from search_algorithms.pareto import Front
from search_algorithms.problem import Problem, check_whole
from search_algorithms.protocol import Exhausted, Measure
from search_space import SearchSpace

_CENTRES = 10
"""So many members of the front are looked around before a fresh start."""

_SAMPLES = 100


@dataclass(frozen=True, slots=True)
class LocalSearch:
    """Settings: after `founders` random candidates, the neighbours of random members of the front, each once.

    If all of them were proposed before, it starts again from a random candidate.
    """

    founders: int = 10

    def __post_init__(self) -> None:
        check_whole(self, founders=1)

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> "_LocalSearch":
        """The search before its first ask."""
        return _LocalSearch(self, space, problem, seed)


class _LocalSearch:
    def __init__(self, settings: LocalSearch, space: SearchSpace[Any], problem: Problem, seed: int) -> None:
        self._space = space
        self._problem = problem
        self._seed = seed
        self._founders = settings.founders
        self._begun = 0
        """Candidates asked and not rejected or failed."""
        self._known: set[Any] = set()
        self._front: Front[Candidate] = Front()

    def ask(self, number: int) -> Proposal:
        rng = np.random.default_rng([self._seed, number])
        if self._begun < self._founders or not self._front.items:
            return self._fresh(rng)
        for index in rng.permutation(len(self._front.items))[:_CENTRES]:
            centre = self._front.items[int(index)]
            around = [g for g in self._space.neighbours(centre.genotype, rng) if g not in self._known]
            if around:
                neighbour = around[int(rng.integers(len(around)))]
                change = self._space.difference(centre.genotype, neighbour)
                return Proposal(neighbour, (centre.number,), change)
        return self._fresh(rng)

    def asked(self, candidate: Candidate) -> None:
        self._known.add(candidate.genotype)
        self._begun += 1

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        if not isinstance(outcome, Completed):
            self._begun -= 1
        elif not self._problem.broken(outcome.metrics):
            self._front.offer(self._problem.costs(outcome.metrics), candidate)

    def _fresh(self, rng: np.random.Generator) -> Proposal:
        genotype = fresh(self._space.sample(rng), lambda _: self._space.sample(rng), self._known, _SAMPLES - 1)
        if genotype not in self._known:
            return Proposal(genotype, change="random")
        raise Exhausted(f"the neighbours of the front, and {_SAMPLES} random networks, were asked before")
