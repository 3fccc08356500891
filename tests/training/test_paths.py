"""Of a mixture only the paths drawn are computed, and they are the networks of the space."""

import numpy as np
import pytest
import tensorflow as tf

from edgevolve.data import Classes
from edgevolve.graph import canonical
from edgevolve.training import TrainingSettings
from edgevolve.training.forward import forward
from edgevolve.training.in_turn import Weights
from edgevolve.training.linear_costs import Costs
from edgevolve.training.mixed import mixed_forward
from edgevolve.training.paths import Chosen, Paths, path_forward
from edgevolve.training.weights import initial_weights
from search_space import CellSpace, MobileSpace

MOBILE = MobileSpace((16, 16, 1), 4, max_stages=2, depths=(1, 3), max_filters=16)
CELLS = CellSpace((16, 1, 2), 4, layers=3, nodes=3, concat=1, channels=2)


def one_path(selection):
    return [Chosen(tf.constant([option]), tf.ones(1)) for option in selection]


@pytest.mark.slow
@pytest.mark.parametrize("space", [MOBILE, CELLS], ids=["mobile", "cells of which one node is read"])
def test_a_path_gives_what_the_built_network_gives_and_one_trace_serves_all(space):
    mixture = space.mixture()
    rng = np.random.default_rng(1)
    values = initial_weights(mixture.graph, 0)
    x = tf.constant(rng.standard_normal((8, *space.input_shape)), tf.float32)

    @tf.function(autograph=False)
    def along(options):
        chosen = [Chosen(options[i : i + 1], tf.ones(1)) for i in range(len(mixture.decisions))]
        return path_forward(mixture.graph, values, x, chosen)

    for _ in range(10):
        selection = tuple(int(rng.integers(len(d.options))) for d in mixture.decisions)
        genotype = mixture.genotype(selection)
        assert space.from_json(space.to_json(genotype)) == genotype
        graph, _ = canonical(space.graph(genotype))
        built, _ = forward(graph, mixture.inherited(selection, values), x, graph.outputs[0].name)
        np.testing.assert_allclose(along(tf.constant(selection)), built, atol=1e-5)
    assert along.experimental_get_tracing_count() == 1


def test_gates_weigh_the_options_as_a_mixture_does():
    mixture = CELLS.mixture()
    rng = np.random.default_rng(2)
    values = initial_weights(mixture.graph, 0)
    x = tf.constant(rng.standard_normal((4, 16, 1, 2)), tf.float32)
    every = [tf.constant(rng.random(len(d.options)), tf.float32) for d in mixture.decisions]
    mixed = mixed_forward(mixture, values, every, x)
    np.testing.assert_allclose(
        path_forward(mixture.graph, values, x, [Chosen(None, g) for g in every]), mixed, atol=1e-4
    )
    pairs = [tf.constant([2, 0]) for _ in every]
    two = [tf.scatter_nd([[2], [0]], tf.constant([0.25, 0.75]), [len(d.options)]) for d in mixture.decisions]
    chosen = [Chosen(pair, tf.constant([0.25, 0.75])) for pair in pairs]
    np.testing.assert_allclose(
        path_forward(mixture.graph, values, x, chosen), mixed_forward(mixture, values, two, x), atol=1e-4
    )


def test_the_gradient_along_a_path_is_that_of_the_built_network_and_zero_elsewhere():
    space = MobileSpace((8, 8, 1), 4, max_stages=1, depths=(1, 2), max_filters=8)
    mixture = space.mixture()
    values = {name: tf.constant(value) for name, value in initial_weights(mixture.graph, 0).items()}
    names = [name for name in values if name.endswith(("kernel", "bias", "gamma", "beta"))]
    x = tf.random.stateless_normal((8, 8, 8, 1), (0, 1))

    @tf.function(autograph=False)
    def slopes(options):
        chosen = [Chosen(options[i : i + 1], tf.ones(1)) for i in range(len(mixture.decisions))]
        loss = tf.reduce_sum(tf.square(path_forward(mixture.graph, values, x, chosen)))
        return tf.gradients(loss, [values[name] for name in names], unconnected_gradients="zero")

    for selection in ((3, 0), (6, 1)):
        given = dict(zip(names, slopes(tf.constant(selection)), strict=True))
        graph, _ = canonical(mixture.reduced(selection)[0])
        with tf.GradientTape() as tape:
            own = mixture.inherited(selection, values)
            tape.watch(own)
            built, _ = forward(graph, own, x, graph.outputs[0].name)
            loss = tf.reduce_sum(tf.square(built))
        wanted = {name: slope for name, slope in tape.gradient(loss, own).items() if slope is not None}
        along = mixture.inherited(selection, given)
        assert wanted.keys() <= along.keys()
        for name, slope in wanted.items():
            np.testing.assert_allclose(along[name], slope, atol=1e-4, rtol=1e-4)
        assert sum(np.any(slope) for slope in given.values()) == sum(np.any(slope) for slope in wanted.values())


@pytest.mark.slow
@pytest.mark.parametrize("update", ["two", "full", "reinforce"])
def test_every_update_moves_the_logits_to_what_costs_less(update):
    space = MobileSpace((8, 8, 1), 2, max_stages=1, depths=(1, 2), max_filters=8)
    mixture = space.mixture()
    method = Paths(Weights.of(mixture, Classes(2), TrainingSettings()), 0.1, every=1, warm_up=0, update=update)
    rng = np.random.default_rng(0)
    held = tf.constant(rng.standard_normal((16, 8, 8, 1)), tf.float32), tf.constant(rng.integers(2, size=16))
    one, free = np.ones(1, np.float32), (4, 1)
    slopes = np.array([[float(i not in (free[0], 9 + free[1])) for i in range(mixture.size)]], np.float32)
    costs = Costs(0 * one, slopes, one, 0 * one, 5 * one, np.zeros(1, np.int32)).arrays()

    @tf.function(autograph=False)
    def step(state, done):
        seed = tf.stack([tf.constant(7, tf.int64), tf.cast(done, tf.int64)])
        return method.move_logits(state, held, held, costs, done, 0.1, seed)

    state = method.weights.first(0, 0.0)
    for done in range(12):
        loss, state = step(state, tf.constant(done))
        assert np.isfinite(loss)
    assert next(mixture.best(state[-3].numpy())) == free


@pytest.mark.slow
def test_before_the_warm_up_ends_no_logits_move_and_between_moves_none_either():
    space = MobileSpace((8, 8, 1), 2, max_stages=1, depths=(1, 2), max_filters=8)
    weights = Weights.of(space.mixture(), Classes(2), TrainingSettings())
    method = Paths(weights, 0.1, every=2, warm_up=4, update="two")
    held = tf.random.stateless_normal((4, 8, 8, 1), (0, 1)), tf.constant([0, 1, 0, 1])
    empty = np.zeros(0, np.float32)
    nothing = Costs(empty, np.zeros((0, 11), np.float32), empty, empty, empty, np.zeros(0, np.int32)).arrays()
    state = weights.first(0, 1.0)
    step = tf.function(
        lambda done: method.move_logits(state, held, held, nothing, done, 0.1, tf.constant([0, 0], tf.int64))[1][-3],
        autograph=False,
    )
    moves = [bool(np.any(step(tf.constant(done)).numpy() != state[-3].numpy())) for done in range(7)]
    assert moves == [False, False, False, False, True, False, True]
