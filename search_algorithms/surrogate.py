"""Surrogates: models, with uncertainty, of the metrics that only an evaluation gives.

Gaussian processes learn standardised values: mean 0, standard deviation 1.
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
NAS-Bench-201 and grow with the root of the number of columns, as distances do. Without noise, candidates of nearly
equal encodings and different values would force a length so short that nothing is learned from other candidates."""

_MOST_ROWS = 500
"""The most rows of a fit, so that its cost is bounded. The latest are among them: a disappointing candidate is seldom
among the best, and if it were left out it would be promised again."""

_ROWS_TO_CHOOSE_BY = 250
_CHOICE_GROWTH = 1.25
"""The priors of `Processes` are chosen again when the observed candidates have grown by this factor."""

_DRAWS = 8
"""The number of draws of `Processes` over which a gain is averaged."""

_MEMBERS = 5
_ROUNDS = 80

_AMPLITUDE, _NOISE = (1e-2, 1.0, 1e3), (1e-4, 1e-2, 1.0)
_LEAST_LENGTH, _MOST_LENGTH = 5e-2, 1e2
"""The range of lengths of the likeliest prior, for standardised values."""

_JITTER = 1e-6
"""The share of the prior's variance that is added to the variance of draws, so that their covariance has a root."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The training data of a surrogate: a row for each completed candidate, in order.

    `seen` are the columns known before training, `values` the metrics that training gave, one column each. `ranks_by`
    equals `values`, but may replace a column by one that ranks alike with less noise. `costs` are those of all
    objectives. `waiting` are the known columns of the candidates in flight, one row each.
    """

    seen: Array
    values: Array
    ranks_by: Array
    costs: Array
    waiting: Array


@dataclass(frozen=True, slots=True)
class Prediction:
    """A prediction of the metrics of other candidates: `mean` is (rows, columns), `draw` (draws, rows, columns)."""

    mean: Array
    draw: Callable[[Generator], Array]


class Surrogate(Protocol):
    """A model of some metrics. It is frozen; fitting gives another one."""

    @property
    def growth(self) -> float:
        """It is fitted again when the completed candidates have grown by this factor, or at least by one."""

    def fit(self, evidence: Evidence) -> "Surrogate":
        """The model fitted to the evidence."""

    def predict(self, at: Array, evidence: Evidence) -> Prediction:
        """The prediction for candidates with the rows `at`; the evidence may be later than that of the fit."""


@dataclass(frozen=True, slots=True)
class Trees:
    """An ensemble of boosted trees for each column, fitted to ranks: neither units nor outliers matter."""

    seed: int
    ordered: tuple[Array, ...] = ()
    """The sorted values of each column at the last fit."""
    ensembles: tuple[tuple[Any, ...], ...] = ()
    growth: ClassVar[float] = 1.1

    def fit(self, evidence: Evidence) -> "Trees":
        """The trees fitted to the evidence."""
        rows = best_rows(evidence.costs)
        ensembles = [
            _fit_ensemble(evidence.seen[rows], _ranks(column)[rows], self.seed) for column in evidence.ranks_by.T
        ]
        return replace(self, ordered=tuple(np.sort(evidence.values.T)), ensembles=tuple(ensembles))

    def predict(self, at: Array, evidence: Evidence) -> Prediction:
        """The prediction for the rows `at`, in the units of the values."""
        shape = len(self.ensembles), _MEMBERS, len(at)
        drawn = np.array([[member.inplace_predict(at) for member in members] for members in self.ensembles])
        drawn = drawn.reshape(shape).astype(np.float32)
        ranks, spread = (moment.astype(np.float64) for moment in (drawn.mean(axis=1), drawn.std(axis=1, ddof=1)))

        def draw(rng: Generator) -> Array:
            return self._values(ranks + spread * rng.standard_normal(ranks.shape))[None]

        return Prediction(self._values(ranks), draw)

    def _values(self, ranks: Array) -> Array:
        """The values of the fit at these ranks, (columns, rows), as (rows, columns)."""
        columns = [np.interp(row, np.arange(len(known)), known) for row, known in zip(ranks, self.ordered, strict=True)]
        return np.stack(columns, axis=1) if columns else np.empty((ranks.shape[1], 0))


@dataclass(frozen=True, slots=True)
class Processes:
    """A Gaussian process for each column, with the likeliest prior of a grid.

    Values are drawn independently, with `optimism` times the standard deviation.
    """

    optimism: float
    priors: tuple["Prior", ...] = ()
    next_choice: int = 0
    models: tuple["_Solved", ...] = ()
    growth: ClassVar[float] = 1.01
    """Fits are frequent; with rare ones the model would promise candidates like the last disappointment again."""

    def fit(self, evidence: Evidence) -> "Processes":
        """The processes fitted to the evidence."""
        priors, next_choice = self.priors, self.next_choice
        if len(evidence.seen) >= next_choice:
            priors = _choose_priors(evidence)
            next_choice = int(len(evidence.seen) * _CHOICE_GROWTH) + 1
        rows = best_rows(evidence.costs)
        columns = zip(evidence.values[rows].T, priors, strict=True)
        models = tuple(_solved(prior, evidence.seen[rows], column) for column, prior in columns)
        return replace(self, priors=priors, next_choice=next_choice, models=models)

    def predict(self, at: Array, evidence: Evidence) -> Prediction:
        """The prediction for the rows `at`, in the units of the values."""
        with one_thread():
            means = [known.mean + known.scale * known.posterior(at) for known in self.models]
            spreads = [known.scale * known.posterior.deviation(at) for known in self.models]
        mean, spread = (np.reshape(moment, (len(self.models), len(at))).T for moment in (means, spreads))

        def draw(rng: Generator) -> Array:
            return np.asarray(mean + self.optimism * spread * rng.standard_normal((_DRAWS, *mean.shape)))

        return Prediction(mean, draw)


@dataclass(frozen=True, slots=True)
class Thompson:
    """Thompson sampling: a Gaussian process for each column, with the likeliest prior; one function is drawn from each.

    Candidates in flight count as observed at the mean.
    """

    priors: tuple["Prior", ...] = ()
    growth: ClassVar[float] = 1.2

    def fit(self, evidence: Evidence) -> "Thompson":
        """The processes fitted to the evidence."""
        rows = best_rows(evidence.costs)
        return Thompson(tuple(likeliest_prior(evidence.seen[rows], column) for column in evidence.values[rows].T))

    def predict(self, at: Array, evidence: Evidence) -> Prediction:
        """The prediction for the rows `at`, in the units of the values."""
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
    """A prior of standardised values: length and variance of a squared-exponential kernel, and the noise's variance."""

    length: float
    noise: float
    amplitude: float = 1.0


def likeliest_prior(seen: Array, values: Array) -> Prior:
    """The prior of the greatest marginal likelihood (Rasmussen and Williams 2006, section 5.4.1), by L-BFGS.

    `seen` is (rows, width), `values` (rows,). The ascent starts at a length of a quarter of the square root of the
    width: equal rows give equal priors.
    """
    length = float(np.clip(np.sqrt(seen.shape[1]) / 4, _LEAST_LENGTH, _MOST_LENGTH))
    within = Within(_AMPLITUDE, (_LEAST_LENGTH, length, _MOST_LENGTH), _NOISE)
    with one_thread():
        fitted = GaussianProcess.fit(seen, _standardised(values)[0], within)
    return Prior(fitted.length, fitted.noise, fitted.amplitude)


def _choose_priors(evidence: Evidence) -> tuple[Prior, ...]:
    """The likeliest prior of a grid for each column, by at most 250 rows of the best costs.

    The likelihood is the marginal one (Rasmussen and Williams 2006, section 5.4.1).
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
    """A process of standardised values, and the mean and scale of the original values."""

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
    """An ensemble of boosted trees; each member has its own draws of rows and columns."""
    import xgboost

    settings = {"max_depth": 4, "eta": 0.12, "subsample": 0.7, "colsample_bynode": 0.5, "max_bin": 64, "nthread": 1}
    data = xgboost.DMatrix(seen, values, nthread=1)
    members = []
    for state in np.random.SeedSequence([seed, len(values)]).generate_state(_MEMBERS):
        member = xgboost.Booster({**settings, "tree_method": "hist", "seed": int(state % 2**31)}, [data])
        for turn in range(_ROUNDS):  # as `xgboost.train`, without its callbacks
            member.update(data, turn)
        members.append(member.reset())
    return tuple(members)


def _ranks(values: Array) -> Array:
    """The rank of each value, from 0; equal values have their mean rank."""
    known = np.sort(values)
    first, end = (np.searchsorted(known, values, side) for side in ("left", "right"))
    return np.asarray((first + end - 1) / 2)


def best_rows(costs: Array, most: int = _MOST_ROWS) -> NDArray[np.int64]:
    """At most `most` row indices, in order: the latest half, and of the others the best by non-dominated rank."""
    if len(costs) <= most:
        return np.arange(len(costs))
    older = len(costs) - most // 2
    best = np.concatenate(non_dominated_sort(costs[:older], most - most // 2))
    return np.sort(np.concatenate([best[: most - most // 2], np.arange(older, len(costs))]))


def one_thread() -> Any:
    """Run linear algebra on one thread: workers use the cores, and sums have the same order on every machine."""
    return _thread_pools().limit(limits=1)


@cache
def _thread_pools() -> Any:
    import scipy.linalg  # noqa: F401  (loads the libraries that are looked for)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
