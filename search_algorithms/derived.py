"""Networks that a gradient search before has made likely, the most likely first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_algorithms.candidate import Candidate, Outcome, Proposal
from search_algorithms.problem import Problem, ProblemError
from search_algorithms.protocol import Exhausted, Measure
from search_space import SearchSpace
from search_space.mixture import LOGITS, Mixable, Selection


@dataclass(frozen=True, slots=True)
class Derived:
    """Ask for the most likely networks of a mixture that `prepare` trained, such as `DARTS`.

    One that breaks a hard bound is rejected before training, as in every search, and the next one is asked for. At
    most `skips` nodes of a cell do nothing.
    """

    skips: int | None = 2

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> "_Derived":
        """The search before its first ask. Raises `ProblemError` for a space that is no mixture."""
        if not isinstance(space, Mixable):
            raise ProblemError(f"Derived: {type(space).__name__} is no mixture of networks; CellSpace is")
        return _Derived(space, self.skips)


@dataclass(slots=True)
class _Derived:
    space: Mixable[Any]
    skips: int | None
    logits: NDArray[Any] | None = None
    count: int = 0
    likely: list[Selection] = field(default_factory=list)
    rest: Iterator[Selection] | None = None

    def prepared(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """The logits."""
        if LOGITS not in arrays:
            raise ProblemError(f"Derived needs the logits of a gradient search; what was prepared has no {LOGITS!r}")
        self.logits = np.asarray(arrays[LOGITS])

    def ask(self, number: int) -> Proposal:
        if self.logits is None:
            raise ProblemError("Derived needs logits: SearchConfig(prepare=DARTS(), algorithm=Derived())")
        mixture = self.space.mixture()
        if self.rest is None:
            self.rest = mixture.best(self.logits, self.skips)
        while len(self.likely) <= self.count:
            following = next(self.rest, None)
            if following is None:
                raise Exhausted("every network of the mixture was asked for")
            self.likely.append(following)
        return Proposal(mixture.genotype(self.likely[self.count]), change=f"likely {self.count + 1}")

    def asked(self, candidate: Candidate) -> None:
        self.count += 1

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        pass
