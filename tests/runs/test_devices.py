"""Latency and energy of devices in a search: known before training, journaled with their source."""

import io
import json
import sys

import numpy as np
import pytest
from pretend import Pretend
from rich.console import Console

from edgevolve.reports.dry_run import feasibility_table
from edgevolve.reports.terminal import front_json, front_table
from edgevolve.runs import ConfigError, Run, config_json
from edgevolve.runs.events import Asked, DeviceUsed, Rejected
from edgevolve.runs.feasibility import feasibility
from edgevolve.runs.journal import read
from edgevolve.runs.provenance import facts
from predictors import Estimated, PredictorError, device, sheet
from search_algorithms import (
    NSGA3,
    AgingEvolution,
    BayesianOptimisation,
    Problem,
    SurrogateEvolution,
    at_least,
    at_most,
    maximise,
    minimise,
)
from tests.engine.test_resume import cut_copy

ALGORITHMS = [
    AgingEvolution(population=5, sample_size=2),
    BayesianOptimisation(founders=4, parents=1, samples=4),
    SurrogateEvolution(),
]
LATENCY = Problem([minimise("error"), minimise("latency_ms")])


class Chip:
    """Latency by the number of operators, with an interval; beyond 12 operators it refuses."""

    name = "chip"
    provenance = "measured on the bench"
    most = 12

    def predict(self, graph):
        operators = len(graph.nodes)
        if operators > self.most:
            raise PredictorError(f"{operators} operators where {self.most} fit")
        return {"latency_ms": Estimated(operators, 0.9 * operators, 1.2 * operators), "energy_uj": 7}


class Tiny(Chip):
    most = 0
    metric_names = ("latency_ms", "energy_uj")


@pytest.fixture
def chip_run(config, run_search):
    return run_search(config(problem=LATENCY, devices=[Chip()], algorithm=NSGA3(population=6)))


def about(record):
    return record.number, record.genotype_json, record.metrics, record.intervals, record.outcome


def printed(table):
    console = Console(file=io.StringIO(), width=160)
    console.print(table)
    return console.file.getvalue()


def test_a_candidates_figures_are_those_that_the_device_gives_for_its_network(config, run_search):
    names = ("edge_tpu_v6", "cortex_m7")
    problem = Problem([minimise("error"), minimise("energy_uj@edge_tpu_v6")])
    run = run_search(config(problem=problem, devices=names, algorithm=NSGA3(), evaluations=8))
    assert run.front
    for record in run.front:
        for name in names:
            for metric, estimate in device(name).predict(run.graph(record.number)).items():
                assert record.metrics[f"{metric}@{name}"] == pytest.approx(estimate.value, rel=1e-12)


def test_intervals_and_devices_go_through_the_journal(chip_run):
    run = Run.open(chip_run.path)
    assert run.devices == (
        DeviceUsed(name="chip", provenance="measured on the bench", metrics=("latency_ms", "energy_uj")),
    )
    asked = [event for event in read(run.path) if isinstance(event, Asked)]
    assert len(asked) >= 25
    for event in asked:
        record = run.records[event.number]
        operators = len(run.graph(event.number).nodes)
        assert record.intervals == {"latency_ms": pytest.approx((0.9 * operators, 1.2 * operators))}
        assert (record.metrics["latency_ms"], record.metrics["energy_uj"]) == (operators, 7)


def test_a_network_that_a_device_cannot_run_is_rejected_with_the_reason(chip_run):
    refused = [event for event in read(chip_run.path) if isinstance(event, Rejected) and not event.twin]
    assert refused
    for event in refused:
        assert event.broken == ("runs on chip",)
        assert event.reason.startswith("chip: ") and event.reason.endswith("operators where 12 fit")
        assert "latency_ms" not in event.metrics and "macs" in event.metrics
    assert chip_run.infeasible == len(refused) == chip_run.broken["runs on chip"]
    assert all(record.metrics["latency_ms"] <= 12 for record in chip_run.front)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_strategies_that_look_before_they_ask_bear_a_device_that_refuses(config, run_search, algorithm):
    class Rated(Chip):
        def predict(self, graph):
            return super().predict(graph) | {"tops": 20 - len(graph.nodes)}

    bounds = [at_most("error", 0.5, soft=True), at_most("latency_ms", 11), at_least("tops", 1)]
    problem = Problem([minimise("error"), minimise("latency_ms"), maximise("tops", scale=5)], bounds)
    run = run_search(config(devices=[Rated()], algorithm=algorithm, problem=problem, evaluations=8))
    assert run.evaluations == 8 and all(record.metrics["latency_ms"] <= 11 for record in run.front)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_search_with_devices_resumes_to_the_uninterrupted_one(config, run_search, tmp_path, algorithm):
    bounds = [at_most("error", 0.5, soft=True), at_most("latency_ms@chip", 9)]
    problem = Problem([minimise("error"), minimise("latency_ms@chip"), minimise("energy_uj@edge_tpu_v6", 60)], bounds)
    made = config(problem=problem, devices=["edge_tpu_v6", Chip()], algorithm=algorithm, evaluations=12)
    whole = run_search(made, "whole")
    cut_copy(whole, tmp_path / "cut", int(0.6 * whole.path.stat().st_size))
    resumed = run_search(made, "cut", resume=True)
    assert resumed.devices == whole.devices and len(whole.devices) == 2
    assert list(map(about, resumed.records.values())) == list(map(about, whole.records.values()))


def test_other_figures_of_a_device_are_another_configuration(config, run_search):
    slow = sheet("cortex_m7").model_copy(update={"description": "another"})
    made = config(devices=[sheet("cortex_m7")], evaluations=5)
    run_search(made)
    with pytest.raises(ConfigError, match="devices.cortex_m7.sheet.description: .* → 'another'"):
        run_search(made.with_fields(devices=[slow]), resume=True)


@pytest.mark.parametrize(("figure", "refused"), [("cycles_per_float_operation", False), ("cycles_per_mac_dense", True)])
def test_a_sheet_that_has_gained_a_figure_stops_a_resume_only_where_it_changes_predictions(
    config, run_search, figure, refused
):
    m4 = sheet("cortex_m4")
    problem = Problem([minimise("error"), minimise("latency_ms", scale=1)])
    without = m4.model_copy(update={"figures": {name: f for name, f in m4.figures.items() if name != figure}})
    assert without != m4
    run_search(config(problem=problem, devices=(device(without),), evaluations=2), "gained")
    again = config(problem=problem, devices=(device(m4),), evaluations=4)
    if refused:
        with pytest.raises(ConfigError, match=rf"sheet\.figures\.{figure}: None → "):
            run_search(again, "gained", resume=True)
    else:
        assert len(run_search(again, "gained", resume=True).records) >= 4


def test_without_devices_the_configuration_reads_as_it_did_before_there_were_any(config):
    assert "devices" not in config_json(config(), config().task)


def test_one_device_gives_plain_names_and_both_where_both_are_asked(config):
    one = config(devices=("cortex_m7",))
    assert [name for used in one.devices_used for name in used.metrics] == ["latency_ms"]
    both = one.with_fields(problem=Problem([minimise("latency_ms"), minimise("latency_ms@cortex_m7")]))
    assert [name for used in both.devices_used for name in used.metrics] == ["latency_ms", "latency_ms@cortex_m7"]
    several = one.with_fields(devices=("cortex_m7", "edge_tpu_v6"))
    names = ["latency_ms@cortex_m7", *(f"{m}@edge_tpu_v6" for m in ("latency_ms", "energy_uj", "tops_per_watt"))]
    assert [name for used in several.devices_used for name in used.metrics] == names


def test_a_packaged_device_need_not_be_listed_to_be_named(config, run_search):
    problem = Problem([minimise("error"), minimise("latency_ms@cortex_m7")], [at_most("energy_uj@edge_tpu_v6", 1e6)])
    run = run_search(config(problem=problem, algorithm=NSGA3(), evaluations=4))
    assert {one.name: one.metrics for one in run.devices} == {
        "cortex_m7": ("latency_ms@cortex_m7",),
        "edge_tpu_v6": ("energy_uj@edge_tpu_v6",),
    }
    latency_ms = device("cortex_m7").predict(run.graph(run.front[0].number))["latency_ms"].value
    assert run.front[0].metrics["latency_ms@cortex_m7"] == pytest.approx(latency_ms)


def test_a_device_that_is_neither_listed_nor_named_is_not_asked(config, monkeypatch):
    monkeypatch.setattr(sys.modules["predictors.device"], "analyse", lambda *_: pytest.fail("asked"))
    made = config()
    graph = made.space.graph(made.space.sample(np.random.default_rng(0)))
    assert not any("latency" in name for provider in made.providers for name in provider(graph))
    assert made.devices_used == ()


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"devices": ("tpu9",)}, "devices: unknown device 'tpu9': give a .yaml file, or one of coral_edge_tpu"),
        ({"devices": "edge_tpu_v6"}, r"devices: write devices=\('edge_tpu_v6',\), a tuple"),
        ({"devices": ("nowhere.yaml",)}, "devices: nowhere.yaml: No such file or directory"),
        ({"devices": (Chip,)}, "devices: the class Chip; write Chip"),
        ({"devices": (object(),)}, "devices: object is not a device: it needs ops_per_second"),
        ({"devices": (Chip(), Chip())}, "devices: two are named chip"),
        ({"devices": ("host_cpu",)}, "devices: host_cpu is known by measurements alone"),
        ({"devices": (Tiny(),), "problem": Problem([minimise("latency_ms@tpu9")])}, "problem: unknown device 'tpu9'"),
        (
            {"problem": Problem([minimise("energy_uj@ethos_u55_128")])},
            "problem: ethos_u55_128 gives latency_ms, not energy_uj",
        ),
        ({"problem": LATENCY}, "unknown metric 'latency_ms' .*; for latency and energy name a device"),
        ({"problem": LATENCY, "devices": ("cortex_m7", "edge_tpu_v6")}, "unknown metric 'latency_ms'.*latency_ms@cor"),
    ],
)
def test_what_is_wrong_with_devices_is_one_line_and_nothing_is_written(config, run_search, tmp_path, fields, message):
    with pytest.raises(ConfigError, match=message) as caught:
        run_search(config(**fields))
    assert "\n" not in str(caught.value) and not list(tmp_path.iterdir())


def test_a_metric_that_two_give_is_refused(config):
    class Mine:
        metric_names = ("latency_ms",)

        def __call__(self, graph):
            return {"latency_ms": 1.0}

    class Timed(Pretend):
        metric_names = ("error", "latency_ms@cortex_m7")

    made = config(devices=["cortex_m7"], metrics=[Mine()])
    with pytest.raises(ConfigError, match="'latency_ms' is given by a device and by metrics or task"):
        made.check(made.task)
    measured = config(task=Timed(), problem=Problem([minimise("latency_ms@cortex_m7", scale=1.0)]))
    measured.check(measured.task)
    assert measured.devices_used == (), "the task measures what a packaged device would only predict"


def test_a_metric_of_the_users_own_may_have_an_interval_too(config, run_search):
    class Mine:
        metric_names = ("latency_ms",)

        def __call__(self, graph):
            return {"latency_ms": Estimated(2.0, 1.0, 3.0)}

    run = run_search(config(problem=LATENCY, metrics=[Mine()], algorithm=NSGA3(), evaluations=3))
    assert all(record.intervals == {"latency_ms": (1.0, 3.0)} for record in run.front)


def test_a_network_beyond_another_bound_costs_no_prediction(config, run_search):
    asked = []

    class Counted(Chip):
        most = 1000
        metric_names = ("latency_ms", "energy_uj")

        def predict(self, graph):
            asked.append(sum(node.macs for node in graph.nodes))
            return super().predict(graph)

    problem = Problem([minimise("error"), minimise("latency_ms")], [at_most("macs", 100_000)])
    run = run_search(config(problem=problem, devices=[Counted()], algorithm=NSGA3(), evaluations=6))
    assert run.infeasible and max(asked) <= 100_000
    rejected = [event for event in read(run.path) if isinstance(event, Rejected) and event.broken]
    assert all(event.broken == ("macs ≤ 100000",) and "latency_ms" not in event.metrics for event in rejected)


def test_the_dry_run_stops_in_time(config):
    tried = feasibility(config(problem=LATENCY, devices=[Chip()]), 60, seconds=0)
    assert tried.samples == 1 and tried.feasible <= 1


def test_a_search_that_no_network_survives_names_the_device(config, run_search, monkeypatch):
    monkeypatch.setattr("edgevolve.engine.stopping.REJECTIONS_IN_A_ROW", 50)
    run = run_search(config(problem=LATENCY, devices=[Tiny()], algorithm=NSGA3()))
    assert run.stopped.cause == "infeasible"
    assert "100.0% break runs on chip" in run.stopped.reason


def test_the_table_and_its_json_show_intervals_and_where_figures_come_from(chip_run):
    text = printed(front_table(chip_run, chip_run.front))
    first = chip_run.front[0]
    low, high = first.intervals["latency_ms"]
    assert f"{first.metrics['latency_ms']:.3g} ms [{low:.3g}, {high:.3g}]" in text
    assert "latency_ms: chip, measured on the bench" in text
    shown = json.loads(json.dumps(front_json(chip_run, chip_run.front)))
    assert shown[0]["intervals"] == {"latency_ms": [low, high]}
    assert shown[0]["provenance"]["latency_ms"] == "chip, measured on the bench"


def test_the_dry_run_tells_provenance_ranges_and_who_refuses(config):
    made = config(problem=LATENCY, devices=[Chip()])
    tried = feasibility(made, 60)
    assert 0 < tried.broken["runs on chip"] == 60 - tried.feasible
    text = printed(feasibility_table(made, tried))
    assert "latency_ms, energy_uj: chip, measured on the bench" in text
    row = text.split("\nlatency ")[1].split("\n")[0].split()
    assert (
        row[:4] == ["no", "bound", f"{tried.lowest['latency_ms']:g}", "ms"] and row[-1] == f"{tried.feasible / 60:.1%}"
    )
    assert "runs on chip binds most" in text
    assert f"{tried.broken['runs on chip'] / 60:.1%} of them cannot run on chip; the first: chip: " in text


def test_the_manifest_of_an_export_says_where_predicted_figures_come_from(chip_run):
    record = chip_run.front[0]
    manifest = json.loads(json.dumps(facts(chip_run, record.number)))
    assert manifest["intervals"]["latency_ms"] == list(record.intervals["latency_ms"])
    (device,) = manifest["devices"]
    assert device["provenance"] == "measured on the bench" and "latency_ms" in device["metrics"]
