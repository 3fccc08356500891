"""Models that predict the costs of a genotype from its encoding, with how unsure they are.

Gaussian processes learn standardised values: less their mean, over their standard deviation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edgevolve.gaussian_process import GaussianProcess, Posterior, Within

Array = NDArray[np.float64]

_LENGTHS = (0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
_NOISES = (1e-4, 1e-3, 1e-2, 1e-1)
"""Hyperparameters tried for a Gaussian process, on standardised costs. Without noise to choose, candidates of nearly
one encoding and different costs could only be explained by a length so short that nothing is learnt from others."""

_MOST_ROWS = 500
"""So that a fit costs the same for ever. The latest are among them: what disappoints is seldom among the best, and
once forgotten it would be promised again."""

_ROWS_TO_CHOOSE_BY = 250

_MEMBERS = 5
_ROUNDS = 80


_AMPLITUDE, _NOISE = (1e-2, 1.0, 1e3), (1e-4, 1e-2, 1.0)
_LEAST_LENGTH, _MOST_LENGTH = 5e-2, 1e2
"""Where the likeliest prior is looked for, for standardised values."""

_JITTER = 1e-6
"""Added to the variance of what is drawn, as a share of the prior's, so that its covariance has a root."""


@dataclass(frozen=True, slots=True)
class Prior:
    """For standardised values: a squared-exponential kernel's length and variance, and the variance of white noise."""

    length: float
    noise: float
    amplitude: float = 1.0


class Surrogate(Protocol):
    """A fitted model."""

    def predict(self, encoded: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the costs: rows x objectives, in the units of the costs."""


def choose_kernels(encoded: Array, costs: Array, learned: Sequence[int]) -> tuple[Prior, ...]:
    """For each of the columns `learned` the most likely of a grid, by at most 250 rows of the best costs.

    The likelihood is the marginal one (Rasmussen, Williams 2006, section 5.4.1).
    """
    rows = best_rows(costs, _ROWS_TO_CHOOSE_BY)
    grid = [Prior(length, noise) for length in _LENGTHS for noise in _NOISES]

    def likelihood(prior: Prior, column: Array) -> float:
        return _process(prior, encoded[rows], _standardised(column)[0]).log_likelihood()

    with one_thread():
        return tuple(max(grid, key=lambda prior: likelihood(prior, column)) for column in costs[rows][:, learned].T)


def fit_processes(encoded: Array, costs: Array, kernels: tuple[Prior, ...]) -> Surrogate:
    """A Gaussian process for each column of `costs`."""
    columns = zip(costs.T, kernels, strict=True)
    return _Processes(tuple(_solved(prior, encoded, column) for column, prior in columns))


def fit_trees(encoded: Array, costs: Array, seed: int) -> Surrogate:
    """An ensemble of boosted trees for each column of `costs`."""
    return _Trees(tuple(_fit_ensemble(encoded, column, seed) for column in costs.T))


def likeliest_prior(encoded: Array, values: Array) -> Prior:
    """The prior of the greatest marginal likelihood (Rasmussen and Williams 2006, section 5.4.1), by L-BFGS.

    `encoded` is rows × width, `values` one number a row. The ascent begins at a length of a quarter of the square
    root of the width: the same rows give the same prior.
    """
    length = float(np.clip(np.sqrt(encoded.shape[1]) / 4, _LEAST_LENGTH, _MOST_LENGTH))
    within = Within(_AMPLITUDE, (_LEAST_LENGTH, length, _MOST_LENGTH), _NOISE)
    with one_thread():
        found = GaussianProcess.fit(encoded, _standardised(values)[0], within)
    return Prior(found.length, found.noise, found.amplitude)


def draw(prior: Prior, encoded: Array, values: Array, at: Array, rng: Generator) -> Array:
    """One function of the posterior given `values` at the rows of `encoded`, without noise, at each row of `at`."""
    standard = rng.standard_normal(len(at))
    if not np.ptp(values):
        return np.full(len(at), values[0])
    with one_thread():
        known = _solved(prior, encoded, values)
        covariance = known.posterior.covariance(at) + _JITTER * prior.amplitude * np.eye(len(at))
        return known.mean + known.scale * (known.posterior(at) + np.linalg.cholesky(covariance) @ standard)


@dataclass(frozen=True, slots=True)
class _Solved:
    """A process of standardised values, and what they were standardised by."""

    posterior: Posterior
    mean: float
    scale: float


def _solved(prior: Prior, encoded: Array, values: Array) -> _Solved:
    standardised, mean, scale = _standardised(values)
    with one_thread():
        return _Solved(_process(prior, encoded, standardised).predictor(), mean, scale)


def _process(prior: Prior, encoded: Array, standardised: Array) -> GaussianProcess:
    return GaussianProcess(encoded, standardised, prior.amplitude, prior.length, prior.noise)


def _standardised(values: Array) -> tuple[Array, float, float]:
    """Values less their mean over their standard deviation, these two; over 1 where they do not differ."""
    mean, deviation = float(values.mean()), float(values.std())
    scale = deviation if deviation > 10 * np.finfo(float).eps else 1.0
    return (values - mean) / scale, mean, scale


@dataclass(frozen=True, slots=True)
class _Processes:
    models: tuple[_Solved, ...]

    def predict(self, encoded: Array) -> tuple[Array, Array]:
        if not self.models:
            return np.zeros((len(encoded), 0)), np.zeros((len(encoded), 0))
        with one_thread():
            means = [known.mean + known.scale * known.posterior(encoded) for known in self.models]
            spreads = [known.scale * known.posterior.deviation(encoded) for known in self.models]
        return np.stack(means, axis=1), np.stack(spreads, axis=1)


@dataclass(frozen=True, slots=True)
class _Trees:
    ensembles: tuple[tuple[Any, ...], ...]

    def predict(self, encoded: Array) -> tuple[Array, Array]:
        if not self.ensembles:
            return np.zeros((len(encoded), 0)), np.zeros((len(encoded), 0))
        drawn = np.array([[member.inplace_predict(encoded) for member in members] for members in self.ensembles])
        return drawn.mean(axis=1).T.astype(np.float64), drawn.std(axis=1, ddof=1).T.astype(np.float64)


def _fit_ensemble(encoded: Array, costs: Array, seed: int) -> tuple[Any, ...]:
    """Boosted trees, each member on its own draws of rows and columns."""
    import xgboost

    settings = {"max_depth": 4, "eta": 0.12, "subsample": 0.7, "colsample_bynode": 0.5, "max_bin": 64, "nthread": 1}
    data = xgboost.DMatrix(encoded, costs, nthread=1)
    seeds = np.random.SeedSequence([seed, len(costs)]).generate_state(_MEMBERS)
    return tuple(
        xgboost.train({**settings, "tree_method": "hist", "seed": int(state % 2**31)}, data, _ROUNDS) for state in seeds
    )


def best_rows(costs: Array, most: int = _MOST_ROWS) -> NDArray[np.int64]:
    """At most so many places, in their order: the latest half, and of the others those of the best ranks."""
    if len(costs) <= most:
        return np.arange(len(costs))
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    older = len(costs) - most // 2
    best = np.concatenate(NonDominatedSorting().do(costs[:older], n_stop_if_ranked=most - most // 2))
    return np.sort(np.concatenate([best[: most - most // 2], np.arange(older, len(costs))]))


def one_thread() -> Any:
    """Linear algebra on one thread: the cores are the workers', and sums keep their order on every machine."""
    return _thread_pools().limit(limits=1)


@cache
def _thread_pools() -> Any:
    import scipy.linalg  # noqa: F401  (loads the libraries that are looked for)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
