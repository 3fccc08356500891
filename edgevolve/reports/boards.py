"""A run on dashboards: TensorBoard and MLflow get the same scalars, training curves and hyperparameters."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from edgevolve.reports.history import common_box, history
from edgevolve.reports.quantities import short
from edgevolve.runs import Record, Run
from edgevolve.runs.events import Event, Finished

_LONGEST_VALUE = 200


class Board(Protocol):
    """Where a dashboard reads from."""

    def search(self, scalars: Mapping[str, float], evaluation: int, time: float) -> None:
        """Scalars of the search as a whole after an evaluation, at `time` in seconds since 1970."""

    def candidate(self, record: Record) -> None:
        """The hyperparameters, metrics and training curves of a candidate; nothing of one that did not complete."""

    def close(self) -> None:
        """Put what was written on the disk."""


@contextmanager
def boards(name: str, tensorboard: Path | None, mlflow: Path | None) -> Iterator[list[Board]]:
    """The dashboards of the run `name` in the folders that are given, closed at the end.

    Raises `ConfigError` where the extra that one needs is not installed, or its folder cannot be written.
    """
    found: list[Board] = []
    with ExitStack() as closing:
        if tensorboard:
            from edgevolve.reports.tensorboard import TensorBoard

            found.append(TensorBoard(tensorboard))
            closing.callback(found[-1].close)
        if mlflow:
            from edgevolve.reports.mlflow import MlflowBoard

            found.append(MlflowBoard(mlflow, name))
            closing.callback(found[-1].close)
        yield found


def write(run: Run, board: Board) -> None:
    """Write all of a run, added to what stands there."""
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


def tell(board: Board, run: Run, event: Event) -> None:
    """Write a candidate that completed, and how the search stands; the hypervolume is of the box as of now."""
    if not isinstance(event, Finished):
        return
    board.candidate(run.records[event.number])
    scalars = {"feasible_share": run.feasible_share}
    front = run.front
    for objective in run.problem.objectives:
        if front:
            best = min((record.metrics for record in front), key=objective.cost)
            scalars[f"best_{objective.metric}"] = best[objective.metric]
    box = common_box([run])
    if box:
        scalars["hypervolume"] = box.share([run.problem.costs(record.metrics) for record in front])
    board.search(scalars, run.evaluations, event.time)


def hyperparameters(genotype: Any, path: str = "") -> dict[str, float | bool | str]:
    """The leaves of a JSON genotype by their path: `blocks.0.layers.1.filters`; None and empty lists as their text."""
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
