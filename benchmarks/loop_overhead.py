"""What the loop itself costs: asking, journaling with fsync, telling; and opening a long journal.

    python benchmarks/loop_overhead.py [--candidates 10000]

Tasks take no time here (a virtual clock), so that all of the wall time is ours. Prints a table, then one line of JSON:
`loop_ms_per_candidate` (with fsync on; `fsync_ms` of it is what the disk takes for one small append, measured beside
it), `open_s_10000` and `resume_s_10000` (folding the journal of so many candidates into a run, and into an algorithm),
`memory_growth_mb_per_1000` (resident memory over the second half of the search).
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from rich.console import Console
from rich.table import Table

from edgevolve.data import Digits, Splits
from edgevolve.engine import VirtualTime, search
from edgevolve.runs import Job, Run, SearchConfig
from search_algorithms import AgingEvolution, Completed, Problem, at_most, minimise
from search_space import CnnSpace


@dataclass(frozen=True)
class NoTraining:
    """An error by the number of multiply-accumulates, at once, with the weights of a small network."""

    metric_names = ("error",)

    def prepare(self) -> None:
        """Nothing."""

    def __call__(self, job: Job, splits: Splits) -> Completed:
        """Noise on a trend."""
        noise = np.random.default_rng(job.seed).random()
        return Completed({"error": (0.5 + noise) / np.log(10 + job.metrics["macs"])}, weights={"w": np.zeros(2000)})


def configuration(evaluations: int) -> SearchConfig:
    """The quick start's space and bounds, without its training."""
    data = Digits()
    bounds = [at_most("error", 0.1, soft=True), at_most("peak_memory_bytes", 8192), at_most("model_size_bytes", 64_000)]
    return SearchConfig(
        data=data,
        space=CnnSpace(data.input_shape, data.classes),
        problem=Problem([minimise("error"), minimise("peak_memory_bytes"), minimise("model_size_bytes")], bounds),
        algorithm=AgingEvolution(population=100, sample_size=25),
        task=NoTraining(),
        evaluations=evaluations,
    )


def resident_mb() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def fsync_ms(folder: Path) -> float:
    """Median time of appending 1 kB and waiting for the disk."""
    times = []
    with (folder / "probe").open("ab") as file:
        for _ in range(200):
            began = time.perf_counter()
            file.write(b"x" * 1000)
            file.flush()
            os.fsync(file.fileno())
            times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def main() -> None:
    """Search, open, resume; print what each took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=10_000, help="how many to evaluate")
    candidates = parser.parse_args().candidates
    config = configuration(candidates)
    memory: dict[int, float] = {}

    def observe(run: Run, event: object) -> None:
        if run.evaluations in (candidates // 2, candidates):
            memory.setdefault(run.evaluations, resident_mb())

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        probe = fsync_ms(folder)

        def evaluator(task: NoTraining, splits: Splits) -> VirtualTime:
            return VirtualTime(task, splits, 4, lambda job: 60.0)

        began = time.perf_counter()
        run = search(config, out=folder, evaluator=evaluator, observe=observe)
        loop_s = time.perf_counter() - began
        began = time.perf_counter()
        Run.open(run.folder)
        open_s = time.perf_counter() - began
        began = time.perf_counter()
        search(config, out=folder, evaluator=evaluator, resume=True)
        resume_s = time.perf_counter() - began
        size_mb = run.path.stat().st_size / 1e6

    growth = (memory[candidates] - memory[candidates // 2]) / (candidates / 2000)
    figures = {
        "loop_ms_per_candidate": 1000 * loop_s / candidates,
        "fsync_ms": probe,
        f"open_s_{candidates}": open_s,
        f"resume_s_{candidates}": resume_s,
        "memory_growth_mb_per_1000": growth,
        "journal_mb": size_mb,
        "candidates_asked": len(run.records),
        "feasible_share": run.feasible_share,
    }
    table = Table("figure", "value", box=None, pad_edge=False)
    for figure, value in figures.items():
        table.add_row(figure, f"{value:.3f}" if isinstance(value, float) else str(value))
    Console().print(table)
    print(json.dumps({figure: round(value, 4) for figure, value in figures.items()}))


if __name__ == "__main__":
    main()
