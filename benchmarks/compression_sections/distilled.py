"""Whether learning from a larger network helps: three tasks, three seeds, the spread beside.

The student is the network of the section `drop`, half as wide; the teacher is four times as wide as the student and
trained on the same split. Errors are of the test split, which decides nothing.
"""

from statistics import mean, stdev

import numpy as np
from rich.table import Table

from benchmarks.compression_sections.real_data import TASKS
from benchmarks.compression_sections.section import Found, Options
from benchmarks.compression_sections.small_networks import PASSES, network, splits_of, trained
from edgevolve.training import Distil, Fit, TrainingSettings, TrainState, unreported
from edgevolve.training.distil import Network
from edgevolve.training.trainer import evaluate

STUDENT, TEACHER = 0.5, 2.0


def measure(options: Options) -> Found:
    """Three seeds of 15 epochs (more where there are fewer examples), of 8 with `--quick`."""
    if options.data is None:
        return Found([], {}, ["distil: needs --data FOLDER"])
    names = ("task", "teacher", "alone", "spread", "taught", "spread", "gain", "gain / its standard error")
    table = Table(*names, title="test error in %; gain in points")
    epochs = 8 if options.quick else 15
    for task in TASKS:
        data, of = splits_of(task, options.data), trained(task, options.data, 0, epochs, TEACHER)
        assert of.weights is not None
        settings = TrainingSettings(epochs=PASSES[task] * epochs)
        stages = Fit(settings), Distil(Network(of.graph, of.weights), settings=settings)
        start = TrainState(network(task, data, STUDENT))
        errors_by_way: tuple[list[float], list[float]] = ([], [])
        for seed in range(3):
            for errors, stage in zip(errors_by_way, stages, strict=True):
                state = stage(start, data, np.random.default_rng(seed), unreported)
                errors.append(100 * evaluate(state.graph, state.weights or {}, data.test, data.target).metrics["error"])
        gains = [alone - taught for alone, taught in zip(*errors_by_way, strict=True)]
        error = stdev(gains) / len(gains) ** 0.5
        of_teacher = 100 * evaluate(of.graph, of.weights, data.test, data.target).metrics["error"]
        figures = (f"{figure:.2f}" for errors in errors_by_way for figure in (mean(errors), stdev(errors)))
        ratio = f"{mean(gains) / error:+.1f}" if error else ""
        table.add_row(task, f"{of_teacher:.2f}", *figures, f"{mean(gains):+.2f}", ratio)
    return Found([table], {})
