"""The mixture that gradient search trains is the networks of its space, and its gradients are what the papers say."""

import numpy as np
import pytest
import tensorflow as tf

from edgevolve.data import Classes
from edgevolve.graph import canonical
from edgevolve.training import TrainingSettings
from edgevolve.training.forward import forward
from edgevolve.training.linear_costs import ABOVE_ZERO, ABSOLUTE, PLAIN, Costs
from edgevolve.training.mixed import MixtureDescent, cost_of, decay_of, mixed_forward, weights_of
from edgevolve.training.weights import initial_weights
from search_space import CellSpace

SIGNAL = CellSpace((24, 1, 3), 4, layers=3, channels=2)
IMAGE = CellSpace((8, 8, 1), 3, layers=3, channels=2)
TINY = CellSpace((6, 1, 1), 3, layers=3, nodes=1, concat=1, channels=1, primitives=("skip_connect", "conv_bn_relu_3x1"))


def one_hot(mixture, selection):
    return [tf.one_hot(i, len(d.options)) for i, d in zip(selection, mixture.decisions, strict=True)]


@pytest.mark.parametrize("space", [SIGNAL, IMAGE], ids=["signal", "image"])
def test_the_mixture_of_one_option_a_decision_gives_what_the_built_network_gives(space):
    mixture = space.mixture()
    rng = np.random.default_rng(1)
    values = initial_weights(mixture.graph, 0)
    x = tf.constant(rng.standard_normal((16, *space.input_shape)), tf.float32)
    for _ in range(8):
        selection = tuple(int(rng.integers(len(d.options))) for d in mixture.decisions)
        graph, _ = canonical(space.graph(mixture.genotype(selection)))
        built, _ = forward(graph, mixture.inherited(selection, values), x, graph.outputs[0].name)
        np.testing.assert_allclose(mixed_forward(mixture, values, one_hot(mixture, selection), x), built, atol=1e-5)


def test_a_mixture_weighs_by_the_softmax_of_its_logits():
    mixture = SIGNAL.mixture()
    logits = np.random.default_rng(0).standard_normal(mixture.size).astype(np.float32)
    wanted = mixture.probabilities(logits)
    for found, chances in zip(weights_of(mixture.decisions, tf.constant(logits)).values(), wanted, strict=True):
        np.testing.assert_allclose(found, chances, rtol=1e-5)


def test_costs_count_as_their_kind_says():
    decisions = TINY.mixture().decisions
    logits = tf.constant([-50.0, 50.0, 0.0, -50.0, 0.0, 50.0])  # the skip in the normal cell, else the convolution
    slopes = np.array([[10.0, 20.0, 1.0, 2.0]] * 4, np.float32)
    costs = Costs(
        np.full(4, 100, np.float32),
        slopes,
        np.float32([1, 1, 1, 0.01]),
        np.float32([0, -200, -50, -2]),
        np.float32([1, 1, 3, 10]),
        np.int32([PLAIN, ABOVE_ZERO, ABOVE_ZERO, ABSOLUTE]),
    )
    expected = 100 + 10 + 2
    assert float(cost_of(decisions, logits, costs.arrays())) == pytest.approx(
        expected + 0 + 3 * (expected - 50) + 10 * abs(expected / 100 - 2), rel=1e-5
    )


def test_decay_is_the_mean_of_the_softmaxes_logarithms():
    decisions = TINY.mixture().decisions
    logits = np.array([1.0, 2.0, 0.0, -1.0, 0.5, 0.25])
    wanted = np.mean([np.log(np.exp(part).sum()) for part in np.split(logits, 2)])
    assert float(decay_of(decisions, tf.constant(logits, tf.float32))) == pytest.approx(wanted, rel=1e-6)


def gradient(descent, state, batch, held, rate):
    """What the logits' first moment becomes in one step, over 1 - β1."""

    @tf.function(autograph=False)
    def moved(state):
        empty = Costs(
            *(np.zeros(0, np.float32),),
            np.zeros((0, 4), np.float32),
            *[np.zeros(0, np.float32)] * 3,
            np.zeros(0, np.int32),
        )
        return descent.move_logits(state, batch, held, empty.arrays(), tf.constant(0.0), tf.constant(0), rate)[1]

    return moved(state)[-2].numpy() / 0.5


def test_the_unrolled_gradient_is_that_of_the_loss_one_step_of_the_weights_ahead():
    mixture = TINY.mixture()
    rng = np.random.default_rng(3)
    batch, held = (
        (tf.constant(rng.standard_normal((32, 6, 1, 1)), tf.float32), tf.constant(rng.integers(3, size=32)))
        for _ in range(2)
    )
    more = {"logits_rate": 0.01, "beta_decay": 0.0}
    settings = TrainingSettings(optimiser="sgd", weight_decay=0.0)
    second = MixtureDescent.of(mixture, Classes(3), settings, second_order=True, **more)
    first = MixtureDescent.of(mixture, Classes(3), settings, second_order=False, **more)
    state = first.start(initial_weights(mixture.graph, 5), rng.standard_normal(mixture.size))
    rate = 0.5
    found = gradient(second, state, batch, held, rate)
    trainable, moving, *_, logits, _, _ = state

    def ahead(logits):
        with tf.GradientTape() as tape:
            tape.watch(trainable)
            loss = first.loss(trainable, moving, logits, batch)
        return first.loss(trainable - rate * tape.gradient(loss, trainable), moving, logits, held)

    step = 1e-2
    wanted = [
        (ahead(logits + step * unit) - ahead(logits - step * unit)).numpy() / (2 * step)
        for unit in np.eye(mixture.size, dtype=np.float32)
    ]
    plain = gradient(first, state, batch, held, rate)
    assert np.abs(found - wanted).max() < 0.1 * np.abs(plain - wanted).max()
    np.testing.assert_allclose(found, wanted, atol=1e-3)
