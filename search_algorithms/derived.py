"""Networks that a gradient search before has made likely, the most likely first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_algorithms.candidate import Candidate, Outcome, Proposal
from search_algorithms.problem import Metrics, Problem, ProblemError
from search_algorithms.protocol import Exhausted, Measure
from search_space import SearchSpace
from search_space.mixture import LOGITS, Mixable, Mixture, Selection

_LOOKED_AT = 500
_NEAR = 0.05


@dataclass(frozen=True, slots=True)
class Derived:
    """Ask for the most likely networks of a mixture that `prepare` trained, such as `DARTS`.

    Those that keep the hard bounds known before training, and lie within a twentieth of every target, come first: they
    are looked for among the 500 most likely. At most `skips` nodes of a cell do nothing.
    """

    skips: int | None = 2

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> "_Derived":
        """The search before its first ask. Raises `ProblemError` for a space that is no mixture."""
        if not isinstance(space, Mixable):
            raise ProblemError(f"Derived: {type(space).__name__} is no mixture of networks; CellSpace is")
        return _Derived(space, self.skips, problem, measure)


@dataclass(slots=True)
class _Derived:
    space: Mixable[Any]
    skips: int | None
    problem: Problem
    measure: Measure
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
            self.rest = self._in_order(mixture, self.logits)
        while len(self.likely) <= self.count:
            following = next(self.rest, None)
            if following is None:
                raise Exhausted("every network of the mixture was asked for")
            self.likely.append(following)
        return Proposal(mixture.genotype(self.likely[self.count]), change=f"likely {self.count + 1}")

    def _in_order(self, mixture: Mixture[Any], logits: NDArray[Any]) -> Iterator[Selection]:
        """The likely ones that meet bounds and targets, then the others."""
        every = mixture.best(logits, self.skips)
        others = []
        for selection in islice(every, _LOOKED_AT):
            if self._meets(self.measure(mixture.genotype(selection))):
                yield selection
            else:
                others.append(selection)
        yield from chain(others, every)

    def _meets(self, known: Metrics) -> bool:
        targets = [one for one in self.problem.objectives if one.target is not None and one.metric in known]
        return not self.problem.broken(known) and all(
            abs(known[one.metric] - one.target) <= _NEAR * abs(one.target) for one in targets if one.target is not None
        )

    def asked(self, candidate: Candidate) -> None:
        self.count += 1

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        pass
