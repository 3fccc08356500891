"""Searching the front end beside the network against the best fixed front end of three, on spoken digits.

    python benchmarks/front_end_search.py --data FOLDER [--seeds 5] [--evaluations 60] [--quick] [--out FOLDER]

FOLDER holds `fsdd_8k.npz` (3 000 clips at 8 kHz; the official test split is left out, a fifth of the rest validates).
All searches are NSGA-III on the same small `CnnSpace`, with equally many evaluations and the same seeds: one with
`FrontEndChoices` over kind, rate, window, stride, bands and coefficients, and one for each of log-mel (40 bands), MFCC
(10 of 40, MLPerf Tiny's) and the micro front end (40 channels), all of 30 ms every 20 at 8 kHz. Objectives are the
validation error, `arena_bytes` (network, front end and clip) and `latency_ms` on a Cortex-M4 (network and front end;
cycles are assumed). The hypervolume is the share of the box of `REFERENCE` that a front dominates. `--out` keeps the
runs, and goes on with those that are there. `--quick` is a smaller task: fewer clips, epochs and evaluations.

Prints a table, then one line of JSON: medians over the seeds, `hypervolume_searched`, `hypervolume_best_fixed`,
`best_fixed`, and `seeds_ahead`, those in which the search is ahead of the front end that is best in the median.
"""

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from rich.console import Console
from rich.table import Table

from edgevolve import (
    NSGA3,
    CnnSpace,
    FrontEndChoices,
    Inline,
    Mel,
    Micro,
    Problem,
    SearchConfig,
    Split,
    Splits,
    TrainingSettings,
    hold_out,
    minimise,
    search,
)
from edgevolve.data import Classes, Fittable
from edgevolve.runs import Run
from search_algorithms import Completed
from search_algorithms.pareto import hypervolume

RATE = SAMPLES = 8_000
REFERENCE = {"error": 0.9, "arena_bytes": 64_000.0, "latency_ms": 1_000.0}
"""Chance, and what a small board has."""

MFCC = Mel(RATE, SAMPLES, coefficients=10)
FIXED: dict[str, Fittable] = {
    "log mel": Mel(RATE, SAMPLES),
    "mfcc": MFCC,
    "micro": Micro(RATE, SAMPLES, high_hz=3_800),
}
SEARCHED = "searched"


@dataclass(frozen=True, slots=True)
class SpokenDigits:
    """Clips of a second; at most `clips` of the official training split."""

    path: str
    clips: int

    input_shape = (SAMPLES, 1, 1)
    target = Classes(tuple(map(str, range(10))))

    def load(self) -> Splits:
        """A fifth validates."""
        held = np.load(self.path)
        known = np.flatnonzero(~held["is_test"].astype(bool))
        chosen = np.random.default_rng(0).permutation(known)[: self.clips]
        x = held["x"].astype(np.int16).reshape(-1, SAMPLES, 1, 1)
        y = held["y"].astype(np.int64)
        train, validation = hold_out(Split(x[chosen], y[chosen]), 0.2, seed=0)
        test = np.flatnonzero(held["is_test"])[:20]  # a data set has one; nobody looks at it here
        return Splits(train, validation, Split(x[test], y[test]))


def choices(kind: str) -> FrontEndChoices[Any]:
    """The space of one search."""
    networks = CnnSpace((SAMPLES, 1, 1), 10, max_blocks=3, max_layers=2, max_filters=24, max_dense=1, max_units=48)
    if kind != SEARCHED:
        return FrontEndChoices(networks, FIXED[kind], bands=(40,))
    return FrontEndChoices(
        networks,
        (FIXED["log mel"], FIXED["micro"]),
        rate=(4_000, 8_000),
        window_ms=(20, 30, 40, 60),
        stride_ms=(20, 30, 40, 60),
        bands=(10, 20, 40),
        coefficients=(0, 10),
    )


def front_volume(run: Run, evaluations: int) -> float:
    """The share of the box of `REFERENCE` that the first so many evaluations dominate."""
    ended = sorted((record for record in run.records.values() if record.ended), key=lambda record: record.ended)
    done = [record.metrics for record in ended[:evaluations] if isinstance(record.outcome, Completed)]
    costs = [[metrics[name] / most for name, most in REFERENCE.items()] for metrics in done]
    return float(hypervolume(np.array(costs), np.ones(len(REFERENCE)))) if costs else 0.0


def run_one(kind: str, seed: int, options: argparse.Namespace, folder: Path) -> float:
    """Run, or go on with, one search."""
    name = f"{kind.replace(' ', '_')}_{seed}"
    config = SearchConfig(
        data=SpokenDigits(str((options.data / "fsdd_8k.npz").resolve()), options.clips),
        space=choices(kind),
        problem=Problem([minimise(metric, scale=most) for metric, most in REFERENCE.items()]),
        algorithm=NSGA3(population=options.population),
        training=TrainingSettings(epochs=options.epochs, batch_size=32, optimiser="adamw", learning_rate=0.004),
        devices=("cortex_m4",),
        evaluations=options.evaluations,
        seed=seed,
    )
    resume = (folder / name / "journal.jsonl").exists()
    run = search(config, name, out=folder, evaluator=Inline, resume=resume)
    return front_volume(run, options.evaluations)


def main() -> None:
    """Run all searches, seed by seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder with fsdd_8k.npz")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--evaluations", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--clips", type=int, default=2_700)
    parser.add_argument("--population", type=int, default=16)
    parser.add_argument("--quick", action="store_true", help="600 clips, 6 epochs, 20 evaluations, a population of 8")
    parser.add_argument("--out", type=Path, help="where runs are kept")
    options = parser.parse_args()
    if options.quick:
        options.clips, options.epochs, options.evaluations, options.population = 600, 6, 20, 8
    volumes_by_kind: dict[str, list[float]] = {kind: [] for kind in (*FIXED, SEARCHED)}
    with tempfile.TemporaryDirectory() as temporary:
        for seed in range(options.seeds):
            for kind, volumes in volumes_by_kind.items():
                volumes.append(run_one(kind, seed, options, options.out or Path(temporary)))
                print(f"seed {seed}: {kind} {volumes[-1]:.3f}", flush=True)
    medians = {kind: statistics.median(volumes) for kind, volumes in volumes_by_kind.items()}
    best = max(FIXED, key=lambda kind: medians[kind])
    table = Table("front end", "hypervolume, median", *(f"seed {seed}" for seed in range(options.seeds)))
    for kind, volumes in volumes_by_kind.items():
        table.add_row(kind, f"{medians[kind]:.3f}", *(f"{volume:.3f}" for volume in volumes))
    Console().print(table)
    figures: dict[str, Any] = {
        "hypervolume_searched": medians[SEARCHED],
        "hypervolume_best_fixed": medians[best],
        "best_fixed": best,
        "seeds_ahead": sum(
            ours > theirs for ours, theirs in zip(volumes_by_kind[SEARCHED], volumes_by_kind[best], strict=True)
        ),
    }
    figures |= {name: getattr(options, name) for name in ("seeds", "evaluations", "epochs", "clips")}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
