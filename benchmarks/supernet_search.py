"""Is a search by shared weights worth it? Three ways to a front at equal wall clock, then trained from scratch.

    python benchmarks/supernet_search.py [--data FOLDER] [--minutes M ...] [--seeds N] [--epochs E] [--members K]

FOLDER holds `mnist_12k2k.npz`; without it the data are scikit-learn's 8×8 digits. One worker of one thread. Within M
minutes, under the same bounds and over the same space:

- `supernet`: shared weights are trained for a third of the time, which counts; NSGA-III then scores inherited weights;
- `scratch`: NSGA-III trains each candidate for E epochs;
- `parents`: the same, and each child goes on from its first parent's weights, for a third of the epochs.

At most K networks of each front, evenly spread over its errors, are then trained from scratch for E epochs with another
seed. The hypervolume is that of these (validation error, multiply-accumulates) below an error of 50 % and the bound;
logarithms of both are taken, from 0.5 % and 10 000 on, so that 1 is the whole box. The last line is JSON: medians over
the seeds by budget and way, and `winner` for each budget.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from supernet_boards import MACS, space_of
from supernet_ranking import scratch

from edgevolve import (
    NSGA3,
    Digits,
    Inherited,
    Inline,
    NpzImages,
    Problem,
    SearchConfig,
    Supernet,
    TrainingSettings,
    at_most,
    minimise,
    search,
)
from edgevolve.data import load_splits
from edgevolve.training.session import configure_tensorflow
from search_algorithms.pareto import hypervolume

ERRORS, COSTS = (0.005, 0.5), (1e4, MACS)
"""The box: its best and its worst corner."""
PREPARED_SHARE = 1 / 3
WAYS = ("supernet", "scratch", "parents")


def main() -> None:
    """Search each way, train the fronts; a table, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[30.0, 90.0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--members", type=int, default=6)
    given = parser.parse_args()
    configure_tensorflow(threads=1)
    data = NpzImages(str(given.data / "mnist_12k2k.npz")) if given.data else Digits()
    splits, by_budget = load_splits(data), {}
    print(f"{'minutes':>8}{'way':>10}{'seed':>5}{'candidates':>11}{'trained':>8}{'best error':>11}{'hypervolume':>12}")
    for minutes in given.minutes:
        volumes = {way: [] for way in WAYS}
        for seed in range(given.seeds):
            for way in WAYS:
                number, chosen = searched(way, data, minutes, seed, given)
                errors = [scratch(graph, splits, given.epochs, 1000) for graph, _ in chosen]
                volumes[way].append(volume(errors, [cost for _, cost in chosen]))
                cells = f"{number:>11}{len(errors):>8}{min(errors, default=1):>11.2%}"
                print(f"{minutes:>8g}{way:>10}{seed:>5}{cells}{volumes[way][-1]:>12.4f}", flush=True)
        medians = {way: round(statistics.median(values), 4) for way, values in volumes.items()}
        by_budget[f"{minutes:g}"] = medians | {"winner": max(medians, key=medians.get)}
    print(json.dumps({"seeds": given.seeds, "hypervolume": by_budget}))


def searched(way, data, minutes, seed, given):
    """How many candidates one way scores within its minutes, and some of its front: graphs and their costs."""
    space, epochs = space_of(data), given.epochs
    settings = TrainingSettings(epochs=epochs, batch_size=64, learning_rate=0.1)
    ways = {
        "supernet": {
            "prepare": Supernet(space, settings, minutes=PREPARED_SHARE * minutes),
            "task": Inherited(1000),
        },
        "scratch": {},
        "parents": {"training": TrainingSettings(epochs, 64, learning_rate=0.1, inherited_epochs=max(1, epochs // 3))},
    }
    config = SearchConfig(
        data=data,
        space=space,
        problem=Problem([minimise("error"), minimise("macs")], [at_most("macs", MACS)]),
        algorithm=NSGA3(population=20),
        minutes=minutes,
        seed=seed,
        **({"training": settings} | ways[way]),
    )
    with tempfile.TemporaryDirectory() as folder:
        run = search(config, way, out=folder, evaluator=Inline)
        front = sorted(run.front, key=lambda record: record.metrics["error"])
        rows = np.unique(np.linspace(0, len(front) - 1, min(given.members, len(front))).round().astype(int))
        chosen = [front[row] for row in rows]
        return run.evaluations, [(run.graph(record.number), record.metrics["macs"]) for record in chosen]


def volume(errors, costs):
    """The share of the box that the networks dominate, on logarithmic axes."""
    if not errors:
        return 0.0
    rows = [share(np.maximum(values, box[0]), box) for values, box in ((errors, ERRORS), (costs, COSTS))]
    return float(hypervolume(np.column_stack(rows), np.ones(2)))


def share(values, box):
    """Where values stand between the corners of the box, 0 and 1."""
    least, most = box
    return np.log(values / least) / np.log(most / least)


if __name__ == "__main__":
    main()
