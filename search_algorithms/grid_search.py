"""Grid search: every genotype once, in a fixed order."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from search_algorithms.candidate import Candidate, Outcome, Proposal
from search_algorithms.problem import Problem
from search_algorithms.protocol import Exhausted, Measure
from search_space import SearchSpace


@dataclass(frozen=True, slots=True)
class GridSearch:
    """Settings of grid search: none.

    A space that can be iterated over is searched in its own order. Any other is searched breadth first: from a random
    genotype to its neighbours, to their neighbours, and so on. In a large space a budget covers only the surroundings
    of the first genotype. In a space whose neighbours have random parts it may never end.
    """

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> "_GridSearch":
        """The search before its first ask."""
        return _GridSearch(space, seed)


class _GridSearch:
    def __init__(self, space: SearchSpace[Any], seed: int) -> None:
        self._space = space
        self._numbers: dict[Any, int] = {}
        """The first number of every genotype that was asked."""
        if isinstance(space, Iterable):
            self._walk: Iterator[tuple[Any, Any]] = ((genotype, None) for genotype in space)
        else:
            self._walk = breadth_first(space, np.random.default_rng(seed))
        self._next = next(self._walk, None)

    def ask(self, number: int) -> Proposal:
        if self._next is None:
            raise Exhausted(f"all {len(self._numbers)} genotypes of the grid were proposed")
        genotype, centre = self._next
        if centre is None:
            return Proposal(genotype, change="grid")
        return Proposal(genotype, (self._numbers[centre],), self._space.difference(centre, genotype))

    def asked(self, candidate: Candidate) -> None:
        self._numbers.setdefault(candidate.genotype, candidate.number)
        while self._next is not None and self._next[0] in self._numbers:
            self._next = next(self._walk, None)

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        pass


def breadth_first(space: SearchSpace[Any], rng: np.random.Generator) -> Iterator[tuple[Any, Any]]:
    """Pairs of a genotype and the genotype of which it is a neighbour, each once; the first is random, with None."""
    first = space.sample(rng)
    yield first, None
    known = {first}
    centres = deque([first])
    while centres:
        centre = centres.popleft()
        for genotype in space.neighbours(centre, rng):
            if genotype not in known:
                known.add(genotype)
                centres.append(genotype)
                yield genotype, centre
