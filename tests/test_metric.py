"""What metrics mean, and that reports follow a metric of the user's own."""

import re
from dataclasses import dataclass
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from edgevolve import (
    Completed,
    Inline,
    MlpSpace,
    RandomSearch,
    SearchConfig,
    Split,
    Splits,
    at_most,
    maximise,
    search,
)
from edgevolve.data import Digits
from edgevolve.metric import Metric, metric
from edgevolve.reports.charts import course
from edgevolve.reports.history import history
from edgevolve.reports.pictures import front_figure, write_pictures
from edgevolve.reports.quantities import axis, interval, quantity
from edgevolve.reports.scatter import front_scatter
from edgevolve.reports.terminal import front_table
from edgevolve.reports.view import run_view
from edgevolve.runs import Run

YIELD = Metric("crop_yield", "yield", "kg/m²", better="higher")


@dataclass(frozen=True)
class Harvest:
    """A task that gives a metric of its own, the higher the better: it grows with the network."""

    metrics = (YIELD,)
    metric_names = ("crop_yield",)

    def prepare(self):
        pass

    def __call__(self, job, splits):
        return Completed({"crop_yield": 4 + job.metrics["macs"] / 1e5})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    images = np.random.default_rng(0).random((20, 8, 8, 1), np.float32)
    some = Split(images, np.arange(20) % 10)

    @dataclass(frozen=True)
    class Field:
        input_shape = (8, 8, 1)
        classes = 10

        def load(self):
            return Splits(some, some, some)

    config = SearchConfig(
        data=Field(),
        space=MlpSpace((8, 8, 1), 10, max_layers=2),
        problem={"crop_yield": "maximize", "model_size_bytes": "minimize"},
        algorithm=RandomSearch(),
        task=Harvest(),
        evaluations=12,
    )
    return search(config, "harvest", out=tmp_path_factory.mktemp("runs"), evaluator=Inline)


def printed(table):
    console = Console(width=200, record=True, file=StringIO())
    console.print(table)
    return console.export_text()


def test_the_journal_says_what_the_metrics_are_so_that_reports_need_no_configuration(run):
    opened = Run.open(run.path)
    assert opened.metric("crop_yield") == Metric("crop_yield", "yield", "kg/m²", "higher", learned=True)
    assert opened.main.name == "crop_yield"


def test_a_metric_of_the_users_own_has_its_unit_direction_axis_and_best_everywhere(run, tmp_path):
    done = [record for record in run.records.values() if isinstance(record.outcome, Completed)]
    top = max(record.metrics["crop_yield"] for record in done)
    assert run.best.metrics["crop_yield"] == top
    table = printed(front_table(run, run.front))
    assert re.search(r"#\s+yield\s+model size", table)
    assert re.search(rf"★ +{run.best.number} +{top:.4g} kg/m²", table)
    view = run_view(run)
    (shown,) = [one for one in view["metrics"] if one["name"] == "crop_yield"]
    assert (shown["axis"], shown["better"], shown["divisor"], shown["logarithmic"]) == (
        "yield, kg/m²", "higher", 1.0, False
    )  # fmt: skip
    assert view["tiles"][0] == ["best yield", f"{top:.4g} kg/m²"]
    assert front_figure(run).axes[0].get_ylabel() == "yield, kg/m²"
    assert front_figure(run).axes[0].get_yscale() == "linear"
    assert "yield, kg/m²" in str(front_scatter(run, run.front, 80))
    chart = course({"run": history(run)}, "best crop_yield", run.metric("crop_yield"))["evaluation"]
    assert chart["layout"]["yaxis"]["title"]["text"] == "yield, kg/m²"
    climb = history(run)["best crop_yield"].dropna().tolist()
    assert climb == sorted(climb) and climb[-1] == top
    written = write_pictures([run], tmp_path)
    assert {path.suffix for path in written} == {".csv", ".png", ".svg"}
    table = pd.read_csv(tmp_path / "front.csv", index_col="number")
    assert table["crop_yield"].max() == top


def test_the_front_of_two_metrics_prefers_more_of_what_is_better_high(run):
    names = {o.metric for o in run.problem.objectives}
    assert names == {"crop_yield", "model_size_bytes"}
    assert run.cost("crop_yield", 5) == -5  # by the objective
    assert run.cost("macs", 5) == 5
    assert run.cost("tops_per_watt", 5) == -5  # no objective, by the registry


def test_a_metric_on_a_device_keeps_unit_and_direction():
    on_device = metric("tops_per_watt@coral")
    assert (on_device.title, on_device.better) == ("TOPS/W@coral", "higher")
    assert quantity(metric("latency_ms@coral"), 3.21987) == "3.22 ms"
    assert axis(metric("energy_uj@coral"), 5.0) == ("energy@coral, µJ", 1.0)


@pytest.mark.parametrize(
    ("of", "value", "words"),
    [
        ("error", 0.0312, "3.12 %"),
        ("model_size_bytes", 512, "512 B"),
        ("arena_bytes", 2048, "2.00 KiB"),
        ("macs", 12_345, "12.35 k"),
        ("macs", 999, "999"),
        ("never_heard_of_ms", 4.5, "4.5"),
    ],
)
def test_values_are_written_in_the_unit_of_the_metric_and_not_by_the_end_of_its_name(of, value, words):
    assert quantity(metric(of), value) == words


def test_an_interval_of_a_share_is_in_per_cent():
    assert interval(metric("error"), 0.1, 0.2) == "[10.00 %, 20.00 %]"


def test_a_bound_on_a_metric_of_the_users_own_is_checked_in_its_unit():
    from edgevolve.reports.dry_run import feasibility_table
    from edgevolve.runs.feasibility import feasibility

    config = SearchConfig(
        data=Digits(),
        space=MlpSpace((8, 8, 1), 10),
        problem={"crop_yield": "maximize", "error": ("max", 0.05)} | {"macs": ("max", 1e6)},
        task=Harvest(),
    )
    assert maximise("crop_yield") in config.problem.objectives and at_most("macs", 1e6) in config.problem.constraints
    assert "error ≤ 5.00 %" in printed(feasibility_table(config, feasibility(config, samples=3)))
