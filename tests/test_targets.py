"""Three searches end to end: a regression, an anomaly detector, and classes of which some are rare."""

import json
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from driver import load_config
from edgevolve import (
    Classes,
    Completed,
    ConfigError,
    Inline,
    MlpSpace,
    RandomSearch,
    SearchConfig,
    Splits,
    TrainingSettings,
    search,
)
from edgevolve.data import Digits, load_splits
from edgevolve.deployment.export import export
from edgevolve.engine import task_of
from edgevolve.reports.boards import boards, write
from edgevolve.reports.pictures import front_figure, write_pictures
from edgevolve.reports.terminal import export_table, front_table
from edgevolve.reports.view import run_view
from edgevolve.runs import Run
from edgevolve.runs.provenance import facts, load_data
from edgevolve.training.keras_model import keras_model, values_of
from edgevolve.training.session import configure_tensorflow

pytest.importorskip("tflite_micro")


def printed(table):
    console = Console(width=200)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def searched(config, name, folder):
    return search(config, name, out=folder, evaluator=Inline)


def exported(run, folder):
    record = run.best
    splits = load_data(run)
    graph, weights = run.graph(record.number), run.weights(record.number)
    export(folder, graph, weights, splits, facts(run, record.number), ("tflite", "c"))
    return splits, json.loads((folder / "manifest.json").read_text())


@dataclass(frozen=True)
class LearnsTheNumbersThemselves:
    """A task that forgets that a network gives values standardised."""

    metric_names = ("rmse",)

    def prepare(self):
        configure_tensorflow(threads=1)

    def __call__(self, job, splits):
        keras = keras_model(job.graph)
        return Completed({"rmse": 50.0}, weights=values_of(keras, job.graph))


def test_an_export_says_where_weights_score_otherwise_than_the_task_said(tmp_path):
    config = load_config("diabetes_mlp").with_fields(evaluations=1, start=[{"hidden": [{"units": 12}]}])
    tables = []
    for name, task in (("own", LearnsTheNumbersThemselves()), ("ours", None)):
        run = searched(config.with_fields(task=task), name, tmp_path)
        _, manifest = exported(run, tmp_path / name / "out")
        tables.append(printed(export_table(run, tmp_path, run.best, manifest)))
    assert re.search(r"validation RMSE +[\d.]+ with these weights, 50 in the search: does the task learn", tables[0])
    assert "in the search" not in tables[1]


def test_a_regression_is_as_good_as_ridge_in_int8_and_gives_its_values_in_c(tmp_path):
    from sklearn.linear_model import Ridge

    hidden = [{"units": 12}]
    config = load_config("diabetes_mlp").with_fields(evaluations=1, start=[{"hidden": hidden}])
    run = searched(config, "diabetes", tmp_path)
    splits, manifest = exported(run, tmp_path / "export")
    rows = {name: getattr(splits, name) for name in ("train", "test")}
    flat = {name: part.x[:].reshape(len(part), -1) for name, part in rows.items()}
    ridge = Ridge().fit(flat["train"], splits.train.y).score(flat["test"], splits.test.y)
    for form in ("float", "int8"):
        assert manifest["scores"]["test"][form]["r2"] > ridge - 0.02
    assert manifest["target"]["names"] == ["progression"]
    assert manifest["target"]["mean"] == [pytest.approx(np.mean(splits.train.y))]
    golden = np.array(manifest["formats"]["c"]["golden_answers"])
    assert 25 < golden.min() < golden.max() < 346
    header = (tmp_path / "export" / "c" / "src" / "answer.h").read_text()
    assert 'kValueUnits[kValues] = {"points"}' in header
    assert "points" in printed(front_table(run, run.front))


def test_an_anomaly_detector_tells_a_digit_that_it_never_saw(tmp_path):
    hidden = [{"units": 12}, {"units": 22}, {"units": 52}]
    config = load_config("digits_anomaly").with_fields(evaluations=1, start=[{"hidden": hidden}])
    run = searched(config, "anomaly", tmp_path)
    assert not load_splits(config.data).train.y.any()
    assert run.best.metrics["auc"] > 0.9
    assert f"{100 * run.best.metrics['auc']:.2f} %" in printed(front_table(run, run.front))
    splits, manifest = exported(run, tmp_path / "export")
    assert manifest["scores"]["test"]["int8"]["auc"] == pytest.approx(
        manifest["scores"]["test"]["float"]["auc"], abs=0.02
    )
    golden = np.array(manifest["formats"]["c"]["golden_answers"])[:, 0]
    assert golden[splits.test.y[np.linspace(0, len(splits.test) - 1, 8).round().astype(int)] == 1].mean() > golden[0]
    assert "float answer_score(" in (tmp_path / "export" / "c" / "src" / "answer.h").read_text()


@dataclass(frozen=True)
class RareDigits:
    """Of every second digit one training example in twenty."""

    input_shape = (8, 8, 1)
    target = Classes(
        tuple(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]), "balanced"
    )

    def load(self):
        full = Digits().load()
        kept = [i for i, label in enumerate(full.train.y) if label % 2 or i % 20 == 0]
        return Splits(full.train.take(np.array(kept)), full.validation, full.test)


@pytest.fixture(scope="module")
def rare(tmp_path_factory):
    config = SearchConfig(
        data=RareDigits(),
        space=MlpSpace((8, 8, 1), 10, max_layers=1, max_units=40),
        problem={"macro_f1": "maximize", "balanced_accuracy": "maximize", "macs": "minimize"},
        algorithm=RandomSearch(),
        training=TrainingSettings(epochs=8, learning_rate=0.05),
        evaluations=4,
    )
    return search(config, "rare", out=tmp_path_factory.mktemp("runs"), evaluator=Inline)


def test_a_search_journals_the_main_metric_and_those_that_the_problem_names(rare):
    opened = Run.open(rare.path)
    learned = [one.name for one in opened.started.metrics if one.learned]
    assert learned == ["error", "balanced_accuracy", "macro_f1"]
    assert opened.main.name == "macro_f1"


def test_what_is_better_high_is_best_high_in_every_report(rare, tmp_path):
    top = max(record.metrics["macro_f1"] for record in rare.records.values())
    assert rare.best.metrics["macro_f1"] == top
    words = printed(front_table(rare, rare.front))
    assert "macro F1  balanced accuracy" in words and f"{100 * top:.2f} %" in words
    view = run_view(rare)
    shown = {one["name"]: one for one in view["metrics"]}
    assert {shown[name]["better"] for name in ("macro_f1", "balanced_accuracy")} == {"higher"}
    assert shown["macro_f1"]["axis"] == "macro F1, %"
    assert shown["error"]["better"] == "lower"
    assert view["tiles"][0] == ["best macro F1", f"{100 * top:.2f} %"]
    figure = front_figure(rare)
    assert figure.axes[0].get_ylabel() == "macro F1, %" and figure.axes[0].get_yscale() == "linear"
    write_pictures([rare], tmp_path)
    assert pd.read_csv(tmp_path / "front.csv")["macro_f1"].max() == top
    assert (tmp_path / "front.png").stat().st_size > 1000


def test_tensorboard_has_the_best_of_what_is_better_high(rare, tmp_path):
    pytest.importorskip("tensorboardX")
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with boards("rare", tmp_path, None) as (board,):
        write(rare, board)
    events = accumulator.EventAccumulator(str(tmp_path / "search"))
    events.Reload()
    best = [event.value for event in events.Scalars("search/best_macro_f1")]
    assert best == sorted(best)
    assert best[-1] == pytest.approx(max(record.metrics["macro_f1"] for record in rare.records.values()))


def test_rare_classes_count_as_much_as_others_in_the_loss():
    target = load_splits(RareDigits()).target
    assert min(target.weights[::2]) > 8 * max(target.weights[1::2])


def test_an_objective_that_the_target_does_not_score_is_refused():
    config = load_config("diabetes_mlp")
    odd = config.with_fields(problem={"accuracy": "maximize"})
    with pytest.raises(ConfigError, match="unknown metric 'error' in problem"):
        odd.check(task_of(odd))
    with pytest.raises(ConfigError, match="gives 2 outputs, the data has .* and 1"):
        config.with_fields(space=MlpSpace((1, 1, 10), outputs=2))
