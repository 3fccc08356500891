"""Any strategy, with early stopping of trainings whose learning curves show that they will not reach the front."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from search_algorithms.aging_evolution import AgingEvolution
from search_algorithms.candidate import Candidate, Completed, Outcome, Proposal
from search_algorithms.pareto import Front
from search_algorithms.problem import Metrics, Problem, ProblemError
from search_algorithms.protocol import Continuing, Measure, SearchAlgorithm, Strategy, Watching
from search_space import SearchSpace

_SPARED = 4
"""One candidate in this many is never stopped: its curve shows how candidates like the stopped ones would end."""


@dataclass(frozen=True, slots=True)
class Curtailed:
    """Settings: hopeless trainings of the candidates of `strategy` are stopped early, with a stated error rate.

    Each candidate is judged once, at its first report after the part `after` of its epochs. Fully trained candidates
    show how much a candidate can still gain from there. The gain that all except the best share `error_rate` of them
    stayed below is subtracted from its cost. If the front is as good in every objective even then, the training stops.
    So at most this share of candidates is stopped by mistake, as long as later candidates are like earlier ones (split
    conformal prediction; Lei et al. 2018, arXiv 1604.04173). One candidate in four is never stopped, for comparison.

    Exactly one objective must be learned, and trainings must report it; the others must be known before training.
    Reports come every ten seconds at most, so shorter trainings are never judged. A stopped candidate counts as
    completed, with its last metrics. An error rate of 0.05 needs 19 full trainings before it can stop one.
    """

    strategy: Strategy = field(default_factory=AgingEvolution)
    error_rate: float = 0.05
    after: float = 0.3

    def __post_init__(self) -> None:
        if isinstance(self.strategy, type) or not isinstance(self.strategy, Strategy):
            raise ProblemError(f"Curtailed: strategy must be a strategy such as NSGA3(), not {self.strategy!r}")
        for name in ("error_rate", "after"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
                raise ProblemError(f"Curtailed: {name} must lie between 0 and 1, not {value!r}")

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> "_Curtailed":
        """The search before its first ask. Raises `ProblemError` for a strategy that decides how long to train."""
        strategy = self.strategy.start(space, problem, seed, measure)
        if isinstance(strategy, Continuing | Watching):
            raise ProblemError(
                f"Curtailed: {type(self.strategy).__name__} decides itself how long candidates are trained"
            )
        return _Curtailed(self, strategy, problem, measure)


class _Curtailed:
    def __init__(self, settings: Curtailed, strategy: SearchAlgorithm, problem: Problem, measure: Measure) -> None:
        self._settings = settings
        self._strategy = strategy
        self._problem = problem
        self._measure = measure
        self._front: Front[None] = Front()
        self._curves: list[tuple[str, Sequence[float], float]] = []
        """(metric, its curve, its last value) of the full trainings that could not have been stopped."""
        self._judged: dict[int, bool] = {}
        """Whether each judged candidate in flight continues, by number."""
        self._active = False
        """Whether anything was stopped so far; until then all trainings are full ones."""

    def ask(self, number: int) -> Proposal | None:
        return self._strategy.ask(number)

    def asked(self, candidate: Candidate) -> None:
        self._strategy.asked(candidate)

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        going_on = self._judged.pop(candidate.number, True)
        if isinstance(outcome, Completed):
            if not self._problem.broken(outcome.metrics):
                self._front.offer(self._problem.costs(outcome.metrics), None)
            if going_on and (not self._active or _is_spared(candidate)) and candidate.epochs is None:
                for objective in self._problem.objectives:
                    curve = outcome.curves.get(f"validation_{objective.metric}")
                    if curve:
                        self._curves.append((objective.metric, curve, outcome.metrics[objective.metric]))
        self._strategy.tell(candidate, outcome)

    def progressed(self, candidate: Candidate, step: int, metrics: Metrics) -> bool:
        """Whether the training goes on, which is decided at the first report that is late enough."""
        if candidate.number in self._judged or _is_spared(candidate) or candidate.epochs is not None:
            return self._judged.get(candidate.number, True)
        lengths = [len(curve) for _, curve, _ in self._curves]
        if not lengths or step < self._settings.after * max(lengths):
            return True
        going_on = not self._is_hopeless(candidate, step, metrics)
        self._judged[candidate.number] = going_on
        self._active |= not going_on
        return going_on

    def _is_hopeless(self, candidate: Candidate, step: int, metrics: Metrics) -> bool:
        known = dict(self._measure(candidate.genotype))
        learned = [one.metric for one in self._problem.objectives if one.metric not in known]
        if len(learned) != 1 or learned[0] not in metrics:
            return False
        (name,) = learned
        (objective,) = (one for one in self._problem.objectives if one.metric == name)
        gains = sorted(
            objective.cost({name: curve[step - 1]}) - objective.cost({name: end})
            for metric, curve, end in self._curves
            if metric == name and len(curve) >= step
        )
        place = math.ceil((1 - self._settings.error_rate) * (len(gains) + 1))
        if place > len(gains):
            return False
        known[name] = metrics[name]
        costs = np.array(self._problem.costs(known))
        costs[self._problem.objectives.index(objective)] -= gains[place - 1]
        return not self._front.improved_by(costs)


def _is_spared(candidate: Candidate) -> bool:
    return candidate.number % _SPARED == 0
