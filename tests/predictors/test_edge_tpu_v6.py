import copy
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_v6_predictor import EACH, SEED, fitted
from predictor_sections.calibration import MEMBERS, calibration, label, network
from predictor_sections.cells import mape
from predictor_sections.simulator import GENERATIONS, NOISE, simulate

from edgevolve.graph import Conv2D, Dense, GlobalAveragePool, Graph, GraphBuilder, Node, Tensor
from predictors import EdgeTPUv6Predictor, PredictorError, device, sheet
from predictors.learned.edge_tpu_v6 import FOLDER, METRICS, fingerprint
from predictors.models.systolic import workload_table
from search_space.families import FAMILIES, family
from tests.training.random_graphs import random_graph

SHIPPED = EdgeTPUv6Predictor.from_pretrained()
PAYLOAD = json.loads((FOLDER / "v5e_to_v6_model.json").read_text())
BY_METRIC = {"latency_ms": {"latency_ms": 1.0}, "energy_uj": {"energy_uj": 300.0}}


@pytest.fixture(scope="module")
def simulated():
    return calibration(24, 5)


def chain(*ops, shape=(1, 28, 28, 64)):
    net = GraphBuilder()
    x = net.input(shape)
    for op in ops:
        x = net.add(op, x)
    return net.build(x)


def truth(name, graph):
    return simulate(GENERATIONS[name], graph)


def renamed(graph):
    def other(x):
        return Tensor(f"{x.name}'", x.shape, x.dtype)

    nodes = [
        Node(f"n{k}", n.op, tuple(map(other, n.inputs)), n.weights, tuple(map(other, n.outputs)))
        for k, n in enumerate(graph.nodes)
    ]
    return Graph(tuple(map(other, graph.inputs)), tuple(nodes), tuple(map(other, graph.outputs)))


def test_a_forecast_says_that_it_is_simulated_and_how_sure_it_is():
    forecast = SHIPPED.predict(family("mobilenet_v2"))
    assert "simulated, from rumoured figures" in device("edge_tpu_v6").provenance
    assert list(forecast) == ["latency_ms", "energy_uj", "tops_per_watt"]
    for one in forecast.values():
        assert 0 < one.low < one.value < one.high
    macs = sum(node.macs for node in family("mobilenet_v2").nodes)
    assert forecast["tops_per_watt"].value == pytest.approx(2 * macs / forecast["energy_uj"].value / 1e6, rel=1e-3)
    assert forecast["tops_per_watt"].low == pytest.approx(2 * macs / forecast["energy_uj"].high / 1e6, rel=1e-3)


@pytest.mark.parametrize("name", MEMBERS)
def test_the_shipped_file_is_what_its_command_makes_of_the_simulator_as_it_is(name):
    for index in (0, EACH - 1):
        graph, place = network(name, SEED, index), list(MEMBERS).index(name) * EACH + index
        for chip, generation in (("edge_tpu_v5e", "v5e"), ("edge_tpu_v6", "v6")):
            measured = label(truth(generation, graph), generation, SEED, place)
            row = workload_table(sheet(chip), [graph]).rows
            for metric in METRICS:
                model = SHIPPED.models[chip][metric]
                process = model.correction.mean.process
                learned = model.work(row)[0] * math.exp(process.targets[place])
                assert learned == pytest.approx(getattr(measured, metric), rel=1e-3)
                point = process.points[place]
                assert model.standard(model.seen(row))[0] == pytest.approx(point, abs=1e-3)


@pytest.mark.parametrize("name", FAMILIES)
def test_more_work_takes_more_time_and_energy(name):
    widths = [{"width": width} for width in (0.5, 0.75, 1.0, 1.5, 2.0)]
    depths = [{"depth": depth} for depth in (0.5, 1.0, 2.0)]
    resolutions = [{"resolution": side} for side in (96, 160, 224, 320)]
    for variants in (widths, depths, resolutions):
        forecasts = [SHIPPED.predict(family(name, **change)) for change in variants]
        for metric in METRICS:
            values = [one[metric].value for one in forecasts]
            assert values == sorted(values) and values[-1] > values[0]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6))
def test_any_network_has_a_forecast_whatever_its_nodes_are_called(seed):
    graph = random_graph(seed)
    forecast = SHIPPED.predict(graph)
    assert SHIPPED.predict(renamed(graph)) == forecast
    numbers = [x for one in forecast.values() for x in (one.value, one.low, one.high) if x is not None]
    assert np.isfinite(numbers).all() and min(numbers) > 0 and len(numbers) in (3, 9)


def test_a_network_of_no_known_kind_is_flagged():
    for strange in (chain(Dense(10), shape=(1, 64)), chain(*[Conv2D(512, (3, 3))] * 60, shape=(1, 64, 64, 512))):
        assert all(one.low is None and one.high is None for one in SHIPPED.predict(strange).values())


@pytest.mark.parametrize("metric", METRICS)
def test_a_network_that_surprises_on_v5e_is_expected_to_surprise_on_v6_too(metric):
    graph = family("mobilenet_v2")
    table = workload_table(sheet("edge_tpu_v5e"), [graph])
    expected = {name: float(SHIPPED.models["edge_tpu_v5e"][name](table.rows)[0]) for name in METRICS}
    alone, usual = SHIPPED.predict(graph), SHIPPED.predict(graph, expected)
    slow = SHIPPED.predict(graph, {name: 2 * value for name, value in expected.items()})
    assert usual[metric].value == pytest.approx(alone[metric].value)
    gain = slow[metric].value / alone[metric].value
    assert gain == pytest.approx(2 ** SHIPPED.carried[metric])
    assert 0 < SHIPPED.carried["latency_ms"] < 1


@pytest.mark.parametrize(
    "v5e, message",
    [
        ({"latency_ms": 0.0}, "v5e: latency_ms must be positive and finite, not 0.0"),
        ({"energy_uj": float("nan")}, "energy_uj must be positive"),
        ({"latency_ms": "1"}, "not '1'"),
        ({"cycles": 3.0}, "latency_ms and energy_uj, not cycles"),
    ],
)
def test_v5e_measurements_that_cannot_be_are_one_clear_line(v5e, message):
    with pytest.raises(PredictorError, match=message):
        SHIPPED.predict(family("mobilenet_v1"), v5e)


def test_a_predictor_reads_back_exactly(tmp_path, simulated):
    ours = fitted(simulated, 3)
    ours.save(tmp_path / "p.json", "a test")
    again = EdgeTPUv6Predictor.from_pretrained(str(tmp_path / "p.json"))
    assert again.to_json() == ours.to_json()
    for graph in simulated.graphs[::9]:
        assert again.predict(graph, BY_METRIC["latency_ms"]) == ours.predict(graph, BY_METRIC["latency_ms"])


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "cannot be read as a v6 predictor"),
        ("\x00", "cannot be read as a v6 predictor"),
        ("[" * 100_000, "cannot be read as a v6 predictor"),
        ("[]", "not a v6 predictor of this format.*'list'"),
        ('{"format": "edgevolve-predictor-1"}', "not a v6 predictor of this format"),
        (json.dumps({**PAYLOAD, "columns": ["array_ms"]}), "other columns"),
        (json.dumps({**PAYLOAD, "sheets": {}}), "the sheets of edge_tpu_v5e or edge_tpu_v6 changed"),
        (json.dumps({**PAYLOAD, "points": [[1.0]]}), "not a v6 predictor: ValueError"),
        (json.dumps({**PAYLOAD, "reach": float("nan")}), "cannot be read as a v6 predictor .ValueError"),
        (json.dumps({**PAYLOAD, "means": 3}), "not a v6 predictor: ValueError"),
    ],
)
def test_a_foreign_old_or_broken_file_is_one_clear_line(tmp_path, text, message):
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(PredictorError, match=message) as caught:
        EdgeTPUv6Predictor.from_pretrained(str(tmp_path / "p.json"))
    assert "p.json" in str(caught.value) and "\n" not in str(caught.value)


def test_no_part_of_the_file_may_be_missing(simulated):
    whole = json.loads(json.dumps(fitted(simulated, 3).to_json()))
    for name in set(whole) - {"provenance"}:
        with pytest.raises(PredictorError):
            EdgeTPUv6Predictor.from_json({key: value for key, value in whole.items() if key != name})
    for name in whole["models"]["edge_tpu_v6"]["energy_uj"]:
        payload = copy.deepcopy(whole)
        del payload["models"]["edge_tpu_v6"]["energy_uj"][name]
        with pytest.raises(PredictorError, match="not a v6 predictor: KeyError"):
            EdgeTPUv6Predictor.from_json(payload)


def test_the_error_of_an_unknown_name_lists_the_names():
    with pytest.raises(PredictorError, match="no v6 predictor 'v7'.*v5e_to_v6_model"):
        EdgeTPUv6Predictor.from_pretrained("v7")
    with pytest.raises(PredictorError, match="FileNotFoundError"):
        EdgeTPUv6Predictor.from_pretrained("nowhere.json")


def test_another_figure_is_another_fingerprint():
    one = sheet("edge_tpu_v6")
    faster = one.figures | {"clock_mhz": one.figures["clock_mhz"].model_copy(update={"value": 2500.0})}
    assert fingerprint(one.model_copy(update={"figures": faster})) != fingerprint(one)
    assert fingerprint(one.model_copy(update={"description": "another"})) == fingerprint(one)


def test_a_family_that_was_never_seen_is_forecast_better_than_was_promised(simulated):
    pool = simulated
    v5e, v6 = pool.measured("v5e", 5), pool.measured("v6", 5)
    for held, promised in {"mobilenet": (7.2, 8.9), "efficientnet": (5.8, 7.1)}.items():
        here = pool.families == list(MEMBERS).index(held)
        learn, judge = np.flatnonzero(~here), np.flatnonzero(here)
        ours = EdgeTPUv6Predictor.fit(*([x[i] for i in learn] for x in (pool.graphs, v5e, v6)), pool.families[learn])
        for metric, most in zip(METRICS, promised, strict=True):
            true = np.array([getattr(pool.truth["v6"][i], metric) for i in judge])
            predicted = [ours.predict(pool.graphs[i], v5e[i])[metric].value for i in judge]
            ratio = np.median([v6[i][metric] / v5e[i][metric] for i in learn])
            constant = mape(ratio * np.array([v5e[i][metric] for i in judge]), true)
            assert mape(np.array(predicted), true) < min(most, 0.7 * constant)


def test_a_fit_needs_as_many_measurements_as_networks_in_two_groups():
    graph, one = family("mobilenet_v1"), {"latency_ms": 1.0, "energy_uj": 1.0}
    for graphs, v5e, groups in ((20, 19, [0, 1] * 10), (20, 20, [0] * 20), (6, 6, [0, 1] * 3)):
        with pytest.raises(PredictorError, match="at least two groups"):
            EdgeTPUv6Predictor.fit([graph] * graphs, [one] * v5e, [one] * graphs, groups)
    bad = [one] * 19 + [{"latency_ms": 1.0}]
    with pytest.raises(PredictorError, match="network 19: energy_uj must be positive and finite, not None"):
        EdgeTPUv6Predictor.fit([graph] * 20, bad, [one] * 20, [0, 1] * 10)


def test_another_kind_of_device_has_no_workload():
    with pytest.raises(PredictorError, match="cortex_m7 has no figure rows"):
        workload_table(sheet("cortex_m7"), [chain(Dense(4), shape=(1, 8))])


def test_labels_scatter_by_the_stated_noise_about_the_truth():
    true = truth("v6", chain(Conv2D(64, (3, 3))))
    labels = [label(true, "v6", 0, index) for index in range(2000)]
    for metric in METRICS:
        logarithms = np.log([getattr(one, metric) / getattr(true, metric) for one in labels])
        assert logarithms.std() == pytest.approx(NOISE, rel=0.1) and abs(logarithms.mean()) < 0.005
    assert NOISE >= 0.03


def test_the_simulator_does_what_no_sheet_tells_and_its_generations_differ():
    whole, more = (chain(Conv2D(64, (1, 1)), shape=(1, 56, 56, c)) for c in (32, 33))
    assert truth("v5e", more).latency_ms > 1.02 * truth("v5e", whole).latency_ms, "32 bytes fill a line of v5e"
    assert truth("v6", more).latency_ms == pytest.approx(truth("v6", whole).latency_ms, rel=0.001)

    def forked(readers):
        net = GraphBuilder()
        x = net.input((1, 8, 8, 8))
        ends = [net.add(Conv2D(8, (1, 1)), x) for _ in range(readers)]
        return net.build(*ends)

    for name in GENERATIONS:
        one, two, three = (truth(name, forked(readers)).latency_ms for readers in (1, 2, 3))
        assert three - two == pytest.approx(two - one, rel=0.2) and two - one > 0.002, "a barrier for each more"

    small, large = (truth("v6", chain(Conv2D(64, (1, 1)), shape=(1, side, side, 64))) for side in (56, 112))
    assert small.dram_bytes == 2 * 56 * 56 * 64
    assert large.dram_bytes > 2 * 112 * 112 * 64, "what exceeds the activation memory goes out and comes back"
    assert truth("v5e", chain(GlobalAveragePool())).latency_ms > sheet("edge_tpu_v5e")["overhead_ms"]
