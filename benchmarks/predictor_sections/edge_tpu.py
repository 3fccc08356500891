"""Two campaigns on real Edge TPUs: learning one from 20, 100 and 300 measured cells.

Then the same within each of two halves of the classes, from 20, 100 and 200: whether the learner is behind the plain
Gaussian process on data of another draw.
"""

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from predictor_sections.cells import MeasuredCells, mape, read_cells, share_held, spearman, split

from edgevolve.gaussian_process import GaussianProcess
from predictors import FeatureTable, PerformanceRegressor
from predictors.learned.learner import Standard
from predictors.values import FloatArray

CAMPAIGNS = {"rice": "rice_edgetpu", "eagle": "eagle_tpu"}
SAMPLES = (20, 100, 300)
HALF_SAMPLES, HALF_SEEDS, HALVES_SEED = (20, 100, 200), 8, 77

COUNTS = (
    *("count_conv_1x1", "count_conv_3x3", "count_average_pool", "count_add", "depth", "width"),
    *("critical_convolutions", "mean_width", "forks"),
)
"""Nine counts for a plain Gaussian process on the same splits: how hard these are."""


def run(folder: Path, seeds: int) -> dict[str, float]:
    """Print the table; keys are `{campaign}_{mape,spearman}_{samples}` and the pooled `_coverage_90`."""
    cells = read_cells(folder)
    figures: dict[str, float] = {}
    print("Real Edge TPU, NAS-Bench-201 cells: learned from N measurements, judged on all other classes of isomorphism")
    print(
        f"{'campaign':<14}{'N':>4}{'MAPE %':>9}{'± s.e.':>8}{'plain GP':>10}{'Spearman':>10}{'± s.e.':>8}"
        f"{'90 % held':>11}  learners"
    )
    for name, device in CAMPAIGNS.items():
        latency_ms = cells.latency_ms[device]
        pooled = []
        for samples in SAMPLES:
            errors, ranks, held, plain, learners = [], [], [], [], Counter[str]()
            for seed in range(seeds):
                rng = np.random.default_rng([seed, samples])
                learn, judge = split(cells, latency_ms, samples, rng)
                fitted = PerformanceRegressor.fit(
                    cells.table[learn], latency_ms[learn], rng, groups=cells.classes[learn]
                )
                known, true = fitted.predict(cells.table[judge]), latency_ms[judge]
                errors.append(mape(known.value, true))
                plain.append(mape(_plain(cells.table, latency_ms, learn, judge), true))
                ranks.append(spearman(known.value, true))
                held.append(share_held((known.low <= true) & (true <= known.high), cells.classes[judge]))
                learners[fitted.learner] += 1
            pooled += held
            figures[f"{name}_mape_{samples}"] = float(np.median(errors))
            figures[f"{name}_plain_mape_{samples}"] = float(np.median(plain))
            figures[f"{name}_spearman_{samples}"] = float(np.median(ranks))
            root = np.sqrt(seeds)
            print(
                f"{device:<14}{samples:>4}{np.median(errors):>9.2f}{np.std(errors) / root:>8.2f}"
                f"{np.median(plain):>10.2f}{np.median(ranks):>10.4f}{np.std(ranks) / root:>8.4f}{np.mean(held):>11.3f}"
                f"  {', '.join(f'{k} {v}' for k, v in learners.most_common())}",
                flush=True,
            )
        figures[f"{name}_coverage_90"] = float(np.mean(pooled))
    return figures | _halves(cells, min(seeds, HALF_SEEDS))


def _halves(cells: MeasuredCells, seeds: int) -> dict[str, float]:
    """Keys: `half_worst_ratio`, the largest median error over the plain process's, and `half_behind`, of all splits."""
    first = np.random.default_rng(HALVES_SEED).random(cells.classes.max() + 1) < 0.5
    ratios, behind = [], []
    print(f"{'half':<16}{'N':>4}{'MAPE %':>9}{'plain GP':>10}  splits of {seeds} behind")
    for name, device in CAMPAIGNS.items():
        for number, half in enumerate((~first, first)):
            latency_ms = np.where(half[cells.classes], cells.latency_ms[device], -1)
            for samples in HALF_SAMPLES:
                pairs = []
                for seed in range(seeds):
                    rng = np.random.default_rng([seed, samples])
                    learn, judge = split(cells, latency_ms, samples, rng)
                    groups, true = cells.classes[learn], latency_ms[judge]
                    fitted = PerformanceRegressor.fit(cells.table[learn], latency_ms[learn], rng, groups=groups)
                    plain = mape(_plain(cells.table, latency_ms, learn, judge), true)
                    pairs.append((mape(fitted.predict(cells.table[judge]).value, true), plain))
                here, there = np.median(pairs, axis=0)
                worse = [a > b for a, b in pairs]
                ratios.append(here / there)
                behind += worse
                print(f"{f'{name} {number}':<16}{samples:>4}{here:>9.2f}{there:>10.2f}  {sum(worse)}", flush=True)
    return {"half_worst_ratio": float(max(ratios)), "half_behind": float(np.mean(behind))}


def _plain(
    table: FeatureTable, latency_ms: FloatArray, learn: NDArray[np.int64], judge: NDArray[np.int64]
) -> FloatArray:
    """The Gaussian process on `COUNTS`, of the logarithm of the time."""
    rows = table.rows[:, [table.names.index(name) for name in COUNTS]]
    standard = Standard.fit(rows[learn])
    logarithms = np.log(latency_ms[learn])
    process = GaussianProcess.fit(standard(rows[learn]), logarithms - logarithms.mean()).predictor()
    predicted: FloatArray = np.exp(logarithms.mean() + process(standard(rows[judge])))
    return predicted
