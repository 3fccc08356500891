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

from edgevolve.data import Classes, Split, Target
from edgevolve.graph import Activate, Activation, Graph, Softmax
from edgevolve.training.augment import augmented
from edgevolve.training.forward import forward
from edgevolve.training.losses import BatchLoss, batch_loss
from edgevolve.training.settings import TrainingDiverged, TrainingSettings
from edgevolve.training.stage import Progress, unheard
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

    The epoch kept is that of the lowest validation loss, the first of equals: `metrics` are the target's scores on the
    validation split then, and `weights` those it ended with. `curves` hold one value an epoch: "loss" (mean over the
    training steps), "validation_loss", and "validation_NAME" of the target's first metric.
    """

    metrics: dict[str, float]
    curves: dict[str, tuple[float, ...]]
    weights: Weights


def train(
    graph: Graph,
    train: Split,
    validation: Split,
    settings: TrainingSettings,
    seed: int,
    start: Mapping[str, NDArray[Any]] | None = None,
    target: Target | None = None,
    progress: Progress = unheard,
) -> Trained:
    """Train from the weights `start`, or from scratch, for `target`: as many classes as there are outputs unless given.

    On CPU the same seed, threads and machine give the same weights to the last bit. `progress` is told of every epoch,
    counted from 1, and ends the training where it says so.

    One output of classes means a binary network: its value is a logit, labels are 0 and 1. Raises `ValueError` when
    graph and data, or weights, do not fit each other and `TrainingDiverged` when the loss is no longer finite.
    """
    target = target or _classes(graph)
    logits = check_fit(graph, target, train, validation)
    layout = _Layout.of(graph)
    if start is not None:
        check_weights(graph, start)
    values = initial_weights(graph, seed) if start is None else start
    keys = np.random.SeedSequence(seed).generate_state(1, np.uint32)
    epoch_function = tf.function(
        partial(_epoch, graph, layout, settings, batch_loss(target, settings), logits), autograph=False
    )
    arrays = (*_arrays(train, target), tf.constant(validation.x[:]))
    state = _start(layout, settings, values)
    main = target.metrics[0].name
    curves: list[tuple[float, float, float]] = []
    best, metrics = state, {main: float("inf")}
    for number in range(settings.epochs):
        state, loss, outputs = epoch_function(arrays, state, tf.constant([keys[0], number], tf.int64))
        outputs = outputs.numpy()
        losses = (float(loss), target.mean_loss(outputs, validation))
        if not np.isfinite(losses).all():
            raise TrainingDiverged(number + 1)
        scores = target.score(outputs, validation)
        if not curves or losses[1] < min(curve[1] for curve in curves):
            best, metrics = state, scores
        curves.append((*losses, scores[main]))
        if not progress(number + 1, {"loss": losses[0], "validation_loss": losses[1], main: scores[main]}):
            break
    names = ("loss", "validation_loss", f"validation_{main}")
    by_name = dict(zip(names, zip(*curves, strict=True), strict=True))
    kept = layout.values(best[0].numpy(), best[1].numpy())
    return Trained(metrics, by_name, {p.name: kept[p.name] for p in parameters(graph)})


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The mean loss, such as cross-entropy in nats, and the target's scores."""

    loss: float
    metrics: dict[str, float]


def evaluate(
    graph: Graph, weights: Mapping[str, NDArray[Any]], split: Split, target: Target | None = None
) -> Evaluated:
    """The float network on a split, batch norm folded. Raises `ValueError` when they do not fit each other."""
    target = target or _classes(graph)
    logits = check_fit(graph, target, split)
    check_weights(graph, weights)
    values = {name: tf.constant(value) for name, value in folded(graph, weights).items()}
    outputs = tf.function(partial(_outputs, graph, values, logits), autograph=False)(tf.constant(split.x[:])).numpy()
    return Evaluated(target.mean_loss(outputs, split), target.score(outputs, split))


def _classes(graph: Graph) -> Target:
    """As many classes as the network has outputs, and two of one."""
    return Classes(max(2, graph.outputs[0].shape[-1]))


def check_fit(graph: Graph, target: Target, *parts: Split) -> str:
    """Name of the activation that holds the logits.

    A Softmax or sigmoid at the very end belongs to the loss. Raises `ValueError` for a network that cannot be trained
    on this data.
    """
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ValueError("training needs a network of one input and one output")
    output = graph.outputs[0]
    if len(output.shape) != 2:
        raise ValueError(f"training needs an output of shape (1, outputs), not {output.shape}")
    units = output.shape[1]
    two = isinstance(target, Classes) and target.number == 2 and units in (1, 2)
    if units != target.outputs and not two:
        raise ValueError(f"a network of {units} output(s) does not fit a target of {target.outputs}")
    for part in parts:
        if part.x.shape[1:] != graph.inputs[0].shape[1:]:
            raise ValueError(f"images of {part.x.shape[1:]} do not fit an input of {graph.inputs[0].shape[1:]}")
        if not len(part):
            raise ValueError("training and validation need at least one example each")
        target.check(part)
    last = next(node for node in graph.nodes if node.output == output)
    if isinstance(last.op, Softmax) and units == 1:
        raise ValueError("a softmax over one output is always 1; leave it out for a binary network")
    if target.loss != "cross-entropy":
        return output.name
    sigmoid = isinstance(last.op, Activate) and last.op.function is Activation.SIGMOID
    if isinstance(last.op, Softmax) or (sigmoid and units == 1):
        return last.inputs[0].name
    return output.name


def _arrays(split: Split, target: Target) -> tuple[Any, Any]:
    """Examples, and what they are to be answered with; nothing of the latter where that is the input."""
    answers = target.answers(split.y[:])
    return tf.constant(split.x[:]), tf.zeros((len(split), 0)) if answers is None else tf.constant(answers)


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
    graph: Graph,
    layout: _Layout,
    settings: TrainingSettings,
    batch_loss: BatchLoss,
    logits: str,
    arrays: Any,
    state: Any,
    seed: Any,
) -> tuple[Any, Any, Any]:
    """One pass over the training examples in a new order, then validation: (state, mean loss, outputs)."""
    x, y, x_validation = arrays
    number = x.shape[0]
    steps = -(-number // settings.batch_size)
    bounds = tf.constant(np.arange(steps + 1) * number // steps, tf.int32)
    order = tf.random.experimental.stateless_shuffle(tf.range(number), seed)
    decay = tf.constant(np.concatenate([np.full(p.size, p.is_kernel, np.float32) for p in layout.trainable]))
    decay *= settings.weight_decay

    def step(index: Any, total: Any, *state: Any) -> tuple[Any, ...]:
        trainable, moving, *slots = state
        chosen = order[bounds[index] : bounds[index + 1]]
        images, answers = tf.gather(x, chosen), tf.gather(y, chosen)
        done = tf.cast(seed[1], tf.int32) * steps + index
        if settings.augment:
            images = augmented(images, settings, tf.stack([seed[0] + 1, tf.cast(done, tf.int64)]))
        values = layout.tensors(layout.trainable, trainable)
        images = _as_float(images)
        output, statistics = forward(graph, values, images, logits)
        loss = batch_loss(output, answers, images)
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
    return tuple(state), total / steps, _outputs(graph, folded(graph, values, tf.reshape), logits, x_validation)


def _outputs(graph: Graph, values: dict[str, Any], logits: str, x: Any) -> Any:
    """What the network gives for every example, (number, outputs)."""
    number = x.shape[0]
    batches = -(-number // EVALUATION_BATCH)

    def step(batch: Any, outputs: Any) -> tuple[Any, Any]:
        begin = batch * EVALUATION_BATCH
        output, _ = forward(graph, values, _as_float(x[begin : begin + EVALUATION_BATCH]), logits)
        return batch + 1, outputs.write(batch, output)

    empty = tf.TensorArray(tf.float32, batches, infer_shape=False, element_shape=(None, graph.outputs[0].shape[1]))
    _, outputs = tf.while_loop(lambda batch, _: batch < batches, step, (0, empty), parallel_iterations=1)
    return outputs.concat()


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
