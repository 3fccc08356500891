"""The archive of a search: what was asked and the outcomes; one type for all algorithms."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from search_algorithms.candidate import Candidate, Completed, Outcome, Proposal, Rejected
from search_algorithms.pareto import Front
from search_algorithms.problem import Metrics, Problem
from search_algorithms.protocol import Exhausted
from search_space import SearchSpace

_SAMPLES = 100
"""The most random genotypes drawn to find a new one."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A completed candidate: its metrics, as measured or revised, and what follows from them."""

    candidate: Candidate
    metrics: Metrics
    costs: NDArray[np.float64]
    violation: float
    """The violation of the hard bounds (`Problem.violation`)."""
    shortfall: float
    """The violation of the soft bounds (`Problem.shortfall`)."""

    @property
    def beyond(self) -> tuple[float, float]:
        """(violation, shortfall), which sort candidates by their distance from the bounds."""
        return self.violation, self.shortfall


def entry(candidate: Candidate, metrics: Metrics, problem: Problem) -> Entry:
    """A completed candidate with these metrics."""
    costs = np.array(problem.costs(metrics), dtype=float)
    return Entry(candidate, metrics, costs, problem.violation(metrics), problem.shortfall(metrics))


class Archive:
    """Candidates that were asked, completed ones in order, and their front. Its state is a function of the calls."""

    def __init__(self, problem: Problem) -> None:
        """An empty archive."""
        self._problem = problem
        self.genotypes: set[Any] = set()
        """Every genotype that was asked, whatever its outcome."""
        self.in_flight: dict[int, Candidate] = {}
        self.begun = 0
        """Candidates asked and neither rejected nor failed."""
        self.rejections = 0
        """Rejections in a row, up to the latest outcome."""
        self.entries: list[Entry] = []
        self.front: Front[int] = Front()
        """The indices of the non-dominated entries within the hard bounds."""
        self.behind: list[int] = []
        """The indices of the other entries, in the order in which they left the front or missed it."""
        self.since_gain = 0
        """The number of candidates completed since the front last gained hypervolume."""

    def asked(self, candidate: Candidate) -> None:
        """A proposal became a candidate."""
        self.genotypes.add(candidate.genotype)
        self.in_flight[candidate.number] = candidate
        self.begun += 1

    def tell(self, candidate: Candidate, outcome: Outcome) -> bool:
        """Take the outcome of a candidate; return whether it completed and is now the last entry.

        A candidate whose metrics are not finite counts as failed.
        """
        self.in_flight.pop(candidate.number, None)
        self.rejections = self.rejections + 1 if isinstance(outcome, Rejected) else 0
        if not isinstance(outcome, Completed) or not self._is_finite(outcome.metrics):
            self.begun -= 1
            return False
        self._enter(candidate, outcome.metrics)
        return True

    def revise(self, metrics: Mapping[int, Metrics]) -> None:
        """Replace the metrics of completed candidates, by their numbers, and rebuild the front."""
        entries, self.entries = self.entries, []
        self.front, self.behind, self.since_gain = Front(), [], 0
        for known in entries:
            self._enter(known.candidate, metrics.get(known.candidate.number, known.metrics))

    def fresh(self, genotype: Any, again: Callable[[Any], Any], tries: int) -> Any:
        """The genotype if it is new, else the first new one that `again` makes of it; after `tries` the last one."""
        for _ in range(tries):
            if genotype not in self.genotypes:
                break
            genotype = again(genotype)
        return genotype

    def sample(self, space: SearchSpace[Any], rng: Generator) -> Proposal:
        """A proposal of a random new genotype. Raises `Exhausted` after a hundred that are not new."""
        genotype = self.fresh(space.sample(rng), lambda _: space.sample(rng), _SAMPLES - 1)
        if genotype in self.genotypes:
            raise Exhausted(f"{_SAMPLES} random networks were all proposed before")
        return Proposal(genotype, change="random")

    def _is_finite(self, metrics: Metrics) -> bool:
        return all(math.isfinite(metrics.get(name, 0.0)) for name in self._problem.metrics)

    def _enter(self, candidate: Candidate, metrics: Metrics) -> None:
        completed = entry(candidate, metrics, self._problem)
        place, before = len(self.entries), self.front.items
        self.entries.append(completed)
        gained = completed.violation == 0 and self.front.offer(completed.costs, place)
        self.behind += sorted({*before}.difference(self.front.items)) if gained else [place]
        self.since_gain = 0 if gained else self.since_gain + 1
