"""A task that answers from a table of measured metrics, so that algorithms run on real data without training."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgevolve.data import Splits
from edgevolve.runs import Job
from edgevolve.training import Progress, unreported
from search_algorithms import Completed, Failed, Outcome
from search_space import SearchSpace


class TableError(ValueError):
    """A table that cannot be used. The message is one line."""


class Table:
    """Rows of metrics by genotype."""

    def __init__(self, rows: Mapping[str, tuple[float, ...]]) -> None:
        """Rows by the genotype's canonical JSON text."""
        self.rows = rows

    def as_json(self) -> Mapping[str, Any]:
        """Nothing: the fingerprint identifies the rows."""
        return {}


@dataclass(frozen=True, slots=True, eq=False)
class Tabular:
    """Gives the metrics of the job's genotype in `table`; a genotype without a row fails.

    Two genotypes of one network may have different rows; the loop evaluates the first one asked. `fingerprint` is a
    hash of the rows: a run is resumed only with the same table. Make one with `from_arrays`.
    """

    metric_names: tuple[str, ...]
    fingerprint: str
    table: Table

    @classmethod
    def from_arrays(
        cls, space: SearchSpace[Any], genotypes: Sequence[Any], metrics: Mapping[str, ArrayLike]
    ) -> "Tabular":
        """One row for each genotype; `metrics` holds for each name a vector of finite numbers, (genotypes,).

        Raises `TableError` for a vector of another shape, a value that is not finite, or a genotype that occurs twice.
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

    def prepare(self) -> None:
        """Nothing to prepare."""

    def __call__(self, job: Job, splits: Splits, progress: Progress = unreported) -> Outcome:
        """Look the genotype up."""
        row = self.table.rows.get(_key(job.genotype))
        if row is None:
            return Failed("not in the table", f"the table has no row for {_key(job.genotype)[:200]}")
        return Completed(dict(zip(self.metric_names, row, strict=True)))


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
