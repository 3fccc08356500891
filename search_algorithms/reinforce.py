"""REINFORCE (Williams 1992) as in Zoph and Le 2017 (arXiv 1611.01578): a controller that learns to sample."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_algorithms.candidate import Candidate, Completed, Failed, Outcome, Proposal
from search_algorithms.problem import Problem, ProblemError
from search_algorithms.protocol import Measure
from search_space import SearchSpace

_BINS = 16
"""The most learned outcomes of a draw; a finer draw is uniform within each."""

_WORST = 10.0

_Choice = tuple[int, int]
"""A draw's position in the genome, as the number of draws before it, and its number of outcomes."""


@dataclass(frozen=True, slots=True)
class REINFORCE:
    """Settings: a `learning_rate`, and a baseline that moves by `1 - memory` towards each reward.

    The reward is minus the mean of the objectives over their scales, each capped at 10. A candidate that breaks a bound
    or was proposed before has the worst advantage, so that the controller does not settle on a single network.
    """

    learning_rate: float = 0.1
    memory: float = 0.9

    def __post_init__(self) -> None:
        for name in ("learning_rate", "memory"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
                raise ProblemError(f"REINFORCE: {name} must lie between 0 and 1, not {value!r}")

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> "_Reinforce":
        """The search before its first ask. Raises `ProblemError` for an objective without scale."""
        return _Reinforce(self, space, problem, seed)


class _Reinforce:
    def __init__(self, settings: REINFORCE, space: SearchSpace[Any], problem: Problem, seed: int) -> None:
        self._settings = settings
        self._space = space
        self._problem = problem
        self._seed = seed
        self._scales = np.array(problem.scales())
        self._logits: defaultdict[_Choice, NDArray[np.float64]] = defaultdict(_uniform)
        self._choices: dict[int, list[tuple[_Choice, int, NDArray[np.float64]]]] = {}
        """The draws of each candidate in flight: choice, outcome and the probabilities of all outcomes."""
        self._baseline: float | None = None

    def ask(self, number: int) -> Proposal:
        genotype, _ = self._sample(number)
        return Proposal(genotype, change="from the policy")

    def asked(self, candidate: Candidate) -> None:
        genotype, choices = self._sample(candidate.number)
        if genotype == candidate.genotype:  # else it was given, and no choice of the policy
            self._choices[candidate.number] = choices

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        choices = self._choices.pop(candidate.number, [])
        if isinstance(outcome, Failed):
            return
        advantage = -1.0
        if isinstance(outcome, Completed):
            costs = np.array(self._problem.costs(outcome.metrics)) / self._scales
            reward = -float(np.clip(costs, -_WORST, _WORST).mean())
            baseline = reward if self._baseline is None else self._baseline
            advantage = float(np.clip(reward - baseline, -1.0, 1.0))
            self._baseline = baseline + (1 - self._settings.memory) * (reward - baseline)
        for place, drawn, probabilities in choices:
            # the gradient of log softmax: one-hot minus probabilities
            self._logits[place][: len(probabilities)] -= self._settings.learning_rate * advantage * probabilities
            self._logits[place][drawn] += self._settings.learning_rate * advantage

    def _sample(self, number: int) -> tuple[Any, list[tuple[_Choice, int, NDArray[np.float64]]]]:
        policy = _Policy(np.random.default_rng([self._seed, number]), dict(self._logits))
        return self._space.sample(policy), policy.choices


class _Policy(np.random.Generator):
    """A generator that draws whole numbers and uniforms from learned distributions, and records the draws.

    Sampling a space with it runs the space's own genome as a controller: each draw is a choice, identified by its place
    in the sequence and its number of outcomes. Other draws are NumPy's own.
    """

    def __init__(self, rng: np.random.Generator, logits: dict[_Choice, NDArray[np.float64]]) -> None:
        super().__init__(rng.bit_generator)
        self._logits = logits
        self.choices: list[tuple[_Choice, int, NDArray[np.float64]]] = []

    def integers(self, low: Any, high: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Like NumPy's; a single number comes from a learned distribution."""
        if args or kwargs or np.ndim(low) or np.ndim(high):
            return super().integers(low, high, *args, **kwargs)
        first, end = (0, int(low)) if high is None else (int(low), int(high))
        outcomes = min(end - first, _BINS)
        share = (self._choose(outcomes) + (super().random() if outcomes < end - first else 0.0)) / max(outcomes, 1)
        return first + min(int(share * (end - first) + 1e-9), end - first - 1)

    def random(self, *args: Any, **kwargs: Any) -> Any:
        """Like NumPy's; a single number comes from a learned distribution."""
        if args or kwargs:
            return super().random(*args, **kwargs)
        return (self._choose(_BINS) + super().random()) / _BINS

    def _choose(self, outcomes: int) -> int:
        place = (len(self.choices), outcomes)
        weights = np.exp(self._logits.get(place, _uniform())[:outcomes])
        probabilities = weights / weights.sum()
        drawn = min(int(np.searchsorted(np.cumsum(probabilities), super().random())), outcomes - 1)
        self.choices.append((place, drawn, probabilities))
        return drawn


def _uniform() -> NDArray[np.float64]:
    return np.zeros(_BINS)
