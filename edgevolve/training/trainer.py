"""Trains a network: each epoch, with its validation, is one call of one compiled function.

Data larger than memory stay in their file and take one call a chunk instead. Nothing is kept in TensorFlow between
epochs or candidates.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from edgevolve.data import Classes, Rows, Split, Splits, Target, classes_of
from edgevolve.graph import Activate, Activation, Graph, Softmax
from edgevolve.training.descent import Descent, Layout, Lowering, Plain, Regime, outputs
from edgevolve.training.forward import forward
from edgevolve.training.losses import BatchLoss, batch_loss
from edgevolve.training.settings import TrainingDiverged, TrainingSettings
from edgevolve.training.stage import Progress, TrainState, unreported
from edgevolve.training.streaming import Epoch, answers, fed, in_chunks, is_streamed, outputs_in_chunks
from edgevolve.training.weights import Weights, check_weights, folded, initial_weights, parameters


@dataclass(frozen=True, slots=True)
class Trained:
    """The result of a training.

    The epoch kept is the first with the lowest validation loss: `weights` are those at its end, `metrics` the target's
    scores with them on the validation split, `own` the vectors of the regime. `curves` hold one value an epoch: "loss"
    (mean over the training steps), "validation_loss", and "validation_NAME" of the target's first metric.

    Epochs in which the regime was not settled compete with no other: the last of them is kept only if none was settled.
    """

    metrics: dict[str, float]
    curves: dict[str, tuple[float, ...]]
    weights: Weights
    own: tuple[NDArray[np.float32], ...] = ()


@dataclass(frozen=True, slots=True)
class Lesson:
    """A replacement of the target in training: `answers`, a row for each training example, and the loss of a batch."""

    answers: NDArray[Any]
    loss: BatchLoss


def train(
    graph: Graph,
    train: Split,
    validation: Split,
    settings: TrainingSettings,
    seed: int,
    start: Mapping[str, NDArray[Any]] | None = None,
    target: Target | None = None,
    progress: Progress = unreported,
    checkpoint: Mapping[str, NDArray[Any]] | None = None,
    checkpoint_s: float = 60.0,
    lowering: Lowering | None = None,
    lesson: Lesson | None = None,
    regime: Regime | None = None,
) -> Trained:
    """Train for `target`, by default as many classes as the network has outputs.

    Training starts from the weights `start`, or from scratch. On CPU the same seed, threads and machine give the same
    weights to the last bit. `progress` is called after every epoch, counted from 1, and ends the training by returning
    False; every `checkpoint_s` seconds it gets a checkpoint. Given a `checkpoint`, the training continues from there
    and ends as it would have.

    `lowering` replaces the way in which the network is computed, `lesson` the target's answers and loss. A `regime`
    takes part in every step.

    A network of one output for classes is binary: its output is a logit, labels are 0 and 1. Raises `ValueError` when
    graph and data, or weights, do not fit each other, and `TrainingDiverged` when the loss is no longer finite.
    """
    target = target or classes_of(graph.outputs[0].shape[-1])
    logits = check_fit(graph, target, train, validation)
    layout = Layout.of(graph)
    if start is not None:
        check_weights(graph, start)
    values = initial_weights(graph, seed) if start is None else start
    keys = np.random.SeedSequence(seed).generate_state(1, np.uint32)
    loss_of = lesson.loss if lesson else batch_loss(target, settings)
    wanted = tf.constant(lesson.answers) if lesson else answers(train, target)
    descent = Descent(lowering or Plain(graph, logits), layout, settings, loss_of, regime)
    every_epoch = in_chunks if is_streamed(train.x, validation.x) else _at_once
    epoch = every_epoch(descent, train, wanted, validation, int(keys[0]))
    main = target.metrics[0].name
    if checkpoint is None:
        state = descent.start(values)
        best = _kept(descent, state)
        curves, metrics = list[tuple[float, float, float]](), {main: float("inf")}
    else:
        state, best, curves, metrics = _restored(checkpoint)
    saved_at = time.monotonic()
    for number in range(len(curves), settings.epochs):
        state, loss, outputs = epoch(state, number)
        losses = (loss, target.mean_loss(outputs, validation))
        if not np.isfinite(losses).all():
            raise TrainingDiverged(number + 1)
        scores = target.score(outputs, validation)
        rivals = [curve[1] for epoch, curve in enumerate(curves, 1) if _settled(regime, epoch, settings)]
        if not rivals or losses[1] < min(rivals):
            best, metrics = _kept(descent, state), scores
        curves.append((*losses, scores[main]))
        said: Mapping[str, NDArray[Any]] | None = None
        if time.monotonic() - saved_at >= checkpoint_s and number + 1 < settings.epochs:
            said, saved_at = _saved(state, best, curves, metrics), time.monotonic()
        if not progress(number + 1, {"loss": losses[0], "validation_loss": losses[1], main: scores[main]}, said):
            break
    names = ("loss", "validation_loss", f"validation_{main}")
    by_name = dict(zip(names, zip(*curves, strict=True), strict=True))
    trainable, moving, *own = (vector.numpy() for vector in best)
    kept = layout.values(trainable, moving)
    return Trained(metrics, by_name, {p.name: kept[p.name] for p in parameters(graph)}, tuple(own))


def train_on(
    state: TrainState,
    data: Splits,
    settings: TrainingSettings,
    seed: int,
    progress: Progress,
    checkpoint_s: float,
    lowering: Lowering | None = None,
    lesson: Lesson | None = None,
    regime: Regime | None = None,
) -> Trained:
    """Train a stage's network, from its weights and its checkpoint if it has any; raises as `train`."""
    return train(
        state.graph,
        data.train,
        data.validation,
        settings,
        seed,
        state.weights,
        data.target,
        progress,
        state.checkpoint,
        checkpoint_s,
        lowering,
        lesson,
        regime,
    )


def _kept(descent: Descent, state: tuple[Any, ...]) -> tuple[Any, ...]:
    """The kept part of a state: the weights with which it is evaluated, and the vectors of the regime."""
    return (*descent.answering(state), *descent.own(state))


def _settled(regime: Regime | None, epoch: int, settings: TrainingSettings) -> bool:
    return regime is None or regime.is_settled(epoch, settings.epochs)


def _saved(
    state: tuple[Any, ...], best: tuple[Any, ...], curves: list[tuple[float, float, float]], metrics: dict[str, float]
) -> dict[str, NDArray[Any]]:
    """All that later epochs depend on, as arrays."""
    parts = {"state": state, "best": best}
    arrays = {
        f"{name}/{place}": variable.numpy() for name, part in parts.items() for place, variable in enumerate(part)
    }
    return {**arrays, "curves": np.array(curves), **{f"metrics/{name}": np.array(v) for name, v in metrics.items()}}


def _restored(
    checkpoint: Mapping[str, NDArray[Any]],
) -> tuple[tuple[Any, ...], tuple[Any, ...], list[tuple[float, float, float]], dict[str, float]]:
    """The arguments of `_saved` from the arrays that it returned."""

    def part(name: str) -> dict[str, NDArray[Any]]:
        return {key.partition("/")[2]: v for key, v in checkpoint.items() if key.startswith(f"{name}/")}

    state, best = (tuple(tf.constant(v) for v in part(name).values()) for name in ("state", "best"))
    curves = [(float(row[0]), float(row[1]), float(row[2])) for row in checkpoint["curves"]]
    return state, best, curves, {name: float(v) for name, v in part("metrics").items()}


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The target's mean loss, such as cross-entropy in nats, and its scores."""

    loss: float
    metrics: dict[str, float]


def evaluate(
    graph: Graph, weights: Mapping[str, NDArray[Any]], split: Split, target: Target | None = None
) -> Evaluated:
    """Loss and scores of the float network on a split, batch norm folded. Raises `ValueError` where they do not fit."""
    target = target or classes_of(graph.outputs[0].shape[-1])
    check_fit(graph, target, split)
    given = answered(graph, weights, split.x, target)
    return Evaluated(target.mean_loss(given, split), target.score(given, split))


def answered(graph: Graph, weights: Mapping[str, NDArray[Any]], x: Rows, target: Target) -> NDArray[np.float32]:
    """The outputs of the float network, (number, outputs), batch norm folded: logits of classes, or values."""
    logits = check_fit(graph, target)
    check_weights(graph, weights)
    values = {name: tf.constant(value) for name, value in folded(graph, weights).items()}
    network = partial(_inferred, graph, values, logits)
    compiled = tf.function(partial(outputs, network), autograph=False, reduce_retracing=True)
    return outputs_in_chunks(compiled, x)


def _inferred(graph: Graph, values: Mapping[str, Any], logits: str, images: Any) -> Any:
    return forward(graph, values, images, logits)[0]


def check_fit(graph: Graph, target: Target, *parts: Split) -> str:
    """The name of the activation that holds the logits, or the output values of a target without cross-entropy.

    For cross-entropy a softmax, or the sigmoid of a single output, at the very end belongs to the loss. Raises
    `ValueError` for a network that cannot be trained on these data.
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
    if isinstance(last.op, Softmax) and last.op.beta != 1:
        raise ValueError("the softmax at the end of a network must have a beta of 1")
    sigmoid = isinstance(last.op, Activate) and last.op.function is Activation.SIGMOID
    if isinstance(last.op, Softmax) or (sigmoid and units == 1):
        return last.inputs[0].name
    return output.name


def _at_once(descent: Descent, train: Split, y: Any, validation: Split, key: int) -> Epoch:
    """An epoch as one call: steps over all examples with the answers `y`, then the outputs of the validation split."""
    x, x_validation = tf.constant(fed(train.x[:])), tf.constant(fed(validation.x[:]))
    steps = -(-len(train) // descent.settings.batch_size)
    bounds = np.arange(steps + 1) * len(train) // steps

    def call(x: Any, y: Any, x_validation: Any, state: Any, seed: Any) -> tuple[Any, Any, Any]:
        begin = tf.cast(seed[1], tf.int32) * steps
        batches = tf.constant(bounds, tf.int32)
        state, total = descent.steps(x, y, batches, state, seed, begin, descent.settings.epochs * steps)
        return state, total / steps, descent.outputs(state, x_validation)

    compiled = tf.function(call, autograph=False)

    def epoch(state: Any, number: int) -> tuple[Any, float, NDArray[np.float32]]:
        state, loss, given = compiled(x, y, x_validation, state, tf.constant([key, number], tf.int64))
        return state, float(loss), given.numpy()

    return epoch
