"""How long the resource models take, from a built graph and without a cache.

Run from the repository root: `python benchmarks/resource_cost.py`. The last line is one JSON object.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edgevolve.graph import Add, Concat, Conv2D, Graph, GraphBuilder
from resource_models import macs, measure_in_bands, model_size, peak_memory
from search_space import CellSpace, CnnSpace, MlpSpace, MobileSpace, NasBench201Space

GENOTYPES = 1000
REPEATS = 5
IN_BANDS = 40
SPACES = {
    "cnn": CnnSpace((32, 32, 3), 4),
    "mobile": MobileSpace((64, 64, 3), 4, resolutions=(64, 32)),
    "nasbench201": NasBench201Space((32, 32, 3), 4),
    "cells": CellSpace((128, 1, 6), 5),
    "mlp": MlpSpace((16, 16, 1), 4),
}
"""`IN_BANDS` candidates of each are planned in bands, for at most 20 % more work."""


def branches(join: type, rng: np.random.Generator | None) -> Graph:
    """Twelve branches of three convolutions from one tensor, joined by an Add chain or one Concat.

    All maps have 16 channels without `rng`, and 1 to 63 with it (the branches' ends alike, so that they can be added).
    """

    def width() -> int:
        return 16 if rng is None else int(rng.integers(1, 64))

    net = GraphBuilder()
    fork = net.add(Conv2D(width(), (3, 3)), net.input((1, 16, 16, 3)))
    last = width()
    ends = []
    for _ in range(12):
        y = fork
        for filters in (width(), width(), last):
            y = net.add(Conv2D(filters, (3, 3)), y)
        ends.append(y)
    if join is Concat:
        return net.build(net.add(Concat(), *ends))
    y = ends[0]
    for end in ends[1:]:
        y = net.add(Add(), y, end)
    return net.build(y)


def chain(length: int) -> Graph:
    """Convolutions one after another, 8 to 12 channels wide."""
    net = GraphBuilder()
    x = net.input((1, 16, 16, 3))
    for i in range(length):
        x = net.add(Conv2D(8 + i % 5, (3, 3)), x)
    return net.build(x)


def median_ms(measure: Callable[[Graph], object], graph: Graph) -> float:
    """Median wall-clock milliseconds of one call."""
    times = []
    for _ in range(REPEATS):
        start = perf_counter()
        measure(graph)
        times.append(perf_counter() - start)
    return 1e3 * median(times)


def in_bands_ms() -> dict[str, float]:
    """Median milliseconds of a processor for a candidate of each space that may run in bands."""
    figures = {}
    for name, space in SPACES.items():
        rng, times = np.random.default_rng(5), []
        for _ in range(IN_BANDS):
            graph = space.graph(space.sample(rng))
            start = process_time()
            measure_in_bands(graph, 0.2)
            times.append(process_time() - start)
        figures[f"in_bands_{name}_ms_median"] = 1e3 * median(times)
    return figures


def main() -> None:
    """Measure, print a table, then the same figures as JSON."""
    space = CnnSpace(input_shape=(32, 32, 3), classes=10)
    graphs = [space.graph(space.sample(np.random.default_rng(seed))) for seed in range(GENOTYPES)]
    mixed = [branches(Add, np.random.default_rng(seed)) for seed in range(50)]
    peak_ms = [median_ms(peak_memory, graph) for graph in graphs]
    mixed_ms = [median_ms(peak_memory, graph) for graph in mixed]
    figures = {
        "peak_memory_ms_median": median(peak_ms),
        "peak_memory_ms_p99": float(np.percentile(peak_ms, 99)),
        "peak_memory_ms_max": max(peak_ms),
        "share_exact": float(np.mean([peak_memory(graph).exact for graph in graphs])),
        "share_reordered": float(np.mean([peak_memory(g).order != tuple(range(len(g.nodes))) for g in graphs])),
        "model_size_ms_median": median(median_ms(model_size, graph) for graph in graphs),
        "macs_ms_median": median(median_ms(macs, graph) for graph in graphs),
        "branches_12_ms": median_ms(peak_memory, branches(Add, None)),
        "branches_12_concat_ms": median_ms(peak_memory, branches(Concat, None)),
        "branches_12_random_widths_ms_median": median(mixed_ms),
        "branches_12_random_widths_ms_p90": float(np.percentile(mixed_ms, 90)),
        "branches_12_random_widths_ms_max": max(mixed_ms),
        "chain_400_ms": median_ms(peak_memory, chain(400)),
        **in_bands_ms(),
    }
    nodes = median(len(graph.nodes) for graph in graphs)
    print(f"{GENOTYPES} random CNNs (median {nodes:.0f} nodes), 12 branches x 3 convolutions, a chain of 400;")
    print(f"each figure from the median of {REPEATS} runs, in bands of {IN_BANDS} candidates\n")
    for name, value in figures.items():
        print(f"{name:<38}{value:>10.3f}")
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
