"""Models that predict the costs of a genotype from its encoding, with how unsure they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from search_algorithms.posterior import one_thread

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


@dataclass(frozen=True, slots=True)
class Kernel:
    """Squared-exponential with a length, for one-hot genes a power of the number that differ, and white noise."""

    length: float
    noise: float


class Surrogate(Protocol):
    """A fitted model."""

    def predict(self, encoded: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of the costs: rows x objectives, in the units of the costs."""


def choose_kernels(encoded: Array, costs: Array, learned: Sequence[int]) -> tuple[Kernel, ...]:
    """For each of the columns `learned` the most likely of a grid, by at most 250 rows of the best costs.

    The likelihood is the marginal one (Rasmussen, Williams 2006, section 5.4.1).
    """
    rows = best_rows(costs, _ROWS_TO_CHOOSE_BY)
    grid = [Kernel(length, noise) for length in _LENGTHS for noise in _NOISES]

    def likelihood(kernel: Kernel, column: Array) -> float:
        return float(_fit_process(encoded[rows], column, kernel).log_marginal_likelihood_value_)

    return tuple(max(grid, key=lambda kernel: likelihood(kernel, column)) for column in costs[rows][:, learned].T)


def fit_processes(encoded: Array, costs: Array, kernels: tuple[Kernel, ...]) -> Surrogate:
    """A Gaussian process for each column of `costs`."""
    columns = zip(costs.T, kernels, strict=True)
    return _Processes(tuple(_fit_process(encoded, column, kernel) for column, kernel in columns))


def fit_trees(encoded: Array, costs: Array, seed: int) -> Surrogate:
    """An ensemble of boosted trees for each column of `costs`."""
    return _Trees(tuple(_fit_ensemble(encoded, column, seed) for column in costs.T))


@dataclass(frozen=True, slots=True)
class _Processes:
    models: tuple[Any, ...]

    def predict(self, encoded: Array) -> tuple[Array, Array]:
        if not self.models:
            return np.zeros((len(encoded), 0)), np.zeros((len(encoded), 0))
        with one_thread():
            means, spreads = zip(*(model.predict(encoded, return_std=True) for model in self.models), strict=True)
        return np.stack(means, axis=1), np.stack(spreads, axis=1)


@dataclass(frozen=True, slots=True)
class _Trees:
    ensembles: tuple[tuple[Any, ...], ...]

    def predict(self, encoded: Array) -> tuple[Array, Array]:
        if not self.ensembles:
            return np.zeros((len(encoded), 0)), np.zeros((len(encoded), 0))
        drawn = np.array([[member.inplace_predict(encoded) for member in members] for members in self.ensembles])
        return drawn.mean(axis=1).T.astype(np.float64), drawn.std(axis=1, ddof=1).T.astype(np.float64)


def _fit_process(encoded: Array, costs: Array, kernel: Kernel) -> Any:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF

    model = GaussianProcessRegressor(RBF(kernel.length), alpha=kernel.noise, optimizer=None, normalize_y=True)
    with one_thread():
        return model.fit(encoded, costs)


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
