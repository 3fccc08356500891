"""What a target promises. Each check takes it and a labelled split; a broken promise is an `AssertionError`."""

import json
import pickle
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Split, Target, as_float
from edgevolve.metric import Metric

Check = Callable[[Target, Split], None]

_SURE = 20.0
"""A logit so large that the loss of a right answer is nearly 0."""


def check_target(target: Target, split: Split) -> None:
    """Run every check; `split` stands for the training split, and holds examples with different labels."""
    for check in TARGET_CHECKS:
        check(target, split)


def it_travels_to_workers_and_into_the_journal(target: Target, split: Split) -> None:
    """The fitted target can be pickled, and its constants are JSON."""
    fitted = _fitted(target, split)
    assert isinstance(target, Target)
    assert pickle.loads(pickle.dumps(fitted)) == fitted
    json.dumps(fitted.constants(), allow_nan=False)


def its_constants_are_those_of_the_training_split(target: Target, split: Split) -> None:
    """Fitting again gives the same constants, and fitting changes no outputs, metrics or loss."""
    fitted = _fitted(target, split)
    again = target.fitted(split)
    assert again.constants() == fitted.constants()
    assert (fitted.outputs, fitted.metrics, fitted.loss) == (target.outputs, target.metrics, target.loss)


def its_score_has_every_metric(target: Target, split: Split) -> None:
    """`score` gives each metric of the target, as a finite number; metrics are marked as learned."""
    names = [metric.name for metric in target.metrics]
    assert names and len(names) == len(set(names))
    assert all(isinstance(metric, Metric) and metric.learned for metric in target.metrics)
    fitted = _fitted(target, split)
    for outputs in (_silent(fitted, split), _right(fitted, split)):
        scores = fitted.score(outputs, split)
        assert sorted(scores) == sorted(names)
        assert all(np.isfinite(value) for value in (*scores.values(), fitted.mean_loss(outputs, split)))


def right_answers_are_better_than_none(target: Target, split: Split) -> None:
    """Right answers have a lower loss and no worse metric than equal ones; with labels the first metric is better."""
    fitted = _fitted(target, split)
    right, silent = _right(fitted, split), _silent(fitted, split)
    assert fitted.mean_loss(right, split) < fitted.mean_loss(silent, split)
    best, none = fitted.score(right, split), fitted.score(silent, split)
    for metric in target.metrics:
        assert metric.sign * best[metric.name] <= metric.sign * none[metric.name], metric.name
    if fitted.answers(split.y[:]) is not None:
        first = target.metrics[0]
        assert first.sign * best[first.name] < first.sign * none[first.name]


def the_order_of_examples_does_not_count(target: Target, split: Split) -> None:
    """Scores and loss do not depend on the order of the examples."""
    fitted = _fitted(target, split)
    outputs = np.random.default_rng(0).normal(size=(len(split), target.outputs)).astype(np.float32)
    turned = np.arange(len(split))[::-1]
    there, back = fitted.score(outputs, split), fitted.score(outputs[turned], split.take(turned))
    assert all(np.isclose(there[name], back[name], rtol=1e-6) for name in there)
    losses = (fitted.mean_loss(outputs, split), fitted.mean_loss(outputs[turned], split.take(turned)))
    assert np.isclose(*losses, rtol=1e-6)


def training_makes_its_mean_loss_small(target: Target, split: Split) -> None:
    """The loss of a training step without smoothing equals `mean_loss` within single precision."""
    import tensorflow as tf

    from edgevolve.training import TrainingSettings
    from edgevolve.training.losses import batch_loss

    fitted = _fitted(target, split)
    outputs = np.random.default_rng(1).normal(size=(len(split), target.outputs)).astype(np.float32)
    answers = fitted.answers(split.y[:])
    wanted = np.zeros((len(split), 0), np.float32) if answers is None else answers
    step = batch_loss(fitted, TrainingSettings())(tf.constant(outputs), tf.constant(wanted), as_float(split.x[:]))
    assert np.isclose(float(step), fitted.mean_loss(outputs, split), rtol=1e-4)


TARGET_CHECKS: tuple[Check, ...] = (
    it_travels_to_workers_and_into_the_journal,
    its_constants_are_those_of_the_training_split,
    its_score_has_every_metric,
    right_answers_are_better_than_none,
    the_order_of_examples_does_not_count,
    training_makes_its_mean_loss_small,
)


def _fitted(target: Target, split: Split) -> Target:
    fitted = target.fitted(split)
    fitted.check(split)
    return fitted


def _silent(target: Target, split: Split) -> NDArray[np.float32]:
    """Outputs of a network that gives the same answer for every example."""
    return np.zeros((len(split), target.outputs), np.float32)


def _right(target: Target, split: Split) -> NDArray[np.float32]:
    """Outputs of a network that answers correctly."""
    answers = target.answers(split.y[:])
    if answers is None:
        return as_float(split.x[:]).reshape(len(split), target.outputs)
    if target.loss == "squared error":
        return np.asarray(answers, np.float32).reshape(len(split), target.outputs)
    if target.outputs == 1:
        return np.where(answers == 1, _SURE, -_SURE).astype(np.float32)[:, np.newaxis]
    outputs = np.zeros((len(split), target.outputs), np.float32)
    outputs[np.arange(len(split)), answers] = _SURE
    return outputs
