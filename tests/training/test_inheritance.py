"""A network begins with the weights of the one that it was made of."""

import numpy as np
import pytest
import tensorflow as tf

from edgevolve.graph import (
    Activation,
    Add,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    GraphBuilder,
    MaxPool2D,
    from_json,
    to_json,
)
from edgevolve.training.forward import forward
from edgevolve.training.inheritance import inherited
from edgevolve.training.weights import check_weights, folded, initial_weights, parameters
from tests.training.small_spaces import SPACES

RELU = Activation.RELU


def weights_of(graph, seed=0):
    """None of them 0 or 1, as after a training."""
    rng = np.random.default_rng(seed)
    values = initial_weights(graph, seed)
    for parameter in parameters(graph):
        if parameter.name.endswith("/variance"):
            values[parameter.name] = rng.uniform(0.5, 2, parameter.shape).astype(np.float32)
        elif not parameter.is_kernel:
            values[parameter.name] += rng.normal(0, 0.3, parameter.shape).astype(np.float32)
    return values


def outputs(graph, weights, seed=0):
    x = np.random.default_rng(seed).normal(size=(3, *graph.inputs[0].shape[1:])).astype(np.float32)
    values = {name: tf.constant(value) for name, value in folded(graph, weights).items()}
    return forward(graph, values, tf.constant(x), graph.outputs[0].name)[0].numpy()


def difference(parent, child, seed=0):
    """Whether the child is said to answer as its parent, how many kernels it took over, and how far it is from that."""
    weights = weights_of(parent, seed)
    child_weights = inherited(parent, weights, child, seed)
    check_weights(child, child_weights.weights)
    wanted = outputs(parent, weights)
    given = outputs(child, child_weights.weights)
    far = np.abs(given - wanted).max() / max(1, np.abs(wanted).max()) if given.shape == wanted.shape else np.inf
    return child_weights.preserves, child_weights.taken, far


def families(name, parents, children, seed=0):
    rng = np.random.default_rng(seed)
    space = SPACES[name]
    for _ in range(parents):
        genotype = space.sample(rng)
        parent = from_json(to_json(space.graph(genotype)))
        for _ in range(children):
            yield parent, from_json(to_json(space.graph(space.mutate(genotype, rng))))


@pytest.mark.parametrize("name", SPACES)
def test_children_that_are_said_to_answer_as_their_parents_do(name):
    differences = [difference(parent, child) for parent, child in families(name, 4, 3)]
    assert all(far < 1e-5 for preserves, _, far in differences if preserves)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "parents"), [("cnn", 25), ("mlp", 40), ("mobile", 8), ("nasbench201", 5)])
def test_many_children_that_are_said_to_answer_as_their_parents_do(name, parents):
    differences = [difference(parent, child) for parent, child in families(name, parents, 8, seed=1)]
    assert all(far < 1e-5 for preserves, _, far in differences if preserves)
    assert name == "nasbench201" or sum(preserves for preserves, _, _ in differences) > len(differences) / 10
    assert np.mean([taken for _, taken, _ in differences]) > 2


@pytest.mark.parametrize("name", SPACES)
def test_the_same_network_takes_over_everything(name):
    parent, _ = next(iter(families(name, 1, 1)))
    weights = weights_of(parent)
    taken = inherited(parent, weights, parent, 0)
    assert taken.preserves
    assert all(np.array_equal(value, taken.weights[key]) for key, value in weights.items())


def network(
    filters=6,
    kernel=3,
    extra=0,
    units=10,
    activation=RELU,
    batch_norm=True,
    deeper=False,
    stride=2,
    last=8,
    pooled=True,
):
    """A residual network with one thing changed."""
    net = GraphBuilder()
    x = net.add(Conv2D(filters, (3, 3), activation=activation, batch_norm=batch_norm), net.input((1, 9, 8, 2)))
    y = net.add(DepthwiseConv2D((kernel, kernel), activation=activation, batch_norm=batch_norm), x)
    x = net.add(Add(RELU), x, net.add(Conv2D(filters, (1, 1), batch_norm=batch_norm), y))
    for _ in range(extra):
        x = net.add(Conv2D(filters, (3, 3), activation=RELU, batch_norm=batch_norm), x)
    x = net.add(MaxPool2D((2, 2), (1, 1)), x)
    x = net.add(Conv2D(last, (kernel, kernel), (stride, stride), activation=RELU), x)
    x = net.add(Dense(units, RELU), net.add(GlobalAveragePool(), x) if pooled else x)
    x = net.add(Dense(units + 2, RELU), x) if deeper else x
    return from_json(to_json(net.build(net.add(Dense(4), x))))


@pytest.mark.parametrize(
    "change",
    [
        {"filters": 9},
        {"filters": 20},
        {"kernel": 5},
        {"kernel": 7, "filters": 7},
        {"extra": 1},
        {"extra": 2, "filters": 8},
        {"units": 17},
        {"deeper": True},
        {"deeper": True, "units": 12, "filters": 7, "kernel": 5, "extra": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("batch_norm", [True, False])
def test_wider_deeper_and_larger_kernels_answer_as_before(change, batch_norm):
    preserves, _, far = difference(network(batch_norm=batch_norm), network(**change, batch_norm=batch_norm))
    assert preserves and far < 1e-5


def test_dense_on_a_wider_map_of_several_pixels_answers_as_before():
    preserves, taken, far = difference(network(pooled=False), network(pooled=False, last=11))
    assert preserves and taken == 6 and far < 1e-5
    assert not difference(network(pooled=False), network(pooled=False, stride=1))[0]


@pytest.mark.parametrize("change", [{"filters": 4}, {"kernel": 1}, {"units": 5}, {"stride": 1}], ids=str)
def test_smaller_ones_take_over_what_fits_and_promise_nothing(change):
    preserves, taken, _ = difference(network(), network(**change))
    assert not preserves
    assert taken == 6


def test_copies_of_a_channel_differ_so_that_they_can_learn_different_things():
    wider = network(filters=9)
    taken = inherited(network(), weights_of(network()), wider, 0)
    readers = taken.weights["conv2d_2/kernel"][0, 0]
    made = taken.weights["conv2d_0/kernel"].reshape(-1, 9)
    copies = [(a, b) for a in range(9) for b in range(a) if np.array_equal(made[:, a], made[:, b])]
    assert len(copies) >= 3
    assert all(not np.allclose(readers[a], readers[b]) for a, b in copies)


def test_equal_seeds_give_equal_weights():
    children = [inherited(network(), weights_of(network()), network(filters=9, extra=1), seed) for seed in (3, 3, 4)]
    first, second, third = (one.weights for one in children)
    assert all(np.array_equal(value, second[name]) for name, value in first.items())
    assert any(not np.array_equal(value, third[name]) for name, value in first.items())


def test_weights_of_another_network_are_refused():
    with pytest.raises(ValueError, match="weights do not fit the network"):
        inherited(network(), weights_of(network(filters=9)), network(), 0)
