"""A Gaussian process with a squared-exponential kernel, a exp(-r² / 2l²), and Gaussian noise.

Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), algorithm 2.1 and equation 5.9. Every package
uses this one.
"""

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

Range = tuple[float, float, float]
"""Least value, start of the search for the likeliest value, and largest value."""


@dataclass(frozen=True, slots=True)
class Within:
    """The ranges in which the likeliest amplitude, length and noise are searched; amplitude and noise are variances."""

    amplitude: Range
    length: Range
    noise: Range


def usual(points: FloatArray, targets: FloatArray) -> Within:
    """The ranges for measured targets, (n,), of mean 0 at standardised points, (n, d).

    Variances scale with that of the targets, the length with a typical distance, the square root of d. Noise is never
    0, as no measurement is exact.
    """
    variance, typical = max(float(np.mean(targets**2)), 1e-12), max(points.shape[1], 1) ** 0.5
    return Within(
        (1e-3 * variance, 0.5 * variance, 10.0 * variance),
        (0.5 * typical, typical, 10.0 * typical),
        (0.05 * variance, 0.5 * variance, 3.0 * variance),
    )


@dataclass(frozen=True, slots=True)
class GaussianProcess:
    """A process of mean 0 with targets, (n,), at points, (n, d).

    `amplitude` and `noise` are variances; `length` is the length scale of every feature.
    """

    points: FloatArray
    targets: FloatArray
    amplitude: float
    length: float
    noise: float

    @classmethod
    def fit(cls, points: FloatArray, targets: FloatArray, within: Within | None = None) -> "GaussianProcess":
        """Choose the likeliest amplitude, length and noise for `targets`, (n,), at `points`, (n, d).

        They are searched `within` ranges, by default those of `usual`. Equal data give equal processes.
        """
        from scipy.optimize import minimize  # takes long to load, as scipy.linalg

        ranges = astuple(within or usual(points, targets))
        squares = _squared_distances(points, points)
        bounds = [np.log((least, most)) for least, _, most in ranges]
        start = np.log([begin for _, begin, _ in ranges])
        optimum = minimize(_loss, start, args=(squares, targets), jac=True, method="L-BFGS-B", bounds=bounds)
        amplitude, length, noise = np.exp(optimum.x).tolist()
        return cls(points, targets, amplitude, length, noise)

    def log_likelihood(self) -> float:
        """The logarithm of the marginal likelihood of the targets, without the constant term."""
        smooth = _kernel(_squared_distances(self.points, self.points), self.amplitude, self.length)
        return -_fitted(smooth, self.noise, self.targets)[0]

    def predictor(self) -> "Posterior":
        """The posterior for new points; its linear system is solved once."""
        from scipy.linalg import cho_factor, cho_solve

        kernel = _kernel(_squared_distances(self.points, self.points), self.amplitude, self.length)
        kernel[np.diag_indices_from(kernel)] += self.noise
        factor = cho_factor(kernel, lower=True)
        return Posterior(self, factor[0], cho_solve(factor, self.targets))

    def to_json(self) -> dict[str, Any]:
        """The process as plain JSON values."""
        return {
            "points": self.points.tolist(),
            "targets": self.targets.tolist(),
            "amplitude": self.amplitude,
            "length": self.length,
            "noise": self.noise,
        }

    @classmethod
    def from_json(cls, payload: dict[str, Any]) -> "GaussianProcess":
        """Read what `to_json` wrote. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        points = np.array(payload["points"], dtype=np.float64)
        targets = np.array(payload["targets"], dtype=np.float64)
        if points.ndim != 2 or targets.shape != (len(points),):
            raise ValueError("points and targets do not fit")
        scales = [float(payload[name]) for name in ("amplitude", "length", "noise")]
        if not (np.isfinite(points).all() and np.isfinite(targets).all() and all(0 < s < np.inf for s in scales)):
            raise ValueError("points, targets and scales must be finite, and scales above 0")
        return cls(points, targets, *scales)


@dataclass(frozen=True, slots=True)
class Posterior:
    """A Gaussian process with its linear system solved.

    `factor` is the lower Cholesky factor of the kernel matrix with noise, (n, n), and `solution` the inverse of that
    matrix times the targets, (n,).
    """

    process: GaussianProcess
    factor: FloatArray
    solution: FloatArray

    def __call__(self, points: FloatArray) -> FloatArray:
        """The mean at `points`, (m, d): (m,)."""
        mean: FloatArray = self._towards(points) @ self.solution
        return mean

    def deviation(self, points: FloatArray) -> FloatArray:
        """The standard deviation of the function, without noise, at `points`, (m, d): (m,)."""
        known = (self._explained(points) ** 2).sum(axis=0)
        return np.asarray(np.sqrt(np.maximum(self.process.amplitude - known, 0)))

    def covariance(self, points: FloatArray) -> FloatArray:
        """The covariance of the function, without noise, at `points`, (m, d): (m, m)."""
        process, explained = self.process, self._explained(points)
        prior = _kernel(_squared_distances(points, points), process.amplitude, process.length)
        return np.asarray(prior - explained.T @ explained)

    def _towards(self, points: FloatArray) -> FloatArray:
        squares = _squared_distances(points, self.process.points)
        return _kernel(squares, self.process.amplitude, self.process.length)

    def _explained(self, points: FloatArray) -> FloatArray:
        from scipy.linalg import solve_triangular

        return np.asarray(solve_triangular(self.factor, self._towards(points).T, lower=True))


def _squared_distances(a: FloatArray, b: FloatArray) -> FloatArray:
    squares: FloatArray = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.maximum(squares, 0)


def _kernel(squares: FloatArray, amplitude: float, length: float) -> FloatArray:
    kernel: FloatArray = amplitude * np.exp(-squares / (2 * length**2))
    return kernel


def _loss(theta: FloatArray, squares: FloatArray, targets: FloatArray) -> tuple[float, FloatArray]:
    """The negative log marginal likelihood, and its gradient by log(amplitude, length, noise)."""
    from scipy.linalg import cho_solve

    amplitude, length, noise = np.exp(theta)
    smooth = _kernel(squares, amplitude, length)
    loss, solution, factor = _fitted(smooth, noise, targets)
    inverse = cho_solve(factor, np.eye(len(targets)))
    inner = inverse - np.outer(solution, solution)
    slopes = (smooth, smooth * squares / length**2, noise * np.eye(len(targets)))
    return loss, np.array([0.5 * np.sum(inner * slope) for slope in slopes])


def _fitted(smooth: FloatArray, noise: float, targets: FloatArray) -> tuple[float, FloatArray, Any]:
    """The negative log marginal likelihood, the inverse kernel matrix times the targets, and the Cholesky factor."""
    from scipy.linalg import cho_factor, cho_solve

    factor = cho_factor(smooth + noise * np.eye(len(targets)), lower=True)
    solution = cho_solve(factor, targets)
    return float(0.5 * targets @ solution + np.log(np.diag(factor[0])).sum()), solution, factor
