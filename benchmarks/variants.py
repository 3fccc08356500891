"""What our algorithms are compared with and no configuration offers: μNAS's fitness, and NSGA-III by generations."""

from collections import deque

import numpy as np
from tabular_runs import CellTable

from search_algorithms import NSGA3, Candidate, Completed, Outcome, Proposal

_POPULATION, _SAMPLE = 100, 25


class MuNas:
    """Aging evolution as in μNAS: costs are divided by random weights, so that one tiny weight decides alone."""

    def __init__(self, table: CellTable, seed: int) -> None:
        """The search before its first ask."""
        self._space, self._problem, self._seed = table.space, table.problem, seed
        self._alive: deque[tuple[Candidate, tuple[float, ...]]] = deque(maxlen=_POPULATION)
        self._founders = 0

    def ask(self, number: int) -> Proposal:
        """A random cell until there is a population, then a mutant of the fittest of a sample."""
        rng = np.random.default_rng([self._seed, number])
        if self._founders < _POPULATION or not self._alive:
            return Proposal(self._space.sample(rng), change="random")
        rivals = [self._alive[int(place)] for place in rng.integers(len(self._alive), size=_SAMPLE)]
        weights = 1.0 - rng.random(len(rivals[0][1]))
        parent, _ = min(rivals, key=lambda rival: float((np.array(rival[1]) / weights).max()))
        return Proposal(self._space.mutate(parent.genotype, rng), (parent.number,), change="mutant")

    def asked(self, candidate: Candidate) -> None:
        """One founder more."""
        self._founders += 1

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """The youngest; the oldest dies."""
        if isinstance(outcome, Completed):
            self._alive.append((candidate, self._problem.shares(outcome.metrics)))
        else:
            self._founders -= 1


class Generations:
    """NSGA-III as in the paper: it learns of a generation when all of it is evaluated, and workers wait for that."""

    def __init__(self, table: CellTable, seed: int) -> None:
        """The search before its first ask; generations grow as the population of `NSGA3` does."""
        self._settings = NSGA3()
        self._algorithm = self._settings.start(table.space, table.problem, seed, lambda genotype: {})
        self._waiting: list[tuple[Candidate, Outcome]] = []
        self._begun = self._completed = 0

    def ask(self, number: int) -> Proposal | None:
        """None while the generation is under way and all of it is asked."""
        return None if self._begun >= self._size else self._algorithm.ask(number)

    def asked(self, candidate: Candidate) -> None:
        """One of the generation."""
        self._begun += 1
        self._algorithm.asked(candidate)

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Keep the outcome until the generation is complete."""
        if not isinstance(outcome, Completed):
            self._begun -= 1
            self._algorithm.tell(candidate, outcome)
            return
        self._waiting.append((candidate, outcome))
        if len(self._waiting) >= self._size:
            for waiting in self._waiting:
                self._algorithm.tell(*waiting)
            self._completed += len(self._waiting)
            self._begun, self._waiting = self._begun - len(self._waiting), []

    @property
    def _size(self) -> int:
        return min(self._settings.population, max(self._settings.founders, self._completed // 10))
