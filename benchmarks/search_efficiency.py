"""How few evaluations each search needs on measured NAS-Bench-201 cells: ours, and other people's in the same run.

    python benchmarks/search_efficiency.py --data nb201_tabular_cifar100_pi5.npz [--quick] [--plot FILE.png]

Error (clipped at 60 %) and latency, then energy as a third objective; hypervolume with respect to (1, 1) or (1, 1, 1)
after normalisation, relative to the true front; medians over 20 seeds. Every search gets the same normalised costs
after an evaluation, and none before it. `tabular_runs` says what counts as an evaluation. A search has one setting
for two and three objectives. Searches run in turn, and with 16 simulated workers of log-normal duration.

Prints tables and writes a plot with quartiles; last one line of JSON: `evaluations_to_99_ours` (the larger of its
shares of the best peer's decides which number of objectives is given), `evaluations_to_99_best_peer`, `best_peer`,
`worst_gap_to_best_peer` (over all budgets and both numbers of objectives, in relative hypervolume, negative = behind),
`utilisation_async_16`, `worst_gap_async_16` (asynchronous NSGA-III to its generational form with 16 workers, over all
budgets, medians of five times the seeds, as those of 20 err by 0.4 %) and `ask_tell_ms_at_10000` of NSGA-III.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import peers
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from tabular_runs import Maker, read_table, run_with_workers
from variants import Generations, MuNas

from search_algorithms import (
    NSGA3,
    STRATEGIES,
    Candidate,
    Completed,
    Strategy,
)
from search_space import CnnSpace

OURS = "SurrogateEvolution"
"""The strategy that the claims are made for, with its default settings."""

BUDGETS = (100, 200, 500, 1000)
WORKERS = 16
HISTORIES = (100, 1000, 2000, 5000, 10_000)
_TIMED = 100

AT_MOST = {"BayesianOptimisation": 200}
"""Searches that are too expensive for more evaluations, in the searches in turn; with 16 workers they are left out."""


def ours(strategy: Strategy) -> Maker:
    """A strategy of ours, without metrics that are known before an evaluation."""
    return lambda table, seed: strategy.start(table.space, table.problem, seed, lambda genotype: {})


SEARCHES: dict[str, Maker] = {name: ours(strategy()) for name, strategy in STRATEGIES.items()} | {
    "NSGA3, generations": Generations,
    "μNAS": MuNas,
    "pymoo NSGA-II": peers.pymoo_nsga2,
    "pymoo NSGA-III": peers.pymoo_nsga3,
    "Optuna NSGA-II": peers.optuna_nsga2,
    "Optuna NSGA-III": peers.optuna_nsga3,
    "Optuna TPE": peers.optuna_tpe,
}
TIMED: dict[str, Strategy] = {
    **{name: strategy() for name, strategy in STRATEGIES.items() if name not in AT_MOST},
    "NSGA3, population 1000": NSGA3(population=1000),
}
"""The cost of an ask and tell is given of these; of searches that stop early, the seconds a search tell it."""

PEERS = ("RandomSearch", "μNAS", "pymoo NSGA-II", "pymoo NSGA-III", "Optuna NSGA-II", "Optuna NSGA-III", "Optuna TPE")


@dataclass(frozen=True)
class Task:
    """One search of the benchmark."""

    name: str
    data: Path
    objectives: int
    seed: int
    evaluations: int
    workers: int


@dataclass(frozen=True)
class Result:
    """Hypervolume after each evaluation, the workers' utilisation, and what the search took."""

    curve: NDArray[np.float64]
    utilisation: float
    seconds: float


def run(task: Task) -> Result:
    """Search, in a process of the pool."""
    table = _table(task.data, task.objectives)
    began = time.perf_counter()
    algorithm = SEARCHES[task.name](table, task.seed)
    trace = run_with_workers(algorithm, table, task.evaluations, task.workers, task.seed)
    return Result(trace.curve(table, task.evaluations), trace.utilisation, time.perf_counter() - began)


_table = cache(read_table)


def evaluations_to(share: float, curve: NDArray[np.float64]) -> float:
    """Evaluations until the curve reaches `share`; infinite where it never does."""
    reached = np.flatnonzero(curve >= share)
    return float(reached[0] + 1) if len(reached) else math.inf


def table_of(results: dict[str, list[Result]], budgets: Sequence[int], title: str) -> Table:
    """Medians, the best first."""
    table = Table(
        "search", *map(str, budgets), "to 95 %", "to 99 %", "utilisation", "s a search", title=title, box=None
    )
    for name in sorted(results, key=lambda name: -_median_at(results[name], len(results[name][0].curve))):
        rows = results[name]
        cells = [f"{_median_at(rows, n):.4f}" if n <= len(rows[0].curve) else "" for n in budgets]
        cells += [f"{_median_to(share, rows):g}" for share in (0.95, 0.99)]
        cells += [f"{statistics.median(r.utilisation for r in rows):.3f}"]
        cells += [f"{statistics.mean(r.seconds for r in rows):.1f}"]
        table.add_row(f"[bold]{name}[/]" if name == OURS else name, *cells)
    return table


def cost_table(costs: dict[str, list[float]]) -> Table:
    """What one ask and tell costs, by history."""
    table = Table("ms an ask and tell after", *map(str, HISTORIES), box=None)
    for name, times in costs.items():
        table.add_row(name, *(f"{time:.2f}" for time in times))
    return table


def plot(results: dict[int, dict[str, list[Result]]], costs: dict[str, list[float]], path: Path) -> None:
    """Median and quartiles by evaluations, one picture a number of objectives; and what an ask and tell costs."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(results) + 1, figsize=(7 * len(results) + 5, 5))
    for axis, (objectives, by_name) in zip(axes, results.items(), strict=False):
        for i, (name, rows) in enumerate(by_name.items()):
            low, median, high = np.quantile([row.curve for row in rows], (0.25, 0.5, 0.75), axis=0)
            at = np.arange(1, len(median) + 1)
            style = {"color": f"C{i % 10}", "linestyle": "-" if name not in PEERS else "--"}
            axis.plot(at, 1 - median, label=name, linewidth=2.5 if name == OURS else 1.2, **style)
            axis.fill_between(at, 1 - high, 1 - low, alpha=0.08, color=style["color"], linewidth=0)
        axis.set(xscale="log", yscale="log", xlim=(10, None), ylim=(1e-3, 0.3), title=f"{objectives} objectives")
        axis.set(xlabel="evaluations", ylabel="hypervolume still missing (share of the true front's)")
        axis.grid(alpha=0.3, which="both")
        axis.legend(fontsize=7)
    for name, times in costs.items():
        axes[-1].plot(HISTORIES, times, label=name, marker=".", linewidth=2.5 if name.startswith("NSGA3") else 1.2)
    axes[-1].set(xscale="log", yscale="log", xlabel="candidates observed", ylabel="ms an ask and tell", title="cost")
    axes[-1].grid(alpha=0.3, which="both")
    axes[-1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def ask_tell_ms(strategy: Strategy, histories: Sequence[int]) -> list[float]:
    """One ask and tell after so many candidates of a convolutional space with three made-up objectives.

    Processor time, so that other processes count for nothing; the mean of `_TIMED` in a row.
    """
    from search_algorithms import Problem, minimise

    space = CnnSpace((32, 32, 3), 10)
    problem = Problem([minimise(name, scale=1.0) for name in ("a", "b", "c")])
    algorithm = strategy.start(space, problem, 0, lambda genotype: {})
    rng = np.random.default_rng(0)
    times, number = [], 0
    for history in histories:
        while number < history:
            candidate = Candidate(number, space.sample(rng))
            algorithm.asked(candidate)
            algorithm.tell(candidate, _made_up(rng))
            number += 1
        began = time.process_time()
        for number in range(history, history + _TIMED):
            proposal = algorithm.ask(number)
            if proposal is None:
                return [*times, *[math.nan] * (len(histories) - len(times))]
            candidate = Candidate(number, proposal.genotype, proposal.parents)
            algorithm.asked(candidate)
            algorithm.tell(candidate, _made_up(rng))
        times.append(1000 * (time.process_time() - began) / _TIMED)
        number += 1
    return times


def _made_up(rng: np.random.Generator) -> Completed:
    return Completed(dict(zip("abc", rng.random(3).tolist(), strict=True)))


def figures(results: dict[int, dict[str, list[Result]]], budgets: Sequence[int]) -> dict[str, Any]:
    """What the claims are about."""
    gaps, shares = [], []
    for objectives, by_name in results.items():
        known = [name for name in PEERS if name in by_name]
        gaps += [_median_at(by_name[OURS], n) - max(_median_at(by_name[p], n) for p in known) for n in budgets]
        best = min(known, key=lambda p: (_median_to(0.99, by_name[p]), -_median_at(by_name[p], budgets[-1])))
        needed, theirs = _median_to(0.99, by_name[OURS]), _median_to(0.99, by_name[best])
        shares.append((needed / theirs if math.isfinite(needed) else math.inf, needed, theirs, best, objectives))
    _, needed, theirs, best, objectives = max(shares)
    return {
        "objectives": objectives,
        "evaluations_to_99_ours": _finite(needed),
        "evaluations_to_99_best_peer": _finite(theirs),
        "best_peer": best,
        "worst_gap_to_best_peer": round(min(gaps), 5),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _median_at(rows: list[Result], evaluations: int) -> float:
    return statistics.median(float(row.curve[evaluations - 1]) for row in rows)


def _median_to(share: float, rows: list[Result]) -> float:
    return statistics.median(evaluations_to(share, row.curve) for row in rows)


def main() -> None:
    """Run every search, print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="an .npz file of measured NAS-Bench-201 cells")
    parser.add_argument("--quick", action="store_true", help="3 seeds and budgets up to 500")
    parser.add_argument("--plot", type=Path, default=Path("search_efficiency.png"))
    parser.add_argument("--only", nargs="+", choices=SEARCHES, default=list(SEARCHES), metavar="SEARCH")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    if OURS not in options.only or not set(PEERS) & set(options.only):
        parser.error(f"--only needs {OURS} and a peer to compare it with")
    seeds, budgets = (range(3), BUDGETS[:3]) if options.quick else (range(20), BUDGETS)
    console = Console(width=140)

    def results(
        pool: Any, names: Sequence[str], objectives: int, workers: int, seeds: Sequence[int] = seeds
    ) -> dict[str, list[Result]]:
        keys = [(name, min(budgets[-1], AT_MOST.get(name, budgets[-1]))) for name in names]
        tasks = [Task(name, options.data, objectives, s, n, workers) for name, n in keys for s in seeds]
        done = pool.map(run, tasks, chunksize=1)
        return {name: done[i * len(seeds) : (i + 1) * len(seeds)] for i, name in enumerate(names)}

    in_turn: dict[int, dict[str, list[Result]]] = {}
    with get_context("spawn").Pool(options.processes) as pool:
        for objectives in (2, 3):
            in_turn[objectives] = results(pool, options.only, objectives, workers=1)
            console.print(table_of(in_turn[objectives], budgets, f"{objectives} objectives, one worker"))
        names = [name for name in options.only if name not in AT_MOST]
        together = results(pool, names, 2, workers=WORKERS)
        console.print(table_of(together, budgets, f"2 objectives, {WORKERS} workers"))
        pair = results(pool, ("NSGA3", "NSGA3, generations"), 2, WORKERS, range(5 * len(seeds)))
        console.print(table_of(pair, budgets, f"2 objectives, {WORKERS} workers, {5 * len(seeds)} seeds"))
        timed = {name: strategy for name, strategy in TIMED.items() if name in options.only or "NSGA3" in name}
        times = pool.starmap(ask_tell_ms, [(strategy, HISTORIES) for strategy in timed.values()], chunksize=1)
    costs = dict(zip(timed, times, strict=True))
    console.print(cost_table(costs))
    plot(in_turn, costs, options.plot)
    summary = figures(in_turn, budgets)
    summary["utilisation_async_16"] = round(statistics.median(r.utilisation for r in together[OURS]), 4)
    gaps = [_median_at(pair["NSGA3"], n) - _median_at(pair["NSGA3, generations"], n) for n in budgets]
    summary["worst_gap_async_16"] = round(min(gaps), 5)
    summary["ask_tell_ms_at_10000"] = round(costs["NSGA3"][-1], 3)
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
