"""Scores in int8 as objectives, given by the worker."""

import numpy as np
import pytest

from edgevolve.data import Classes, Digits, Itself, Split, Splits, Values
from edgevolve.data.target import ERROR
from edgevolve.engine import Inline, search
from edgevolve.engine.search import task_of
from edgevolve.graph import Activate, Activation, Dense, GraphBuilder, Softmax
from edgevolve.metric import int8_metric
from edgevolve.quantisation import (
    ScoreInt8,
    calibration_examples,
    int8_network,
    int8_scores,
)
from edgevolve.runs import ConfigError, Run
from edgevolve.training import Fit, TrainingSettings, TrainState, unreported
from edgevolve.training.trainer import evaluate
from search_algorithms import Problem, RandomSearch, at_most, minimise
from search_space import MlpSpace
from tests.pretend import make_config


def dense(outputs, *ends, hidden=8, shape=(1, 2, 3, 1)):
    net = GraphBuilder()
    x = net.add(Dense(hidden, Activation.RELU), net.flatten(net.input(shape)))
    x = net.add(Dense(outputs), x)
    for op in ends:
        x = net.add(op, x)
    return net.build(x)


def splits_of(target, answers, seed=0):
    """Images of six numbers, answered by `answers`."""
    rng = np.random.default_rng(seed)

    def part(number):
        x = rng.uniform(0, 1, (number, 2, 3, 1)).astype(np.float32)
        return Split(x, answers(x))

    train, validation = part(300), part(100)
    return Splits(train, validation, train, target=target.fitted(train))


def scored(graph, data, epochs=20):
    rng = np.random.default_rng(0)
    state = Fit(TrainingSettings(epochs=epochs, batch_size=32))(TrainState(graph), data, rng, unreported)
    return ScoreInt8()(state, data, rng, unreported)


@pytest.mark.parametrize("ends", [(), (Softmax(),)], ids=["logits", "softmax"])
def test_several_classes_are_scored_as_in_floats(ends):
    data = splits_of(Classes(3), lambda x: (x[:, 0].sum(axis=(1, 2)) > [[0.9], [1.4]]).sum(axis=0))
    state = scored(dense(3, *ends), data)
    scores = {name for one in data.target.metrics for name in (one.name, f"{one.name}_int8")}
    assert set(state.metrics) == {*scores, "quantisation_drop"}
    assert state.metrics["error"] < 0.35
    for name in ("error", "macro_f1"):
        assert state.metrics[f"{name}_int8"] == pytest.approx(state.metrics[name], abs=0.05)


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("end", [None, "share"])
def test_two_classes_are_scored_as_in_floats_whatever_the_network_ends_in(outputs, end):
    data = splits_of(Classes(2), lambda x: (x.mean(axis=(1, 2, 3)) > 0.5).astype(int))
    ends = () if end is None else (Activate(Activation.SIGMOID),) if outputs == 1 else (Softmax(),)
    state = scored(dense(outputs, *ends), data)
    assert state.metrics["auc"] > 0.9
    for name in ("error", "auc"):
        assert state.metrics[f"{name}_int8"] == pytest.approx(state.metrics[name], abs=0.05)


def test_values_and_the_input_itself_are_scored_in_int8():
    data = splits_of(Values("sum", "kg"), lambda x: 10 * x.sum(axis=(1, 2, 3)))
    state = scored(dense(1), data)
    assert state.metrics["r2"] > 0.9
    assert state.metrics["rmse_int8"] == pytest.approx(state.metrics["rmse"], rel=0.2, abs=0.2)
    data = splits_of(Itself(6), lambda x: np.zeros(len(x), int))
    state = scored(dense(6), data)
    assert state.metrics["mse_int8"] == pytest.approx(state.metrics["mse"], rel=0.2, abs=2e-3)


def test_a_score_in_int8_is_a_metric_of_the_same_unit_and_direction():
    in_int8 = int8_metric(ERROR)
    assert (in_int8.name, in_int8.title, in_int8.unit, in_int8.better) == (
        "error_int8",
        "error, int8",
        ERROR.unit,
        "lower",
    )
    assert in_int8.learned


def test_images_that_do_not_fit_are_refused():
    data = splits_of(Classes(3), lambda x: np.arange(len(x)) % 3)
    graph = dense(3)
    state = scored(graph, data, epochs=1)
    model = int8_network(graph, state.weights, calibration_examples(data.train)).tflite()
    with pytest.raises(ValueError, match="do not fit a model"):
        int8_scores(model, Split(np.zeros((1, 3, 3, 1), np.uint8), np.zeros(1, np.int64)), data.target)
    with pytest.raises(ValueError, match="after it was trained"):
        ScoreInt8()(TrainState(graph), data, np.random.default_rng(0), unreported)


def test_the_int8_error_is_an_objective_and_a_bound(tmp_path):
    data = Digits()
    config = make_config(
        data=data,
        space=MlpSpace(input_shape=data.input_shape, classes=data.classes),
        problem=Problem(
            [minimise("error_int8"), minimise("macs")], [at_most("macs", 20_000), at_most("error_int8", 0.9, soft=True)]
        ),
        algorithm=RandomSearch(),
        training=TrainingSettings(epochs=2),
        task=None,
        evaluations=2,
    )
    search(config, name="int8", out=tmp_path, evaluator=Inline)
    run = Run.open(tmp_path / "int8")
    assert run.main.name == "error_int8"
    assert (run.metric("error_int8").unit, run.metric("error_int8").better) == (ERROR.unit, "lower")
    splits = data.load()
    assert run.front
    for record in run.front:
        weights = run.weights(record.number)
        model = int8_network(run.graph(record.number), weights, calibration_examples(splits.train)).tflite()
        wanted = int8_scores(model, splits.validation, Classes(10))["error"]
        assert record.metrics["error_int8"] == wanted < 0.9
        float_error = evaluate(run.graph(record.number), weights, splits.validation).metrics["error"]
        assert record.metrics["error"] == pytest.approx(float_error)


@pytest.mark.parametrize(("slip", "meant"), [("error_int", "error_int8"), ("macro_f_int8", "macro_f1_int8")])
def test_a_slip_in_a_score_suggests_the_nearest(slip, meant):
    made = make_config(task=None, problem=Problem([minimise(slip, scale=1)]))
    with pytest.raises(ConfigError, match=f"unknown metric '{slip}' in problem: .*; did you mean '{meant}'?"):
        made.check(task_of(made))
