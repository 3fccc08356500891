"""What integers cost on the three real tasks, with and without training while the network is rounded.

Every figure is of the test split, which decides nothing: whether to train on, by the stage's own threshold, and which
epoch to keep is decided on the validation split. The drop is the error of the file on LiteRT less that of the float
network that was trained first.
"""

from pathlib import Path
from statistics import mean

import numpy as np
from rich.table import Table

from benchmarks.compression_sections.real_data import TASKS
from benchmarks.compression_sections.section import Found, Options
from benchmarks.compression_sections.small_networks import PASSES, splits_of, trained
from edgevolve.data import Splits
from edgevolve.quantisation import Quantise, calibration_examples, int8_network, int8_scores
from edgevolve.training import TrainingSettings, TrainState, unreported
from edgevolve.training.trainer import evaluate

POINTS = 100
MUCH = 1.0
"""Points from which on a drop is to be recovered."""


def measure(options: Options) -> Found:
    """Three seeds of 15 epochs, more where there are fewer examples, of 8 with `--quick`; kernels of 8 and 4 bits."""
    names = (
        "task",
        "bits",
        "seed",
        "float error",
        "after training",
        "trained on",
        "drop",
        "drop, trained on",
        "recovered",
    )
    table = Table(*names, title="test error in %, and points lost to integers")
    figures: dict[str, float | bool | None] = {}
    recovered: list[float] = []
    if options.data is None:
        return Found([], {}, ["drop: needs --data FOLDER"])
    for task in TASKS:
        drops: dict[int, list[float]] = {8: [], 4: []}
        for bits, seed in ((bits, seed) for bits in (8, 4) for seed in range(3)):
            before, rounded, after = errors(task, options.data, seed, bits, options.quick)
            lost, left = POINTS * (rounded - before), POINTS * (after - before)
            drops[bits].append(left)
            share = f"{1 - left / lost:.0%}" if lost > MUCH else ""
            recovered += [1 - left / lost] if lost > MUCH else []
            errors_in_points = (f"{POINTS * one:.2f}" for one in (before, rounded, after))
            table.add_row(task, str(bits), str(seed), *errors_in_points, f"{lost:+.2f}", f"{left:+.2f}", share)
        figures[f"qat_drop_points_{task}"] = round(mean(drops[8]), 3)
    least = f"{min(recovered):.0%} at least, {mean(recovered):.0%} on average" if recovered else "none was as large"
    return Found(
        [table], figures, [f"drops above {MUCH:g} point after training alone: {len(recovered)}; recovered: {least}"]
    )


def errors(task: str, folder: Path, seed: int, bits: int, quick: bool) -> tuple[float, float, float]:
    """Of the float network, of its file after training, and after training on while it is rounded."""
    data, state = splits_of(task, folder), trained(task, folder, seed, 8 if quick else 15)
    settings = TrainingSettings(epochs=PASSES[task] * (5 if quick else 10), learning_rate=0.01, weight_decay=0.0)
    given = 4 if bits == 4 else 8
    stages = Quantise(given, threshold=1, settings=settings), Quantise(given, settings=settings)
    rounded, after = (of_file(stage(state, data, np.random.default_rng(seed), unreported), data) for stage in stages)
    return evaluate(state.graph, state.weights or {}, data.test, data.target).metrics["error"], rounded, after


def of_file(state: TrainState, data: Splits) -> float:
    """The file's test error."""
    model = int8_network(state.graph, state.weights or {}, calibration_examples(data.train)).tflite()
    return int8_scores(model, data.test, data.target)["error"]
