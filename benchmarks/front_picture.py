"""Draw a run's candidates and its front: error against model size, as in the README.

python benchmarks/front_picture.py artifacts/demo docs/front.png
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter

from runs import Run
from search_algorithms import Completed


def main(run_path: str, picture: str) -> None:
    """Write `picture`."""
    run = Run.open(run_path)
    done = [record for record in run.records.values() if isinstance(record.outcome, Completed)]
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    points = axes.scatter(*_axes(done), c=[r.metrics["macs"] / 1000 for r in done], cmap="viridis", s=28, zorder=2)
    front = sorted(_undominated(done), key=lambda r: r.metrics["model_size_bytes"])
    axes.step(*_axes(front), where="post", color="#d55e00", zorder=1, label="Pareto front of error and size")
    assert run.best
    axes.scatter(*_axes([run.best]), marker="*", s=220, color="#d55e00", edgecolor="white", zorder=3, label="best")
    for constraint in run.problem.constraints:
        line = {"error": axes.axhline, "model_size_bytes": axes.axvline}.get(constraint.metric)
        if line:
            value = constraint.bound * 100 if constraint.metric == "error" else constraint.bound / 1024
            line(value, color="grey", linestyle="-" if constraint.hard else "--", linewidth=1)
    axes.set(xlabel="model size, KiB", ylabel="validation error, %", yscale="log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_title(f"{run.evaluations} networks for {run.started.config['data']['type']}; grey: bounds (dashed: soft)")
    axes.legend(frameon=False, ncols=2)
    figure.colorbar(points, label="multiply-accumulates, thousands")
    figure.savefig(picture, dpi=110)


def _axes(records: list) -> tuple[list[float], list[float]]:
    sizes = [record.metrics["model_size_bytes"] / 1024 for record in records]
    return sizes, [max(100 * record.metrics["error"], 0.1) for record in records]


def _undominated(records: list) -> list:
    front, best = [], float("inf")
    for record in sorted(records, key=lambda r: (r.metrics["model_size_bytes"], r.metrics["error"])):
        if record.metrics["error"] < best:
            front.append(record)
            best = record.metrics["error"]
    return front


if __name__ == "__main__":
    main(*sys.argv[1:3])
