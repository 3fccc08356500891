"""Standard networks beside a search: what they cost, and what the report says of those that were trained."""

import pytest
from rich.console import Console

from edgevolve import Digits, Inline, MlpSpace, SearchConfig, TrainingSettings, search
from edgevolve.engine import final_task
from edgevolve.engine.standard_networks import cost_of, standards_of, train_standard
from edgevolve.reports.standard import standard_lines, standards_table
from edgevolve.reports.terminal import front_table
from edgevolve.runs import ConfigError, Run
from edgevolve.runs.provenance import load_data
from resource_models import macs, model_size
from search_algorithms import Problem, RandomSearch, at_most, minimise
from search_space.topologies import topology


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    config = SearchConfig(
        data=Digits(),
        space=MlpSpace((8, 8, 1), 10, max_layers=1, max_units=16),
        problem=Problem([minimise("error"), minimise("model_size_bytes")], [at_most("model_size_bytes", 20_000)]),
        algorithm=RandomSearch(),
        training=TrainingSettings(epochs=1),
        evaluations=3,
    )
    search(config, "digits", out=out, evaluator=Inline)
    return Run.open(out / "digits")


def text(renderable):
    console = Console(width=250)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def test_those_that_take_the_input_are_measured_as_candidates_are(run):
    known = standards_of(run)
    assert set(known) == {"ds_cnn_s", "mobilenet_v1_025", "resnet_8"}
    cost = cost_of(run, known["ds_cnn_s"])
    whole = topology("ds_cnn_s", (8, 8, 1), 10)
    assert cost["model_size_bytes"] == model_size(whole) and cost["macs"] == macs(whole)


def test_untrained_ones_say_which_bounds_they_break_and_stand_in_no_report(run):
    costs = {name: cost_of(run, graph) for name, graph in standards_of(run).items()}
    words = text(standards_table(run, costs))
    assert words.count("not trained; breaks model_size_bytes") == 3
    assert "DS-CNN" not in text(front_table(run, run.front))


@pytest.mark.slow
def test_a_trained_one_is_a_line_of_every_later_report(run):
    splits = load_data(run)
    train_standard(run, "ds_cnn_s", final_task(run, splits, 1), splits, evaluator=Inline)
    opened = Run.open(run.folder)
    (event,) = opened.standards.values()
    assert event.epochs == 1 and 0 < event.metrics["error"] < 1
    (line,) = standard_lines(opened)
    assert line.startswith("DS-CNN S, 1 epochs: error ") and "breaks model_size_bytes" in line
    better = [r.number for r in opened.front if r.metrics["error"] <= event.metrics["error"]]
    assert all(str(number) in line for number in better[:5])
    assert line in text(front_table(opened, opened.front))
    assert opened.records == run.records


def test_one_that_does_not_suit_the_input_is_refused_with_those_that_do(run):
    splits = load_data(run)
    with pytest.raises(
        ConfigError, match="no standard network for this input is called 'ds_cnn'; did you mean 'ds_cnn_s'"
    ):
        train_standard(run, "ds_cnn", final_task(run, splits, 1), splits, evaluator=Inline)
