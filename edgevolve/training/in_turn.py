"""Trains weights and logits of a mixture alternately; an epoch is one compiled call.

A step moves the logits on a batch of one part of the training split, then the weights on a batch of the other. Batch
norm always takes the statistics of its batch: the networks that are kept are trained anew.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from edgevolve.data import Split, Target
from edgevolve.training.augment import as_float
from edgevolve.training.descent import OPTIMISE, SLOTS, Layout, gradients, learning_rate
from edgevolve.training.linear_costs import Costs
from edgevolve.training.losses import BatchLoss, batch_loss
from edgevolve.training.settings import TrainingSettings
from edgevolve.training.streaming import answers
from edgevolve.training.weights import initial_weights
from search_space.mixture import Mixture


@dataclass(frozen=True, slots=True)
class Weights:
    """The training of a mixture's weights."""

    mixture: Mixture[Any]
    layout: Layout
    settings: TrainingSettings
    batch_loss: BatchLoss

    @classmethod
    def of(cls, mixture: Mixture[Any], target: Target, settings: TrainingSettings) -> "Weights":
        """The weights of a mixture for a target. Raises `ValueError` where their outputs do not fit."""
        if mixture.graph.outputs[0].shape[1] != target.outputs:
            raise ValueError(f"networks of {mixture.graph.outputs[0].shape[1]} outputs do not fit {target.outputs}")
        return cls(mixture, Layout.of(mixture.graph), settings, batch_loss(target, settings))

    @property
    def slots(self) -> int:
        """The number of vectors that the optimiser keeps."""
        return SLOTS[self.settings.optimiser]

    def first(self, seed: int, deviation: float) -> tuple[Any, ...]:
        """The state before training, flat vectors: (weights, moving, slots ..., logits, their two moments).

        Weights are those of `initial_weights`. Logits are normal with the standard deviation `deviation`.
        """
        trainable, moving = map(tf.constant, self.layout.flat(initial_weights(self.mixture.graph, seed)))
        logits = tf.constant(
            np.random.default_rng([seed, 1]).standard_normal(self.mixture.size) * deviation, tf.float32
        )
        return trainable, moving, *[tf.zeros_like(trainable)] * self.slots, logits, *[tf.zeros_like(logits)] * 2

    def values(self, state: Any) -> dict[str, Any]:
        """The weights of a state as tensors by name."""
        layout = self.layout
        return layout.tensors(layout.trainable, state[0]) | layout.tensors(layout.moving, state[1])

    def moved(self, state: Any, loss: Any, done: Any, rate: Any) -> tuple[Any, ...]:
        """The state after one step of the weights down the gradient of `loss`; `done` steps were made before."""
        trainable, moving, *slots, logits, first, second = state
        (gradient,) = gradients(loss, trainable)
        if self.settings.clip_norm is not None:
            (gradient,), _ = tf.clip_by_global_norm([gradient], self.settings.clip_norm)
        decay = np.concatenate([np.full(p.size, p.is_kernel, np.float32) for p in self.layout.trainable])
        decay *= self.settings.weight_decay
        optimise = OPTIMISE[self.settings.optimiser]
        trainable, slots = optimise(trainable, gradient, slots, rate, tf.constant(decay), done)
        return trainable, moving, *slots, logits, first, second


class InTurn(Protocol):
    """A gradient search: the steps of logits and of weights.

    `done` steps were made before; `seed` is this step's, two int64. A batch is (examples, answers).
    """

    @property
    def weights(self) -> Weights:
        """How the weights are trained."""

    def move_logits(
        self, state: Any, batch: Any, held: Any, costs: Any, done: Any, rate: Any, seed: Any
    ) -> tuple[Any, Any]:
        """Move the logits: the loss of the batch `held`, and the new state.

        `batch` is the one on which the weights move next, at `rate`. `costs` are the arrays of `Costs`.
        """

    def move_weights(self, state: Any, batch: Any, done: Any, rate: Any, seed: Any) -> tuple[Any, Any]:
        """Move the weights at `rate`: the loss of the batch, and the new state."""


def epoch(search: InTurn, train: Split, other: Split, target: Target, key: int) -> Callable[..., Any]:
    """A compiled pass over `train`: (state, number of the epoch, costs) -> (state, mean losses).

    The losses are those of `train` and of `other`, on which the logits move. `key` decides everything random.
    """
    settings = search.weights.settings
    x, x_other = tf.constant(train.x[:]), tf.constant(other.x[:])
    wanted, wanted_other = answers(train, target), answers(other, target)
    steps = -(-len(train) // settings.batch_size)
    size = min(settings.batch_size, len(other))
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

        def step(index: Any, totals: Any, *state: Any) -> tuple[Any, ...]:
            done = begin + index
            rows = orders[0][limits[index] : limits[index + 1]]
            others = tf.gather(orders[1], (index * size + tf.range(size)) % len(other))
            batch = as_float(tf.gather(x, rows)), tf.gather(wanted, rows)
            held = as_float(tf.gather(x_other, others)), tf.gather(wanted_other, others)
            rate = learning_rate(settings, done, settings.epochs * steps)
            own = tf.stack([seed[0], tf.cast(done, tf.int64)])
            first, state = search.move_logits(state, batch, held, costs, done, rate, own)
            second, state = search.move_weights(state, batch, done, rate, own)
            return index + 1, totals + tf.stack([second, first]), *state

        start = (0, tf.zeros(2), *state)
        _, totals, *after = tf.while_loop(lambda i, *_: i < steps, step, start, parallel_iterations=1)
        return tuple(after), totals / steps

    compiled = tf.function(call, autograph=False)

    def run(state: Any, number: int, costs: Costs) -> Any:
        state, losses = compiled(state, costs.arrays(), tf.constant([key, number], tf.int64))
        return state, losses.numpy()

    return run


def adam(
    logits: Any, moments: Any, gradient: Any, rate: Any, betas: tuple[float, float], count: Any
) -> tuple[Any, Any]:
    """The logits and their two moments after step `count`, from 1, of Adam (Kingma & Ba, 2015)."""
    first = betas[0] * moments[0] + (1 - betas[0]) * gradient
    second = betas[1] * moments[1] + (1 - betas[1]) * tf.square(gradient)
    count = tf.cast(count, tf.float32)
    unbiased = rate * tf.sqrt(1 - betas[1] ** count) / (1 - betas[0] ** count)
    return logits - unbiased * first / (tf.sqrt(second) + 1e-8), (first, second)
