"""Searches under a small arena with and without bands, for equal evaluations, by the hypervolume of their fronts.

    python benchmarks/partial_search.py --data FOLDER [--seeds 3] [--evaluations 40] [--only mnist] [--out FOLDER]

FOLDER holds `mnist_12k2k.npz`. Two sets of images: MNIST as it is, 28×28, and the same digits at twice their size at a
random place of 64×64, made here. A fifth of the examples that are taken validates; the test split is left out. The
objectives are the validation error and multiply-accumulates, those of the bands' borders counted; networks whose arena
on a Cortex-M is above `--arena` are rejected. Both searches of a pair are NSGA-III with the same seed and differ in
`SearchConfig(slower=...)` alone. The hypervolume is the share of the box up to `WORST_ERROR` and the set's bound of
multiply-accumulates that the front dominates. `--out` keeps the runs, and goes on with those that are there.

Prints a table, then one line of JSON: of each set medians over the seeds without bands and with them, the seeds in
which bands are ahead, and `beyond_SET`, the share of the fronts' networks that would not have fitted without bands.
"""

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from edgevolve.data import Classes, Split, Splits, hold_out
from edgevolve.engine import Inline, search
from edgevolve.graph import from_json, to_json
from edgevolve.quantity import quantity
from edgevolve.runs import Run, SearchConfig
from edgevolve.training import TrainingSettings
from resource_models import measure
from search_algorithms import NSGA3, Problem, at_most, minimise
from search_algorithms.pareto import hypervolume
from search_space import CnnSpace

WORST_ERROR = 0.9
"""That of a guess."""

_CLASSES = 10


@dataclass(frozen=True, slots=True)
class Digits:
    """`examples` of the training split, as squares of `side` pixels: 28, or more for twice the size somewhere in it."""

    path: str
    examples: int
    side: int

    target = Classes(_CLASSES)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return (self.side, self.side, 1)

    def load(self) -> Splits:
        """A fifth validates; of the test split, which nobody looks at here, 20."""
        with np.load(self.path) as stored:
            chosen = np.random.default_rng(0).permutation(len(stored["y_train"]))[: self.examples]
            x, y = self._placed(stored["x_train"][chosen]), stored["y_train"][chosen].astype(np.int64)
            test = Split(self._placed(stored["x_test"][:20]), stored["y_test"][:20].astype(np.int64))
        train, validation = hold_out(Split(x, y), 0.2, seed=0)
        return Splits(train, validation, test, target=self.target.fitted(train))

    def _placed(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.side > images.shape[1]:
            large = images.repeat(2, axis=1).repeat(2, axis=2)
            height, width = large.shape[1:]
            placed = np.zeros((len(large), self.side, self.side), np.uint8)
            corners = np.random.default_rng(1).integers(0, self.side - height + 1, (len(large), 2))
            for image, (top, left), each in zip(placed, corners, large, strict=True):
                image[top : top + height, left : left + width] = each
            images = placed
        return images[..., np.newaxis]


class Task(NamedTuple):
    """A set of images, and the most multiply-accumulates that a network for it may take."""

    side: int
    most_macs: int


TASKS = {"mnist": Task(28, 1_000_000), "digits_64": Task(64, 2_000_000)}


class Outcome(NamedTuple):
    """What a search reached, and of the networks of its front how many there are and how many need bands to fit."""

    hypervolume: float
    least_error: float
    front: int
    beyond: int


def run_one(name: str, slower: float, seed: int, options: argparse.Namespace, folder: Path) -> Outcome:
    """Run, or go on with, one search."""
    task, most = TASKS[name], int(options.arena)
    data = Digits(str((options.data / "mnist_12k2k.npz").resolve()), options.examples, task.side)
    config = SearchConfig(
        data=data,
        space=CnnSpace(data.input_shape, _CLASSES, max_blocks=4, max_filters=32, max_dense=1, max_units=64),
        problem=Problem(
            [minimise("error", scale=WORST_ERROR), minimise("macs", scale=task.most_macs)],
            [at_most("arena_bytes", most), at_most("macs", task.most_macs)],
        ),
        algorithm=NSGA3(population=options.population),
        training=TrainingSettings(epochs=options.epochs, batch_size=32, optimiser="adamw", learning_rate=0.004),
        slower=slower,
        evaluations=options.evaluations,
        seed=seed,
    )
    label = f"{name}_{'bands' if slower else 'whole'}_{seed}"
    run = search(config, label, out=folder, evaluator=Inline, resume=(folder / label / "journal.jsonl").exists())
    return outcome(run, most)


def outcome(run: Run, most_arena_bytes: int) -> Outcome:
    """Of a run that ended."""
    costs = np.array([run.problem.costs(record.metrics) for record in run.front]) / run.problem.scales()
    graphs = [from_json(to_json(run.graph(record.number))) for record in run.front]
    return Outcome(
        float(hypervolume(costs, np.ones(costs.shape[1]))),
        min(record.metrics["error"] for record in run.front),
        len(graphs),
        sum(measure(graph).arena_bytes > most_arena_bytes for graph in graphs),
    )


def main() -> None:
    """Run all searches, seed by seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder with mnist_12k2k.npz")
    parser.add_argument("--only", choices=TASKS, help="one set of images")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--evaluations", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--examples", type=int, default=2_500)
    parser.add_argument("--population", type=int, default=12)
    parser.add_argument("--arena", type=quantity, default=16_000, help="bytes, 16k unless given")
    parser.add_argument("--slower", type=quantity, default=0.2)
    parser.add_argument("--out", type=Path, help="where runs are kept")
    options = parser.parse_args()
    names = [options.only] if options.only else list(TASKS)
    variants = {"whole": 0.0, "bands": options.slower}
    table = Table("images", "variant", *(f"seed {seed}" for seed in range(options.seeds)), "median", "least error")
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in names:
            found: dict[str, list[Outcome]] = {variant: [] for variant in variants}
            for seed in range(options.seeds):
                for variant, slower in variants.items():
                    found[variant].append(run_one(name, slower, seed, options, options.out or Path(temporary)))
                    print(f"{name}, {variant}, seed {seed}: {found[variant][-1]}", flush=True)
            volumes = {variant: [each.hypervolume for each in found[variant]] for variant in variants}
            for variant, of_seeds in volumes.items():
                cells = [f"{each:.3f}" for each in (*of_seeds, statistics.median(of_seeds))]
                least = statistics.median(each.least_error for each in found[variant])
                table.add_row(name, variant, *cells, f"{least:.1%}")
                figures[f"hypervolume_{variant}_{name}"] = round(statistics.median(of_seeds), 4)
            figures[f"seeds_ahead_{name}"] = sum(b > a for a, b in zip(*volumes.values(), strict=True))
            fronts = found["bands"]
            beyond = sum(each.beyond for each in fronts) / sum(each.front for each in fronts)
            figures[f"beyond_{name}"] = round(beyond, 3)
    Console().print(table)
    figures |= {key: getattr(options, key) for key in ("seeds", "evaluations", "epochs", "examples", "slower", "arena")}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
