"""Do the first candidates of a search train? The first ten of ten seeds, by the settings that are usual.

    nice python benchmarks/first_candidates.py [--seeds 10] [--candidates 10] [--epochs 20]

On digits and on made-up windows of a sensor of three axes (128, 1, 3), each with gradients clipped as
`TrainingSettings` clips them and without. One thread. Prints a table, then one line of JSON: for each of them
`trained`, `diverged` and the median `error`, as a share.
"""

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from rich.console import Console
from rich.table import Table

from edgevolve.data import Classes, DataSet, Digits, Split, Splits
from edgevolve.engine import Inline, search
from edgevolve.runs import SearchConfig
from edgevolve.training import TrainingSettings
from search_algorithms import Completed, Problem, RandomSearch, minimise
from search_space import CnnSpace


@dataclass(frozen=True)
class Windows:
    """Windows of four kinds of swinging, in units of gravity, with noise and drifts."""

    input_shape = (128, 1, 3)
    target = Classes(4)
    classes = 4

    def load(self) -> Splits:
        """900, 300 and 300 windows; the same each time."""
        rng = np.random.default_rng(0)
        number = 1500
        y = rng.integers(0, 4, number)
        time = np.arange(128) / 50
        pace = np.array([0.8, 1.6, 2.4, 2.4])[y] * rng.uniform(0.85, 1.15, number)
        turned = np.where(y == 3, 1.5, 0.3)
        phase = rng.uniform(0, 2 * np.pi, number)[:, None] + 2 * np.pi * pace[:, None] * time
        axes = [np.sin(phase + axis * turned[:, None]) * rng.uniform(0.5, 2, (number, 1)) for axis in range(3)]
        x = np.stack(axes, -1) + rng.normal(0, 0.4, (number, 128, 3)) + rng.normal(0, 0.7, (number, 1, 3))
        x = x[:, :, None].astype(np.float32)
        parts = (slice(0, 900), slice(900, 1200), slice(1200, None))
        return Splits(*(Split(x[part], y[part]) for part in parts))


DATA: dict[str, DataSet] = {"digits": Digits(), "windows": Windows()}


def main() -> None:
    """Search with every seed, with clipping and without, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--candidates", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=TrainingSettings().epochs)
    options = parser.parse_args()
    table = Table("data", "clip_norm", "trained", "diverged", "median error", box=None, header_style="bold")
    figures: dict[str, dict[str, float]] = {}
    for name, data in DATA.items():
        for clip in (TrainingSettings().clip_norm, None):
            errors, failed = [], 0
            for seed in range(options.seeds):
                config = SearchConfig(
                    data=data,
                    space=CnnSpace(data.input_shape, data.classes),
                    problem=Problem([minimise("error", scale=0.1)]),
                    algorithm=RandomSearch(),
                    training=TrainingSettings(epochs=options.epochs, clip_norm=clip),
                    seed=seed,
                    evaluations=options.candidates,
                )
                with tempfile.TemporaryDirectory() as folder:
                    run = search(config, "first", out=folder, evaluator=Inline)
                outcomes = [record.outcome for record in run.records.values() if record.ended]
                errors += [one.metrics["error"] for one in outcomes if isinstance(one, Completed)]
                failed += sum(not isinstance(one, Completed) for one in outcomes)
            middle = statistics.median(errors)
            table.add_row(name, str(clip), str(len(errors)), str(failed), f"{middle:.2%}")
            figures[f"{name}, clip_norm {clip}"] = {"trained": len(errors), "diverged": failed, "error": middle}
    Console(width=110).print(table)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
