"""A task that answers from a table of measured metrics, so that algorithms run on real data without training."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgevolve.data import Splits
from edgevolve.data.target import ERROR
from edgevolve.runs import Job
from edgevolve.training import Progress, unreported
from predictors import ENERGY, LATENCY
from search_algorithms import Completed, Failed, Outcome
from search_space import NasBench201Space, SearchSpace
from search_space.nasbench201 import EDGES, OPERATORS

_NASBENCH201_METRICS = {
    "accuracy_percent": (ERROR.name, 1.0, -0.01),
    "latency_ms": (LATENCY.name, 0.0, 1.0),
    "energy_mj": (ENERGY.name, 0.0, 1000.0),
}
"""Arrays of a NAS-Bench-201 file: the metric each one holds, as an offset plus a factor times the array."""


class TableError(ValueError):
    """A table that cannot be answered from. The message is one line."""


class Table:
    """Rows of metrics by genotype."""

    def __init__(self, rows: Mapping[str, tuple[float, ...]]) -> None:
        """Rows by the genotype's canonical JSON text."""
        self.rows = rows

    def as_json(self) -> Mapping[str, Any]:
        """Nothing: the fingerprint beside it says which rows these are."""
        return {}


@dataclass(frozen=True, slots=True, eq=False)
class Tabular:
    """Gives the metrics that stand in `table` under the job's genotype; a genotype without a row fails.

    Two genotypes of one network may have rows of their own; the loop evaluates the first of them that is asked.
    `fingerprint` is a hash of the rows: a run is resumed with the same table only. Make one with `from_arrays`
    or `from_nasbench201`.
    """

    metric_names: tuple[str, ...]
    fingerprint: str
    table: Table

    @classmethod
    def from_arrays(
        cls, space: SearchSpace[Any], genotypes: Sequence[Any], metrics: Mapping[str, ArrayLike]
    ) -> "Tabular":
        """One row for each genotype; `metrics` holds a vector of as many finite numbers for each name.

        Raises `TableError` for a vector of another shape, a value that is not finite or a genotype met twice.
        """
        columns = [_column(name, values, len(genotypes)) for name, values in metrics.items()]
        if not columns or not len(genotypes):
            raise TableError("the table has no rows" if columns else "the table has no metrics")
        keys = [_key(space.to_json(genotype)) for genotype in genotypes]
        rows = dict(zip(keys, map(tuple, np.stack(columns, axis=1).tolist()), strict=True))
        if len(rows) < len(keys):
            twice = next(i for i, key in enumerate(keys) if keys.index(key) < i)
            raise TableError(f"the table has two rows for {space.describe(genotypes[twice])}")
        text = json.dumps([sorted(metrics), sorted(rows.items())])
        return cls(tuple(metrics), hashlib.sha256(text.encode()).hexdigest()[:32], Table(rows))

    @classmethod
    def from_nasbench201(cls, path: str | Path) -> "Tabular":
        """Read measurements of NAS-Bench-201 cells: `error`, `latency_ms` and `energy_uj`, as far as the file has them.

        The file is an .npz of arrays without pickles: `edge_ops` (cells × 6, indices into `op_names`, edges in the
        benchmark's order), and one vector a metric: `accuracy_percent`, `latency_ms`, `energy_mj`. Raises
        `TableError` for anything else.
        """
        genotypes, metrics = read_nasbench201(path)
        space = NasBench201Space((32, 32, 3), 10)
        try:
            return cls.from_arrays(space, genotypes, metrics)
        except TableError as error:
            raise TableError(f"{path}: {error}") from None

    def prepare(self) -> None:
        """Nothing to prepare."""

    def __call__(self, job: Job, splits: Splits, progress: Progress = unreported) -> Outcome:
        """Look the genotype up."""
        row = self.table.rows.get(_key(job.genotype))
        if row is None:
            return Failed("not in the table", f"the table has no row for {_key(job.genotype)[:200]}")
        return Completed(dict(zip(self.metric_names, row, strict=True)))


def read_nasbench201(path: str | Path) -> tuple[list[Any], dict[str, NDArray[np.float64]]]:
    """The cells and metrics of a NAS-Bench-201 file, row by row. Raises `TableError` when it is none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, BadZipFile, AttributeError) as error:
        raise TableError(f"{path}: not an .npz file of plain arrays ({error})") from error
    if missing := [name for name in ("edge_ops", "op_names") if name not in arrays]:
        raise TableError(f"{path}: has no array {missing[0]!r}")
    names = [str(name) for name in arrays["op_names"].ravel()]
    if unknown := sorted(set(names) - set(OPERATORS)):
        raise TableError(f"{path}: unknown operator {unknown[0]!r} in op_names; known are {', '.join(OPERATORS)}")
    codes = arrays["edge_ops"]
    if codes.ndim != 2 or codes.shape[1] != len(EDGES) or codes.dtype.kind not in "iu":
        raise TableError(
            f"{path}: edge_ops must be whole numbers, cells × {len(EDGES)}, not {codes.dtype}{codes.shape}"
        )
    if codes.size and not 0 <= codes.min() <= codes.max() < len(names):
        raise TableError(f"{path}: edge_ops holds an index outside op_names")
    if "edges" in arrays and [str(edge) for edge in arrays["edges"]] != [f"{a}-{b}" for a, b in EDGES]:
        raise TableError(f"{path}: edges must be in the order {', '.join(f'{a}-{b}' for a, b in EDGES)}")
    cell = NasBench201Space((32, 32, 3), 10).genome.cls
    metrics = {
        metric: offset + factor * _column(name, arrays[name], len(codes))
        for name, (metric, offset, factor) in _NASBENCH201_METRICS.items()
        if name in arrays
    }
    return [cell(*(names[code] for code in row)) for row in codes.tolist()], metrics


def _column(name: str, values: ArrayLike, rows: int) -> NDArray[np.float64]:
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TableError(f"{name} is not a vector of numbers ({error})") from None
    if column.shape != (rows,):
        raise TableError(f"{name} must hold one number for each of {rows} genotypes, not shape {column.shape}")
    if not np.isfinite(column).all():
        raise TableError(f"{name} is not finite in row {int(np.argmin(np.isfinite(column)))}")
    return column


def _key(genotype_json: object) -> str:
    return json.dumps(genotype_json, sort_keys=True, separators=(",", ":"))
