"""Screens any strategy: of several candidates that it would ask for, the most promising one is proposed.

The error of one training scatters about as much as good networks differ, so that the luckiest would become parents. The
loss on the same examples scatters less. Where trainings report it, the trees learn the loss in place of the first
objective that training decides, and the strategy gets their predictions in place of the measured values.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from numpy.random import Generator

from search_algorithms.candidate import Proposal
from search_algorithms.gain import WeightedCost
from search_algorithms.nsga3 import NSGA3
from search_algorithms.problem import Metrics, Problem, ProblemError, check_whole
from search_algorithms.protocol import Continuing, Exhausted, Measure, SearchAlgorithm, Strategy
from search_algorithms.reinforce import REINFORCE
from search_algorithms.screening import Parts, Screening
from search_algorithms.search_archive import Archive
from search_algorithms.surrogate import Trees
from search_space import SearchSpace

_FEWEST = 20
"""The fewest observed candidates to which a surrogate is fitted."""

_TRIES = 3000
"""The most proposals that are tried for one ask; after n rejections in a row, an (n + 1)-th of that."""

_LOOK_AHEAD = 2**40
"""The first candidate number of look-ahead asks, larger than any real number."""


@dataclass(frozen=True, slots=True)
class Screened:
    """Settings: of `children` candidates that `strategy` would propose, the most promising is proposed.

    The candidates are within the hard bounds, as far as these are known, and new; up to 3 000 proposals are tried to
    find them. Until 20 candidates are observed, the one with the most `macs` is chosen, where these are known: at equal
    size, more computation tends to give a smaller error (Lin et al. 2020, arXiv 2007.10319, section 3.1).

    Afterwards boosted trees learn the ranks of the metrics that only training gives, so that neither their units nor a
    failed training matters. Predictions are drawn with the trees' uncertainty. The candidate with the least weighted
    cost is chosen (`gain.WeightedCost`).

    Where every observed candidate has a `validation_loss` curve over the epochs of the training settings, the trees
    learn the ranks of the loss. A `Revisable` strategy then gets estimates of the errors, by which it also judges
    bounds on the error; they change whenever the trees are fitted again. Any other strategy gets the measured errors.
    """

    strategy: Strategy = field(default_factory=NSGA3)
    children: int = 16

    def __post_init__(self) -> None:
        if isinstance(self.strategy, type) or not isinstance(self.strategy, Strategy):
            raise ProblemError(f"Screened: strategy must be a strategy such as NSGA3(), not {self.strategy!r}")
        if isinstance(self.strategy, Screened | REINFORCE):  # the latter learns from its own choices alone
            raise ProblemError(f"Screened: {type(self.strategy).__name__} cannot be screened; give another strategy")
        check_whole(self, children=2)

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> Screening:
        """The search before its first ask. Raises `ProblemError` as the strategy, or if it continues candidates."""
        strategy = self.strategy.start(space, problem, seed, measure)
        if isinstance(strategy, Continuing):
            name = type(self.strategy).__name__
            raise ProblemError(f"Screened: {name} continues candidates; put Screened(...) inside it")
        archive = Archive(problem)
        proposals = _Proposals(strategy, problem, measure, archive, self.children)
        parts = Parts(proposals, Trees(seed), WeightedCost(problem), _FEWEST, strategy, stream=1)
        return Screening(space, problem, seed, measure, archive, parts)


@dataclass(frozen=True, slots=True)
class _Proposals:
    """The children of an ask: what a strategy would ask for with further numbers."""

    strategy: SearchAlgorithm
    problem: Problem
    measure: Measure
    archive: Archive
    wanted: int

    def children(self, number: int, rng: Generator, is_fitted: bool) -> list[Proposal]:
        """At most `wanted` allowed and new proposals; the first proposal if there is none."""
        first = self.strategy.ask(number)
        if first is None:
            return []
        pool: list[Proposal] = []
        seen: set[Any] = set()
        repeated = 0
        for turn in range(_TRIES // (1 + self.archive.rejections)):
            try:
                proposal = self.strategy.ask(_LOOK_AHEAD + number * _TRIES + turn) if turn else first
            except Exhausted:
                break
            if proposal is None or proposal.genotype in self.archive.genotypes or proposal.genotype in seen:
                repeated += 1
            else:
                seen.add(proposal.genotype)
                if self._is_allowed(self.measure(proposal.genotype)):
                    pool.append(proposal)
            if max(len(pool), repeated) == self.wanted:
                break
        return pool or [first]

    def _is_allowed(self, metrics: Metrics) -> bool:
        """Whether no device refuses the network, and it is within the hard bounds."""
        return not any(map(math.isnan, metrics.values())) and not self.problem.broken(metrics)
