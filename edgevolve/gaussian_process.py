"""A Gaussian process with a squared-exponential kernel, as small as its JSON.

Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), algorithm 2.1 and equation 5.9.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

FloatArray = NDArray[np.float64]

_AMPLITUDE = (1e-3, 10.0)
"""Bounds of the function's variance, in variances of the targets."""

_NOISE = (0.05, 3.0)
"""Bounds of the noise variance, in variances of the targets: nothing measured is exact."""

_LENGTH = (0.5, 10.0)
"""Bounds of the length scale, in typical distances: the square root of the number of features."""


@dataclass(frozen=True, slots=True)
class GaussianProcess:
    """Zero-mean; `amplitude` and `noise` are variances, `length` the length scale of all features alike."""

    points: FloatArray
    targets: FloatArray
    amplitude: float
    length: float
    noise: float

    @classmethod
    def fit(cls, points: FloatArray, targets: FloatArray) -> "GaussianProcess":
        """Choose amplitude, length and noise by the likelihood of `targets` at standardised `points`, (n, d)."""
        variance = max(float(np.mean(targets**2)), 1e-12)
        typical = max(points.shape[1], 1) ** 0.5
        squares = _squared_distances(points, points)
        bounds = [np.log(np.array(b) * s) for b, s in ((_AMPLITUDE, variance), (_LENGTH, typical), (_NOISE, variance))]
        start = np.log([0.5 * variance, typical, 0.5 * variance])
        found = minimize(_loss, start, args=(squares, targets), jac=True, method="L-BFGS-B", bounds=bounds)
        amplitude, length, noise = np.exp(found.x).tolist()
        return cls(points, targets, amplitude, length, noise)

    def predictor(self) -> "PosteriorMean":
        """The mean at new points, solved once."""
        kernel = _kernel(_squared_distances(self.points, self.points), self.amplitude, self.length)
        kernel[np.diag_indices_from(kernel)] += self.noise
        return PosteriorMean(self, cho_solve(cho_factor(kernel, lower=True), self.targets))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
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
class PosteriorMean:
    """A Gaussian process with its linear system solved."""

    process: GaussianProcess
    solution: FloatArray

    def __call__(self, points: FloatArray) -> FloatArray:
        """The mean at `points`, (m, d)."""
        squares = _squared_distances(points, self.process.points)
        mean: FloatArray = _kernel(squares, self.process.amplitude, self.process.length) @ self.solution
        return mean


def _squared_distances(a: FloatArray, b: FloatArray) -> FloatArray:
    squares: FloatArray = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    return np.maximum(squares, 0)


def _kernel(squares: FloatArray, amplitude: float, length: float) -> FloatArray:
    kernel: FloatArray = amplitude * np.exp(-squares / (2 * length**2))
    return kernel


def _loss(theta: FloatArray, squares: FloatArray, targets: FloatArray) -> tuple[float, FloatArray]:
    """The negative logarithm of the marginal likelihood, and its gradient by log(amplitude, length, noise)."""
    amplitude, length, noise = np.exp(theta)
    smooth = _kernel(squares, amplitude, length)
    factor = cho_factor(smooth + noise * np.eye(len(targets)), lower=True)
    solution = cho_solve(factor, targets)
    inverse = cho_solve(factor, np.eye(len(targets)))
    loss = 0.5 * targets @ solution + np.log(np.diag(factor[0])).sum()
    inner = inverse - np.outer(solution, solution)
    slopes = (smooth, smooth * squares / length**2, noise * np.eye(len(targets)))
    return float(loss), np.array([0.5 * np.sum(inner * slope) for slope in slopes])
