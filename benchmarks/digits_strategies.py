"""NSGA-III against aging evolution with real training: `configs/digits_nsga3.py` and `configs/digits_aging.py`.

    nice python benchmarks/digits_strategies.py [--seeds 3] [--evaluations 300] [--out FOLDER]

One worker, one thread. The hypervolume is that of the front over the bounds: each cost is divided by its bound, soft
bounds included, and the reference point is the bounds, (1, 1, 1, 1). With `--out` the runs are kept, and those that are
there already go on where they ended. Prints a table, then one line of JSON: the medians over the seeds at the end,
`hypervolume_nsga3` and `hypervolume_aging`, and, as three seeds decide little, in which share of all sets of three of
the seeds the median of NSGA-III is ahead, `ahead_in_triples` (null below three), with `evaluations` and `seeds`.
"""

import argparse
import itertools
import json
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from rich.console import Console
from rich.table import Table

from configs.digits_aging import config as aging
from configs.digits_nsga3 import config as nsga3
from edgevolve.engine import Inline, search
from edgevolve.runs import Run
from search_algorithms import Completed
from search_algorithms.pareto import hypervolume

CONFIGS = {"nsga3": nsga3, "aging": aging}
SHARES = (0.25, 0.5, 1.0)
"""Of the evaluations: where the hypervolume is looked at."""


def hypervolumes(run: Run, evaluations: int) -> list[float]:
    """The share of the box between nothing and the bounds that is dominated, at each of `SHARES` of the evaluations."""
    ended = sorted((record for record in run.records.values() if record.ended), key=lambda record: record.ended)
    values = []
    for share in SHARES:
        rows = [
            np.array(run.problem.costs(record.metrics)) / run.problem.scales()
            for record in ended[: round(share * evaluations)]
            if isinstance(record.outcome, Completed) and not run.problem.broken(record.metrics)
        ]
        values.append(hypervolume(rows, np.ones(len(run.problem.objectives))))
    return values


def main() -> None:
    """Run every configuration with every seed, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--evaluations", type=int, default=aging.evaluations)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    console = Console(width=110)
    table = Table(box=None, header_style="bold")
    for column in ("seed", "configuration", *(f"{share * options.evaluations:.0f}" for share in SHARES)):
        table.add_column(column, justify="right")
    ends: dict[str, list[float]] = {name: [] for name in CONFIGS}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.out or Path(temporary)
        for seed, name in itertools.product(range(options.seeds), CONFIGS):
            config = CONFIGS[name].with_fields(seed=seed, evaluations=options.evaluations)
            resume = (folder / f"{name}{seed}").exists()
            run = search(config, f"{name}{seed}", out=folder, resume=resume, evaluator=Inline)
            values = hypervolumes(run, options.evaluations)
            table.add_row(str(seed), name, *(f"{value:.4f}" for value in values))
            ends[name].append(values[-1])
    console.print(table)
    medians = {f"hypervolume_{name}": round(statistics.median(values), 4) for name, values in ends.items()}
    triples = zip(*(itertools.combinations(ends[name], 3) for name in ("nsga3", "aging")), strict=True)
    ahead = [statistics.median(ours) > statistics.median(theirs) for ours, theirs in triples]
    share = round(statistics.mean(ahead), 3) if ahead else None
    about = {"evaluations": options.evaluations, "seeds": options.seeds}
    print(json.dumps({**medians, "ahead_in_triples": share, **about}))


if __name__ == "__main__":
    main()
