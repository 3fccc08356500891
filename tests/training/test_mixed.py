"""The mixture that gradient search trains is the networks of its space, and its gradients are what the papers say."""

import numpy as np
import pytest
import tensorflow as tf

from edgevolve.data import Classes
from edgevolve.graph import canonical
from edgevolve.training import TrainingSettings
from edgevolve.training.forward import forward
from edgevolve.training.in_turn import Weights
from edgevolve.training.linear_costs import ABOVE_ZERO, ABSOLUTE, PLAIN, Costs
from edgevolve.training.mixed import Mixed, cost_of, mixed_forward, weights_of
from edgevolve.training.weights import initial_weights
from search_space import CellSpace, MobileSpace

SIGNAL = CellSpace((24, 1, 3), 4, layers=3, channels=2)
IMAGE = CellSpace((8, 8, 1), 3, layers=3, channels=2)
MOBILE = MobileSpace((16, 16, 1), 4, max_stages=2, depths=(1, 3), max_filters=16)
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("space", "number"), [(SIGNAL, 170), (IMAGE, 170), (MOBILE, 160)], ids=["signal", "image", "mobile"]
)
def test_five_hundred_selections_are_the_networks_that_are_built(space, number):
    mixture = space.mixture()
    rng = np.random.default_rng(7)
    values = initial_weights(mixture.graph, 0)
    x = tf.constant(rng.standard_normal((4, *space.input_shape)), tf.float32)

    @tf.function(autograph=False)
    def mixed(selection):
        chosen = [tf.one_hot(selection[i], len(d.options)) for i, d in enumerate(mixture.decisions)]
        return mixed_forward(mixture, values, chosen, x)

    for _ in range(number):
        selection = tuple(int(rng.integers(len(d.options))) for d in mixture.decisions)
        graph, _ = canonical(space.graph(mixture.genotype(selection)))
        built, _ = forward(graph, mixture.inherited(selection, values), x, graph.outputs[0].name)
        np.testing.assert_allclose(mixed(tf.constant(selection)), built, rtol=1e-5, atol=1e-5)
    assert mixed.experimental_get_tracing_count() == 1


def test_a_mixture_weighs_by_the_softmax_of_its_logits():
    mixture = SIGNAL.mixture()
    logits = np.random.default_rng(0).standard_normal(mixture.size).astype(np.float32)
    wanted = mixture.probabilities(logits)
    for softmaxes, chances in zip(weights_of(mixture.decisions, tf.constant(logits)).values(), wanted, strict=True):
        np.testing.assert_allclose(softmaxes, chances, rtol=1e-5)


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


def nothing(options, decay=0.0):
    empty = np.zeros(0, np.float32)
    return Costs(empty, np.zeros((0, options), np.float32), empty, empty, empty, np.zeros(0, np.int32), decay)


def test_decay_counts_the_mean_of_the_softmaxes_logarithms():
    decisions = TINY.mixture().decisions
    logits = np.array([1.0, 2.0, 0.0, -1.0, 0.5, 0.25])
    wanted = 0.3 * np.mean([np.log(np.exp(part).sum()) for part in np.split(logits, 2)])
    decay = cost_of(decisions, tf.constant(logits, tf.float32), nothing(4, 0.3).arrays())
    assert float(decay) == pytest.approx(wanted, rel=1e-6)


def gradient(method, state, batch, held, rate):
    """What the logits' first moment becomes in one step, over 1 - β1."""

    @tf.function(autograph=False)
    def moved(state):
        seed = tf.constant([0, 0], tf.int64)
        return method.move_logits(state, batch, held, nothing(4).arrays(), tf.constant(0), rate, seed)[1]

    return moved(state)[-2].numpy() / 0.5


def test_the_unrolled_gradient_is_that_of_the_loss_one_step_of_the_weights_ahead():
    mixture = TINY.mixture()
    rng = np.random.default_rng(3)
    batch, held = (
        (tf.constant(rng.standard_normal((32, 6, 1, 1)), tf.float32), tf.constant(rng.integers(3, size=32)))
        for _ in range(2)
    )
    weights = Weights.of(mixture, Classes(3), TrainingSettings(optimiser="sgd", weight_decay=0.0))
    first, second = Mixed(weights, 0.01, False), Mixed(weights, 0.01, True)
    state = weights.first(5, 1.0)
    rate = 0.05
    unrolled = gradient(second, state, batch, held, rate)
    trainable, moving, *_, logits, _, _ = state

    def ahead(logits):
        with tf.GradientTape() as tape:
            tape.watch(trainable)
            loss = first.loss(trainable, moving, logits, batch)
        return first.loss(trainable - rate * tape.gradient(loss, trainable), moving, logits, held)

    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = ahead(logits)
    wanted = tape.gradient(loss, logits).numpy()
    step = 1e-3  # a larger one crosses the kinks of ReLU
    sides = [(ahead(logits + step * unit) - ahead(logits - step * unit)) / (2 * step) for unit in np.eye(mixture.size)]
    np.testing.assert_allclose(wanted, sides, atol=1e-3)
    np.testing.assert_allclose(unrolled, wanted, atol=1e-6)
    assert np.abs(gradient(first, state, batch, held, rate) - wanted).max() > 1e-3
