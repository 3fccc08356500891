"""Models of what only an evaluation tells, with how unsure they are.

Gaussian processes learn standardised values: less their mean, over their standard deviation.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edgevolve.gaussian_process import GaussianProcess, Posterior, Within
from search_algorithms.pareto import non_dominated_sort

Array = NDArray[np.float64]

_LENGTHS = (0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
_WIDTH = 94
_NOISES = (1e-4, 1e-3, 1e-2, 1e-1)
"""Hyperparameters tried for a Gaussian process, on standardised values. The lengths are for the 94 columns of
NAS-Bench-201 and grow with the root of the number of columns, as distances do. Without noise to choose, candidates of
nearly one encoding and different values could only be explained by a length so short that nothing is learnt from
others."""

_MOST_ROWS = 500
"""So that a fit costs the same for ever. The latest are among them: what disappoints is seldom among the best, and
once forgotten it would be promised again."""

_ROWS_TO_CHOOSE_BY = 250
_CHOICE_GROWTH = 1.25
"""The priors of `Processes` are chosen again when so many times the candidates of the last choice are observed."""

_DRAWS = 8
"""Draws of `Processes`, over which a gain is averaged."""

_MEMBERS = 5
_ROUNDS = 80

_AMPLITUDE, _NOISE = (1e-2, 1.0, 1e3), (1e-4, 1e-2, 1.0)
_LEAST_LENGTH, _MOST_LENGTH = 5e-2, 1e2
"""Where the likeliest prior is looked for, for standardised values."""

_JITTER = 1e-6
"""Added to the variance of what is drawn, as a share of the prior's, so that its covariance has a root."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a surrogate learns from: a row for each completed candidate, in their order.

    `seen` is what is known of them before training, `values` the metrics that training gave, a column each. `ranks_by`
    equals the values, but may hold in place of a column what ranks alike with less noise. `costs` are those of all
    objectives. `waiting` is what is known of the candidates in flight.
    """

    seen: Array
    values: Array
    ranks_by: Array
    costs: Array
    waiting: Array


@dataclass(frozen=True, slots=True)
class Prediction:
    """Of the same metrics for other candidates: the mean, rows × columns, and draws × rows × columns."""

    mean: Array
    draw: Callable[[Generator], Array]


class Surrogate(Protocol):
    """A model of some metrics; frozen, so that fitting gives another."""

    @property
    def growth(self) -> float:
        """It is fitted again when so many times the candidates of its last fit are completed (at least one more)."""

    def fit(self, evidence: Evidence) -> "Surrogate":
        """The model fitted to the evidence."""

    def predict(self, at: Array, evidence: Evidence) -> Prediction:
        """What it expects of candidates of which `at` is known; the evidence may be later than that of its fit."""


@dataclass(frozen=True, slots=True)
class Trees:
    """An ensemble of boosted trees for each column, of the ranks of its values: neither units nor outliers matter."""

    seed: int
    ordered: tuple[Array, ...] = ()
    """The values of the last fit, each column in order."""
    ensembles: tuple[tuple[Any, ...], ...] = ()
    growth: ClassVar[float] = 1.1

    def fit(self, evidence: Evidence) -> "Trees":
        """The same, fitted."""
        rows = best_rows(evidence.costs)
        ensembles = [
            _fit_ensemble(evidence.seen[rows], _ranks(column)[rows], self.seed) for column in evidence.ranks_by.T
        ]
        return replace(self, ordered=tuple(np.sort(evidence.values.T)), ensembles=tuple(ensembles))

    def predict(self, at: Array, evidence: Evidence) -> Prediction:
        """In the units of the values."""
        shape = len(self.ensembles), _MEMBERS, len(at)
        drawn = np.array([[member.inplace_predict(at) for member in members] for members in self.ensembles])
        drawn = drawn.reshape(shape).astype(np.float32)
        ranks, spread = (moment.astype(np.float64) for moment in (drawn.mean(axis=1), drawn.std(axis=1, ddof=1)))

        def draw(rng: Generator) -> Array:
            return self._values(ranks + spread * rng.standard_normal(ranks.shape))[None]

        return Prediction(self._values(ranks), draw)

    def _values(self, ranks: Array) -> Array:
        """At these ranks, columns × rows, among the values of the fit: rows × columns."""
        columns = [np.interp(row, np.arange(len(known)), known) for row, known in zip(ranks, self.ordered, strict=True)]
        return np.stack(columns, axis=1) if columns else np.empty((ranks.shape[1], 0))


@dataclass(frozen=True, slots=True)
class Processes:
    """A Gaussian process for each column, of the likeliest prior of a grid.

    Values are drawn one by one, with `optimism` times the standard deviation.
    """

    optimism: float
    priors: tuple["Prior", ...] = ()
    next_choice: int = 0
    models: tuple["_Solved", ...] = ()
    growth: ClassVar[float] = 1.01
    """One that waits for longer promises one candidate after another that resembles the last disappointment."""

    def fit(self, evidence: Evidence) -> "Processes":
        """The same, fitted."""
        priors, next_choice = self.priors, self.next_choice
        if len(evidence.seen) >= next_choice:
            priors = _choose_priors(evidence)
            next_choice = int(len(evidence.seen) * _CHOICE_GROWTH) + 1
        rows = best_rows(evidence.costs)
        columns = zip(evidence.values[rows].T, priors, strict=True)
        models = tuple(_solved(prior, evidence.seen[rows], column) for column, prior in columns)
        return replace(self, priors=priors, next_choice=next_choice, models=models)

    def predict(self, at: Array, evidence: Evidence) -> Prediction:
        """In the units of the values."""
        with one_thread():
            means = [known.mean + known.scale * known.posterior(at) for known in self.models]
            spreads = [known.scale * known.posterior.deviation(at) for known in self.models]
        mean, spread = (np.reshape(moment, (len(self.models), len(at))).T for moment in (means, spreads))

        def draw(rng: Generator) -> Array:
            return np.asarray(mean + self.optimism * spread * rng.standard_normal((_DRAWS, *mean.shape)))

        return Prediction(mean, draw)


@dataclass(frozen=True, slots=True)
class Thompson:
    """A Gaussian process for each column, of the likeliest prior; one function is drawn of each (Thompson sampling).

    What is in flight counts as if it had been observed the mean.
    """

    priors: tuple["Prior", ...] = ()
    growth: ClassVar[float] = 1.2

    def fit(self, evidence: Evidence) -> "Thompson":
        """The same, fitted."""
        rows = best_rows(evidence.costs)
        return Thompson(tuple(likeliest_prior(evidence.seen[rows], column) for column in evidence.values[rows].T))

    def predict(self, at: Array, evidence: Evidence) -> Prediction:
        """In the units of the values."""
        rows = best_rows(evidence.costs)
        seen = np.concatenate([evidence.seen[rows], evidence.waiting])
        models = []
        for prior, column in zip(self.priors, evidence.values[rows].T, strict=True):
            lies = np.full(len(evidence.waiting), column.mean())
            models.append(_solved(prior, seen, np.concatenate([column, lies])))
        with one_thread():
            means = [known.mean + known.scale * known.posterior(at) for known in models]

        def draw(rng: Generator) -> Array:
            functions = [known.draw(at, rng) for known in models]
            return np.reshape(functions, (len(models), len(at))).T[None]

        return Prediction(np.reshape(means, (len(models), len(at))).T, draw)


@dataclass(frozen=True, slots=True)
class Prior:
    """For standardised values: a squared-exponential kernel's length and variance, and the variance of white noise."""

    length: float
    noise: float
    amplitude: float = 1.0


def likeliest_prior(seen: Array, values: Array) -> Prior:
    """The prior of the greatest marginal likelihood (Rasmussen and Williams 2006, section 5.4.1), by L-BFGS.

    `seen` is rows × width, `values` one number a row. The ascent begins at a length of a quarter of the square root of
    the width: the same rows give the same prior.
    """
    length = float(np.clip(np.sqrt(seen.shape[1]) / 4, _LEAST_LENGTH, _MOST_LENGTH))
    within = Within(_AMPLITUDE, (_LEAST_LENGTH, length, _MOST_LENGTH), _NOISE)
    with one_thread():
        fitted = GaussianProcess.fit(seen, _standardised(values)[0], within)
    return Prior(fitted.length, fitted.noise, fitted.amplitude)


def _choose_priors(evidence: Evidence) -> tuple[Prior, ...]:
    """For each column the most likely of a grid, by at most 250 rows of the best costs.

    The likelihood is the marginal one (Rasmussen, Williams 2006, section 5.4.1).
    """
    rows = best_rows(evidence.costs, _ROWS_TO_CHOOSE_BY)
    scale = float(np.sqrt(evidence.seen.shape[1] / _WIDTH))
    grid = [Prior(scale * length, noise) for length in _LENGTHS for noise in _NOISES]

    def likelihood(prior: Prior, column: Array) -> float:
        return _process(prior, evidence.seen[rows], _standardised(column)[0]).log_likelihood()

    with one_thread():
        return tuple(max(grid, key=lambda prior: likelihood(prior, column)) for column in evidence.values[rows].T)


@dataclass(frozen=True, slots=True)
class _Solved:
    """A process of standardised values, and what they were standardised by."""

    posterior: Posterior
    mean: float
    scale: float
    is_constant: bool

    def draw(self, at: Array, rng: Generator) -> Array:
        """One function of the posterior, without noise, at each row of `at`."""
        standard = rng.standard_normal(len(at))
        if self.is_constant:
            return np.full(len(at), self.mean)
        with one_thread():
            jitter = _JITTER * self.posterior.process.amplitude * np.eye(len(at))
            root = np.linalg.cholesky(self.posterior.covariance(at) + jitter)
            return self.mean + self.scale * (self.posterior(at) + root @ standard)


def _solved(prior: Prior, seen: Array, values: Array) -> _Solved:
    standardised, mean, scale = _standardised(values)
    with one_thread():
        return _Solved(_process(prior, seen, standardised).predictor(), mean, scale, not np.ptp(values))


def _process(prior: Prior, seen: Array, standardised: Array) -> GaussianProcess:
    return GaussianProcess(seen, standardised, prior.amplitude, prior.length, prior.noise)


def _standardised(values: Array) -> tuple[Array, float, float]:
    """(values - mean) / scale, the mean, and the scale: the standard deviation, or 1 where values do not differ."""
    mean, deviation = float(values.mean()), float(values.std())
    scale = deviation if deviation > 10 * np.finfo(float).eps else 1.0
    return (values - mean) / scale, mean, scale


def _fit_ensemble(seen: Array, values: Array, seed: int) -> tuple[Any, ...]:
    """Boosted trees, each member on its own draws of rows and columns."""
    import xgboost

    settings = {"max_depth": 4, "eta": 0.12, "subsample": 0.7, "colsample_bynode": 0.5, "max_bin": 64, "nthread": 1}
    data = xgboost.DMatrix(seen, values, nthread=1)
    members = []
    for state in np.random.SeedSequence([seed, len(values)]).generate_state(_MEMBERS):
        member = xgboost.Booster({**settings, "tree_method": "hist", "seed": int(state % 2**31)}, [data])
        for turn in range(_ROUNDS):  # what `xgboost.train` does, less what it does to watch
            member.update(data, turn)
        members.append(member.reset())
    return tuple(members)


def _ranks(values: Array) -> Array:
    """The place of each value in their order, from 0; of equals, their mean."""
    known = np.sort(values)
    first, end = (np.searchsorted(known, values, side) for side in ("left", "right"))
    return np.asarray((first + end - 1) / 2)


def best_rows(costs: Array, most: int = _MOST_ROWS) -> NDArray[np.int64]:
    """At most so many places, in their order: the latest half, and of the others those of the best ranks."""
    if len(costs) <= most:
        return np.arange(len(costs))
    older = len(costs) - most // 2
    best = np.concatenate(non_dominated_sort(costs[:older], most - most // 2))
    return np.sort(np.concatenate([best[: most - most // 2], np.arange(older, len(costs))]))


def one_thread() -> Any:
    """Linear algebra on one thread: the cores are the workers', and sums keep their order on every machine."""
    return _thread_pools().limit(limits=1)


@cache
def _thread_pools() -> Any:
    import scipy.linalg  # noqa: F401  (loads the libraries that are looked for)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
