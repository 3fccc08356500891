"""Whether the memory figures known before training are those of TensorFlow Lite Micro, and what the memory plan saves.

Random genotypes of every space at several input shapes, with random weights and biases, are measured, exported as
int8 files and run on the runtime of the `tflite-micro` wheel. Run from the repository root:
`python benchmarks/arena_fidelity.py [--models N]`. The last line is one JSON object.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from time import perf_counter

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from edgevolve.deployment.flatbuffer import bare, packed, unpacked
from edgevolve.deployment.micro import run_on_micro
from edgevolve.deployment.optimise import lean
from edgevolve.graph import Graph, from_json, reordered, to_json
from edgevolve.quantisation import int8_network
from edgevolve.training.session import configure_tensorflow
from edgevolve.training.weights import Weights, initial_weights
from resource_models import HOST, Footprint, deployed, measure, peak_memory
from resource_models.arena import buffers
from search_space import CnnSpace, MlpSpace, MobileSpace, NasBench201Space

SHAPES = ((8, 8, 1), (12, 12, 1), (20, 20, 3), (28, 28, 1), (32, 32, 3), (24, 16, 2), (49, 10, 1))
SPACES = ("CNN", "CNN", "NAS-Bench-201", "mobile", "MLP")
TIMED = 500
FEW_BUFFERS = 20


@dataclass(frozen=True)
class Result:
    """One model: what was predicted for the host, and what the runtime says with and without the plan."""

    space: str
    buffers: int
    predicted: Footprint
    head_bytes: int
    head_without_plan_bytes: int
    tail_bytes: int
    file_bytes: int

    @property
    def head_is_exact(self) -> bool:
        """With the plan and without."""
        predicted = (self.predicted.planned_head_bytes, self.predicted.greedy_head_bytes)
        return predicted == (self.head_bytes, self.head_without_plan_bytes)

    @property
    def tail_error(self) -> float:
        """Relative."""
        return abs(self.predicted.tail_bytes / self.tail_bytes - 1)

    @property
    def flash_error(self) -> float:
        """Relative."""
        return abs(self.predicted.flash_bytes / self.file_bytes - 1)

    @property
    def saving(self) -> float:
        """Share of the head that the plan saves on the runtime."""
        return 1 - self.head_bytes / self.head_without_plan_bytes


def network(number: int) -> tuple[str, Graph]:
    """A space and a network of it, in the order in which runs keep networks."""
    rng = np.random.default_rng([201, number])
    shape, classes = SHAPES[rng.integers(len(SHAPES))], int(rng.choice([2, 3, 10]))
    name = SPACES[number % len(SPACES)]
    if name == "CNN":
        cnn = CnnSpace(shape, classes)
        graph = cnn.graph(cnn.sample(rng))
    elif name == "MLP":
        mlp = MlpSpace(shape, classes)
        graph = mlp.graph(mlp.sample(rng))
    elif name == "mobile":
        mobile = MobileSpace(shape, classes, max_stages=4, depths=(1, 3), max_filters=96)
        graph = mobile.graph(mobile.sample(rng))
    else:
        cells = NasBench201Space(shape, classes, cells=int(rng.integers(1, 3)))
        graph = cells.graph(cells.sample(rng))
    return name, from_json(to_json(graph))


def some_weights(graph: Graph, seed: int) -> Weights:
    """Weights as after training: no bias or batch norm is left at its start, or the converter would drop it."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, value in initial_weights(graph, seed).items():
        shift = 0 if name.endswith("variance") else rng.normal(0, 0.1, value.shape)
        weights[name] = (value * np.exp(rng.normal(0, 0.1, value.shape)) + shift).astype(np.float32)
    return weights


def result(number: int) -> Result:
    """Measure, export and run one network."""
    space, graph = network(number)
    predicted = measure(graph, HOST)
    merged = deployed(graph)
    order = peak_memory(merged.graph).order
    placed = buffers(reordered(merged.graph, order), HOST)
    graph = reordered(graph, merged.original_order(order))
    images = np.random.default_rng(number).uniform(0, 1, (8, *graph.inputs[0].shape[1:])).astype(np.float32)
    written = int8_network(graph, some_weights(graph, number), images).tflite()
    model = lean(written)
    stored = np.random.default_rng(number).integers(-128, 128, images.shape, np.int8)
    run = run_on_micro(model, [stored])
    without = run_on_micro(_without_plan(written), [stored])
    assert all(np.array_equal(a, b) for a, b in zip(run.outputs, without.outputs, strict=True)), number
    return Result(
        space=space,
        buffers=len(placed.tensors) + len(placed.scratch),
        predicted=predicted,
        head_bytes=run.head_bytes,
        head_without_plan_bytes=without.head_bytes,
        tail_bytes=run.tail_bytes,
        file_bytes=len(model),
    )


def _without_plan(written: bytes) -> bytes:
    content = unpacked(written)
    bare(content)
    return packed(content)


def measure_ms() -> float:
    """Median milliseconds of `measure` over random CNNs of 32×32×3, each from the fastest of three runs."""
    space = CnnSpace((32, 32, 3), 10)
    times = []
    for seed in range(TIMED):
        graph = space.graph(space.sample(np.random.default_rng(seed)))
        times.append(min(_seconds(graph) for _ in range(3)))
    return 1e3 * median(times)


def _seconds(graph: Graph) -> float:
    start = perf_counter()
    measure(graph)
    return perf_counter() - start


def summary(results: list[Result]) -> dict[str, float]:
    """The figures of the last line, the timing apart."""
    few = [r for r in results if r.buffers <= FEW_BUFFERS] or results
    return {
        "models": len(results),
        "head_exact_share": mean(r.head_is_exact for r in results),
        "tail_max_relative_error": max(r.tail_error for r in results),
        "flash_max_relative_error": max(r.flash_error for r in results),
        "planned_saving_mean": mean(r.saving for r in results),
        "planned_saving_max": max(r.saving for r in results),
        "optimal_share": mean(r.predicted.exact for r in results),
        "optimal_share_of_20_buffers": mean(r.predicted.exact for r in few),
    }


def main() -> None:
    """Measure, print a table by space, then the same figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=300, help="how many networks")
    models = parser.parse_args().models
    configure_tensorflow(1)
    results = []
    for number in range(models):
        results.append(result(number))
        if not results[-1].head_is_exact:
            print(f"model {number} ({results[-1].space}): {results[-1]}", flush=True)
    heads = ("models", "head exact", "tail error", "flash error", "saving", "largest", "optimal")
    print(f"{'space':<14}" + "".join(f"{head:>12}" for head in heads))
    for space in dict.fromkeys(SPACES):
        chosen = [r for r in results if r.space == space]
        if chosen:
            models, *shares = list(summary(chosen).values())[:7]
            print(f"{space:<14}{models:>12}" + "".join(f"{share:>12.2%}" for share in shares))
    figures = {**summary(results), "measure_ms_median": measure_ms()}
    print(json.dumps({name: round(value, 5) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
