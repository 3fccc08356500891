"""Measured NAS-Bench-201 cells, and how they are split."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from predictors import FeatureTable, feature_table
from search_space.nasbench201 import EDGES, Cell, NasBench201Space, cell_hash

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class MeasuredCells:
    """A row a cell: features, class of isomorphism, milliseconds on each device (not positive: not measured)."""

    table: FeatureTable
    classes: NDArray[np.int64]
    latency_ms: dict[str, FloatArray]


def read_cells(folder: Path) -> MeasuredCells:
    """Build each cell's network as it was measured, and its features."""
    with (folder / "nb201_edge_devices.csv").open() as file:
        rows = list(csv.DictReader(file))
    space = NasBench201Space((32, 32, 3), 10)
    cells = [Cell(*(row[f"e{a}{b}"] for a, b in EDGES)) for row in rows]
    devices = [name for name in rows[0] if name.endswith("_ms")]
    return MeasuredCells(
        feature_table([space.unmerged_graph(cell) for cell in cells]),
        _classes([row["isomorphism_group"] for row in rows], [cell_hash(cell) for cell in cells]),
        {name.removesuffix("_ms"): np.array([float(row[name]) for row in rows]) for name in devices},
    )


def _classes(groups: list[str], hashes: list[str]) -> NDArray[np.int64]:
    """Numbers that are equal where the file's groups, or the graphs' hashes, are: whoever calls two cells one."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for group, text in zip(groups, hashes, strict=True):
        parent[root(f"hash {text}")] = root(f"group {group}")
    roots = [root(f"group {group}") for group in groups]
    return np.array([sorted(set(roots)).index(name) for name in roots])


def split(
    cells: MeasuredCells, latency_ms: FloatArray, samples: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows to learn from, one for each of so many classes, and to judge by: all rows of the other classes."""
    measured = rng.permutation(np.flatnonzero(latency_ms > 0))
    first = measured[np.unique(cells.classes[measured], return_index=True)[1]]
    learn = rng.permutation(first)[:samples]
    return learn, measured[~np.isin(cells.classes[measured], cells.classes[learn])]


def share_held(held: NDArray[np.bool_], classes: NDArray[np.int64]) -> float:
    """The share of intervals that held, each class counting once: some were measured 60 times."""
    return float(np.mean([held[classes == name].mean() for name in np.unique(classes)]))


def mape(predicted: FloatArray, true: FloatArray) -> float:
    """Mean absolute error, in percent of the true value."""
    return 100 * float(np.mean(abs(predicted / true - 1)))


def spearman(predicted: FloatArray, true: FloatArray) -> float:
    """Rank correlation."""
    return float(spearmanr(predicted, true)[0])
