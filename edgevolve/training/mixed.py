"""DARTS (Liu et al. 2019, arXiv 1806.09055) as TensorFlow operations: a weighted sum of all options is computed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from edgevolve.training.descent import gradients
from edgevolve.training.forward import forward
from edgevolve.training.in_turn import Weights, adam
from edgevolve.training.linear_costs import ABOVE_ZERO, ABSOLUTE, LOGARITHM
from search_space.mixture import Decision, Mix, Mixture

_BETAS = (0.5, 0.999)
_LEAST_LOG = 0.01
"""The least logarithm of a figure, so that the factor stays finite."""


@dataclass(frozen=True, slots=True)
class Mixed:
    """The gradient search of DARTS, an `InTurn`; `logits_rate` is the learning rate of Adam."""

    weights: Weights
    logits_rate: float
    second_order: bool

    def loss(self, trainable: Any, moving: Any, logits: Any, batch: tuple[Any, Any]) -> Any:
        """The mean loss of the mixture on a batch."""
        mixture = self.weights.mixture
        values = self.weights.values((trainable, moving)) | weights_of(mixture.decisions, logits)
        given, _ = forward(mixture.graph, values, batch[0], mixture.graph.outputs[0].name)
        return self.weights.batch_loss(given, batch[1], batch[0])

    def move_logits(
        self, state: Any, batch: Any, held: Any, costs: Any, done: Any, rate: Any, seed: Any
    ) -> tuple[Any, Any]:
        """One step of Adam on the loss of `held`, the costs and the decay of the logits."""
        trainable, moving, *slots, logits, first, second = state
        decisions = self.weights.mixture.decisions
        seen = trainable
        if self.second_order:  # weights one step ahead (the paper's equation 6)
            (ahead,) = gradients(self.loss(trainable, moving, logits, batch), trainable)
            seen = tf.stop_gradient(trainable - rate * ahead)
        loss = self.loss(seen, moving, logits, held)
        gradient, slope = gradients(loss + cost_of(decisions, logits, costs), [logits, seen])
        if self.second_order:  # equation 7; the paper takes this product by finite differences
            (curvature,) = gradients(ahead, logits, tf.stop_gradient(slope))
            gradient -= rate * curvature
        logits, moments = adam(logits, (first, second), gradient, self.logits_rate, _BETAS, done + 1)
        return loss, (trainable, moving, *slots, logits, *moments)

    def move_weights(self, state: Any, batch: Any, done: Any, rate: Any, seed: Any) -> tuple[Any, Any]:
        """One step on the loss of the mixture."""
        loss = self.loss(state[0], state[1], tf.stop_gradient(state[-3]), batch)
        return loss, self.weights.moved(state, loss, done, rate)


def _softmaxes(decisions: tuple[Decision, ...], logits: Any) -> list[list[Any]]:
    """The softmax of every group, decision by decision, without the share of the option that is nothing."""
    sizes = [group + decision.none for decision in decisions for group in decision.groups]
    parts = iter(tf.split(logits, sizes))
    return [[tf.nn.softmax(next(parts))[int(d.none) :] for _ in d.groups] for d in decisions]


def weights_of(decisions: tuple[Decision, ...], logits: Any) -> dict[str, Any]:
    """The weights of the options of each decision, by the names that `Mix` reads."""
    softmaxes = _softmaxes(decisions, logits)
    return {Mix(i).weight: tf.concat(parts, axis=0) for i, parts in enumerate(softmaxes)}


def cost_of(decisions: tuple[Decision, ...], logits: Any, costs: tuple[Any, ...]) -> Any:
    """The cost of the logits by the arrays of `Costs`: expected figures, where an option's share is its probability.

    The decay term is the mean log-sum-exp of the softmaxes: β-decay (Ye et al. 2022, arXiv 2203.01665).
    """
    _, _, scales, offsets, weights, kinds, decay = costs
    weights = tf.where(kinds == LOGARITHM, 0.0, weights)
    figures = _expected(decisions, logits, costs) * scales + offsets
    above = tf.where(kinds == ABOVE_ZERO, tf.nn.relu(figures), figures)
    sizes = [group + decision.none for decision in decisions for group in decision.groups]
    size = tf.reduce_mean(tf.stack([tf.reduce_logsumexp(part) for part in tf.split(logits, sizes)]))
    return tf.reduce_sum(weights * tf.where(kinds == ABSOLUTE, tf.abs(figures), above)) + decay * size


def factor_of(decisions: tuple[Decision, ...], logits: Any, costs: tuple[Any, ...]) -> Any:
    """The factor of the loss from figures of the kind `LOGARITHM`; 1 without any."""
    _, _, scales, offsets, weights, kinds, _ = costs
    is_factor = kinds == LOGARITHM
    figures = tf.where(is_factor, _expected(decisions, logits, costs) * scales, 2.0)
    ratios = tf.maximum(tf.math.log(tf.maximum(figures, 1.0)), _LEAST_LOG) / tf.where(
        is_factor, tf.math.log(tf.where(is_factor, offsets, 2.0)), 1.0
    )
    return tf.exp(tf.reduce_sum(tf.where(is_factor, weights * tf.math.log(ratios), 0.0)))


def _expected(decisions: tuple[Decision, ...], logits: Any, costs: tuple[Any, ...]) -> Any:
    """The expected figures, (metrics,), where an option's share is its probability."""
    shares = [tf.concat(parts, axis=0) for parts in _softmaxes(decisions, logits)]
    likely = tf.concat([share / tf.reduce_sum(share) for share in shares], axis=0)
    return costs[0] + tf.linalg.matvec(costs[1], likely)


def mixed_forward(mixture: Mixture[Any], values: Mapping[str, Any], weights: list[Any], x: Any) -> Any:
    """The mixture's output for `x` with weights `weights[i]`, (options,), for decision i."""
    mixed = {Mix(i).weight: weight for i, weight in enumerate(weights)}
    return forward(mixture.graph, {**values, **mixed}, x, mixture.graph.outputs[0].name)[0]
