"""Pareto local search (Paquete et al. 2004), for networks as in White et al. 2021 (arXiv 2005.02960)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from search_algorithms.candidate import Candidate, Outcome, Proposal
from search_algorithms.problem import Metrics, Problem, check_whole
from search_algorithms.protocol import Measure
from search_algorithms.search_archive import Archive
from search_space import SearchSpace

_CENTRES = 10
"""The number of members of the front whose neighbours are tried before a fresh start."""


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
        self._space, self._seed, self._founders = space, seed, settings.founders
        self._archive = Archive(problem)

    def ask(self, number: int) -> Proposal:
        rng = np.random.default_rng([self._seed, number])
        archive = self._archive
        if archive.begun < self._founders or not archive.front.items:
            return archive.sample(self._space, rng)
        for index in rng.permutation(len(archive.front.items))[:_CENTRES]:
            centre = archive.entries[archive.front.items[int(index)]].candidate
            around = [g for g in self._space.neighbours(centre.genotype, rng) if g not in archive.genotypes]
            if around:
                neighbour = around[int(rng.integers(len(around)))]
                change = self._space.difference(centre.genotype, neighbour)
                return Proposal(neighbour, (centre.number,), change)
        return archive.sample(self._space, rng)

    def asked(self, candidate: Candidate) -> None:
        self._archive.asked(candidate)

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        self._archive.tell(candidate, outcome)

    def revise(self, metrics: Mapping[int, Metrics]) -> None:
        self._archive.revise(metrics)
