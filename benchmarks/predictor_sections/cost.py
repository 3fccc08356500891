"""What a prediction costs a candidate of a search: processor time from its graph to its figures, on one core."""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edgevolve.graph import Graph
from predictors import Device, DevicePredictor, PerformanceRegressor, device, feature_table, layers
from search_space import CnnSpace, MobileSpace

NETWORKS = 200
MEASURED = 100
LARGER = 20
LAYERS = 300


def run(folder: Path, seeds: int) -> dict[str, float]:
    """Print the table; `estimate_ms` is features and regressor.

    Medians over random CNN genotypes for digits, each timed once, the first of a device left out; `vela_mobile_ms` is
    over networks of the mobile space.
    """
    space, rng = CnnSpace((8, 8, 1), 10), np.random.default_rng(0)
    graphs = [space.graph(space.sample(rng)) for _ in range(NETWORKS)]
    regressor, predictor = _fitted(graphs[:MEASURED])
    ways: dict[str, Callable[[Graph], object]] = {
        "estimate_ms": lambda graph: regressor.predict(feature_table([graph])),
        "device_predictor_ms": lambda graph: predictor.predict([graph]),
        "v6_ms": device("edge_tpu_v6").predict,
        "analytical_ms": device("coral_edge_tpu").predict,
        "vela_ms": device("ethos_u55_128").predict,
    }
    said = {
        "estimate_ms": f"features and PerformanceRegressor ({regressor.learner}, {MEASURED} measurements)",
        "device_predictor_ms": f"DevicePredictor with its layer model ({predictor.regressor.learner})",
        "v6_ms": "edge_tpu_v6, the shipped predictor",
        "analytical_ms": "coral_edge_tpu, its sheet",
        "vela_ms": "ethos_u55_128, Arm's compiler",
    }
    figures = {}
    print(f"From graph to estimate, {NETWORKS} random CNN genotypes for digits, ms of a processor's time a candidate")
    print(f"{'':<62}{'median':>8}{'90 %':>8}")
    for name, predict in ways.items():
        times = _times_ms(predict, graphs)
        figures[name] = statistics.median(times)
        print(f"{said[name]:<62}{figures[name]:>8.3f}{np.quantile(times, 0.9):>8.3f}", flush=True)
    return figures | _larger(rng)


def _larger(rng: np.random.Generator) -> dict[str, float]:
    """Arm's compiler encodes every kernel of another shape; on networks of megabytes that is nearly all it takes."""
    space = MobileSpace((64, 64, 3), 10)
    graphs = [space.graph(space.sample(rng)) for _ in range(LARGER)]
    megabytes = statistics.median(sum(w.size_bytes for n in graph.nodes for w in n.weights) / 1e6 for graph in graphs)
    times = _times_ms(device("ethos_u55_128").predict, graphs)
    said = f"ethos_u55_128, {LARGER} mobile networks, median {megabytes:.1f} MB of weights"
    print(f"{said:<62}{statistics.median(times):>8.1f}{np.quantile(times, 0.9):>8.1f}")
    return {"vela_mobile_ms": statistics.median(times)}


def _times_ms(predict: Callable[[Graph], object], graphs: Sequence[Graph]) -> list[float]:
    predict(graphs[0])
    times = []
    for graph in graphs:
        begun = time.process_time()
        predict(graph)
        times.append(1e3 * (time.process_time() - begun))
    return times


def _fitted(graphs: Sequence[Graph]) -> tuple[PerformanceRegressor, DevicePredictor]:
    """Predictors as they are fitted on measurements, here of what another device's sheet says, with 3 % noise."""
    rng = np.random.default_rng(1)
    source: Device = device("cortex_m7")

    def taken(networks: Sequence[Graph]) -> list[float]:
        return [source.predict(graph)["latency_ms"].value * rng.lognormal(0, 0.03) for graph in networks]

    singles = [single for single in layers(graphs) if source.predict(single)["latency_ms"].value > 0][:LAYERS]
    regressor = PerformanceRegressor.fit(feature_table(graphs), taken(graphs), rng)
    return regressor, DevicePredictor.fit("device", [*graphs, *singles], taken([*graphs, *singles]), rng)
