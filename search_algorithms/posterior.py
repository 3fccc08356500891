"""Gaussian processes over encodings (scikit-learn's): the likeliest prior, and functions drawn from what it learnt."""

import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Array = NDArray[np.float64]

_VARIANCES = (1e-2, 1e3)
_LENGTHS = (5e-2, 1e2)
_NOISES = (1e-4, 1.0)
"""Bounds within which the likelihood is maximised, for standardised values."""

_JITTER = 1e-6
"""Added to the variance of what is drawn, as a share of the prior's, so that its covariance has a root."""


@dataclass(frozen=True, slots=True)
class Prior:
    """For standardised values: scikit-learn's squared-exponential kernel, and the variance of white noise."""

    kernel: Any
    noise: float


def likeliest_prior(encoded: Array, values: Array) -> Prior:
    """The prior of the greatest marginal likelihood (Rasmussen and Williams 2006, section 5.4.1), by L-BFGS.

    `encoded` is rows × width, `values` one number a row. The ascent begins at a length of a quarter of the square
    root of the width: the same rows give the same prior.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    length = float(np.clip(np.sqrt(encoded.shape[1]) / 4, *_LENGTHS))
    kernel = ConstantKernel(1.0, _VARIANCES) * RBF(length, _LENGTHS) + WhiteKernel(1e-2, _NOISES)
    with warnings.catch_warnings(), one_thread():
        warnings.simplefilter("ignore", ConvergenceWarning)  # at a bound, which is where it may end
        fitted = GaussianProcessRegressor(kernel, normalize_y=True).fit(encoded, values).kernel_
    return Prior(fitted.k1, fitted.k2.noise_level)


def draw(prior: Prior, encoded: Array, values: Array, at: Array, rng: Generator) -> Array:
    """One function of the posterior given `values` at the rows of `encoded`, without noise, at each row of `at`."""
    from sklearn.gaussian_process import GaussianProcessRegressor

    standard = rng.standard_normal(len(at))
    if not np.ptp(values):
        return np.full(len(at), values[0])
    model = GaussianProcessRegressor(prior.kernel, alpha=prior.noise, optimizer=None, normalize_y=True)
    with one_thread():
        mean, covariance = model.fit(encoded, values).predict(at, return_cov=True)
        jitter = _JITTER * values.var() * prior.kernel.diag(at)
        return np.asarray(mean + np.linalg.cholesky(covariance + np.diag(jitter)) @ standard)


def one_thread() -> Any:
    """Linear algebra on one thread: the cores are the workers', and sums keep their order on every machine."""
    return _thread_pools().limit(limits=1)


@cache
def _thread_pools() -> Any:
    import sklearn.gaussian_process  # noqa: F401  (loads the libraries that are looked for)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
