"""From each of 16 other devices to each Edge TPU campaign, with 10 and 20 measurements of the target.

What the source takes for a network is a counter like any other: a sum of the work in which it may weigh as much as
the samples say.
"""

from pathlib import Path

import numpy as np
from predictor_sections.cells import mape, read_cells, spearman, split
from predictor_sections.edge_tpu import CAMPAIGNS

from predictors import PerformanceRegressor

SAMPLES = (10, 20)
GOALS = {"rice": 0.97, "eagle": 0.94}


def run(folder: Path, seeds: int) -> dict[str, float]:
    """Print the table; keys are `{campaign}_transfer_spearman_{samples}`, medians over sources and seeds."""
    cells = read_cells(folder)
    sources = [name for name in cells.latency_ms if name not in CAMPAIGNS.values()]
    figures: dict[str, float] = {}
    print(f"Transfer from {len(sources)} devices to an Edge TPU: Spearman (MAPE %), medians over seeds")
    print(f"{'source':<18}" + "".join(f"{f'{device}, {n}':>22}" for device in CAMPAIGNS.values() for n in SAMPLES))
    results = {
        source: [_scores(cells, source, target, n, seeds) for target in CAMPAIGNS.values() for n in SAMPLES]
        for source in sources
    }
    for source, scores in results.items():
        print(f"{source:<18}" + "".join(f"{f'{rho:.4f} ({error:.2f})':>22}" for rho, error in scores))
    medians = np.median(np.array(list(results.values())), axis=0)
    print(f"{'median':<18}" + "".join(f"{f'{rho:.4f} ({error:.2f})':>22}" for rho, error in medians))
    keys = [f"{name}_transfer_spearman_{n}" for name in CAMPAIGNS for n in SAMPLES]
    figures |= dict(zip(keys, medians[:, 0].tolist(), strict=True))
    return figures


def _scores(cells, source, target, samples, seeds):
    ranks, errors = [], []
    target_ms = np.where(cells.latency_ms[source] > 0, cells.latency_ms[target], -1)
    known = cells.table.with_column("source_latency_ms", np.maximum(cells.latency_ms[source], 0))
    for seed in range(seeds):
        rng = np.random.default_rng([seed, samples])
        learn, judge = split(cells, target_ms, samples, rng)
        learn = np.sort(learn)
        fitted = PerformanceRegressor.fit(known[learn], target_ms[learn], rng, groups=cells.classes[learn])
        predicted = fitted.predict(known[judge]).value
        ranks.append(spearman(predicted, target_ms[judge]))
        errors.append(mape(predicted, target_ms[judge]))
    return float(np.median(ranks)), float(np.median(errors))
