"""A run on dashboards: TensorBoard and MLflow get the same scalars, training curves and hyperparameters."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgevolve.reports.history import box_around, history
from edgevolve.reports.quantities import short
from edgevolve.runs import Record, Run
from edgevolve.runs.events import Event, Finished
from search_algorithms import Completed

_LONGEST_VALUE = 200


class Board(Protocol):
    """A writer of the files that a dashboard reads."""

    def search(self, scalars: Mapping[str, float], evaluation: int, time: float) -> None:
        """Write scalars of the whole search after an evaluation; `time` is in seconds since 1970."""

    def candidate(self, record: Record) -> None:
        """Write the hyperparameters, metrics and training curves of a completed candidate; ignore any other."""

    def close(self) -> None:
        """Flush to the disk."""


@contextmanager
def boards(name: str, tensorboard: Path | None, mlflow: Path | None) -> Iterator[list[Board]]:
    """Open the dashboards of the run `name` in the folders given, and close them at the end.

    Raises `ConfigError` if a dashboard's extra is not installed or its folder cannot be written.
    """
    opened: list[Board] = []
    with ExitStack() as closing:
        if tensorboard:
            from edgevolve.reports.tensorboard import TensorBoard

            opened.append(TensorBoard(tensorboard))
            closing.callback(opened[-1].close)
        if mlflow:
            from edgevolve.reports.mlflow import MlflowBoard

            opened.append(MlflowBoard(mlflow, name))
            closing.callback(opened[-1].close)
        yield opened


def write(run: Run, board: Board) -> None:
    """Add a whole run to a dashboard."""
    for row in history(run).to_dict("records"):
        best = {
            str(name).replace(" ", "_"): value
            for name, value in row.items()
            if str(name).startswith("best ") and value == value
        }
        scalars = best | {name: row[name] for name in ("hypervolume", "feasible_share")}
        board.search(scalars, int(row["evaluation"]), run.started.time + row["seconds"])
    for record in run.records.values():
        board.candidate(record)


class Follower:
    """An observer that writes each completed candidate and the progress of the search to dashboards.

    The hypervolume is a share of the box of costs seen so far. No part of a run is read twice.
    """

    def __init__(self, followed: Sequence[Board]) -> None:
        """Write nothing before the first event."""
        self._boards = followed
        self._ends: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self._begun = False

    def __call__(self, run: Run, event: Event) -> None:
        """Write the event to the dashboards."""
        if not isinstance(event, Finished) or not self._boards:
            return
        for record in (run.records[event.number],) if self._begun else run.records.values():
            self._widen(run, record)
        self._begun = True
        scalars = {"feasible_share": run.feasible_share}
        front = run.front
        for objective in run.problem.objectives:
            if front:
                best = min((record.metrics for record in front), key=objective.cost)
                scalars[f"best_{objective.metric}"] = best[objective.metric]
        if self._ends:
            box = box_around([run.problem], *self._ends)
            scalars["hypervolume"] = box.share([run.problem.costs(record.metrics) for record in front])
        for board in self._boards:
            board.candidate(run.records[event.number])
            board.search(scalars, run.evaluations, event.time)

    def _widen(self, run: Run, record: Record) -> None:
        if not isinstance(record.outcome, Completed) or run.problem.broken(record.outcome.metrics):
            return
        costs = np.asarray(run.problem.costs(record.outcome.metrics), np.float64)
        low, high = self._ends or (costs, costs)
        self._ends = np.minimum(low, costs), np.maximum(high, costs)


def hyperparameters(genotype: Any, path: str = "") -> dict[str, float | bool | str]:
    """The leaves of a JSON genotype by path, as `blocks.0.layers.1.filters`; None and empty lists become text."""
    if isinstance(genotype, Mapping) and genotype:
        parts = [(str(name), value) for name, value in genotype.items()]
    elif isinstance(genotype, list) and genotype:
        parts = [(str(place), value) for place, value in enumerate(genotype)]
    elif isinstance(genotype, bool | int | float):
        return {path or "genotype": genotype}
    else:
        return {path or "genotype": short(str(genotype), _LONGEST_VALUE)}
    leaves: dict[str, float | bool | str] = {}
    for name, value in parts:
        leaves |= hyperparameters(value, f"{path}.{name}" if path else name)
    return leaves
