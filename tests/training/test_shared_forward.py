"""Shared weights: the path through the program and the network that is built are one function."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from edgevolve.graph import from_json, to_json
from edgevolve.training.forward import forward
from edgevolve.training.shared_forward import shared_forward
from edgevolve.training.shared_layout import SharedLayout
from edgevolve.training.supernet import sorted_channels
from edgevolve.training.weights import check_weights, folded
from search_space import CnnSpace, MobileSpace
from search_space.shared import Sharing
from tests.training.shared_arrays import random_arrays

TINY = MobileSpace(
    (8, 8, 1), 3, max_stages=2, depths=(1, 2), max_filters=16, blocks=("mbconv",), activations=("relu6",)
)
EVERY_KIND = MobileSpace((16, 20, 2), 4, max_stages=2, depths=(1, 2), max_filters=24)
SIGNAL = MobileSpace((24, 1, 3), 3, max_stages=2, depths=(1, 2), max_filters=16, blocks=("mbconv", "residual"))
BRANCHES = CnnSpace((9, 7, 2), 3, max_blocks=3, max_layers=2, max_filters=12, max_dense=2, max_units=16)


def compiled(space, arrays, traces):
    layout = SharedLayout.of(space.program, {name: value.shape for name, value in arrays.items()})
    values = layout.flat(arrays)

    def call(row, numbers, shapes, x):
        traces.append(row)
        return shared_forward(space.program, layout.tensors(numbers, shapes), row, x, training=False)

    some, four = tf.TensorSpec((None,), tf.float32), tf.TensorSpec((len(arrays), 4), tf.int32)
    like = tf.TensorSpec((space.program.width,), tf.int32), some, four, tf.TensorSpec((None, *space.input_shape))
    function = tf.function(call, autograph=False, input_signature=like)

    def along(row, x):
        used = layout.used(row)
        return function(tf.constant(row), tf.constant(values[used.places]), tf.constant(used.shapes), x).numpy()

    return along


def built(space, genotype, arrays, x):
    graph = from_json(to_json(space.graph(genotype)))
    weights = space.inherit(genotype, arrays)
    check_weights(graph, weights)
    return forward(graph, folded(graph, weights), x, graph.outputs[0].name)[0].numpy()


def check_paths(space, number, with_transforms=False):
    arrays, traces, rng = random_arrays(space.program, 1, with_transforms), [], np.random.default_rng(2)
    path = compiled(space, arrays, traces)
    x = tf.constant(rng.normal(size=(4, *space.input_shape)).astype(np.float32))
    sampled = [space.sample(rng) for _ in range(number)]
    extreme = [space.largest(sampled[0], space.parts), space.smallest(sampled[0])]
    for genotype in sampled + extreme:
        given = path(space.path(genotype).vector, x)
        np.testing.assert_allclose(given, built(space, genotype, arrays, x), rtol=0, atol=1e-5)
    assert len(traces) == 1


@pytest.mark.parametrize("with_transforms", [False, True])
def test_a_path_is_the_built_network_with_inherited_weights_and_is_never_traced_again(with_transforms):
    check_paths(TINY, 20, with_transforms)


@pytest.mark.slow
def test_paths_for_signals_stride_along_time_alone():
    check_paths(SIGNAL, 15)


@pytest.mark.slow
@pytest.mark.parametrize("space", [TINY, EVERY_KIND, BRANCHES], ids=["mbconv", "mobile", "cnn"])
def test_five_hundred_paths_of_a_space_are_the_built_networks(space):
    check_paths(space, 500)


@pytest.mark.parametrize("space", [TINY, EVERY_KIND, BRANCHES], ids=["mbconv", "mobile", "cnn"])
def test_paths_of_networks_use_nothing_beyond_the_shared_arrays(space):
    assert isinstance(space, Sharing)
    rng, program = np.random.default_rng(3), space.program
    for _ in range(30):
        genotype = space.sample(rng)
        for one in (genotype, space.largest(genotype, space.parts), space.smallest(genotype)):
            space.from_json(space.to_json(one))
            assert space.path(one).vector.shape == (program.width,)


@pytest.mark.parametrize("space", [EVERY_KIND, BRANCHES], ids=["mobile", "cnn"])
def test_the_largest_network_is_no_smaller_than_the_one_it_was_made_of(space):
    rng = np.random.default_rng(4)
    for _ in range(20):
        genotype = space.sample(rng)
        sizes = [
            sum(use.filters for use in space.path(one).uses) for one in (genotype, space.largest(genotype, space.parts))
        ]
        assert sizes[0] <= sizes[1]


@pytest.mark.parametrize("space", [EVERY_KIND, BRANCHES], ids=["mobile", "cnn"])
def test_a_path_uses_the_numbers_that_its_network_inherits(space):
    layout, rng = SharedLayout.of(space.program, space.program.shapes), np.random.default_rng(7)
    numbers = layout.arrays(np.arange(layout.size))
    for _ in range(20):
        path = space.path(space.sample(rng))
        wanted = {f"{use.layer.name}/{role}": part for use in path.uses for role, part in use.parts().items()}
        used = set(layout.used(path.vector).places.tolist())
        assert {number for name, part in wanted.items() for number in numbers[name][part].ravel().tolist()} <= used
        assert len(used) == len(layout.used(path.vector).places)
        others = [value for name, value in numbers.items() if name.rpartition("/")[0] not in _layers(path)]
        assert not used.intersection(number for value in others for number in value.ravel().tolist())


def _layers(path):
    return {use.layer.name for use in path.uses}


def test_weights_of_another_space_are_refused_with_the_array_that_differs():
    arrays = random_arrays(EVERY_KIND.program, 0)
    genotype = TINY.sample(np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"shared weights are of another space: stem/kernel is \(3, 3, 2, 64\), not"):
        TINY.inherit(genotype, arrays)
    with pytest.raises(ValueError, match="of another space: they have no block 0"):
        BRANCHES.inherit(BRANCHES.sample(np.random.default_rng(0)), arrays)


def test_bounds_of_stem_and_head_hold_for_networks_and_for_the_shared_arrays():
    rng = np.random.default_rng(5)
    for max_head, widest in ((0, 8), (160, 200), (700, 800)):
        space = MobileSpace((8, 8, 1), 3, max_filters=16, blocks=("mbconv",), max_stem=17, max_head=max_head)
        shapes = space.program.shapes
        assert (shapes["stem/kernel"][3], shapes["head/kernel"][3]) == (24, widest)  # times 1.25, in steps of 8
        for genotype in (space.sample(rng) for _ in range(20)):
            assert genotype.stem <= 16 and genotype.head <= max_head
            assert space.encode(genotype).shape and space.path(space.largest(genotype, space.parts))
    with pytest.raises(ValueError, match="max_stem must be at least 8, not 4"):
        MobileSpace((8, 8, 1), 3, max_stem=4)
    with pytest.raises(ValueError, match="max_head must be at least 0, not -1"):
        MobileSpace((8, 8, 1), 3, max_head=-1)


def test_a_space_of_fewer_blocks_and_functions_draws_no_others():
    rng = np.random.default_rng(0)
    for _ in range(20):
        genotype = TINY.sample(rng)
        assert genotype.activation == "relu6"
        assert {type(stage.block).__name__ for stage in genotype.stages} == {"MbConv"}
    with pytest.raises(ValueError, match="blocks must be a tuple of some of mbconv"):
        MobileSpace((8, 8, 1), 3, blocks=("mbconvs",))


@pytest.mark.parametrize("blocks", [("mbconv",), ("fused_mbconv",)])
def test_channels_sorted_by_importance_leave_the_largest_network_as_it_is(blocks):
    space = replace(TINY, blocks=blocks)
    arrays, rng = random_arrays(space.program, 5), np.random.default_rng(6)
    genotype = space.largest(space.sample(rng), space.parts)
    x = tf.constant(rng.normal(size=(4, *space.input_shape)).astype(np.float32))
    sorted_arrays = sorted_channels(space.program, arrays)
    outputs = [built(space, genotype, one, x) for one in (arrays, sorted_arrays)]
    np.testing.assert_allclose(*outputs, rtol=0, atol=1e-5)
    for hidden in space.program.hidden:
        norms = np.abs(sorted_arrays[hidden.by]).sum(axis=(0, 1, 3))
        assert (np.diff(norms) <= 0).all() and not np.array_equal(arrays[hidden.by], sorted_arrays[hidden.by])
