"""Proposes the most promising of an ask's children, by a surrogate and a gain.

`Screened`, `SurrogateEvolution` and `BayesianOptimisation` are settings of this one mechanism.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edgevolve.metric import metric
from resource_models import MACS
from resource_models.graph_features import graph_features
from search_algorithms.candidate import Candidate, Completed, Outcome, Proposal
from search_algorithms.gain import Gain, Prospects
from search_algorithms.problem import Metrics, Problem
from search_algorithms.protocol import Measure, Revisable, SearchAlgorithm
from search_algorithms.search_archive import Archive
from search_algorithms.surrogate import Evidence, Surrogate
from search_space import SearchSpace

Array = NDArray[np.float64]

_SCALE = 0.3
"""The weight of logarithms of metrics and features relative to an encoding in [0, 1]: a factor of three in MACs counts
as much as a third of an option."""

_LAST_EPOCHS = 5
"""The number of last epochs over which the validation loss of a training is averaged."""


class Children(Protocol):
    """The source of an ask's children."""

    def children(self, number: int, rng: Generator, is_fitted: bool) -> list[Proposal]:
        """The proposals to choose from: a single one is proposed as it is, and none means to wait for an outcome.

        `is_fitted` says whether there is a surrogate to choose by. The result is a function of the arguments and of the
        calls so far.
        """


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a screening.

    The surrogate is first fitted to `least` completed candidates. `strategy` is the one that proposes the children, if
    any; it learns of every outcome. Draws are from the stream `stream` of the seed; an inner strategy has stream 0.
    """

    children: Children
    surrogate: Surrogate
    gain: Gain
    least: int
    strategy: SearchAlgorithm | None = None
    stream: int = 0


class Screening:
    """A search algorithm made of these parts, over the archive that they share."""

    def __init__(
        self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure, archive: Archive, parts: Parts
    ) -> None:
        """The search before its first ask."""
        self._space, self._problem, self._seed, self._measure = space, problem, seed, measure
        self._archive, self._parts = archive, parts
        self._surrogate: Surrogate | None = None
        self._next_fit = parts.least
        self._exact: tuple[str, ...] = ()
        """The metrics that `measure` gives; they are exact, never learned."""
        self._learned: tuple[str, ...] = ()
        """The other metrics of the problem, those of objectives first."""
        self._seen: list[Array] = []
        self._values: list[list[float]] = []
        """The measured values of the learned metrics, a row for each completed candidate."""
        self._losses: list[float] = []
        """The validation loss of each completed candidate; NaN where it is not reported, or for other epochs."""
        self._estimated: int | None = None
        """The index, among the learned metrics, of the one that the strategy gets as estimates."""

    def ask(self, number: int) -> Proposal | None:
        """The most promising child; before the surrogate is fitted, the one with the most computation."""
        rng = np.random.default_rng([self._seed, number, self._parts.stream])
        children = self._parts.children.children(number, rng, self._surrogate is not None)
        if len(children) < 2:
            return children[0] if children else None
        known = [self._measure(child.genotype) for child in children]
        if self._surrogate is None:
            return children[int(np.argmax([metrics.get(MACS.name, 0.0) for metrics in known]))]
        prospects = self._prospects(self._surrogate, children, known, rng)
        return children[self._parts.gain.best(prospects, self._archive, rng)]

    def asked(self, candidate: Candidate) -> None:
        """A proposal became a candidate."""
        self._archive.asked(candidate)
        if self._parts.strategy is not None:
            self._parts.strategy.asked(candidate)

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        """Learn from the outcome; an inner strategy also learns of it, as an estimate where it is `Revisable`."""
        strategy = self._parts.strategy
        if self._archive.tell(candidate, outcome) and isinstance(outcome, Completed):
            self._observe(candidate, outcome)
            if len(self._archive.entries) >= self._next_fit:
                had_estimates = self._estimated is not None
                self._fit()
                if isinstance(strategy, Revisable) and (had_estimates or self._estimated is not None):
                    strategy.revise(self._believed(range(len(self._archive.entries) - 1)))
            if isinstance(strategy, Revisable):
                believed = self._believed([len(self._archive.entries) - 1])
                outcome = replace(outcome, metrics=believed[candidate.number])
        if strategy is not None:
            strategy.tell(candidate, outcome)

    def _observe(self, candidate: Candidate, outcome: Completed) -> None:
        known = self._measure(candidate.genotype)
        if not self._seen:
            self._exact = tuple(sorted(known))
            names = [objective.metric for objective in self._problem.objectives]
            names += sorted(self._problem.metrics.difference(names))
            self._learned = tuple(name for name in names if name not in known)
        self._seen.append(self._row(candidate.genotype, known))
        self._values.append([outcome.metrics[name] for name in self._learned])
        losses = outcome.curves.get("validation_loss", ()) if candidate.epochs is None else ()
        self._losses.append(float(np.mean(losses[-_LAST_EPOCHS:])) if losses else math.nan)

    def _fit(self) -> None:
        """Fit the surrogate to all observed candidates."""
        place = self._told_by_loss()
        self._estimated = place if not np.isnan(self._losses).any() else None
        self._surrogate = (self._surrogate or self._parts.surrogate).fit(self._evidence())
        observed = len(self._archive.entries)
        self._next_fit = max(observed + 1, int(observed * self._surrogate.growth))

    def _told_by_loss(self) -> int | None:
        """The index of the first learned objective that a validation loss can replace, with less noise."""
        for objective in self._problem.objectives:
            learned = objective.metric in self._learned and metric(objective.metric).learned
            if learned and objective.direction != "target":
                return self._learned.index(objective.metric)
        return None

    def _evidence(self) -> Evidence:
        values = np.array(self._values, dtype=float).reshape(len(self._values), len(self._learned))
        ranks_by = values.copy()
        if self._estimated is not None:
            ranks_by[:, self._estimated] = self._losses
        waiting = [c.genotype for c in self._archive.in_flight.values()]
        rows = [self._row(genotype, self._measure(genotype)) for genotype in waiting]
        seen = np.array(self._seen)
        costs = np.array([entry.costs for entry in self._archive.entries])
        return Evidence(seen, values, ranks_by, costs, np.reshape(rows, (len(rows), seen.shape[1])))

    def _believed(self, places: Sequence[int]) -> dict[int, Metrics]:
        """The metrics of completed candidates, with the surrogate's prediction of the one that the loss replaces."""
        entries = [self._archive.entries[place] for place in places]
        believed: dict[int, Metrics] = {entry.candidate.number: entry.metrics for entry in entries}
        if self._estimated is None or self._surrogate is None or not entries:
            return believed
        name = self._learned[self._estimated]
        seen = np.array([self._seen[place] for place in places])
        means = self._surrogate.predict(seen, self._evidence()).mean[:, self._estimated]
        for entry, mean in zip(entries, means, strict=True):
            believed[entry.candidate.number] = {**entry.metrics, name: float(mean)}
        return believed

    def _prospects(
        self, surrogate: Surrogate, children: Sequence[Proposal], known: Sequence[Metrics], rng: Generator
    ) -> Prospects:
        """Costs and violations of each child: exact where `measure` knows them, else predicted and drawn."""
        at = np.array([self._row(child.genotype, metrics) for child, metrics in zip(children, known, strict=True)])
        prediction = surrogate.predict(at, self._evidence())
        draws = prediction.draw(rng)
        exact = {name: np.array([metrics.get(name, math.nan) for metrics in known]) for name in self._exact}
        mean = exact | {name: prediction.mean[:, i] for i, name in enumerate(self._learned)}
        drawn = {name: np.broadcast_to(values, draws.shape[:2]) for name, values in exact.items()}
        drawn |= {name: draws[:, :, i] for i, name in enumerate(self._learned)}
        problem = self._problem
        return Prospects(problem.costs_of(mean), problem.costs_of(drawn), problem.violations_of(drawn))

    def _row(self, genotype: Any, known: Metrics) -> Array:
        return seen_of(self._space, genotype, [known.get(name, math.nan) for name in self._exact])


def seen_of(space: SearchSpace[Any], genotype: Any, metrics: Sequence[float]) -> Array:
    """The row of a genotype that a surrogate sees, (columns,); 0 for values that are not finite.

    It is the encoding. Where there are metrics, the network is built anyway; then the metrics and the network's
    features follow, as logarithms.
    """
    row = space.encode(genotype)
    if len(metrics):
        numbers = np.array([*metrics, *graph_features(space.graph(genotype))])
        row = np.append(row, _SCALE * np.log1p(np.maximum(numbers, 0.0)))
    return np.where(np.isfinite(row), row, 0.0)
