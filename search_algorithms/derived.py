"""Proposes the networks that a gradient search has made likely, the likeliest first."""

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


@dataclass(frozen=True, slots=True)
class Derived:
    """Propose the most likely networks of a mixture that `prepare`, such as `DARTS`, trained.

    Networks within the hard bounds known before training, and within a twentieth of every target, come first: the
    likeliest network, changed option by option until it is within them, then those among the 500 likeliest. At most
    `skips` nodes of a cell do nothing. Options less likely than `pruning_threshold` are pruned, unless a decision has
    no others.
    """

    skips: int | None = 2
    pruning_threshold: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.pruning_threshold <= 1:
            raise ValueError(f"Derived: pruning_threshold must be from 0 to 1, not {self.pruning_threshold!r}")

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> "_Derived":
        """The search before its first ask. Raises `ProblemError` for a space that is no mixture."""
        if not isinstance(space, Mixable):
            raise ProblemError(
                f"Derived: {type(space).__name__} is not a mixture of networks; use CellSpace or MobileSpace"
            )
        return _Derived(space, self, problem, measure)


@dataclass(slots=True)
class _Derived:
    space: Mixable[Any]
    settings: Derived
    problem: Problem
    measure: Measure
    logits: NDArray[Any] | None = None
    count: int = 0
    likely: list[Selection] = field(default_factory=list)
    rest: Iterator[Selection] | None = None

    def prepared(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take the logits. Raises `ProblemError` where there are none."""
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
                raise Exhausted("every network of the mixture was proposed")
            self.likely.append(following)
        return Proposal(mixture.genotype(self.likely[self.count]), change=f"likely {self.count + 1}")

    def _in_order(self, mixture: Mixture[Any], logits: NDArray[Any]) -> Iterator[Selection]:
        """The likeliest selections that meet bounds and targets, then the others."""
        first = self._brought_near(mixture, logits)
        if first is not None:
            yield first
        every = (selection for selection in self._likely(mixture, logits) if selection != first)
        others = []
        for selection in islice(every, _LOOKED_AT):
            if not self._distance(self.measure(mixture.genotype(selection))):
                yield selection
            else:
                others.append(selection)
        yield from chain(others, every)

    def _likely(self, mixture: Mixture[Any], logits: NDArray[Any]) -> Iterator[Selection]:
        return mixture.best(logits, self.settings.skips, self.settings.pruning_threshold)

    def _brought_near(self, mixture: Mixture[Any], logits: NDArray[Any]) -> Selection | None:
        """The likeliest network, after swaps that bring it within bounds and targets for the least loss of likelihood.

        None where it is not within them and no swap brings it nearer.
        """
        likely = [np.log(np.maximum(p, 1e-300)) for p in mixture.probabilities(logits)]
        kept = mixture.likely(logits, self.settings.pruning_threshold)
        selection = next(self._likely(mixture, logits))
        distance = self._distance(self.measure(mixture.genotype(selection)))
        while distance:
            swaps = []
            for place, decision in enumerate(mixture.decisions):
                for option in range(len(decision.options)):
                    swapped = (*selection[:place], option, *selection[place + 1 :])
                    if (decision.skips and decision.skips[option]) or not kept[place][option]:
                        continue
                    after = self._distance(self.measure(mixture.genotype(swapped)))
                    if after >= distance:
                        continue
                    loss = max(float(likely[place][selection[place]] - likely[place][option]), 0.0)
                    swaps.append(((distance - after) / (1 + loss), after, swapped))
            if not swaps:
                return None
            _, distance, selection = max(swaps)
        return selection

    def _distance(self, known: Metrics) -> float:
        """The sum of the shares by which hard bounds are broken and targets missed; 0 where all are met."""
        return self.problem.violation(known) + sum(one.missed(known) for one in self.problem.objectives)

    def asked(self, candidate: Candidate) -> None:
        self.count += 1

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        pass
