"""Targets: what they score, what they refuse, and that training follows them."""

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn import metrics as reference

from edgevolve.data import Classes, DataError, Digits, Itself, Split, Splits, Target, Values, load_splits, target_of


def labels(number, classes, seed=0):
    return np.random.default_rng(seed).integers(0, classes, number)


def of(y, x=None):
    return Split(np.zeros((len(y), 2), np.float32) if x is None else x, y)


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_scores_of_classes_are_those_of_scikit_learn(classes):
    rng = np.random.default_rng(classes)
    target, y = Classes(classes), labels(300, classes)
    outputs = rng.standard_normal((300, target.outputs)).astype(np.float32)
    outputs[::5] = outputs[0]  # ties
    scores, answered = target.score(outputs, of(y)), target.predicted(outputs)
    assert scores["error"] == pytest.approx(1 - reference.accuracy_score(y, answered))
    assert scores["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(y, answered))
    assert scores["macro_f1"] == pytest.approx(reference.f1_score(y, answered, average="macro"))
    if classes == 2:
        assert scores["auc"] == pytest.approx(reference.roc_auc_score(y, outputs[:, 0]))
    assert list(scores) == [metric.name for metric in target.metrics]


@pytest.mark.parametrize("classes", [2, 5])
def test_the_loss_of_classes_is_the_cross_entropy_in_nats(classes):
    target, y = Classes(classes), labels(200, classes)
    outputs = np.random.default_rng(1).standard_normal((200, target.outputs))
    logits = np.hstack([np.zeros((200, 1)), outputs]) if classes == 2 else outputs
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert target.mean_loss(outputs, of(y)) == pytest.approx(reference.log_loss(y, probabilities))


def test_balanced_weights_give_every_class_as_much_as_every_other():
    y = np.repeat([0, 1, 2], [60, 30, 10])
    fitted = Classes(("a", "b", "c"), "balanced").fitted(of(y))
    shares = np.bincount(y) * fitted.weights
    assert shares == pytest.approx([shares[0]] * 3)
    assert np.mean(np.array(fitted.weights)[y]) == pytest.approx(1)


def test_scores_of_values_are_in_their_unit_and_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y = rng.normal(150, 40, 120)
    target = Values("progression", "points").fitted(of(y))
    guess = y + rng.normal(0, 20, 120)
    outputs = ((guess - target.mean) / target.deviation)[:, np.newaxis]
    scores = target.score(outputs, of(y))
    assert scores["rmse"] == pytest.approx(reference.root_mean_squared_error(y, guess))
    assert scores["mae"] == pytest.approx(reference.mean_absolute_error(y, guess))
    assert scores["r2"] == pytest.approx(reference.r2_score(y, guess))
    assert [metric.unit for metric in target.metrics] == ["points", "points", ""]
    assert target.answers(y).mean() == pytest.approx(0, abs=1e-6)
    assert target.answers(y).std() == pytest.approx(1, rel=1e-5)


def test_of_several_values_each_has_its_error_and_no_scale_counts_more():
    rng = np.random.default_rng(0)
    y = np.stack([rng.normal(20, 5, 90), rng.normal(100_000, 500, 90)], axis=1)
    target = Values(("temperature", "pressure"), ("°C", "Pa")).fitted(of(y))
    off = np.array([1.0, 100.0])
    scores = target.score((y + off - target.mean) / target.deviation, of(y))
    assert scores["mae_temperature"] == pytest.approx(1)
    assert scores["mae_pressure"] == pytest.approx(100)
    assert scores["rmse"] == pytest.approx(np.mean(off / y.std(axis=0)))
    assert set(scores) == {metric.name for metric in target.metrics}


def test_unusual_examples_have_a_larger_error_of_reconstruction():
    rng = np.random.default_rng(0)
    x, y = rng.random((60, 4, 4, 1)).astype(np.float32), np.repeat([0, 1], [40, 20])
    outputs = x.reshape(60, 16) + np.where(y, 0.5, 0.1)[:, None].astype(np.float32)
    target = Itself(16)
    scores = target.score(outputs, of(y, x))
    assert scores["auc"] == 1
    assert scores["mse"] == pytest.approx(0.01, rel=1e-4) == target.mean_loss(outputs, of(y, x))


@pytest.mark.parametrize(
    ("target", "y", "words"),
    [
        (Classes(3), np.array([0, 3]), "labels from 0 to 3 do not fit 3 classes"),
        (Classes(3), np.array([0.5, 1.0]), "must be whole numbers"),
        (Values("a"), np.array([1.0, np.nan]), "finite"),
        (Values(("a", "b")), np.array([1.0, 2.0]), "2 values an example"),
        (Itself(2), np.array([0, 2]), "labels of Itself"),
        (Itself(3), np.array([0, 1]), r"Itself\(3\) does not fit examples of 2 numbers"),
    ],
)
def test_labels_of_another_kind_are_refused(target, y, words):
    assert isinstance(target, Target)
    with pytest.raises(DataError, match=words):
        target.check(of(y))


def test_a_data_set_of_classes_alone_has_their_target_and_one_of_neither_is_refused():
    assert target_of(Digits()) == Classes(10)
    assert load_splits(Digits()).target == Classes(10)
    with pytest.raises(DataError, match="needs `target`"):
        target_of(object())


def test_the_targets_constants_are_those_of_the_training_split_alone():
    @dataclass(frozen=True)
    class Weights:
        input_shape = (2,)
        target = Values("mass", "kg")

        def load(self):
            return Splits(of(np.array([1.0, 3.0])), of(np.array([50.0])), of(np.array([70.0])))

    assert load_splits(Weights()).target == Values("mass", "kg", (2.0,), (1.0,))


def test_unusual_examples_may_not_be_trained_on():
    with pytest.raises(DataError, match="usual examples alone"):
        Itself(2).fitted(of(np.array([0, 1])))
