"""Weights and logits of a mixture, trained in turn, as TensorFlow operations (Liu et al. 2019, arXiv 1806.09055).

An epoch is one compiled call. A step moves the logits on a batch of one part of the training split, then the weights
on a batch of the other. Batch norm always takes the statistics of its batch: what is kept is trained anew.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from edgevolve.data import Split, Target
from edgevolve.training.augment import as_float
from edgevolve.training.descent import OPTIMISE, Layout, learning_rate
from edgevolve.training.forward import forward
from edgevolve.training.linear_costs import ABOVE_ZERO, ABSOLUTE, Costs
from edgevolve.training.losses import BatchLoss, batch_loss
from edgevolve.training.settings import TrainingSettings
from edgevolve.training.streaming import answers
from edgevolve.training.weights import initial_weights
from search_space.mixture import Decision, Mix, Mixture

_LOGITS_BETAS = (0.5, 0.999)


@dataclass(frozen=True, slots=True)
class MixtureDescent:
    """What stays the same while a mixture is trained; `logits_rate` is Adam's, `beta_decay` the last epoch's."""

    mixture: Mixture[Any]
    layout: Layout
    settings: TrainingSettings
    batch_loss: BatchLoss
    logits_rate: float
    beta_decay: float
    second_order: bool

    @classmethod
    def of(cls, mixture: Mixture[Any], target: Target, settings: TrainingSettings, **more: Any) -> "MixtureDescent":
        """For data of a target. Raises `ValueError` where they do not fit."""
        if mixture.graph.outputs[0].shape[1] != target.outputs:
            raise ValueError(f"networks of {mixture.graph.outputs[0].shape[1]} outputs do not fit {target.outputs}")
        return cls(mixture, Layout.of(mixture.graph), settings, batch_loss(target, settings), **more)

    def first(self, seed: int, deviation: float) -> tuple[Any, ...]:
        """The state before training: new weights, and logits normal with a `deviation`."""
        logits = np.random.default_rng([seed, 1]).standard_normal(self.mixture.size) * deviation
        return self.start(initial_weights(self.mixture.graph, seed), logits)

    def start(self, values: Mapping[str, NDArray[Any]], logits: NDArray[Any]) -> tuple[Any, ...]:
        """The state (trainable, moving, slots of the optimiser ..., logits, their two moments), flat vectors."""
        trainable, moving = (tf.constant(vector) for vector in self.layout.flat(values))
        slots = 1 if self.settings.optimiser == "sgd" else 2
        rest = [tf.zeros_like(trainable)] * slots
        first = tf.constant(logits, tf.float32)
        return trainable, moving, *rest, first, tf.zeros_like(first), tf.zeros_like(first)

    def epoch(self, train: Split, other: Split, target: Target, key: int) -> Callable[..., Any]:
        """A compiled pass: from (state, number of the epoch, costs) to the state and the mean losses of both parts."""
        x, x_other = tf.constant(train.x[:]), tf.constant(other.x[:])
        wanted, wanted_other = answers(train, target), answers(other, target)
        steps = -(-len(train) // self.settings.batch_size)
        size = min(self.settings.batch_size, len(other))
        bounds = np.arange(steps + 1) * len(train) // steps

        def call(state: Any, costs: Any, seed: Any) -> Any:
            orders = [
                tf.random.experimental.stateless_shuffle(
                    tf.range(len(part)), seed + tf.constant([place << 32, 0], tf.int64)
                )
                for place, part in enumerate((train, other))
            ]
            limits = tf.constant(bounds, tf.int32)
            begin = tf.cast(seed[1], tf.int32) * steps
            share = tf.cast(seed[1], tf.float32) / self.settings.epochs

            def step(index: Any, totals: Any, *state: Any) -> tuple[Any, ...]:
                rows = orders[0][limits[index] : limits[index + 1]]
                others = tf.gather(orders[1], (index * size + tf.range(size)) % len(other))
                batch = as_float(tf.gather(x, rows)), tf.gather(wanted, rows)
                held = as_float(tf.gather(x_other, others)), tf.gather(wanted_other, others)
                rate = learning_rate(self.settings, begin + index, self.settings.epochs * steps)
                first, state = self.move_logits(state, batch, held, costs, share, begin + index, rate)
                second, state = self._move_weights(state, batch, begin + index, rate)
                return index + 1, totals + tf.stack([second, first]), *state

            start = (0, tf.zeros(2), *state)
            _, totals, *after = tf.while_loop(lambda i, *_: i < steps, step, start, parallel_iterations=1)
            return tuple(after), totals / steps

        compiled = tf.function(call, autograph=False)

        def run(state: Any, number: int, costs: Costs) -> Any:
            state, losses = compiled(state, costs.arrays(), tf.constant([key, number], tf.int64))
            return state, losses.numpy()

        return run

    def loss(self, trainable: Any, moving: Any, logits: Any, batch: tuple[Any, Any]) -> Any:
        """The mean loss of the mixture on a batch."""
        layout = self.layout
        values = layout.tensors(layout.trainable, trainable) | layout.tensors(layout.moving, moving)
        values |= weights_of(self.mixture.decisions, logits)
        given, _ = forward(self.mixture.graph, values, batch[0], self.mixture.graph.outputs[0].name)
        return self.batch_loss(given, batch[1], batch[0])

    def move_logits(
        self, state: Any, batch: Any, held: Any, costs: Any, share: Any, done: Any, rate: Any
    ) -> tuple[Any, Any]:
        """One step of Adam on the logits: the loss of the batch `held`, and the state. `batch` trains the weights."""
        trainable, moving, *slots, logits, first, second = state
        weights = trainable
        if self.second_order:  # one step of the weights on (the paper's equation 6)
            (ahead,) = tf.gradients(self.loss(trainable, moving, logits, batch), trainable)
            weights = tf.stop_gradient(trainable - rate * ahead)
        loss = self.loss(weights, moving, logits, held)
        extra = cost_of(self.mixture.decisions, logits, costs)
        extra += self.beta_decay * share * decay_of(self.mixture.decisions, logits)
        gradient, slope = tf.gradients(loss + extra, [logits, weights])
        if self.second_order:  # equation 7, whose product the paper takes by finite differences
            (curvature,) = tf.gradients(ahead, logits, tf.stop_gradient(slope))
            gradient -= rate * curvature
        beta_1, beta_2 = _LOGITS_BETAS
        count = tf.cast(done, tf.float32) + 1
        first = beta_1 * first + (1 - beta_1) * gradient
        second = beta_2 * second + (1 - beta_2) * tf.square(gradient)
        unbiased = self.logits_rate * tf.sqrt(1 - beta_2**count) / (1 - beta_1**count)
        logits -= unbiased * first / (tf.sqrt(second) + 1e-8)
        return loss, (trainable, moving, *slots, logits, first, second)

    def _move_weights(self, state: Any, batch: Any, done: Any, rate: Any) -> tuple[Any, Any]:
        trainable, moving, *slots, logits, first, second = state
        loss = self.loss(trainable, moving, tf.stop_gradient(logits), batch)
        (gradient,) = tf.gradients(loss, trainable)
        if self.settings.clip_norm is not None:
            (gradient,), _ = tf.clip_by_global_norm([gradient], self.settings.clip_norm)
        decay = np.concatenate([np.full(p.size, p.is_kernel, np.float32) for p in self.layout.trainable])
        decay *= self.settings.weight_decay
        trainable, slots = OPTIMISE[self.settings.optimiser](trainable, gradient, slots, rate, tf.constant(decay), done)
        return loss, (trainable, moving, *slots, logits, first, second)


def _softmaxes(decisions: tuple[Decision, ...], logits: Any) -> list[list[Any]]:
    """The softmax of every group, decision by decision, without the share of nothing."""
    sizes = [group + decision.none for decision in decisions for group in decision.groups]
    parts = iter(tf.split(logits, sizes))
    return [[tf.nn.softmax(next(parts))[int(d.none) :] for _ in d.groups] for d in decisions]


def weights_of(decisions: tuple[Decision, ...], logits: Any) -> dict[str, Any]:
    """How much of each option is mixed in, by the names that `Mix` reads."""
    softmaxes = _softmaxes(decisions, logits)
    return {Mix(i).weight: tf.concat(parts, axis=0) for i, parts in enumerate(softmaxes)}


def cost_of(decisions: tuple[Decision, ...], logits: Any, costs: tuple[Any, ...]) -> Any:
    """The sum of the metrics' weighted figures when each option is as likely as its share of the decision."""
    bases, slopes, scales, offsets, weights, kinds = costs
    shares = [tf.concat(parts, axis=0) for parts in _softmaxes(decisions, logits)]
    likely = tf.concat([share / tf.reduce_sum(share) for share in shares], axis=0)
    figures = (bases + tf.linalg.matvec(slopes, likely)) * scales + offsets
    above = tf.where(kinds == ABOVE_ZERO, tf.nn.relu(figures), figures)
    return tf.reduce_sum(weights * tf.where(kinds == ABSOLUTE, tf.abs(figures), above))


def decay_of(decisions: tuple[Decision, ...], logits: Any) -> Any:
    """The mean over softmaxes of the logarithm of their sum: β-decay (Ye et al. 2022, arXiv 2203.01665)."""
    sizes = [group + decision.none for decision in decisions for group in decision.groups]
    return tf.reduce_mean(tf.stack([tf.reduce_logsumexp(part) for part in tf.split(logits, sizes)]))


def mixed_forward(mixture: Mixture[Any], values: Mapping[str, Any], weights: list[Any], x: Any) -> Any:
    """What the mixture gives for `x` when decision i takes `weights[i]`, one for each option."""
    mixed = {Mix(i).weight: one for i, one in enumerate(weights)}
    return forward(mixture.graph, {**values, **mixed}, x, mixture.graph.outputs[0].name)[0]
