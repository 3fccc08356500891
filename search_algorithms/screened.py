"""Any strategy's offspring, screened: of several candidates that it would ask for, the one that promises most.

The error of one training scatters by as much as good networks differ, so that the luckiest would be the parents. The
loss on the same examples scatters less. So where trainings tell it, it is what the trees learn in place of the first
objective that training decides, and the strategy gets what they predict in place of each value.
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
"""Candidates that must be observed before a surrogate is fitted."""

_TRIES = 3000
"""Proposals that are looked at for one ask at most; after rejections in a row the fewer, in proportion."""

_LOOK_AHEAD = 2**40
"""Candidate numbers of look-ahead asks begin here; they are larger than any real number."""


@dataclass(frozen=True, slots=True)
class Screened:
    """Settings: of `children` candidates that `strategy` would propose, the most promising is proposed.

    They are within the hard bounds, as far as is known, and were not asked before; up to 3 000 are looked at to find
    them. Until 20 are observed, the one that computes most is chosen (`macs`, where they are known): at equal size,
    more computation tends to err less (Lin et al. 2020, arXiv 2007.10319, section 3.1).

    Then boosted trees learn the ranks of the metrics that only training tells, so that neither their units nor a
    training that went wrong matter. They are drawn with what the trees are unsure of. Chosen is the candidate of the
    least weighted cost (`gain.WeightedCost`).

    Where each observed candidate has a `validation_loss` curve and the epochs of the training settings, the trees learn
    the ranks of the loss. A strategy that is `Revisable` then gets estimates of the errors, by which it judges bounds
    on the error too; they change whenever the trees are fitted again. Any other strategy gets the measured errors.
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
        """The search before its first ask. Raises `ProblemError` where the strategy does, or continues candidates."""
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
    """What a strategy would ask for under further numbers."""

    strategy: SearchAlgorithm
    problem: Problem
    measure: Measure
    archive: Archive
    wanted: int

    def children(self, number: int, rng: Generator, is_fitted: bool) -> list[Proposal]:
        """So many, or fewer where no more come: allowed, and none asked before. Without any, the first proposal."""
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
        """Whether no device refuses it, and it is within the hard bounds."""
        return not any(map(math.isnan, metrics.values())) and not self.problem.broken(metrics)
