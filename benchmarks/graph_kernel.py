"""Gaussian processes for the error of NAS-Bench-201 cells: over the space's encoding, and by optimal transport.

    python benchmarks/graph_kernel.py --data nb201_tabular_cifar100_pi5.npz [--seeds 10]

The rival is the kernel of μNAS: the OTMANN distance between layer graphs (Kandasamy et al. 2018, arXiv 1802.07191)
with μNAS's coefficients. Both processes get the likeliest hyperparameters from one optimiser. On random training sets:
Spearman's rank correlation and the negative log predictive density (nats; the error is clipped at 60 % and scaled to
[0, 1]) on the other cells of 400. Then Thompson sampling over the same 400 from 15 on: evaluations until the least
error, 101 where that takes more than 100. Prints medians; last one line of JSON.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.stats import norm, spearmanr
from tabular_runs import CellTable, read_table

from search_space.nasbench201 import EDGES

Array = NDArray[np.float64]

SIZES = (25, 50, 100, 200)
CELLS = 400
FOUNDERS, EVALUATIONS = 15, 100
REFITS = (15, 22, 33, 50, 75)
"""Evaluations after which the Thompson sampling chooses its hyperparameters."""

ROUTES = (((0, 3),), ((0, 1), (1, 3)), ((0, 2), (2, 3)), ((0, 1), (1, 2), (2, 3)))
MASSES = {"nor_conv_1x1": 262.144, "nor_conv_3x3": 2359.296, "avg_pool_3x3": 147.456}
"""Thousand multiply-accumulates at 32×32×16, the first stage. What is not here is no layer."""

PATH_WEIGHTS = (
    (("nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"), 0.1),
    (("nor_conv_1x1", "nor_conv_3x3"), 0.25),
    (("avg_pool_3x3",), 0.61),
)
"""What a difference in path length costs, with paths counted over all layers, over convolutions and over pools."""

APART = 2.0
"""The cost of a match that is not allowed: what it costs to leave both layers unmatched."""

LAYERS = 8
SMOOTHING, ROUNDS = 0.02, 500
"""Sinkhorn's iteration (Cuturi 2013, arXiv 1306.0895)."""


@dataclass(frozen=True)
class Layers:
    """Of one cell: input, output and operators, each with its mass and its weighted path lengths; padded to 8."""

    kinds: tuple[str, ...]
    masses: Array
    paths: Array


def layers(cell: Any) -> Layers:
    """Skips join their ends, and what lies on no way from input to output is left out."""
    ops = {edge: op for edge, op in zip(EDGES, astuple(cell), strict=True) if op != "none"}
    live = {edge: ops[edge] for route in ROUTES if set(route) <= set(ops) for edge in route}
    edges = [edge for edge in live if live[edge] in MASSES]
    total = sum(MASSES[live[edge]] for edge in edges)
    ends = max(0.1 * total, 0.1)
    ahead = path_lengths(live, start=0)
    behind = path_lengths({(b, a): op for (a, b), op in live.items()}, start=3)
    nothing = np.zeros(9)
    paths = [np.concatenate([nothing, behind.get(0, nothing)]), np.concatenate([ahead.get(3, nothing), nothing])]
    paths += [np.concatenate([ahead[a], behind[b]]) for a, b in edges]
    padding = LAYERS - len(paths)
    return Layers(
        ("input", "output", *(live[edge] for edge in edges), *[""] * padding),
        np.array([ends, ends, *(MASSES[live[edge]] for edge in edges), *[0.0] * padding]),
        np.vstack([*paths, np.zeros((padding, 18))]),
    )


def path_lengths(live: Mapping[tuple[int, int], str], start: int) -> dict[int, Array]:
    """To each node reached from `start`: shortest, longest and a random walk's mean length, by group, weighted."""
    order = sorted({node for edge in live for node in edge}, reverse=start > 0)
    lengths = {start: np.zeros((3, 3))}
    for node in order:
        before = [(lengths[a], live[a, b]) for a, b in live if b == node and a in lengths]
        if before:
            steps = np.array([length + [[float(op in group)] for group, _ in PATH_WEIGHTS] for length, op in before])
            lengths[node] = np.stack(
                [steps[:, :, 0].min(axis=0), steps[:, :, 1].max(axis=0), steps[:, :, 2].mean(axis=0)], axis=1
            )
    weights = np.array([[weight] for _, weight in PATH_WEIGHTS]) / 6  # the mean over three lengths and two ends
    return {node: (length * weights).ravel() for node, length in lengths.items()}


def mismatch(a: str, b: str) -> float:
    """Of two kinds of layer."""
    if a == b:
        return 0.0
    return float(np.sqrt(2 * 2) / 10) if "conv" in a and "conv" in b else APART


def transport(graphs: list[Layers]) -> tuple[Array, Array]:
    """Optimal-transport distances between graphs: as they are, and as shares of both graphs' masses."""
    kinds = sorted({kind for graph in graphs for kind in graph.kinds})
    between = np.array([[mismatch(a, b) for b in kinds] for a in kinds])
    codes = np.array([[kinds.index(kind) for kind in graph.kinds] for graph in graphs])
    paths = np.array([graph.paths for graph in graphs])
    masses = np.array([graph.masses for graph in graphs])
    distances = np.zeros((len(graphs), len(graphs)))
    for i, graph in enumerate(graphs):
        cost = np.ones((len(graphs) - i, LAYERS + 1, LAYERS + 1))  # the last stands for leaving mass unmatched
        cost[:, :LAYERS, :LAYERS] = between[codes[i][:, None], codes[i:, None, :]]
        cost[:, :LAYERS, :LAYERS] += np.abs(graph.paths[:, None] - paths[i:, None]).sum(axis=3)
        cost[:, LAYERS, LAYERS] = 0.0
        mine = np.tile(graph.masses, (len(cost), 1))
        from_masses = np.hstack([mine, masses[i:].sum(axis=1, keepdims=True)])
        to_masses = np.hstack([masses[i:], mine.sum(axis=1, keepdims=True)])
        distances[i, i:] = distances[i:, i] = sinkhorn(from_masses, to_masses, cost)
    return distances, distances / np.add.outer(masses.sum(axis=1), masses.sum(axis=1))


def sinkhorn(a: Array, b: Array, cost: Array) -> Array:
    """The cost of moving each row of masses `a` to `b`; both n × k, `cost` n × k × k."""
    kernel = np.exp(-cost / SMOOTHING)
    v = np.ones_like(b)
    for _ in range(ROUNDS):
        u = a / np.einsum("nij,nj->ni", kernel, v)
        v = b / np.einsum("nij,ni->nj", kernel, u)
    return np.asarray(np.einsum("ni,nij,nij,nj->n", u, kernel, cost, v))


@dataclass(frozen=True)
class Process:
    """A Gaussian process on distances: the sum of v exp(-d / l) over several kinds of distance, and white noise.

    `parts` are the distances between all cells; a squared distance gives the squared-exponential kernel. Values are
    standardised. Distances between graphs need not give a positive covariance: eigenvalues below the noise are
    raised to it.
    """

    parts: Array
    logs: Array
    """Of a variance and a length for each part, and of the noise."""

    def covariance(self, rows: Array, columns: Array) -> Array:
        """Between cells, without noise."""
        logs, blocks = np.exp(self.logs), self.parts[:, rows][:, :, columns]
        return sum(logs[2 * i] * np.exp(-block / logs[2 * i + 1]) for i, block in enumerate(blocks))

    def spectrum(self, rows: Array) -> tuple[Array, Array]:
        """Eigenvalues and eigenvectors of the covariance of what is observed, noise included."""
        values, vectors = np.linalg.eigh(self.covariance(rows, rows))
        noise = np.exp(self.logs[-1])
        return np.maximum(values, 0.0) + noise, vectors

    def surprise(self, rows: Array, observed: Array) -> float:
        """The negative log marginal likelihood."""
        values, vectors = self.spectrum(rows)
        return float(0.5 * ((vectors.T @ observed) ** 2 / values + np.log(values)).sum())

    def posterior(self, rows: Array, observed: Array, at: Array) -> tuple[Array, Array]:
        """Mean and covariance at cells, without noise."""
        values, vectors = self.spectrum(rows)
        across = self.covariance(at, rows) @ vectors
        return across @ ((vectors.T @ observed) / values), self.covariance(at, at) - (across / values) @ across.T


def likeliest(parts: Array, rows: Array, observed: Array) -> Process:
    """The best of three ascents by L-BFGS: from equal variances, a noise of 1 % and lengths of 0.2, 1 and 5 medians."""
    bounds = [(np.log(1e-2), np.log(1e3)), (np.log(1e-2), np.log(1e2))] * len(parts) + [(np.log(1e-4), 0.0)]
    starts = [[0.0, np.log(length)] * len(parts) + [np.log(0.01)] for length in (0.2, 1.0, 5.0)]
    ends = [
        minimize(lambda logs: Process(parts, logs).surprise(rows, observed), start, method="L-BFGS-B", bounds=bounds)
        for start in starts
    ]
    return Process(parts, min(ends, key=lambda end: float(end.fun)).x)


def standardised(values: Array) -> tuple[Array, float, float]:
    """Values with their mean and scale."""
    mean, scale = float(values.mean()), float(values.std())
    return (values - mean) / scale, mean, scale


def prediction(parts: Array, errors: Array, size: int) -> tuple[float, float]:
    """Rank correlation and negative log predictive density, trained on the first cells."""
    rows, at = np.arange(size), np.arange(size, len(errors))
    observed, mean, scale = standardised(errors[:size])
    process = likeliest(parts, rows, observed)
    predicted, covariance = process.posterior(rows, observed, at)
    spread = scale * np.sqrt(np.maximum(covariance.diagonal(), 0.0) + np.exp(process.logs[-1]))
    density = norm.logpdf(errors[at], mean + scale * predicted, spread)
    return float(spearmanr(predicted, errors[at]).statistic), -float(density.mean())


def evaluations_to_best(parts: Array, errors: Array, rng: np.random.Generator) -> int:
    """Of Thompson sampling, from the first cells on; one more than all where it does not find it."""
    rows = np.arange(FOUNDERS)
    while errors[rows].min() > errors.min() and len(rows) < EVALUATIONS:
        observed, _, _ = standardised(errors[rows])
        if len(rows) in REFITS:
            process = likeliest(parts, rows, observed)
        left = np.setdiff1d(np.arange(len(errors)), rows)
        mean, covariance = process.posterior(rows, observed, left)
        values, vectors = np.linalg.eigh(covariance)
        drawn = mean + vectors @ (np.sqrt(np.maximum(values, 0.0)) * rng.standard_normal(len(left)))
        rows = np.append(rows, left[np.argmin(drawn)])
    return len(rows) + int(errors[rows].min() > errors.min())


def distances(table: CellTable, rows: Array) -> dict[str, Array]:
    """Each kernel's kinds of distance between cells, over their medians."""
    cells = [table.cells[row] for row in rows]
    encoded = np.array([table.space.encode(cell) for cell in cells])
    parts = {"encoding": [cdist(encoded, encoded, "sqeuclidean")], "transport": transport([*map(layers, cells)])}
    return {name: np.array([part / np.median(part) for part in kinds]) for name, kinds in parts.items()}


def main() -> None:
    """Compare the kernels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="an .npz file of measured NAS-Bench-201 cells")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    table = read_table(options.data, 2)
    results: dict[str, dict[str, list[float]]] = {}
    for seed in range(options.seeds):
        rng = np.random.default_rng(seed)
        rows = rng.choice(len(table.cells), CELLS, replace=False)
        errors = table.costs[rows, 0]
        for name, parts in distances(table, rows).items():
            result = results.setdefault(name, {})
            for size in SIZES:
                correlation, surprise = prediction(parts, errors, size)
                result.setdefault(f"spearman_{size}", []).append(correlation)
                result.setdefault(f"nlpd_{size}", []).append(surprise)
            needed = evaluations_to_best(parts, errors, np.random.default_rng(seed))
            result.setdefault("evaluations_to_best", []).append(needed)
    medians = {name: {what: round(median(values), 4) for what, values in r.items()} for name, r in results.items()}
    figures = Table("median", *medians, f"encoding ahead, of {options.seeds}", box=None)
    for what, ours in results["encoding"].items():
        higher = what.startswith("spearman")
        ahead = sum(a > b if higher else a < b for a, b in zip(ours, results["transport"][what], strict=True))
        figures.add_row(what, *(f"{medians[name][what]:.4g}" for name in medians), str(ahead))
    Console(width=100).print(figures)
    print(json.dumps({f"{what}_{name}": value for name, r in medians.items() for what, value in r.items()}))


if __name__ == "__main__":
    main()
