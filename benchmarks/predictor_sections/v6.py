"""SIMULATED v5e → v6: families held out, judged by the noise-free truth.

*counters*: learned from simulated v6 labels of other families, and the network's own noisy v5e latency and energy.
*graph*: the same without anything measured of the network. *zero-shot*: v5e labels of other families and the figures
of v6's sheet; no v6 label at all, as it would be for a chip that nobody has. *floor*: the error of the noisy v6 label
itself. *ratio*: the network's v5e figure times one constant, the median over the other families.

The predictor knows nothing of the simulator. It has columns for operators, further readers and bytes beyond a
grid of sizes, whose weights it must learn; lines, pages, prefetching, throttling and leakage have none.
"""

from pathlib import Path
from time import perf_counter

import numpy as np
from predictor_sections.calibration import MEMBERS, Calibration, calibration
from predictor_sections.cells import mape, spearman
from predictor_sections.simulator import NOISE

from predictors import EdgeTPUv6Predictor, sheet
from predictors.learned.edge_tpu_v6 import METRICS, SOURCE, TARGET
from predictors.models.systolic import workload_table

POOL = 100
LEARNED = 400
HELD = ("mobilenet", "efficientnet", "custom")

WAYS = ("counters", "graph", "zero-shot", "floor", "ratio")

Scores = dict[str, dict[str, tuple[float, float]]]


def run(folder: Path, seeds: int) -> dict[str, float]:
    """Print the table; keys `v6_{latency,energy}_mape_FAMILY` (with `_graph`, `_zero_shot`, `_floor`) and ranks."""
    measured = calibration(POOL, 1)
    figures: dict[str, float] = {}
    print(
        f"SIMULATED v5e → v6, labels with {100 * NOISE:.0f} % noise, {LEARNED} networks of other families learned; "
        f"MAPE %, Spearman; medians of {seeds} seeds"
    )
    print(f"{'held out':<14}{'metric':<12}" + "".join(f"{way:>16}" for way in WAYS) + f"{'90 % held':>11}")
    for held in HELD:
        rounds = [_round(measured, list(MEMBERS).index(held), seed) for seed in range(seeds)]
        ranks = []
        for metric in METRICS:
            name = metric.partition("_")[0]
            scores = {way: np.median([scored[metric][way] for scored, _ in rounds], axis=0) for way in WAYS}
            coverage = float(np.mean([held_share[metric] for _, held_share in rounds]))
            shown = "".join(f"{f'{error:.2f}, {rho:.3f}':>16}" for error, rho in scores.values())
            print(f"{held:<14}{name:<12}{shown}{coverage:>11.2f}", flush=True)
            figures[f"v6_{name}_mape_{held}"] = float(scores["counters"][0])
            for way in ("graph", "zero-shot", "floor"):
                figures[f"v6_{name}_mape_{held}_{way.replace('-', '_')}"] = float(scores[way][0])
            figures[f"v6_{name}_spearman_{held}_zero_shot"] = float(scores["zero-shot"][1])
            ranks.append(float(scores["counters"][1]))
        figures[f"v6_spearman_{held}"] = min(ranks)
    figures["v6_estimate_ms"] = _estimate_ms(measured)
    print(f"v6_spearman_* is the lesser of both metrics'; a forecast takes {figures['v6_estimate_ms']:.2f} ms, median")
    return figures


def _round(pool: Calibration, held: int, seed: int) -> tuple[Scores, dict[str, float]]:
    """Scores of one held-out family by metric and way, and the share of true values within the interval."""
    rng = np.random.default_rng([seed, held])
    learn = rng.permutation(np.flatnonzero(pool.families != held))[:LEARNED]
    judge = np.flatnonzero(pool.families == held)
    v5e, v6 = pool.measured("v5e", seed), pool.measured("v6", seed)
    predictor = EdgeTPUv6Predictor.fit(
        *([values[i] for i in learn] for values in (pool.graphs, v5e, v6)), pool.families[learn]
    )
    with_counters = [predictor.predict(pool.graphs[i], v5e[i]) for i in judge]
    alone = [predictor.predict(pool.graphs[i]) for i in judge]
    table = workload_table(sheet(TARGET), [pool.graphs[i] for i in judge])
    scores: Scores = {}
    held_share: dict[str, float] = {}
    for metric in METRICS:
        true = np.array([getattr(pool.truth["v6"][i], metric) for i in judge])
        ratio = np.median([v6[i][metric] / v5e[i][metric] for i in learn])
        ways = {
            "counters": np.array([one[metric].value for one in with_counters]),
            "graph": np.array([one[metric].value for one in alone]),
            "zero-shot": predictor.models[SOURCE][metric](table.rows),
            "floor": np.array([v6[i][metric] for i in judge]),
            "ratio": ratio * np.array([v5e[i][metric] for i in judge]),
        }
        scores[metric] = {way: (mape(values, true), spearman(values, true)) for way, values in ways.items()}
        errors = abs(np.log(true / ways["counters"]))
        held_share[metric] = float(np.mean(errors <= predictor.widths[metric][1]))  # beyond its domain too
    return scores, held_share


def _estimate_ms(pool: Calibration) -> float:
    """From a graph to a forecast of the packaged predictor, median over the published families."""
    predictor = EdgeTPUv6Predictor.from_pretrained()
    times = []
    for graph in pool.graphs[: 3 * POOL]:
        start = perf_counter()
        predictor.predict(graph)
        times.append(perf_counter() - start)
    return 1e3 * float(np.median(times))
