"""Searches on a table of measured cells: in turn or with simulated workers, and how good what they found is.

The rule for cells that are met again is the loop's, and the same for all: an evaluation is a cell asked for the first
time; asking for it again costs nothing and gives the known metrics at once. Cells are distinguished by genotype, not by
network, because the table holds a measurement for each genotype. A search that asks `_PATIENCE` times in a row for
cells that are known has ended.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymoo.indicators.hv import HV

from search_algorithms import (
    Candidate,
    Completed,
    Exhausted,
    Metrics,
    Problem,
    Proposal,
    Rejected,
    SearchAlgorithm,
    minimise,
)
from search_space import NasBench201Space
from search_space.nasbench201 import EDGES, Cell

_WORST_ERROR = 0.6
"""Cells with a larger error count as this bad: nobody wants them, whatever they cost."""

_PATIENCE = 1000
_SIGMA = 0.6
"""Of the log-normal durations of simulated jobs."""

METRICS = {2: ("error", "latency_ms"), 3: ("error", "latency_ms", "energy_uj")}


@dataclass(frozen=True)
class CellTable:
    """Cells with costs in [0, 1], one column an objective: error clipped at 60 %, each column over its range."""

    cells: Sequence[object]
    costs: NDArray[np.float64]

    @property
    def objectives(self) -> int:
        """How many."""
        return self.costs.shape[1]

    @property
    def problem(self) -> Problem:
        """Minimise every column; each has the scale 1."""
        return Problem([minimise(name, scale=1.0) for name in METRICS[self.objectives]])

    @property
    def space(self) -> NasBench201Space:
        """The cells' space."""
        return NasBench201Space((32, 32, 3), 100)

    @cached_property
    def rows(self) -> dict[object, int]:
        """The row of each cell."""
        return {cell: row for row, cell in enumerate(self.cells)}

    @cached_property
    def best(self) -> float:
        """The hypervolume of the true front."""
        return hypervolume(self.costs)

    def metrics(self, row: int) -> Metrics:
        """The metrics of a cell."""
        return dict(zip(METRICS[self.objectives], self.costs[row].tolist(), strict=True))


def read_table(path: Path, objectives: int) -> CellTable:
    """Two objectives are error and latency, the third is energy.

    The file is an .npz of arrays: `edge_ops` (cells × 6, indices into `op_names`, in the order of `edges`), and one
    vector a metric: `accuracy_percent`, `latency_ms`, `energy_mj`.
    """
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if [str(edge) for edge in arrays["edges"]] != [f"{a}-{b}" for a, b in EDGES]:
        raise ValueError(f"{path}: edges must be in the order {', '.join(f'{a}-{b}' for a, b in EDGES)}")
    names = [str(name) for name in arrays["op_names"].ravel()]
    cells = [Cell(*(names[code] for code in row)) for row in arrays["edge_ops"].tolist()]
    metrics = {
        "error": np.minimum(1.0 - arrays["accuracy_percent"].astype(float) / 100, _WORST_ERROR),
        "latency_ms": arrays["latency_ms"].astype(float),
        "energy_uj": 1000.0 * arrays["energy_mj"].astype(float),
    }
    columns = np.stack([metrics[name] for name in METRICS[objectives]], axis=1)
    low, high = columns.min(axis=0), columns.max(axis=0)
    return CellTable(cells, (columns - low) / (high - low))


def hypervolume(costs: NDArray[np.float64]) -> float:
    """With respect to (1, 1) or (1, 1, 1)."""
    return float(HV(ref_point=np.ones(costs.shape[1]))(costs))


@dataclass(frozen=True)
class Trace:
    """A search as it went: the rows evaluated in the order in which they ended, and what the workers did."""

    rows: Sequence[int]
    asks: int
    utilisation: float = 1.0

    def curve(self, table: CellTable, evaluations: int) -> NDArray[np.float64]:
        """Hypervolume after each evaluation, relative to the true front; an ended search keeps its last."""
        front = np.empty((0, table.objectives))
        values, value = [], 0.0
        for row in self.rows[:evaluations]:
            cost = table.costs[row]
            if not (front <= cost).all(axis=1).any():
                front = np.vstack([front[(front < cost).any(axis=1)], cost])
                value = hypervolume(front) / table.best
            values.append(value)
        return np.array(values + [value] * (evaluations - len(values)))


def run_in_turn(algorithm: SearchAlgorithm, table: CellTable, evaluations: int) -> Trace:
    """One candidate after another."""
    return run_with_workers(algorithm, table, evaluations, workers=1, seed=0)


def run_with_workers(algorithm: SearchAlgorithm, table: CellTable, evaluations: int, workers: int, seed: int) -> Trace:
    """So many jobs at a time, of log-normal duration with median 1; each observed when it ends.

    `utilisation` is the share of the workers' time spent on jobs, until the last job starts.
    """
    rng = np.random.default_rng([seed, 16])
    running: list[tuple[float, int, Candidate, int]] = []
    begun: set[int] = set()
    observed: list[int] = []
    now, busy, number, known_in_a_row = 0.0, 0.0, 0, 0
    last_start = 0.0
    while len(observed) < evaluations:
        while len(running) < workers and len(begun) < evaluations and known_in_a_row < _PATIENCE:
            proposal = _ask(algorithm, number)
            if proposal is None:
                break
            candidate, row = Candidate(number, proposal.genotype, proposal.parents), table.rows[proposal.genotype]
            algorithm.asked(candidate)
            number += 1
            if row in begun:
                known_in_a_row += 1
                algorithm.tell(candidate, Rejected(table.metrics(row), "known"))
                continue
            begun.add(row)
            known_in_a_row = 0
            duration = float(rng.lognormal(0.0, _SIGMA))
            heapq.heappush(running, (now + duration, candidate.number, candidate, row))
            busy, last_start = busy + duration, now
        if not running:
            break
        now, _, candidate, row = heapq.heappop(running)
        observed.append(row)
        algorithm.tell(candidate, Completed(table.metrics(row)))
        if len(begun) == evaluations:
            busy -= now - last_start  # what ran after the last start is no waste of the algorithm's
    return Trace(observed, number, min(1.0, busy / (workers * last_start)) if last_start else 1.0)


def _ask(algorithm: SearchAlgorithm, number: int) -> Proposal | None:
    """None also where the algorithm says that it is through."""
    try:
        return algorithm.ask(number)
    except Exhausted:
        return None


Maker = Callable[[CellTable, int], SearchAlgorithm]
"""Table and seed to a search before its first ask."""
