"""The host's processor through LiteRT, one thread: latency table, analytical and learned predictor, held-out networks.

400 networks, published families and random ones; five times 200 are learned from and 200 held out. Each network is
measured in four passes over all of them. The clock of a machine changes: each pass is divided by how much slower than
the fastest it was, in the median over all networks; a network's latency is the least of the four. Measurements stay in
`artifacts/predictor_accuracy_cpu` and made again when that folder is removed.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from predictor_sections.cells import mape, spearman
from predictor_sections.latency_table import LatencyTable

from edgevolve.engine.calibration import Measure, calibrate, with_layers
from edgevolve.engine.corpus import Network, small, variants
from edgevolve.graph import Graph, graph_hash
from predictors import DevicePredictor, analyse, layer_key, layers, read_measurements
from predictors.learned.physics import fit_sheet
from predictors.models.cpu import timed_nodes
from resource_models import macs

NETWORKS = 400
PASSES = 4
SPLITS = 5
SEED = 1
_FOLDER = Path("artifacts") / "predictor_accuracy_cpu"
_RAISED = "-15"


def run(folder: Path, seeds: int) -> dict[str, float]:
    """Print the table; errors are means over the splits, coverage is pooled."""
    graphs, passes, singles = _measured()
    slower = np.median(passes / passes.min(axis=0), axis=1)
    steady = passes / slower[:, None]
    true = steady.min(axis=0)
    print(f"{len(graphs)} networks on this processor, {true.min():.3f} to {true.max():.1f} ms, {len(singles)} layers")
    noise = mape(steady[::2].min(axis=0), steady[1::2].min(axis=0))
    print(f"passes slower than the fastest by {', '.join(f'{100 * (s - 1):.1f} %' for s in slower)}")
    print(f"noise floor, two passes against the two others: {noise:.2f} %")
    scores: dict[str, list[tuple[float, float]]] = {}
    everything = LatencyTable("cpu", singles)
    inside: list[bool] = []
    learners, unknown = [], []
    for split in range(SPLITS):
        order = np.random.default_rng([SEED, split]).permutation(len(graphs))
        seen, unseen = order[: NETWORKS // 2], order[NETWORKS // 2 :]
        known, held_out = [graphs[i] for i in seen], [graphs[i] for i in unseen]
        parts = layers(known)
        part_ms = [singles[layer_key(part.nodes[0])] for part in parts]
        table = LatencyTable.of("cpu", parts, part_ms)
        estimates = [table.estimate(graph) for graph in held_out]
        unknown.append(sum(len(e.unknown) for e in estimates) / sum(len(timed_nodes(g)) for g in held_out))
        sheet = fit_sheet("host", known, true[seen], "the learned half")
        rng = np.random.default_rng(split)
        learned = DevicePredictor.fit("cpu", [*known, *parts], [*true[seen], *part_ms], rng)
        plain = DevicePredictor.fit("cpu", known, true[seen], rng)
        forecast = learned.predict(held_out)
        guesses = {
            "lut": np.array([estimate.latency_ms for estimate in estimates]),
            "lut, every layer known": np.array([everything.estimate(graph).latency_ms for graph in held_out]),
            "analytical": np.array([analyse(sheet, graph)["latency_ms"] for graph in held_out]),
            "learned": forecast.value,
            "learned, no layers": plain.predict(held_out).value,
        }
        for name, guess in guesses.items():
            scores.setdefault(name, []).append((mape(guess, true[unseen]), spearman(guess, true[unseen])))
        inside += ((forecast.low <= true[unseen]) & (true[unseen] <= forecast.high)).tolist()
        learners.append(learned.regressor.learner)
    figures = _printed(scores, float(100 * np.mean(inside)), learners, float(np.mean(unknown)))
    return {**figures, "cpu_noise": noise}


def _printed(
    scores: dict[str, list[tuple[float, float]]], coverage: float, learners: list[str], unknown: float
) -> dict[str, float]:
    print(f"{'predictor':<24}{'MAPE %':>8}{'worst':>8}{'Spearman':>10}")
    for name, pairs in scores.items():
        errors, ranks = zip(*pairs, strict=True)
        print(f"{name:<24}{np.mean(errors):>8.2f}{max(errors):>8.2f}{np.mean(ranks):>10.4f}")
    print(f"held-out layers that the table does not hold: {unknown:.0%}; learners: {', '.join(learners)}")
    print(f"90 % intervals of the learned predictor hold {coverage:.1f} % of {SPLITS * NETWORKS // 2}")
    mean = {name: np.mean(pairs, axis=0) for name, pairs in scores.items()}
    return {
        "cpu_mape": float(mean["learned"][0]),
        "cpu_spearman": float(mean["learned"][1]),
        "cpu_coverage_90": coverage,
        "cpu_lut_mape": float(mean["lut"][0]),
        "cpu_lut_spearman": float(mean["lut"][1]),
        "cpu_lut_known_mape": float(mean["lut, every layer known"][0]),
        "cpu_analytical_mape": float(mean["analytical"][0]),
        "cpu_analytical_spearman": float(mean["analytical"][1]),
    }


def networks() -> list[Network]:
    """Families of up to 1.2 G multiply-accumulates and random networks of 3 M or more, half and half."""
    published = (n for n in variants(10 * NETWORKS, SEED) if macs(n.graph) <= 1_200_000_000)
    random = (n for n in small(10 * NETWORKS, SEED, 8_000_000) if macs(n.graph) >= 3_000_000)
    return [*islice(published, NETWORKS // 2), *islice(random, NETWORKS // 2)]


def _measured() -> tuple[list[Graph], NDArray[np.float64], dict[str, float]]:
    """The networks, milliseconds a pass and network, and milliseconds of each of their layers."""
    chosen = networks()
    core = max(os.sched_getaffinity(0))
    measure = Measure("cpu", 1, (core,), 20)
    singles = with_layers(chosen)[len(chosen) :]
    with _raised():
        for number in range(PASSES):
            calibrate(chosen, _FOLDER / f"pass_{number}.csv", measure)
            part = singles[number * len(singles) // PASSES : (number + 1) * len(singles) // PASSES]
            calibrate(part, _FOLDER / "layers.csv", measure)
    graphs = [network.graph for network in chosen]
    names = [graph_hash(graph) for graph in graphs]
    passes = np.array([[_rows(f"pass_{number}.csv")[name] for name in names] for number in range(PASSES)])
    layer_ms = _rows("layers.csv")
    keyed = {layer_key(one.graph.nodes[0]): layer_ms[graph_hash(one.graph)] for one in singles}
    return graphs, passes, keyed


@cache
def _rows(name: str) -> dict[str, float]:
    """Milliseconds by the hash of the network."""
    rows = read_measurements(_FOLDER / name, ["latency_ms"])
    return {Path(row.file).stem: row.values[0] for row in rows}


@contextmanager
def _raised() -> Iterator[None]:
    """Ask the scheduler to prefer this session while it measures, where it may be asked."""
    autogroup = Path("/proc/self/autogroup")
    before = ""
    with suppress(OSError):
        before = autogroup.read_text().split()[-1]
        autogroup.write_text(_RAISED)
    try:
        yield
    finally:
        with suppress(OSError):
            autogroup.write_text(before)
