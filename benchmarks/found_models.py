"""The smallest networks that a search finds on three real tasks: MNIST (12 000 digits), spoken digits, phone sensors.

    python benchmarks/found_models.py --data FOLDER [--minutes 180] [--only mnist,digits_spoken,har] [--out FOLDER]

FOLDER holds `mnist_12k2k.npz`, `fsdd_8k.npz` and `har_phone.npz`. Each task takes `--minutes` on all cores, or
`--workers`. In the first half NSGA-III searches μNAS's space by short trainings for error against size. In the second
half networks along the front are trained from scratch, as long as the time allows, and quantised to int8; what is not
begun in time is left out. Two are chosen by the validation split: the best, and the smallest that keeps the task's
promise (`PLANS`). These two are then scored on the test split, once each, by LiteRT's run of the int8 file.

`--out` keeps the runs and the files, and goes on with those that are there. Prints a table, then one line of JSON: for
each task `TASK_best_accuracy`, `TASK_best_bytes`, `TASK_smallest_accuracy`, `TASK_smallest_bytes`, all of the int8
file, bytes of all its constants (kernels, biases and scales). Tasks that did not run are null.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.compression_sections.real_data import TASKS
from edgevolve.data import Classes, Splits
from edgevolve.engine import search
from edgevolve.engine.cluster import cores
from edgevolve.quantisation import Quantise, calibration_examples, int8_network, int8_scores
from edgevolve.runs import Run, SearchConfig
from edgevolve.runs.record import Record
from edgevolve.training import TrainingSettings
from search_algorithms import NSGA3, AgingEvolution, Completed, Problem, Screened, at_most, minimise
from search_space import CnnSpace

SHORT = 6
"""Epochs of a training of the search on MNIST; the others have fewer examples, and as many more epochs."""

FINALISTS = 5
MOST_EPOCHS = 400
POINT = 0.01
SEARCH_SHARE = 0.5
"""Of the minutes; the final trainings have the rest."""

FILLED = 0.85
"""Of the time for final trainings: what comes after them takes some, too."""

WHICH = ("best", "smallest")
WORST = 0.03
"""A finalist's error in the search is at most this much above the least: long trainings bring networks together."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A task: what its networks take, what they may need, and what is asked of the smallest."""

    input_shape: tuple[int, int, int]
    classes: int
    most_bytes: int
    passes: int
    augment: tuple[str, ...]
    filters: tuple[int, ...]
    most_error: float | None = None
    """That the smallest may have on the validation split; None for a point more than the best."""


PLANS = {
    "mnist": Plan((28, 28, 1), 10, 2_800, 1, ("shift",), (8, 12, 16), 0.025),
    "digits_spoken": Plan((49, 20, 1), 10, 8_000, 3, ("mask_time", "mask_frequency"), (12, 16, 24)),
    "har": Plan((64, 1, 6), 5, 8_000, 1, (), (8, 16, 24)),
}


@dataclass(frozen=True, slots=True)
class Real:
    """The data set of a task."""

    task: str
    folder: str

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """That of its examples."""
        return PLANS[self.task].input_shape

    @property
    def target(self) -> Classes:
        """Its classes, by number."""
        return Classes(PLANS[self.task].classes)

    def load(self) -> Splits:
        """From the archive."""
        return TASKS[self.task](Path(self.folder))


def searching(task: str, data: Real, minutes: float, workers: int) -> SearchConfig:
    """The search: short trainings, error against size."""
    plan = PLANS[task]
    space = CnnSpace(plan.input_shape, plan.classes, max_blocks=6, max_layers=2, max_filters=40, max_dense=1)
    start = [space.separable(filters, blocks, 10) for filters in plan.filters for blocks in (2, 3, 4)]
    return SearchConfig(
        data=data,
        space=space,
        problem=Problem(
            [minimise("error", scale=0.5), minimise("model_size_bytes", scale=plan.most_bytes)],
            [at_most("model_size_bytes", plan.most_bytes), at_most("macs", 1_500_000)],
        ),
        algorithm=Screened(NSGA3(founders=8, crossover=0.5), children=16),
        training=TrainingSettings(SHORT * plan.passes, optimiser="adamw", learning_rate=0.01),
        start=tuple(start),
        evaluations=None,
        minutes=minutes,
        workers=workers,
    )


def finalists(run: Run) -> list[Record]:
    """Of the front without what errs far more than the best: `FINALISTS`, evenly spread, the best among them."""
    least = min(record.metrics["error"] for record in run.front)
    near = [record for record in run.front if record.metrics["error"] <= least + WORST]
    near.sort(key=lambda record: record.metrics["error"])
    if len(near) <= FINALISTS:
        return near
    return [near[round(place * (len(near) - 1) / (FINALISTS - 1))] for place in range(FINALISTS)]


def final(config: SearchConfig, chosen: Sequence[Record], minutes: float, plan: Plan, workers: int) -> SearchConfig:
    """The chosen from scratch: as many epochs for each as fill the time, then in int8."""
    an_epoch = sum((record.ended - record.started) / config.training.epochs for record in chosen)
    epochs = int(FILLED * 60 * minutes * workers / an_epoch)
    training = TrainingSettings(
        max(1, min(epochs, MOST_EPOCHS)), optimiser="adamw", learning_rate=0.01, augment=plan.augment
    )
    return config.with_fields(
        problem=Problem([minimise("error_int8", scale=0.5), minimise("model_size_bytes", scale=plan.most_bytes)]),
        algorithm=AgingEvolution(),
        training=training,
        stages=(Quantise(8),),
        start=tuple(record.genotype for record in chosen),
        evaluations=len(chosen),
        minutes=minutes,
    )


def chosen_of(run: Run, most_error: float | None) -> dict[str, Record]:
    """The best by the validation split, and the smallest that keeps the promise, if any does."""
    done = [record for record in run.records.values() if isinstance(record.outcome, Completed)]
    best = min(done, key=error_of)
    most = error_of(best) + POINT if most_error is None else most_error
    good = [record for record in done if error_of(record) <= most]
    smallest = min(good, key=lambda record: record.metrics["model_size_bytes"], default=None)
    return {"best": best} | ({"smallest": smallest} if smallest else {})


def error_of(record: Record) -> float:
    """Of the int8 file on the validation split."""
    return record.metrics["error_int8"]


def tested(run: Run, record: Record, splits: Splits, file: Path) -> float:
    """Write the int8 file, and give its accuracy on the test split."""
    network = int8_network(run.graph(record.number), run.weights(record.number), calibration_examples(splits.train))
    file.write_bytes(network.tflite())
    return 1 - int8_scores(file.read_bytes(), splits.test, splits.target)["error"]


def begun_or_resumed(config: SearchConfig, name: str, out: Path) -> Run:
    """The run to its end, on from where it was interrupted."""
    return search(config, name, out=out, resume=(out / name / "journal.jsonl").exists())


def models_of(task: str, options: argparse.Namespace, out: Path, table: Table) -> dict[str, float]:
    """Search, train, choose, test; rows of the table and figures of the JSON."""
    data = Real(task, str(options.data.resolve()))
    config = searching(task, data, options.minutes * SEARCH_SHARE, options.workers)
    searched = begun_or_resumed(config, f"{task}_search", out)
    left = options.minutes * (1 - SEARCH_SHARE)
    plan = final(config, finalists(searched), left, PLANS[task], options.workers)
    trained = begun_or_resumed(plan, f"{task}_final", out)
    splits, figures = data.load(), dict[str, float]()
    chosen = chosen_of(trained, PLANS[task].most_error)
    looks = {one.number: tested(trained, one, splits, out / f"{task}_{name}.tflite") for name, one in chosen.items()}
    for name, record in chosen.items():
        accuracy, size = looks[record.number], record.metrics
        figures |= {f"{task}_{name}_accuracy": round(accuracy, 4), f"{task}_{name}_bytes": size["model_size_bytes"]}
        scores = f"{1 - error_of(record):.2%}", f"{accuracy:.2%}"
        costs = f"{size['model_size_bytes']:,.0f}", f"{size['macs']:,.0f}", f"{size['peak_memory_bytes']:,.0f}"
        table.add_row(task, name, *scores, *costs, Text(record.description))
    table.caption = (
        f"{searched.evaluations} networks searched, {trained.evaluations} trained for {plan.training.epochs}"
    )
    return figures


def main() -> None:
    """Run the tasks, print the table, then the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder with the three data sets")
    parser.add_argument("--minutes", type=float, default=180, help="of each task")
    parser.add_argument("--only", default=",".join(PLANS), help="tasks")
    parser.add_argument("--out", type=Path, help="where runs and files are kept")
    parser.add_argument("--workers", type=int, default=cores())
    options = parser.parse_args()
    chosen = options.only.split(",")
    if unknown := [task for task in chosen if task not in PLANS]:
        parser.error(f"--only {unknown[0]}: give one or more of {','.join(PLANS)}")
    kept = "accuracy", "bytes"
    figures: dict[str, Any] = {f"{task}_{which}_{what}": None for task in PLANS for which in WHICH for what in kept}
    columns = "validation", "test", "bytes", "MACs", "peak memory", "network"
    with tempfile.TemporaryDirectory() as temporary:
        for task in chosen:
            table = Table("task", "model", *columns, title="int8 accuracy")
            figures |= models_of(task, options, options.out or Path(temporary), table)
            Console().print(table)
    print(json.dumps(figures | {"minutes": options.minutes, "workers": options.workers}))


if __name__ == "__main__":
    main()
