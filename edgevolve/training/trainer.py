"""Train a network: each epoch, with its validation, is one call of one compiled function.

Parameters live in one flat vector, so that the optimiser is a handful of operations whatever the network, and
a step is a pure function of them. Nothing is kept in TensorFlow between epochs or candidates.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from edgevolve.data import Split
from edgevolve.graph import Activate, Activation, Graph, Softmax
from edgevolve.training.augment import augmented
from edgevolve.training.forward import forward
from edgevolve.training.settings import TrainingDiverged, TrainingSettings
from edgevolve.training.weights import (
    BATCH_NORM_MOMENTUM,
    Parameter,
    Weights,
    check_weights,
    folded,
    initial_weights,
    parameters,
)

MOMENTUM = 0.9
BETA_1, BETA_2, ADAM_EPSILON = 0.9, 0.999, 1e-7
EVALUATION_BATCH = 256


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training gives.

    `error` is the lowest validation error of any epoch, as a fraction, and `weights` are those of that epoch, the
    first of equals. `curves` hold one value an epoch: "loss" (mean over the training steps), "validation_loss" and
    "validation_error".
    """

    error: float
    curves: dict[str, tuple[float, ...]]
    weights: Weights


def train(
    graph: Graph,
    train: Split,
    validation: Split,
    settings: TrainingSettings,
    seed: int,
    start: Mapping[str, NDArray[Any]] | None = None,
) -> Trained:
    """Train from the weights `start`, or from scratch.

    On CPU the same seed, threads and machine give the same weights to the last bit.

    One output means a binary network: its value is a logit, labels are 0 and 1. Raises `ValueError` when graph and
    data, or weights, do not fit each other and `TrainingDiverged` when the loss is no longer finite.
    """
    logits = check_fit(graph, train, validation)
    layout = _Layout.of(graph)
    if start is not None:
        check_weights(graph, start)
    values = initial_weights(graph, seed) if start is None else start
    keys = np.random.SeedSequence(seed).generate_state(1, np.uint32)
    epoch_function = tf.function(partial(_epoch, graph, layout, settings, logits), autograph=False)
    arrays = (*_arrays(train), *_arrays(validation))
    state = _start(layout, settings, values)
    curves: list[tuple[float, ...]] = []
    best = state
    for number in range(settings.epochs):
        state, figures = epoch_function(arrays, state, tf.constant([keys[0], number], tf.int64))
        loss, validation_loss, wrong = (float(figure) for figure in figures.numpy())
        figures = (loss, validation_loss, _share(wrong, len(validation)))
        if not np.isfinite(figures).all():
            raise TrainingDiverged(number + 1)
        if not curves or figures[2] < min(curve[2] for curve in curves):
            best = state
        curves.append(figures)
    names = ("loss", "validation_loss", "validation_error")
    by_name = dict(zip(names, zip(*curves, strict=True), strict=True))
    kept = layout.values(best[0].numpy(), best[1].numpy())
    return Trained(min(by_name["validation_error"]), by_name, {p.name: kept[p.name] for p in parameters(graph)})


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Mean cross-entropy in nats and the fraction of examples classified wrongly."""

    loss: float
    error: float


def evaluate(graph: Graph, weights: Mapping[str, NDArray[Any]], split: Split) -> Evaluated:
    """The float network on a split, batch norm folded. Raises `ValueError` when they do not fit each other."""
    logits = check_fit(graph, split)
    check_weights(graph, weights)
    values = {name: tf.constant(value) for name, value in folded(graph, weights).items()}
    loss, error = tf.function(partial(_validate, graph, values, logits), autograph=False)(*_arrays(split))
    return Evaluated(float(loss), _share(float(error), len(split)))


def _share(error: float, examples: int) -> float:
    """A float32 fraction as the exact one that it stands for."""
    return round(error * examples) / examples if np.isfinite(error) else error


def check_fit(graph: Graph, *parts: Split) -> str:
    """Name of the activation that holds the logits.

    A Softmax or sigmoid at the very end belongs to the loss. Raises `ValueError` for a network that cannot be trained
    on this data.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ValueError("training needs a network of one input and one output")
    output = graph.outputs[0]
    if len(output.shape) != 2:
        raise ValueError(f"training needs an output of shape (1, classes), not {output.shape}")
    units = output.shape[1]
    for part in parts:
        if part.x.shape[1:] != graph.inputs[0].shape[1:]:
            raise ValueError(f"images of {part.x.shape[1:]} do not fit an input of {graph.inputs[0].shape[1:]}")
        if not len(part):
            raise ValueError("training and validation need at least one example each")
        if part.y.min() < 0 or part.y.max() >= max(units, 2):
            raise ValueError(f"labels from {part.y.min()} to {part.y.max()} do not fit {units} output(s)")
    last = next(node for node in graph.nodes if node.output == output)
    if isinstance(last.op, Softmax) and units == 1:
        raise ValueError("a softmax over one output is always 1; leave it out for a binary network")
    sigmoid = isinstance(last.op, Activate) and last.op.function is Activation.SIGMOID
    if isinstance(last.op, Softmax) or (sigmoid and units == 1):
        return last.inputs[0].name
    return output.name


def _arrays(split: Split) -> tuple[Any, Any]:
    return tf.constant(split.x), tf.constant(split.y.astype(np.int32))


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where each parameter lies in the two flat vectors: what gradients change, and moving statistics."""

    trainable: tuple[Parameter, ...]
    moving: tuple[Parameter, ...]

    @classmethod
    def of(cls, graph: Graph) -> "_Layout":
        every = parameters(graph)
        if not every:
            raise ValueError("the network has no weights to train")
        return cls(tuple(p for p in every if p.trainable), tuple(p for p in every if not p.trainable))

    def flat(self, values: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        """The vectors [trainable, moving]."""
        empty = [np.zeros(0, np.float32)]
        parts = (self.trainable, self.moving)
        return [np.concatenate([values[p.name].ravel() for p in part] or empty) for part in parts]

    def values(self, trainable: Any, moving: Any) -> dict[str, Any]:
        """NumPy arrays by name."""
        result: dict[str, Any] = {}
        for part, vector in ((self.trainable, trainable), (self.moving, moving)):
            pieces = np.split(vector, np.cumsum([p.size for p in part])[:-1]) if part else []
            result |= {p.name: piece.reshape(p.shape) for p, piece in zip(part, pieces, strict=True)}
        return result

    def tensors(self, part: tuple[Parameter, ...], vector: Any) -> dict[str, Any]:
        """Tensors by name, of one part."""
        pieces = tf.split(vector, [p.size for p in part]) if part else []
        return {p.name: tf.reshape(piece, p.shape) for p, piece in zip(part, pieces, strict=True)}


def _start(layout: _Layout, settings: TrainingSettings, values: Mapping[str, NDArray[Any]]) -> tuple[Any, ...]:
    """(trainable, moving, slots of the optimiser ...), flat vectors."""
    trainable, moving = (tf.constant(vector) for vector in layout.flat(values))
    slots = 1 if settings.optimiser == "sgd" else 2
    return trainable, moving, *(tf.zeros_like(trainable) for _ in range(slots))


def _epoch(
    graph: Graph, layout: _Layout, settings: TrainingSettings, logits: str, arrays: Any, state: Any, seed: Any
) -> tuple[Any, Any]:
    """One pass over the training examples in a new order, then validation: (state, the three figures)."""
    x, y, x_validation, y_validation = arrays
    number = x.shape[0]
    steps = -(-number // settings.batch_size)
    bounds = tf.constant(np.arange(steps + 1) * number // steps, tf.int32)
    order = tf.random.experimental.stateless_shuffle(tf.range(number), seed)
    decay = tf.constant(np.concatenate([np.full(p.size, p.is_kernel, np.float32) for p in layout.trainable]))
    decay *= settings.weight_decay

    def step(index: Any, total: Any, *state: Any) -> tuple[Any, ...]:
        trainable, moving, *slots = state
        chosen = order[bounds[index] : bounds[index + 1]]
        images, labels = tf.gather(x, chosen), tf.gather(y, chosen)
        done = tf.cast(seed[1], tf.int32) * steps + index
        if settings.augment:
            images = augmented(images, settings, tf.stack([seed[0] + 1, tf.cast(done, tf.int64)]))
        values = layout.tensors(layout.trainable, trainable)
        output, statistics = forward(graph, values, _as_float(images), logits)
        loss = _loss(output, labels, settings.label_smoothing)
        (gradient,) = tf.gradients(loss, trainable)
        rate = _learning_rate(settings, done, settings.epochs * steps)
        trainable, slots = OPTIMISE[settings.optimiser](trainable, gradient, slots, rate, decay, done)
        if layout.moving:
            batch = tf.concat([statistics[p.name] for p in layout.moving], axis=0)
            moving = BATCH_NORM_MOMENTUM * moving + (1 - BATCH_NORM_MOMENTUM) * batch
        return index + 1, total + loss, trainable, moving, *slots

    _, total, *state = tf.while_loop(
        lambda index, *_: index < steps, step, (0, tf.constant(0.0), *state), parallel_iterations=1
    )
    values = layout.tensors(layout.trainable, state[0]) | layout.tensors(layout.moving, state[1])
    figures = _validate(graph, folded(graph, values, tf.reshape), logits, x_validation, y_validation)
    return tuple(state), tf.stack([total / steps, *figures])


def _validate(graph: Graph, values: dict[str, Any], logits: str, x: Any, y: Any) -> tuple[Any, Any]:
    """Mean loss and error fraction."""
    number = x.shape[0]

    def step(start: Any, loss: Any, wrong: Any) -> tuple[Any, ...]:
        labels = y[start : start + EVALUATION_BATCH]
        output, _ = forward(graph, values, _as_float(x[start : start + EVALUATION_BATCH]), logits)
        count = tf.cast(tf.shape(labels)[0], tf.float32)
        missed = tf.reduce_sum(tf.cast(predictions(output) != labels, tf.int32))
        return start + EVALUATION_BATCH, loss + _loss(output, labels, 0.0) * count, wrong + missed

    _, loss, wrong = tf.while_loop(lambda start, *_: start < number, step, (0, 0.0, 0), parallel_iterations=1)
    return loss / number, tf.cast(wrong, tf.float32) / number


def predictions(logits: Any) -> Any:
    """Class of each row, int32: the largest of several logits, or whether a single one is above 0."""
    if logits.shape[1] == 1:
        return tf.cast(logits[:, 0] > 0, tf.int32)
    return tf.argmax(logits, axis=1, output_type=tf.int32)


def _loss(logits: Any, labels: Any, smoothing: float) -> Any:
    """Mean cross-entropy of a batch, in nats; smoothing as in Szegedy et al. (2016)."""
    if logits.shape[1] == 1:
        wanted = tf.cast(labels, tf.float32) * (1 - smoothing) + smoothing / 2
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(wanted, logits[:, 0]))
    hard = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    if not smoothing:
        return hard
    return (1 - smoothing) * hard - smoothing * tf.reduce_mean(tf.nn.log_softmax(logits))


def _as_float(images: Any) -> Any:
    """As `data.as_float`."""
    pixels = tf.cast(images, tf.float32)
    return pixels / 255 if images.dtype == tf.uint8 else pixels


def _learning_rate(settings: TrainingSettings, done: Any, steps: int) -> Any:
    if settings.schedule == "constant":
        return settings.learning_rate
    return settings.learning_rate * 0.5 * (1 + tf.cos(tf.cast(done, tf.float32) * (np.pi / steps)))


def _sgd(p: Any, gradient: Any, slots: Any, rate: Any, decay: Any, done: Any) -> tuple[Any, Any]:
    velocity = MOMENTUM * slots[0] - rate * (gradient + decay * p)
    return p + velocity, (velocity,)


def _adamw(p: Any, gradient: Any, slots: Any, rate: Any, decay: Any, done: Any) -> tuple[Any, Any]:
    first = BETA_1 * slots[0] + (1 - BETA_1) * gradient
    second = BETA_2 * slots[1] + (1 - BETA_2) * tf.square(gradient)
    count = tf.cast(done, tf.float32) + 1
    unbiased = rate * tf.sqrt(1 - BETA_2**count) / (1 - BETA_1**count)
    return p - unbiased * first / (tf.sqrt(second) + ADAM_EPSILON) - rate * decay * p, (first, second)


OPTIMISE = {"sgd": _sgd, "adamw": _adamw}
