import json
from pathlib import Path

import numpy as np
import pytest

from edgevolve.graph import Conv2D, GraphBuilder, from_json, graph_hash
from edgevolve.tflite import read_tflite, skeleton
from predictors import DevicePredictor, Kind, PredictorError, Provenance, analyse, layers, sheet
from predictors.learned.physics import fit_sheet
from predictors.models import counters, cpu
from tests.training.random_graphs import random_graph

GRAPHS = [graph for graph in map(random_graph, range(140)) if len(graph.nodes) > 2]
SINGLES = layers(GRAPHS)


def device(graph, speed=1.0):
    """A made-up processor that obeys the physics, twice as slow on depthwise convolutions as the fit begins with."""
    work, moved = cpu.node_work(cpu.timed_nodes(graph))
    constants = np.array([*cpu.PARTS.values()]) * np.where(["depthwise" in part for part in cpu.PARTS], 2, 1)
    return speed * (0.4e-3 + 1e-9 * np.maximum(work @ constants, 10 * moved).sum())


def noisy(graphs, seed, sigma=0.02, speed=1.0):
    noise = np.random.default_rng(seed).lognormal(0, sigma, len(graphs))
    return np.array([device(graph, speed) for graph in graphs]) * noise


def error(predicted, graphs, speed=1.0):
    return float(np.mean(abs(np.asarray(predicted) / [device(graph, speed) for graph in graphs] - 1)))


@pytest.fixture(scope="module")
def fitted():
    return DevicePredictor.fit("cpu", GRAPHS[:60], noisy(GRAPHS[:60], 0), np.random.default_rng(0))


@pytest.mark.parametrize("speed", [1.0, 1000.0])
def test_the_constants_of_a_processor_of_any_speed_are_found_from_sixty_networks(speed):
    fitted = fit_sheet("mine", GRAPHS[:60], noisy(GRAPHS[:60], 0, speed=speed), "made up")
    assert fitted.kind is Kind.HOST and fitted.weakest in (Provenance.MEASURED, Provenance.ASSUMED)
    assert error([analyse(fitted, graph)["latency_ms"] for graph in GRAPHS[60:]], GRAPHS[60:], speed) < 0.03


def test_a_constant_that_no_network_bears_on_is_called_assumed():
    plain = [graph for graph in GRAPHS if not any("epthwise" in type(node.op).__name__ for node in graph.nodes)]
    fitted = fit_sheet("mine", plain[:30], noisy(plain[:30], 0), "made up")
    assert fitted.figures["ps_per_large_depthwise_mac"].provenance is Provenance.ASSUMED
    assert fitted.figures["ps_per_operator"].provenance is Provenance.MEASURED


def test_a_host_that_was_never_measured_says_what_to_do():
    with pytest.raises(PredictorError, match="host_cpu is known by measurements alone: fit a predictor"):
        analyse(sheet("host_cpu"), GRAPHS[0])


def test_held_out_networks_are_predicted_with_and_without_layers(fitted):
    with_layers = DevicePredictor.fit(
        "cpu", [*GRAPHS[:60], *SINGLES], [*noisy(GRAPHS[:60], 0), *noisy(SINGLES, 1)], np.random.default_rng(0)
    )
    assert fitted.physics.layers is None and with_layers.physics.layers is not None
    for predictor in (fitted, with_layers):
        assert error(predictor.predict(GRAPHS[60:]).value, GRAPHS[60:]) < 0.05
    assert any("layers" in name for name in with_layers.regressor.names)


def test_a_predictor_reads_back_as_it_was(fitted, tmp_path):
    better = fitted.improved(GRAPHS[60:75], noisy(GRAPHS[60:75], 2, speed=3), np.random.default_rng(0))
    for predictor in (fitted, better):
        predictor.save(tmp_path / "p.json")
        again = DevicePredictor.load(tmp_path / "p.json").predict(GRAPHS)
        for name in ("value", "low", "high", "in_domain"):
            assert getattr(again, name) == pytest.approx(getattr(predictor.predict(GRAPHS), name), rel=1e-12)


def test_fifteen_measurements_of_a_slower_board_are_enough_to_move_to_it(fitted):
    better = fitted.improved(GRAPHS[60:75], noisy(GRAPHS[60:75], 2, speed=3), np.random.default_rng(0))
    assert error(fitted.predict(GRAPHS[75:]).value, GRAPHS[75:], 3) > 0.6
    assert error(better.predict(GRAPHS[75:]).value, GRAPHS[75:], 3) < 0.05


def test_a_file_and_its_graph_are_predicted_alike(fitted):
    files = [read_tflite(skeleton(graph)).graph for graph in GRAPHS[60:80]]
    assert fitted.predict(files).value == pytest.approx(fitted.predict(GRAPHS[60:80]).value, rel=1e-6)


def test_a_file_of_the_earlier_format_predicts_what_it_did():
    kept = json.loads((Path(__file__).parents[1] / "data" / "predictors" / "earlier_format.json").read_text())
    assert kept["predictor"]["regressor"]["format"] == "edgevolve-predictor-1"
    predictor = DevicePredictor.from_json(kept["predictor"])
    given = predictor.predict([from_json(network) for network in kept["networks"]])
    for name in ("value", "low", "high", "in_domain"):
        assert getattr(given, name).tolist() == pytest.approx(kept[name], rel=1e-9)
    again = DevicePredictor.from_json(json.loads(json.dumps(predictor.to_json())))
    assert again.to_json() == predictor.to_json()


@pytest.mark.parametrize("name", ["coral_edge_tpu", "cortex_m7"])
def test_what_is_known_of_a_device_is_a_counter(name):
    known, graphs = sheet(name), GRAPHS[:60]
    truth = np.array([1.1 * analyse(known, graph)["latency_ms"] for graph in graphs])
    errors = []
    for before in (known, None):
        fitted = DevicePredictor.fit("mine", graphs[:40], truth[:40], np.random.default_rng(0), sheet=before)
        errors.append(np.mean(abs(fitted.predict(graphs[40:]).value / truth[40:] - 1)))
    assert errors[0] < 0.06 and errors[0] < errors[1] / 3


def test_what_arms_compiler_says_is_a_counter_too():
    pytest.importorskip("ethosu")
    graphs, known = [], sheet("ethos_u55_128")
    for width in range(4, 10):
        net = GraphBuilder()
        x = net.add(Conv2D(width, (3, 3)), net.input((1, 16, 16, 3)))
        graphs.append(net.build(net.add(Conv2D(8, (1, 1)), x)))
    assert counters(known, graphs[0]) == {"sheet": analyse(known, graphs[0])["latency_ms"]}
    fitted = DevicePredictor.fit("mine", graphs, noisy(graphs, 0), np.random.default_rng(0), sheet=known)
    assert (
        fitted.table(graphs[:1]).rows[0, fitted.regressor.names.index("sheet")]
        == analyse(known, graphs[0])["latency_ms"]
    )


@pytest.mark.parametrize("values", [[1.0] * 9, [1.0] * 9 + [-1.0], [1.0] * 9 + [float("nan")]])
def test_bad_latencies_are_refused(values):
    with pytest.raises(PredictorError, match="all positive and finite"):
        DevicePredictor.fit("cpu", GRAPHS[:10], values, np.random.default_rng(0))


def own_ways(graphs, seed, rows):
    """Each network is 15 % off the physics in its own way, which nobody can learn; its `rows` differ by 3 %."""
    rng = np.random.default_rng(seed)
    truth = np.array([device(graph) for graph in graphs]) * rng.lognormal(0, 0.15, len(graphs))
    return np.repeat(truth, rows) * rng.lognormal(0, 0.03, rows * len(graphs))


@pytest.mark.slow
def test_intervals_hold_for_unseen_networks_where_each_network_was_measured_three_times():
    different = list(
        {graph_hash(graph): graph for graph in map(random_graph, range(310)) if len(graph.nodes) > 2}.values()
    )
    seen, unseen = different[:100], different[100:300]
    rows = [graph for graph in seen for _ in range(3)]
    fitted = DevicePredictor.fit("cpu", rows, own_ways(seen, 2, rows=3), np.random.default_rng(0))
    predicted = fitted.predict(unseen)
    measured = np.array([own_ways(unseen, seed, rows=1) for seed in range(3, 8)])
    assert len(unseen) == 200
    assert fitted.physics.sheet.description == "fitted to 100 networks and 0 layers"
    assert 0.87 <= np.mean((predicted.low <= measured) & (measured <= predicted.high)) <= 0.95
    assert predicted.in_domain.mean() > 0.9, "rows of one network are no neighbours of each other"
    said = fitted.regressor.cross_validated[fitted.regressor.learner]
    assert said == pytest.approx(np.mean(abs(predicted.value / measured - 1)), rel=0.3)


def test_improving_by_several_rows_of_a_network_says_the_error_of_unseen_ones(fitted):
    seen = GRAPHS[60:90]
    rows = [graph for graph in seen for _ in range(3)]
    better = fitted.improved(rows, own_ways(seen, 0, rows=3), np.random.default_rng(0))
    predicted, measured = better.predict(GRAPHS[90:]), own_ways(GRAPHS[90:], 1, rows=1)
    assert np.mean((predicted.low <= measured) & (measured <= predicted.high)) > 0.8


def test_five_rows_of_one_network_are_not_five_networks():
    with pytest.raises(PredictorError, match="at least 5 different networks of more than one layer are needed, not 1"):
        DevicePredictor.fit("cpu", GRAPHS[:1] * 5, [1.0, 1.1, 1.2, 1.0, 1.1], np.random.default_rng(0))
