"""Channels tied to each other, and networks without some of them."""

import math

import numpy as np
import pytest
import tensorflow as tf
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from edgevolve.graph import (
    Add,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    GraphBuilder,
    MatMul,
    Multiply,
    Reshape,
    Slice,
    Softmax,
    channels_of,
    from_json,
    to_json,
)
from edgevolve.training.forward import forward
from edgevolve.training.shrink import evenly_shrunk, shrunk, silenced
from edgevolve.training.weights import folded, initial_weights, parameters
from search_space import SPACES as REGISTERED
from search_space.topologies import TOPOLOGIES, topology
from tests.training.random_graphs import random_graph
from tests.training.small_spaces import SPACES


def networks(name, count):
    """Random ones of a space, or over every operator."""
    rng = np.random.default_rng(0)
    for seed in range(count):
        yield random_graph(seed) if name == "any" else SPACES[name].graph(SPACES[name].sample(rng))


def weights_of(graph, seed):
    """None of them 0 or 1, as after a training."""
    rng = np.random.default_rng(seed)
    values = initial_weights(graph, seed)
    for parameter in parameters(graph):
        if parameter.name.endswith("/variance"):
            values[parameter.name] = rng.uniform(0.5, 2, parameter.shape).astype(np.float32)
        elif not parameter.is_kernel:
            values[parameter.name] += rng.normal(0, 0.3, parameter.shape).astype(np.float32)
    return values


def outputs(graph, weights, x):
    values = {name: tf.constant(value) for name, value in folded(graph, weights).items()}
    return forward(graph, values, tf.constant(x), graph.outputs[0].name)[0].numpy()


def some_kept(channels, rng):
    """Random groups at a random rate, as far as that is possible."""
    rate = rng.uniform()
    kept = channels.fixed.copy()
    for group in rng.permutation(channels.number):
        kept[group] |= rng.random() > rate
    for ids in channels.ids.values():
        if not kept[ids].any():
            kept[rng.choice(ids)] = True
    return kept


def largest_difference(graph, seed):
    rng = np.random.default_rng(seed)
    channels, weights = channels_of(graph), weights_of(graph, seed)
    kept = some_kept(channels, rng)
    x = rng.normal(size=(3, *graph.inputs[0].shape[1:])).astype(np.float32)
    smaller, fewer = shrunk(graph, weights, channels, kept)
    assert smaller == from_json(to_json(smaller))
    a, b = outputs(smaller, fewer, x), outputs(graph, silenced(graph, weights, channels, kept), x)
    return np.abs(a - b).max() / max(1, np.abs(b).max())


@pytest.mark.parametrize("name", ["any", *SPACES])
def test_a_shrunk_network_answers_as_the_masked_one(name):
    differences = [largest_difference(graph, seed) for seed, graph in enumerate(networks(name, 12))]
    assert max(differences) < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count"), [("any", 150), ("cells", 60), ("cnn", 110), ("mlp", 120), ("mobile", 40), ("nasbench201", 20)]
)
def test_five_hundred_shrunk_networks_answer_as_the_masked_ones(name, count):
    differences = [largest_difference(graph, seed) for seed, graph in enumerate(networks(name, count))]
    assert max(differences) < 1e-5


def brute_force(graph):
    """For each tensor the group of each channel, found element by element: every element is a point of its own."""
    places, edges, size = {}, [], 0

    def points(shape):
        nonlocal size
        size += math.prod(shape)
        return np.arange(size - math.prod(shape), size).reshape(shape)

    def one_channel(x):
        """All elements of a channel are one."""
        rows = x.reshape(-1, x.shape[-1])
        edges.extend((rows[0, c], r) for c in range(rows.shape[1]) for r in rows[1:, c])

    for x in graph.inputs:
        places[x.name] = points(x.shape)
        one_channel(places[x.name])
    for node in graph.nodes:
        ins, shape, op = [places[x.name] for x in node.inputs], node.output.shape, node.op
        if isinstance(op, Reshape):
            y = ins[0].reshape(shape)
        elif isinstance(op, Concat):
            y = np.concatenate(ins, axis=-1)
        elif isinstance(op, Slice):
            cut = tuple(slice(b, e, s) for b, e, s in zip(op.begin, op.end, op.stride, strict=True))
            y = ins[0][(slice(None), *cut)]
        else:
            y = points(shape)
            if isinstance(op, Add | Multiply):
                for x in ins:
                    edges.extend(zip(np.broadcast_to(x, shape).ravel(), y.ravel(), strict=True))
            elif isinstance(op, MatMul):
                other = ins[0] if op.transposed else y
                edges.extend(zip(ins[1][0, 0], other[0, 0], strict=True))
            elif isinstance(op, DepthwiseConv2D):
                edges.extend((ins[0][0, 0, 0, c // op.multiplier], y[0, 0, 0, c]) for c in range(shape[-1]))
            elif isinstance(op, Conv2D) and op.groups > 1:
                for x in (ins[0], y):
                    each = x.shape[-1] // op.groups
                    edges.extend((x[0, 0, 0, c % each], x[0, 0, 0, c]) for c in range(x.shape[-1]))
            elif not isinstance(op, Conv2D | Dense):
                edges.extend(zip(ins[0].reshape(-1, shape[-1])[0], y.reshape(-1, shape[-1])[0], strict=True))
        one_channel(y)
        places[node.output.name] = y
    a, b = np.array(edges or [(0, 0)]).T
    _, component = connected_components(coo_array((np.ones(len(a)), (a, b)), (size, size)), directed=False)
    return {name: component[x.reshape(-1, x.shape[-1])[0]] for name, x in places.items()}


def same_partition(one, other):
    """Whether two numberings of channels put the same channels together."""
    names = sorted(one)
    a, b = (np.concatenate([ids[name] for name in names]) for ids in (one, other))
    pairs = set(zip(a.tolist(), b.tolist(), strict=True))
    return len(pairs) == len(set(a.tolist())) == len(set(b.tolist()))


@pytest.mark.parametrize("name", ["any", *SPACES])
def test_tied_channels_are_those_found_element_by_element(name):
    for graph in networks(name, 60 if name == "any" else 8 if name in ("cnn", "mlp") else 2):
        assert same_partition(channels_of(graph).ids, brute_force(graph))


@pytest.mark.parametrize("name", ["any", *SPACES])
def test_a_share_of_every_layer_can_be_taken_out_of_any_network(name):
    for graph in networks(name, 12):
        work = [sum(node.macs for node in evenly_shrunk(graph, share).nodes) for share in (0, 0.3, 0.6, 0.99)]
        assert evenly_shrunk(graph, 0) == from_json(to_json(graph))
        assert work == sorted(work, reverse=True)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_a_standard_network_can_be_halved(name):
    graph = topology(name)
    channels = channels_of(graph)
    kept = channels.fixed | (np.arange(channels.number) % 2 == 0)
    smaller, _ = shrunk(graph, initial_weights(graph, 0), channels, kept)
    assert sum(node.macs for node in smaller.nodes) < 0.6 * sum(node.macs for node in graph.nodes)


def test_every_registered_space_is_among_those_that_are_shrunk():
    assert {type(space) for space in SPACES.values()} == set(REGISTERED.values())


def test_what_is_added_to_the_input_stays_and_so_do_outputs():
    net = GraphBuilder()
    x = net.input((1, 4, 4, 3))
    y = net.add(Conv2D(3, (3, 3)), net.add(Conv2D(5, (3, 3)), x))
    graph = net.build(net.add(Dense(2), net.add(GlobalAveragePool(), net.add(Add(), x, y))))
    channels = channels_of(graph)
    assert channels.fixed.tolist() == [True] * 3 + [False] * 5 + [True] * 2


def test_channels_that_are_counted_one_by_one_stay():
    net = GraphBuilder()
    x = net.add(Softmax(), net.add(Conv2D(4, (1, 1)), net.input((1, 4, 4, 1))))
    x = net.add(Slice((0, 0, 1), (4, 4, 3), (1, 1, 1)), net.add(Conv2D(6, (1, 1)), x))
    graph = net.build(net.add(Dense(2), net.add(GlobalAveragePool(), x)))
    assert channels_of(graph).fixed.all()


def test_a_tensor_keeps_a_channel_and_an_input_all():
    graph = SPACES["mlp"].graph(SPACES["mlp"].sample(np.random.default_rng(0)))
    channels = channels_of(graph)
    with pytest.raises(ValueError, match="a tensor needs at least one"):
        shrunk(graph, initial_weights(graph, 0), channels, channels.fixed)
    with pytest.raises(ValueError, match="an input or output all"):
        shrunk(graph, initial_weights(graph, 0), channels, ~channels.fixed)
