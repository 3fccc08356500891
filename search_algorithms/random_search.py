"""Random search: every candidate a fresh sample; the baseline for every other algorithm."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from search_algorithms.candidate import Candidate, Outcome, Proposal
from search_algorithms.problem import Problem
from search_algorithms.protocol import Measure
from search_space import SearchSpace


@dataclass(frozen=True, slots=True)
class RandomSearch:
    """Settings of random search: none."""

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> "_RandomSearch":
        """The search before its first ask."""
        return _RandomSearch(space, seed)


@dataclass(frozen=True, slots=True)
class _RandomSearch:
    space: SearchSpace[Any]
    seed: int

    def ask(self, number: int) -> Proposal:
        return Proposal(self.space.sample(np.random.default_rng([self.seed, number])), change="random")

    def asked(self, candidate: Candidate) -> None:
        pass

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        pass
