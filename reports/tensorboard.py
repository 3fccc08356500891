"""A run for TensorBoard: scalars of the search and of every training, and HParams from the genotypes.

Needs `pip install 'edgevolve[tensorboard]'`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reports.history import common_box, history
from reports.quantities import short
from runs import ConfigError, Record, Run
from runs.events import Event, Finished
from search_algorithms import Completed

_LONGEST_VALUE = 200


def write_tensorboard(run: Run, folder: Path) -> Path:
    """Write all of a run, added to what stands in `folder`; gives `folder`. Raises what `TensorBoard` raises."""
    board = TensorBoard(folder)
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
    board.close()
    return folder


class TensorBoard:
    """Writes `folder`/search with scalars an evaluation, and a folder a completed candidate.

    A candidate's folder has its training curves by epoch, its genotype as hyperparameters and its metrics, as the
    HParams dashboard expects them: one session a folder. Called with a run and an event it observes a search.
    Raises `ConfigError` where tensorboardX is not installed.
    """

    def __init__(self, folder: Path) -> None:
        """Nothing is written before the first evaluation."""
        try:
            import tensorboardX
        except ImportError as error:
            raise ConfigError("--tensorboard needs tensorboardX: pip install 'edgevolve[tensorboard]'") from error
        self._folder = folder
        self._writer = tensorboardX.SummaryWriter
        self._search: Any = None

    def __call__(self, run: Run, event: Event) -> None:
        """Write a candidate that completed, and how the search stands; the hypervolume is of the box as of now."""
        if not isinstance(event, Finished):
            return
        self.candidate(run.records[event.number])
        scalars = {"feasible_share": run.feasible_share}
        front = run.front
        for objective in run.problem.objectives:
            if front:
                best = min((record.metrics for record in front), key=objective.cost)
                scalars[f"best_{objective.metric}"] = best[objective.metric]
        box = common_box([run])
        if box:
            scalars["hypervolume"] = box.share([run.problem.costs(record.metrics) for record in front])
        self.search(scalars, run.evaluations, event.time)

    def search(self, scalars: Mapping[str, float], evaluation: int, time: float) -> None:
        """Scalars of the search as a whole after an evaluation, at `time` in seconds since 1970."""
        self._search = self._search or self._writer(str(self._folder / "search"))
        for name, value in scalars.items():
            self._search.add_scalar(f"search/{name}", value, evaluation, time)
        self._search.flush()

    def candidate(self, record: Record) -> None:
        """The session of a candidate; nothing of one that did not complete."""
        from tensorboardX.summary import hparams

        if not isinstance(record.outcome, Completed):
            return
        with self._writer(str(self._folder / f"candidate-{record.number}")) as writer:
            for summary in hparams(hyperparameters(record.genotype), dict.fromkeys(record.metrics)):
                writer.file_writer.add_summary(summary)
            for name, value in record.metrics.items():
                writer.add_scalar(name, value, 0, record.ended)
            for name, values in record.outcome.curves.items():
                for epoch, value in enumerate(values, start=1):
                    writer.add_scalar(f"training/{name}", value, epoch, record.ended)

    def close(self) -> None:
        """Put what was written on the disk."""
        if self._search:
            self._search.close()


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
