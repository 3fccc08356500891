"""The loss of each target on a batch, as TensorFlow operations."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from edgevolve.data import Classes, Target
from edgevolve.training.settings import TrainingSettings

BatchLoss = Callable[[Any, Any, Any], Any]
"""(outputs of a batch, wanted answers, the batch itself as float) -> mean loss."""


def batch_loss(target: Target, settings: TrainingSettings) -> BatchLoss:
    """The loss of a target: cross-entropy in nats, with label smoothing, for classes; else the mean squared error."""
    if isinstance(target, Classes):
        smoothing, weights = settings.label_smoothing, target.weights
        return lambda outputs, labels, x: _weighted(_cross_entropy(outputs, labels, smoothing), labels, weights)
    return _squared_error


def taught_loss(target: Target, settings: TrainingSettings, own: int, temperature: float, weight: float) -> BatchLoss:
    """The loss of `Distil`. The first `own` columns of the answers are the labels, the others the teacher's outputs."""
    of_labels = batch_loss(target, settings)
    are_classes = isinstance(target, Classes)
    if not are_classes:
        temperature = 1.0

    def loss(outputs: Any, answers: Any, x: Any) -> Any:
        labels, taught = answers[:, :own], answers[:, own:]
        plain = of_labels(outputs, tf.cast(labels[:, 0], tf.int32) if are_classes else labels, x)
        soft = soft_loss(target, outputs / temperature, taught / temperature)
        return (1 - weight) * plain + weight * temperature**2 * soft

    return loss


def soft_loss(target: Target, outputs: Any, taught: Any) -> Any:
    """The loss against a teacher's outputs: cross-entropy to its probabilities, or the mean squared difference."""
    if not isinstance(target, Classes):
        return tf.reduce_mean(tf.math.squared_difference(outputs, taught))
    if outputs.shape[1] == 1:
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.nn.sigmoid(taught), outputs))
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(tf.nn.softmax(taught), outputs))


def _squared_error(outputs: Any, answers: Any, x: Any) -> Any:
    wanted = answers if answers.shape[1] else tf.reshape(x, (-1, outputs.shape[1]))
    return tf.reduce_mean(tf.math.squared_difference(outputs, wanted))


def _weighted(each: Any, labels: Any, weights: Any) -> Any:
    return tf.reduce_mean(each if weights is None else each * tf.gather(tf.constant(weights, tf.float32), labels))


def _cross_entropy(logits: Any, labels: Any, smoothing: float) -> Any:
    """Cross-entropy of each example, in nats; smoothing as in Szegedy et al. (2016)."""
    if logits.shape[1] == 1:
        wanted = tf.cast(labels, tf.float32) * (1 - smoothing) + smoothing / 2
        return tf.nn.sigmoid_cross_entropy_with_logits(wanted, logits[:, 0])
    hard = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    if not smoothing:
        return hard
    return (1 - smoothing) * hard - smoothing * tf.reduce_mean(tf.nn.log_softmax(logits), axis=1)
