"""Bayesian optimisation: Gaussian processes, Thompson sampling, random weights.

An ask draws one function from the process of each metric that only an evaluation gives (Kandasamy et al. 2018,
"Parallelised Bayesian optimisation via Thompson sampling"). It takes from a pool the candidate whose drawn and measured
costs gain most over the front in random directions (Zhang and Golovin 2020, "Random hypervolume scalarizations for
provable multi-objective black box optimization", arXiv 2006.04655). Candidates in flight count as observed at the
process's mean (the constant liar of Ginsbourg, Le Riche and Carraro 2010, doi 10.1007/978-3-642-10701-6_6).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator

from search_algorithms.candidate import Candidate, Proposal
from search_algorithms.gain import GainInDirections
from search_algorithms.problem import Problem, check_whole
from search_algorithms.protocol import Measure
from search_algorithms.screening import Parts, Screening
from search_algorithms.search_archive import Archive
from search_algorithms.surrogate import Thompson
from search_space import SearchSpace

_CHILDREN = 8
_ANOTHER_STEP = 0.5
"""The probability that mutants are one step further away."""


@dataclass(frozen=True, slots=True)
class BayesianOptimisation:
    """Settings: after `founders` random candidates, propose the best of a pool under a draw of the Gaussian processes.

    The pool holds eight mutants, one or a few steps away, of each of `parents` random members of the front, and
    `samples` random candidates. Priors are fitted again whenever the number of observed candidates has grown by a
    fifth. The cost of an ask grows with the cube of the number of observed candidates, up to 500; the strategy is meant
    for some 200 evaluations.
    """

    founders: int = 15
    parents: int = 6
    samples: int = 16

    def __post_init__(self) -> None:
        check_whole(self, founders=2, parents=0, samples=1)

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> Screening:
        """The search before its first ask."""
        archive = Archive(problem)
        parts = Parts(_Mutants(self, space, archive), Thompson(), GainInDirections(), self.founders)
        return Screening(space, problem, seed, measure, archive, parts)


@dataclass(frozen=True, slots=True)
class _Mutants:
    """Mutants of the front, and random candidates."""

    settings: BayesianOptimisation
    space: SearchSpace[Any]
    archive: Archive

    def children(self, number: int, rng: Generator, is_fitted: bool) -> list[Proposal]:
        if not is_fitted:
            return [self.archive.sample(self.space, rng)]
        pool = self._pool(rng)
        children = [
            self._proposal(genotype, parent)
            for genotype, parent in pool.items()
            if genotype not in self.archive.genotypes
        ]
        return children or [self.archive.sample(self.space, rng)]

    def _pool(self, rng: Generator) -> dict[Any, Candidate | None]:
        """Genotypes, each with its parent; without a front, the parent is the candidate least beyond the bounds."""
        entries = self.archive.entries
        parents = self.archive.front.items or [int(np.argmin([entry.violation for entry in entries]))]
        pool: dict[Any, Candidate | None] = {}
        for _ in range(self.settings.parents):
            parent = entries[parents[int(rng.integers(len(parents)))]].candidate
            pool |= dict.fromkeys(self._mutants(parent.genotype, rng), parent)
        for _ in range(self.settings.samples):
            pool[self.space.sample(rng)] = None
        return pool

    def _mutants(self, genotype: Any, rng: Generator) -> list[Any]:
        """Neighbours of a genotype, or genotypes a few steps further away."""
        children = list(self.space.neighbours(genotype, rng))
        while children and rng.random() < _ANOTHER_STEP:
            children = list(self.space.neighbours(children[int(rng.integers(len(children)))], rng))
        return [children[int(i)] for i in rng.permutation(len(children))[:_CHILDREN]]

    def _proposal(self, genotype: Any, parent: Candidate | None) -> Proposal:
        if parent is None:
            return Proposal(genotype, change="random, the best of a draw")
        return Proposal(genotype, (parent.number,), self.space.difference(parent.genotype, genotype))
