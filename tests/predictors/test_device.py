import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from predictor_sections.ethos_layers import compile_graph

from edgevolve.graph import Conv2D, Dense, GlobalAveragePool, GraphBuilder, from_json, to_json
from predictors import (
    Device,
    DevicePredictor,
    EdgeTPUv6Predictor,
    Estimated,
    Kind,
    PerformanceRegressor,
    PredictorError,
    analyse,
    device,
    feature_table,
    sheet,
    sheets,
)
from predictors.models import counters
from search_space import CnnSpace, MobileSpace
from tests.training.random_graphs import random_graph

ROOT = Path(__file__).resolve().parents[2]
GRAPHS = [random_graph(seed) for seed in range(6)]


class Chip:
    ops_per_second = 2e9
    memory_bandwidth = 1e8


class Measured:
    name = "bench"
    provenance = "measured on the bench"

    def __init__(self, answer):
        self.answer = answer

    def predict(self, graph):
        return self.answer(graph) if callable(self.answer) else self.answer


BY_SHEET = [name for name, one in sheets().items() if one.kind is not Kind.HOST and name != "edge_tpu_v6"]


@pytest.mark.parametrize("name", BY_SHEET)
def test_every_packaged_device_gives_what_its_own_model_gives(name):
    if sheet(name).kind is Kind.VELA:
        pytest.importorskip("ethosu.regor")
    chip = device(name)
    assert isinstance(chip, Device) and chip.name == name
    for graph in GRAPHS[:2] if sheet(name).kind is Kind.VELA else GRAPHS:
        given = chip.predict(graph)
        assert tuple(given) == chip.metric_names
        assert all(math.isfinite(one.value) and one.value >= 0 for one in given.values())
        assert all(one.low is None and one.high is None for one in given.values()), "a sheet knows no error of its own"
        if sheet(name).kind is Kind.VELA:
            compiled = compile_graph(sheet(name), from_json(to_json(graph)))
            expected = {"latency_ms": compiled.cycles / sheet(name)["clock_mhz"] / 1e3}
        else:
            expected = analyse(sheet(name), graph)
        assert {metric: one.value for metric, one in given.items()} == pytest.approx(expected, rel=1e-12)


def test_the_v6_is_what_the_shipped_predictor_gives_and_has_intervals_on_known_ground():
    trained, shipped = device("edge_tpu_v6"), EdgeTPUv6Predictor.from_pretrained()
    space, rng = MobileSpace((64, 64, 3), 10), np.random.default_rng(0)
    graphs = [*GRAPHS, *(space.graph(space.sample(rng)) for _ in range(20))]
    known = set()
    for graph in graphs:
        given, expected = trained.predict(graph), shipped.predict(graph)
        assert tuple(given) == ("latency_ms", "energy_uj", "tops_per_watt")
        assert given == expected
        known.add(given["latency_ms"].low is not None)
    assert known == {True, False}
    assert "simulated" in trained.provenance and "rumoured" in trained.provenance
    assert device(Path("edge_tpu_v6")) == trained
    by_sheet = device(sheet("edge_tpu_v6")).predict(graphs[0])
    assert {metric: one.value for metric, one in by_sheet.items()} == analyse(sheet("edge_tpu_v6"), graphs[0])


@pytest.mark.parametrize("name", ["edge_tpu_v6", "cortex_m7", "ethos_u55_128", "ethos_u85_512"])
def test_isomorphic_networks_cost_the_same(name):
    if name.startswith("ethos"):
        pytest.importorskip("ethosu.regor")
    for graph in GRAPHS[:3]:
        there, here = device(name).predict(from_json(to_json(graph))), device(name).predict(graph)
        assert {m: one.value for m, one in here.items()} == pytest.approx({m: one.value for m, one in there.items()})


def test_a_device_says_where_its_figures_come_from():
    words = [device(name).provenance for name in ("cortex_m7", "edge_tpu_v5e", "coral_edge_tpu")]
    assert words == ["simulated from assumed figures"] * 3


def test_an_object_with_rates_is_the_roofline_sheet_of_the_same_rates(tmp_path):
    rates = {"ops_per_second": 2e9, "memory_bandwidth": 1e8}
    figures = {name: {"value": value, "provenance": "assumed", "source": "a guess"} for name, value in rates.items()}
    path = tmp_path / "chip.yaml"
    path.write_text(yaml.safe_dump({"name": "chip", "kind": "roofline", "description": "x", "figures": figures}))
    one, other = device(Chip()), device(str(path))
    assert (one.name, other.name, one.metric_names) == ("Chip", "chip", other.metric_names)
    for graph in GRAPHS:
        assert one.predict(graph) == other.predict(graph)


def test_a_sheet_without_a_clock_takes_no_time_for_bands_or_front_ends(tmp_path):
    names = ("ops_per_second", "memory_bandwidth", "cycles_per_operator", "cycles_per_float_operation")
    figures = {name: {"value": 1e6, "provenance": "assumed", "source": "a guess"} for name in names}
    path = tmp_path / "chip.yaml"
    path.write_text(yaml.safe_dump({"name": "chip", "kind": "roofline", "description": "x", "figures": figures}))
    assert device(str(path)).bands_ms(1000, 1000, 3) == 0
    assert device(str(path)).operations_ms(1000, 1000) == 0


def test_an_objects_own_predict_latency_is_called_although_it_has_rates_too():
    class Accelerator:
        ops_per_second, memory_bandwidth = 1e12, 1e10

        def predict_latency(self, graph):
            return 1.25

    chip = device(Accelerator())
    assert chip.metric_names == ("latency_ms",)
    assert chip.predict(GRAPHS[0])["latency_ms"].value == 1.25

    class Fails(Accelerator):
        def predict_latency(self, graph):
            return graph.layers

    with pytest.raises(PredictorError, match="Fails: predict_latency fails: AttributeError"):
        device(Fails())


def test_an_object_predicts_in_its_own_way_and_its_metrics_need_no_declaring():
    plain = device(Measured(lambda graph: {"latency_ms": len(graph.nodes), "energy_uj": np.float32(2)}))
    assert (plain.name, plain.provenance) == ("bench", "measured on the bench")
    assert plain.metric_names == ("latency_ms", "energy_uj")
    expected = {"latency_ms": Estimated(len(GRAPHS[0].nodes)), "energy_uj": Estimated(2.0)}
    assert plain.predict(GRAPHS[0]) == expected
    assert device(Measured(4)).predict(GRAPHS[0]) == {"latency_ms": Estimated(4.0)}
    sure = device(Measured({"latency_ms": Estimated(4, 3.5, 5)}))
    assert sure.predict(GRAPHS[0]) == {"latency_ms": Estimated(4.0, 3.5, 5.0)}


@pytest.mark.parametrize(
    "answer, message",
    [
        (math.nan, "bench: predict gives latency_ms = nan; it must be a finite number of at least 0"),
        (-1.0, "latency_ms = -1.0"),
        ("fast", "latency_ms = 'fast'"),
        (None, "latency_ms = None"),
        (True, "latency_ms = True"),
        ({"latency_ms": [1]}, r"latency_ms = \[1\]"),
        ({"energy_uj": math.inf}, "energy_uj = inf"),
        (10**400, "bench: predict gives latency_ms = 10{60}"),
        ({}, "bench: predict gives no metric"),
        ({"latency_ms@<b>": 1.0}, "bench: predict gives 'latency_ms@<b>', which is not a metric name"),
        ({"latency_ms": Estimated(4, 5, 6)}, "latency_ms = 4, not within its interval from 5 to 6"),
        ({"latency_ms": Estimated(4, 3)}, "not within its interval from 3 to None"),
        ({"latency_ms": Estimated(4, math.nan, 5)}, "latency_ms = nan"),
        (lambda graph: 1 / 0, "bench: predict fails: ZeroDivisionError: division by zero"),
        (lambda: 1, "bench: predict fails: TypeError"),
    ],
)
def test_what_an_object_must_not_predict_is_one_clear_line(answer, message):
    with pytest.raises(PredictorError, match=message) as caught:
        device(Measured(answer))
    assert "\n" not in str(caught.value)


def test_an_object_that_fails_later_is_refused_then():
    answers = iter([3.0, math.nan, {"energy_uj": 1.0}])
    chip = device(Measured(lambda graph: next(answers)))
    with pytest.raises(PredictorError, match="latency_ms = nan"):
        chip.predict(GRAPHS[0])
    with pytest.raises(PredictorError, match="bench: predict gives energy_uj, not latency_ms"):
        chip.predict(GRAPHS[0])


def test_an_object_that_refuses_small_networks_may_declare_what_it_gives():
    def refuse(graph):
        raise PredictorError("no network of fewer than 100 layers")

    with pytest.raises(PredictorError, match="of a small network; or declare metric_names"):
        device(Measured(refuse))
    declared = Measured(refuse)
    declared.metric_names = ["latency_ms"]
    assert device(declared).metric_names == ("latency_ms",)


@pytest.mark.parametrize(
    "fields, message",
    [
        ({}, "is not a device: it needs ops_per_second and memory_bandwidth, or predict"),
        ({"ops_per_second": 1e9}, "is not a device"),
        ({"ops_per_second": 1e9, "memory_bandwidth": -1}, "memory_bandwidth must be a number above 0, not -1"),
        ({"ops_per_second": 0, "memory_bandwidth": 1}, "ops_per_second must be a number above 0, not 0"),
        ({"ops_per_second": "1e9", "memory_bandwidth": 1}, "ops_per_second must be a number above 0, not '1e9'"),
        ({"ops_per_second": math.nan, "memory_bandwidth": 1}, "not nan"),
        ({"ops_per_second": 1, "memory_bandwidth": 1, "name": "a b"}, "a device's name"),
        ({"ops_per_second": 1, "memory_bandwidth": 1, "name": "a@b"}, "a device's name"),
        ({"ops_per_second": 1, "memory_bandwidth": 1, "provenance": "a\nb"}, "provenance must be a line"),
        ({"predict": lambda graph: 1.0, "metric_names": "latency_ms"}, "metric_names must be names such as"),
        ({"predict": lambda graph: 1.0, "metric_names": ()}, "metric_names must be names such as"),
        ({"predict": lambda graph: 1.0, "metric_names": 3}, "metric_names must be names such as"),
    ],
)
def test_what_is_no_device_is_one_clear_line(fields, message):
    with pytest.raises(PredictorError, match=message) as caught:
        device(type("Mine", (), {name: staticmethod(v) if callable(v) else v for name, v in fields.items()})())
    assert "\n" not in str(caught.value)
    for odd in (None, 3, 1.5, [], {}):
        with pytest.raises(PredictorError, match="is not a device"):
            device(odd)


@pytest.mark.parametrize("kind, figure, value", [("roofline", "memory_bandwidth", -1), ("cycles", "clock_mhz", 0)])
def test_an_impossible_sheet_is_one_clear_line(tmp_path, kind, figure, value):
    names = {"roofline": ("ops_per_second", "memory_bandwidth"), "cycles": ("clock_mhz", "cycles_per_mac")}[kind]
    figures = {name: {"value": 1, "provenance": "assumed", "source": "a guess"} for name in names}
    figures[figure]["value"] = value
    path = tmp_path / "chip.yaml"
    path.write_text(yaml.safe_dump({"name": "chip", "kind": kind, "description": "x", "figures": figures}))
    with pytest.raises(PredictorError, match=rf"chip.yaml: figures.{figure}.value: .*greater than 0, not {value}"):
        device(str(path))


def fitted(tmp_path, name, counted):
    space, rng = CnnSpace((8, 8, 1), 3), np.random.default_rng(0)
    graphs = [space.graph(space.sample(rng)) for _ in range(30)]
    table = feature_table(graphs, [counted(graph) for graph in graphs] if counted else [])
    truth = [1 + 1e-6 * sum(node.macs for node in graph.nodes) for graph in graphs]
    path = tmp_path / f"{name}.json"
    predictor = PerformanceRegressor.fit(table, truth, np.random.default_rng(0))
    predictor.save(path)
    return graphs, table, predictor, path


def test_a_predictor_fitted_on_measurements_gives_its_value_and_its_interval(tmp_path):
    graphs, table, predictor, path = fitted(tmp_path, "cpu", None)
    chip = device("host_cpu", predictor=path)
    assert (chip.name, chip.metric_names) == ("host_cpu", ("latency_ms",))
    assert chip.provenance.startswith("learned from measurements (cpu.json); without interval")
    expected = predictor.predict(table)
    for row, graph in enumerate(graphs):
        given = chip.predict(graph)["latency_ms"]
        assert given.value == pytest.approx(expected.value[row], rel=1e-9)
        if expected.in_domain[row]:
            assert (given.low, given.high) == pytest.approx((expected.low[row], expected.high[row]), rel=1e-9)


def test_far_from_everything_measured_there_is_no_interval(tmp_path):
    *_, path = fitted(tmp_path, "cpu", None)
    space, rng = CnnSpace((64, 64, 3), 3), np.random.default_rng(1)
    far = space.graph(space.sample(rng))
    given = device("host_cpu", predictor=path).predict(far)["latency_ms"]
    assert given.value > 0 and given.low is None and given.high is None


def test_a_predictor_may_know_the_counters_of_its_own_device_and_of_no_other(tmp_path):
    graphs, table, predictor, path = fitted(tmp_path, "v6", lambda graph: counters(sheet("edge_tpu_v6"), graph))
    estimate = device("edge_tpu_v6", predictor=path).predict(graphs[3])["latency_ms"]
    assert estimate.value == pytest.approx(predictor.predict(table).value[3], rel=1e-9)
    with pytest.raises(PredictorError, match="other columns than those of host_cpu"):
        device("host_cpu", predictor=path)


def test_a_device_without_measurements_and_files_that_are_no_predictor_are_one_clear_line(tmp_path):
    with pytest.raises(PredictorError, match="host_cpu is known by measurements alone: fit a predictor"):
        device("host_cpu")
    (tmp_path / "odd.json").write_text("{}")
    with pytest.raises(PredictorError, match="odd.json: not a predictor of this format"):
        device("host_cpu", predictor=tmp_path / "odd.json")
    with pytest.raises(PredictorError, match="nothing.json: cannot be read"):
        device("host_cpu", predictor=tmp_path / "nothing.json")
    with pytest.raises(PredictorError, match="not to a Chip"):
        device(Chip(), predictor=tmp_path / "odd.json")
    with pytest.raises(PredictorError, match="unknown device 'tpu9'"):
        device("tpu9")


def test_a_network_that_the_compiler_leaves_to_the_cpu_in_part_is_refused_with_its_reason(capfd):
    pytest.importorskip("ethosu.regor")
    net = GraphBuilder()
    x = net.add(Conv2D(8, (3, 3), stride=(5, 5)), net.input((1, 32, 32, 3)))
    graph = net.build(net.add(Dense(10), net.add(GlobalAveragePool(), x)))
    with pytest.raises(PredictorError, match="1 operator is left to the CPU.*CONV_2D.*kernel stride: 5, 5") as caught:
        device("ethos_u55_128").predict(graph)
    assert "\n" not in str(caught.value)
    assert device("ethos_u85_512").predict(graph)["latency_ms"].value > 0
    assert capfd.readouterr().out == "", "what the compiler prints is in the reason"


def test_a_missing_compiler_is_an_error_before_a_search(monkeypatch):
    monkeypatch.setattr("predictors.models.vela.find_spec", lambda name: None)
    with pytest.raises(PredictorError, match="ethos_u55_128 needs Arm's compiler: pip install ethos-u-vela"):
        device("ethos_u55_128")


def test_a_predictor_of_a_device_stands_alone_or_under_the_name_of_a_sheet(tmp_path):
    space, rng = CnnSpace((8, 8, 1), 3), np.random.default_rng(0)
    graphs = [space.graph(space.sample(rng)) for _ in range(25)]
    truth = [0.1 + 1e-6 * sum(node.macs for node in graph.nodes) for graph in graphs]
    made = DevicePredictor.fit("usb:0", graphs, truth, np.random.default_rng(0))
    made.save(tmp_path / "usb.json")
    expected = made.predict(graphs[:1])
    for chip, name in (
        (device(str(tmp_path / "usb.json")), "usb_0"),
        (device("host_cpu", tmp_path / "usb.json"), "host_cpu"),
    ):
        assert (chip.name, chip.metric_names) == (name, ("latency_ms",))
        given = chip.predict(graphs[0])["latency_ms"]
        assert (given.value, given.low) == (pytest.approx(expected.value[0]), pytest.approx(expected.low[0]))
    *_, path = fitted(tmp_path, "nameless", None)
    with pytest.raises(PredictorError, match=r"nameless.json: .*give device\(NAME, predictor='nameless.json'\)"):
        device(str(path))


def test_no_device_needs_tensorflow_or_ray():
    pytest.importorskip("ethosu.regor")
    script = (
        "import sys; from predictors import device; from edgevolve.graph import *; net = GraphBuilder();"
        "x = net.add(Conv2D(4, (3, 3)), net.input((1, 8, 8, 1)));"
        "graph = net.build(net.add(Dense(3), net.flatten(x)));"
        "[device(n).predict(graph) for n in ('ethos_u55_128', 'edge_tpu_v6', 'cortex_m7')];"
        "print({'tensorflow', 'ray', 'keras', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
