"""Searches on MNIST that differ in one thing, for equal times of one core, by the hypervolume of their fronts."""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.table import Table

from benchmarks.compression_sections.real_data import mnist
from benchmarks.compression_sections.section import Options
from edgevolve.data import Classes, Splits
from edgevolve.engine import Inline, search
from edgevolve.runs import Run, SearchConfig, Task
from edgevolve.training import TrainingSettings
from search_algorithms import Problem, Strategy, at_most, minimise
from search_algorithms.pareto import hypervolume
from search_space import CnnSpace

SPACE = CnnSpace((28, 28, 1), 10, max_blocks=4, max_filters=32, max_dense=1, max_units=64)
PROBLEM = Problem(
    [minimise("error", scale=0.5), minimise("model_size_bytes", scale=16_000), minimise("macs", scale=600_000)],
    [at_most("model_size_bytes", 16_000), at_most("macs", 600_000)],
)


@dataclass(frozen=True)
class Digits28:
    """The 12 000 digits, or the first `examples` of their training split."""

    folder: str
    examples: int
    input_shape = (28, 28, 1)
    classes = 10
    target = Classes(10)

    def load(self) -> Splits:
        """From the archive."""
        whole = mnist(Path(self.folder))
        return replace(whole, train=whole.train.take(np.arange(min(self.examples, len(whole.train)))))


def budget(options: Options) -> tuple[int, float, int, int]:
    """Seeds, seconds of a processor core, training examples and epochs."""
    return (3, 30.0, 1500, 4) if options.quick else (5, 900.0, 10_200, 10)


def compared(
    options: Options,
    title: str,
    strategies: Mapping[str, Strategy],
    variants: Mapping[str, Callable[[SearchConfig], SearchConfig]],
) -> tuple[Table, float]:
    """A table of hypervolumes, and the second variant's median over the first's, geometric mean over the strategies."""
    assert options.data is not None
    seeds, seconds, examples, epochs = budget(options)
    table = Table("strategy", "variant", *(f"seed {seed}" for seed in range(seeds)), "median", "trained", title=title)
    ratios = []
    for name, strategy in strategies.items():
        medians = []
        for variant, changed in variants.items():
            values, trained = [], []
            for seed in range(seeds):
                config = SearchConfig(
                    data=Digits28(str(options.data), examples),
                    space=SPACE,
                    problem=PROBLEM,
                    algorithm=strategy,
                    training=TrainingSettings(epochs=epochs),
                    seed=seed,
                    evaluations=None,
                    minutes=seconds / 60,
                )
                run = on_one_core(changed(config))
                values.append(share_dominated(run))
                trained.append(run.evaluations)
            medians.append(statistics.median(values))
            cells = (*(f"{value:.3f}" for value in values), f"{medians[-1]:.3f}", f"{statistics.median(trained):.0f}")
            table.add_row(name, variant, *cells)
        ratios.append(medians[1] / medians[0])
    return table, float(np.exp(np.mean(np.log(ratios))))


def on_one_core(config: SearchConfig) -> Run:
    """The run, by a clock that counts what the processor spends on this process: the wall clock of an idle machine."""

    def start(task: Task, splits: Splits) -> Inline:
        begun = time.process_time()
        return Inline(task, splits, lambda: time.process_time() - begun)

    with tempfile.TemporaryDirectory() as folder:
        return search(config, "run", out=folder, evaluator=start)


def share_dominated(run: Run) -> float:
    """The part of the box between nothing and the scales that the front dominates."""
    rows = [np.array(run.problem.costs(record.metrics)) / run.problem.scales() for record in run.front]
    return float(hypervolume(rows, np.ones(len(run.problem.objectives))))
