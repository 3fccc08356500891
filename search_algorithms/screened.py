"""Any strategy's offspring, screened: of several candidates that it would ask for, the one that promises most.

What training alone can tell is predicted, with its uncertainty, by an ensemble of boosted trees over the encoding and
what `measure` knows; that is exact. A candidate that breaks a hard bound is never taken where another is found.

The error of one training scatters by as much as good networks differ, so that the luckiest would be the parents. The
loss on the same examples scatters less. So where trainings tell it, it is what the trees learn in place of the first
objective that training decides, and the strategy gets what they predict in place of each value.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edgevolve.metric import metric
from search_algorithms.candidate import Candidate, Completed, Outcome, Proposal, Rejected
from search_algorithms.nsga3 import NSGA3
from search_algorithms.problem import Metrics, Problem, ProblemError, check_whole
from search_algorithms.protocol import Continuing, Exhausted, Measure, SearchAlgorithm, Strategy
from search_algorithms.reinforce import REINFORCE
from search_algorithms.surrogate import Surrogate, best_rows, fit_trees
from search_space import SearchSpace

Costs = NDArray[np.float64]

_FEWEST = 20
"""Candidates that must be observed before a surrogate is fitted."""

_GROWTH = 1.1
"""It is fitted again when so many times the candidates of its last fit are observed (at least one more)."""

_LAST_EPOCHS = 5
"""The validation loss of a training is the mean over so many."""

_TRIES = 3000
"""Proposals that are looked at for one ask at most; after rejections in a row the fewer, in proportion."""

_APART = 2**40
"""Candidate numbers of look-ahead asks begin here; they are larger than any real number."""


@dataclass(frozen=True, slots=True)
class Screened:
    """Settings: of `children` candidates that `strategy` would propose, the most promising is proposed.

    They are within the hard bounds, as far as is known, and were not asked before; up to 3 000 are looked at to find
    them. Until 20 are observed, the one that computes most is chosen (`macs`, where they are known): at equal size,
    more computation tends to err less (Lin et al. 2020, arXiv 2007.10319, section 3.1).

    Then a surrogate learns the ranks of the costs in place of the costs, so that neither their units nor a training
    that went wrong matter, and draws its predictions from what it is unsure of. Chosen is the candidate of the least
    weighted cost, weights drawn anew for each ask, costs measured from the best in their scales (or bounds) or, where
    an objective has none, in their median distances.

    Where each observed candidate has a `validation_loss` curve and the epochs of the training settings, the strategy is
    given estimates of the errors, by which it judges bounds on the error too. It is started again, and given everything
    so far, whenever the surrogate is fitted anew: one that fits models of its own becomes slow.
    """

    strategy: Strategy = field(default_factory=NSGA3)
    children: int = 16

    def __post_init__(self) -> None:
        if isinstance(self.strategy, type) or not isinstance(self.strategy, Strategy):
            raise ProblemError(f"Screened: strategy must be a strategy such as NSGA3(), not {self.strategy!r}")
        if isinstance(self.strategy, Screened | REINFORCE):  # the latter learns from its own choices alone
            raise ProblemError(f"Screened: {type(self.strategy).__name__} cannot be screened; give another strategy")
        check_whole(self, children=2)

    def start(self, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure) -> "_Screened":
        """The search before its first ask. Raises `ProblemError` where the strategy does, or continues candidates."""
        return _Screened(self, space, problem, seed, measure)


class _Screened:
    def __init__(
        self, settings: Screened, space: SearchSpace[Any], problem: Problem, seed: int, measure: Measure
    ) -> None:
        self._settings, self._space, self._problem = settings, space, problem
        self._seed, self._measure = seed, measure
        self._strategy = self._started()
        self._calls: list[tuple[Candidate, Outcome | None]] = []
        """Of `asked` and `tell`, so far."""
        self._known: set[Any] = set()
        """Every genotype that was asked, whatever became of it."""
        self._rejections = 0
        """In a row."""
        self._encoded: list[NDArray[np.float64]] = []
        self._costs: list[tuple[float, ...]] = []
        self._losses: list[float] = []
        """On the validation split; not a number where training does not tell it, or took other epochs."""
        self._surrogates: dict[int, Surrogate] = {}
        """Of each objective that only training tells, by its place."""
        self._names: tuple[str, ...] = ()
        """The metrics that `measure` knows."""
        self._sorted: Costs = np.empty((0, 0))
        """The costs that the surrogates were fitted to, each objective's in order; none before."""
        self._loss_column: int | None = None
        """The place of the error among the objectives, while the strategy gets estimates of it."""
        self._next_fit = _FEWEST

    def ask(self, number: int) -> Proposal | None:
        first = self._strategy.ask(number)
        if first is None:
            return None
        pool = self._pool(first, number)
        if not pool:
            return first
        metrics = [known for _, known in pool]
        if not len(self._sorted):
            return pool[int(np.argmax([known.get("macs", 0.0) for known in metrics]))][0]
        rng = np.random.default_rng([self._seed, number, 1])
        costs = self._drawn([proposal.genotype for proposal, _ in pool], metrics, rng)
        weights = 1.0 - rng.random(costs.shape[1])  # in (0, 1]
        return pool[int(np.argmin((self._shares(costs) * weights).max(axis=1)))][0]

    def asked(self, candidate: Candidate) -> None:
        self._known.add(candidate.genotype)
        self._calls.append((candidate, None))
        self._strategy.asked(candidate)

    def tell(self, candidate: Candidate, outcome: Outcome) -> None:
        self._rejections = self._rejections + 1 if isinstance(outcome, Rejected) else 0
        self._calls.append((candidate, outcome))
        if not isinstance(outcome, Completed):
            self._strategy.tell(candidate, outcome)
            return
        known = self._measure(candidate.genotype)
        if not self._costs:
            self._names = tuple(sorted(known))
        self._encoded.append(self._row(candidate.genotype, known))
        self._costs.append(self._problem.costs(outcome.metrics))
        losses = outcome.curves.get("validation_loss", ()) if candidate.epochs is None else ()
        self._losses.append(float(np.mean(losses[-_LAST_EPOCHS:])) if losses else np.nan)
        if len(self._costs) >= self._next_fit:
            estimated = self._loss_column is not None
            self._fit()
            if estimated or self._loss_column is not None:
                self._tell_anew()
                return
        self._strategy.tell(candidate, *self._believed([outcome], self._encoded[-1:]))

    def _started(self) -> SearchAlgorithm:
        """The strategy before its first ask."""
        strategy = self._settings.strategy.start(self._space, self._problem, self._seed, self._measure)
        if isinstance(strategy, Continuing):
            name = type(self._settings.strategy).__name__
            raise ProblemError(f"Screened: {name} continues candidates; put Screened(...) inside it")
        return strategy

    def _pool(self, first: Proposal, number: int) -> list[tuple[Proposal, Metrics]]:
        """The children, or as many as are found, with what is known of each: allowed, and none asked before."""
        pool: list[tuple[Proposal, Metrics]] = []
        seen: set[Any] = set()
        repeated = 0
        for turn in range(_TRIES // (1 + self._rejections)):
            try:
                proposal = self._strategy.ask(_APART + number * _TRIES + turn) if turn else first
            except Exhausted:
                break
            if proposal is None or proposal.genotype in self._known or proposal.genotype in seen:
                repeated += 1
            else:
                seen.add(proposal.genotype)
                metrics = self._measure(proposal.genotype)
                if self._allowed(metrics):
                    pool.append((proposal, metrics))
            if max(len(pool), repeated) == self._settings.children:
                break
        return pool

    def _fit(self) -> None:
        """By all that is observed, for each objective that is known only after training."""
        encoded, costs = np.array(self._encoded), np.array(self._costs)
        self._sorted = np.sort(costs, axis=0)
        self._next_fit = max(len(costs) + 1, int(len(costs) * _GROWTH))
        self._loss_column = None
        for column, objective in enumerate(self._problem.objectives):
            if objective.metric in self._names:
                continue
            values = costs[:, column]
            by_loss = objective.direction != "target" and metric(objective.metric).learned
            if by_loss and self._loss_column is None and not np.isnan(self._losses).any():
                self._loss_column, values = column, np.array(self._losses)
            ranks = _ranks(values)[:, None]
            rows = best_rows(ranks)
            self._surrogates[column] = fit_trees(encoded[rows], ranks[rows], self._seed)

    def _tell_anew(self) -> None:
        """Start the strategy again, and tell it every outcome again, as it is now estimated."""
        self._strategy = self._started()
        completed = [outcome for _, outcome in self._calls if isinstance(outcome, Completed)]
        believed = iter(self._believed(completed, self._encoded))
        for candidate, outcome in self._calls:
            if outcome is None:
                self._strategy.asked(candidate)
            else:
                self._strategy.tell(candidate, next(believed) if isinstance(outcome, Completed) else outcome)

    def _believed(self, outcomes: Sequence[Completed], rows: Sequence[NDArray[np.float64]]) -> list[Completed]:
        """The outcomes, the metric that the loss stands for as the surrogate predicts it."""
        if self._loss_column is None:
            return list(outcomes)
        ranks, _ = self._surrogates[self._loss_column].predict(np.array(rows))
        objective = self._problem.objectives[self._loss_column]
        values = self._at_rank(ranks[:, 0], self._loss_column) * (-1 if objective.direction == "maximise" else 1)
        return [
            replace(outcome, metrics={**outcome.metrics, objective.metric: float(value)})
            for outcome, value in zip(outcomes, values, strict=True)
        ]

    def _drawn(self, genotypes: list[Any], metrics: list[Metrics], rng: Generator) -> Costs:
        """A draw of each genotype's costs; exact where `measure` knows them."""
        rows = np.array([self._row(genotype, known) for genotype, known in zip(genotypes, metrics, strict=True)])
        columns = []
        for column, objective in enumerate(self._problem.objectives):
            if column not in self._surrogates:
                columns.append(np.array([objective.cost(known) for known in metrics]))
                continue
            mean, spread = self._surrogates[column].predict(rows)
            columns.append(self._at_rank((mean + spread * rng.standard_normal(mean.shape))[:, 0], column))
        return np.stack(columns, axis=1)

    def _at_rank(self, ranks: NDArray[np.float64], column: int) -> NDArray[np.float64]:
        """The costs of these ranks among those that the surrogates were fitted to."""
        return np.interp(ranks, np.arange(len(self._sorted)), self._sorted[:, column])

    def _shares(self, costs: Costs) -> Costs:
        """Distances from the best costs observed, in the objectives' scales or else the median distance."""
        best = self._sorted[0]
        try:
            widths = np.array(self._problem.scales())
        except ProblemError:
            widths = np.median(self._sorted, axis=0) - best
        return np.asarray((costs - best) / np.maximum(widths, 1e-12))

    def _allowed(self, metrics: Metrics) -> bool:
        """Whether all is known that can be, no device refuses it, and it is within the hard bounds."""
        known = all(name in metrics for name in self._names)
        refused = any(map(math.isnan, metrics.values()))
        return known and not refused and not self._problem.broken(metrics)

    def _row(self, genotype: Any, metrics: Metrics) -> NDArray[np.float64]:
        """What is known of a genotype before training: its encoding and its metrics."""
        return np.append(self._space.encode(genotype), [metrics[name] for name in self._names])


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The place of each value in their order, from 0; of equals, their mean."""
    known = np.sort(values)
    first, end = (np.searchsorted(known, values, side) for side in ("left", "right"))
    return np.asarray((first + end - 1) / 2)
