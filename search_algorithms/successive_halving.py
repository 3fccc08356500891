"""Asynchronous successive halving over epochs (ASHA; Li et al. 2020, arXiv 1810.05934), around any strategy."""

from collections.abc import Collection
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from search_algorithms.aging_evolution import AgingEvolution
from search_algorithms.candidate import Candidate, Completed, Outcome, Proposal
from search_algorithms.problem import Problem, ProblemError, check_whole
from search_algorithms.protocol import Measure, SearchAlgorithm, Strategy
from search_algorithms.search_archive import Entry, entry
from search_space import SearchSpace

_WAITING = 30
"""The number of best candidates of a rung that wait to be promoted; the weights of others may be removed."""


@dataclass(frozen=True, slots=True)
class SuccessiveHalving:
    """Settings: the candidates of `strategy` are trained for a few epochs, and the best of each rung for more.

    The top rung has `epochs`, which must be those of the training settings; each rung below has a `reduction`-th of the
    epochs, down to `least_epochs`. One in `reduction` of the candidates that completed on a rung is promoted, as soon
    as there are enough. A promotion is a new candidate: it starts from the weights of the one it continues, with a
    learning rate schedule of its own over the epochs that its rung adds.

    Candidates are ranked by how far they are beyond the hard bounds, then by how many waiting candidates dominate them,
    then by how far they are beyond the soft bounds; of equals, the latest is best. The strategy learns of every
    candidate, promotions included.
    """

    strategy: Strategy = field(default_factory=AgingEvolution)
    epochs: int = 20
    least_epochs: int = 2
    reduction: int = 3

    def __post_init__(self) -> None:
        if isinstance(self.strategy, type) or not isinstance(self.strategy, Strategy):
            raise ProblemError(f"SuccessiveHalving: strategy must be a strategy such as NSGA3(), not {self.strategy!r}")
        check_whole(self, least_epochs=1)
        check_whole(self, epochs=self.least_epochs, reduction=2)

    @property
    def rung_epochs(self) -> tuple[int, ...]:
        """The epochs that each rung adds, from the lowest to the top."""
        totals = [self.epochs]
        while totals[-1] // self.reduction >= self.least_epochs:
            totals.append(totals[-1] // self.reduction)
        totals.reverse()
        return (totals[0], *(above - below for below, above in pairwise(totals)))

    def check_epochs(self, epochs: int) -> None:
        """Raise `ProblemError` unless the epochs of a training are those of the top rung."""
        if self.epochs != epochs:
            raise ProblemError(
                f"SuccessiveHalving has epochs={self.epochs} and training epochs={epochs}; give both the same"
            )

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> "_SuccessiveHalving":
        """The search before its first ask. Raises `ProblemError` where the strategy does."""
        return _SuccessiveHalving(self, problem, self.strategy.start(space, problem, seed, measure))


@dataclass(slots=True)
class _Rung:
    """A rung below the top: its counts, and the candidates that wait for promotion, the best first."""

    completed: int = 0
    promoted: int = 0
    waiting: list[Entry] = field(default_factory=list)


class _SuccessiveHalving:
    def __init__(self, settings: SuccessiveHalving, problem: Problem, strategy: SearchAlgorithm) -> None:
        self._problem = problem
        self._strategy = strategy
        self._reduction = settings.reduction
        self._epochs = settings.rung_epochs
        self._rungs = [_Rung() for _ in self._epochs[1:]]
        self._in_flight: dict[int, int] = {}
        """The rung of each candidate in flight; a genotype of `start` is trained in full and has none."""

    def ask(self, number: int) -> Proposal | None:
        for height in reversed(range(len(self._rungs))):
            rung = self._rungs[height]
            if rung.waiting and rung.promoted < rung.completed // self._reduction:
                best, epochs = rung.waiting[0].candidate, self._epochs[height + 1]
                change = f"{epochs} epochs more"
                return Proposal(best.genotype, (best.number,), change, epochs=epochs, continues=best.number)
        proposal = self._strategy.ask(number)
        if proposal is None:
            return None
        return Proposal(proposal.genotype, proposal.parents, proposal.change, epochs=self._epochs[0])

    def asked(self, candidate: Candidate) -> None:
        self._strategy.asked(candidate)
        if candidate.continues is not None:
            self._in_flight[candidate.number] = self._take(candidate.continues) + 1
        elif candidate.epochs is not None:
            self._in_flight[candidate.number] = 0

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        self._strategy.tell(candidate, outcome)
        height = self._in_flight.pop(candidate.number, len(self._rungs))
        if isinstance(outcome, Completed) and height < len(self._rungs):
            rung = self._rungs[height]
            rung.completed += 1
            rung.waiting = _best_first([*rung.waiting, entry(candidate, outcome.metrics, self._problem)])[:_WAITING]

    def continuable(self) -> Collection[int]:
        return {waiting.candidate.number for rung in self._rungs for waiting in rung.waiting}

    def _take(self, number: int) -> int:
        """Promote a waiting candidate; return its rung."""
        for height, rung in enumerate(self._rungs):
            left = [waiting for waiting in rung.waiting if waiting.candidate.number != number]
            if len(left) < len(rung.waiting):
                rung.waiting = left
                rung.promoted += 1
                return height
        raise ValueError(f"candidate {number} is continued, and does not wait for it")


def _best_first(waiting: list[Entry]) -> list[Entry]:
    costs = np.stack([one.costs for one in waiting])
    dominates = (costs[:, None] <= costs).all(axis=2) & (costs[:, None] < costs).any(axis=2)
    dominators = dominates.sum(axis=0)

    def rank(place: int) -> tuple[float, int, float, int]:
        one = waiting[place]
        return one.violation, int(dominators[place]), one.shortfall, -one.candidate.number

    return [waiting[place] for place in sorted(range(len(waiting)), key=rank)]
