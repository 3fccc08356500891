import dataclasses
import math
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevolve.graph import (
    Activate,
    Activation,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    GraphBuilder,
    Multiply,
    graph_hash,
)
from edgevolve.training.forward import forward
from edgevolve.training.session import configure_tensorflow
from resource_models import macs
from search_space.families import family
from search_space.mobile import Mobile, MobileSpace
from search_space.mobile_blocks import (
    activation,
    channel_shuffle,
    mbconv,
    residual,
    rounded,
    squeeze_excite,
    window,
)
from search_space.mobile_stages import MORE_BLOCKS, FusedMbConv, MbConv, Residual, Stage
from search_space.space import GenotypeError

configure_tensorflow(1)

SIDES = [(8, 8, 1), (28, 28, 1), (32, 32, 3), (96, 96, 3), (49, 40, 1)]
SPACE = MobileSpace((96, 96, 3), 10)


def stages(rows, squeeze):
    """Stages from (kernel, expansion, filters, stride, depth)."""
    return tuple(Stage(MbConv(k, e, squeeze), filters, stride, depth) for k, e, filters, stride, depth in rows)


V2 = ((3, 1, 16, 1, 1), (3, 6, 24, 2, 2), (3, 6, 32, 2, 3), (3, 6, 64, 2, 4))
V2 += ((3, 6, 96, 1, 3), (3, 6, 160, 2, 3), (3, 6, 320, 1, 1))
B0 = ((3, 1, 16, 1, 1), (3, 6, 24, 2, 2), (5, 6, 40, 2, 2), (3, 6, 80, 2, 3))
B0 += ((5, 6, 112, 1, 3), (5, 6, 192, 2, 4), (3, 6, 320, 1, 1))
MNASNET = tuple(
    Stage(MbConv(k, e, squeeze), filters, stride, depth)
    for k, e, filters, stride, depth, squeeze in (
        (3, 1, 16, 1, 1, False),
        (3, 6, 24, 2, 2, False),
        (5, 3, 40, 2, 3, True),
        (3, 6, 80, 2, 4, False),
        (3, 6, 112, 1, 2, True),
        (5, 6, 160, 2, 3, True),
        (3, 6, 320, 1, 1, False),
    )
)

POINTS = {
    "mobilenet_v2": Mobile(224, "relu6", 100, 32, stages(V2, squeeze=False), 1280),
    "efficientnet_lite0": Mobile(224, "relu6", 100, 32, stages(B0, squeeze=False), 1280),
    "efficientnet_b0": Mobile(224, "swish", 100, 32, stages(B0, squeeze=True), 1280),
}


@pytest.mark.parametrize("name", POINTS)
def test_families_are_points_of_the_space(name):
    space = MobileSpace((224, 224, 3), 1000, depths=(1, 5))
    genotype = space.from_json(space.to_json(POINTS[name]))
    assert graph_hash(space.graph(genotype)) == graph_hash(family(name))


def test_mnasnet_differs_by_its_relu_alone():
    space = MobileSpace((224, 224, 3), 1000, depths=(1, 5))
    graph = space.graph(Mobile(224, "relu6", 100, 32, MNASNET, 1280))
    known = family("mnasnet_a1")
    for ours, theirs in zip(graph.nodes, known.nodes, strict=True):
        function = getattr(theirs.op, "activation", None)
        op = dataclasses.replace(theirs.op, activation=Activation.RELU6) if function is Activation.RELU else theirs.op
        assert ours.op == op


@pytest.mark.parametrize("shape", SIDES)
@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_maps_never_vanish_and_no_kernel_is_mostly_padding(shape, seed):
    space = MobileSpace(shape, 10)
    graph = space.graph(space.sample(np.random.default_rng(seed)))
    for node in graph.nodes:
        assert min(node.output.shape) >= 1
        if isinstance(node.op, Conv2D | DepthwiseConv2D):
            sides = node.inputs[0].shape[1:3]
            assert all(kernel <= 2 * side - 1 for kernel, side in zip(node.op.kernel, sides, strict=True))
            assert node.op.stride == (1, 1) or min(sides) >= 4
            assert node.output.shape[3] % 8 == 0 or node.output.shape[1:3] == (1, 1)


def test_a_smaller_resolution_is_an_average_pool_and_the_full_one_is_nothing():
    genotype = SPACE.sample(np.random.default_rng(1))
    full, half = (SPACE.graph(dataclasses.replace(genotype, resolution=side)) for side in (96, 48))
    assert not isinstance(full.nodes[0].op, AveragePool2D)
    assert half.nodes[0].op == AveragePool2D((2, 2), (2, 2))
    assert half.nodes[0].output.shape == (1, 48, 48, 3)
    assert full.inputs == half.inputs


@pytest.mark.parametrize(
    ("shape", "resolutions"),
    [
        ((96, 96, 3), (24, 32, 48, 96)),
        ((28, 28, 1), (14, 28)),
        ((8, 8, 1), (8,)),
        ((49, 40, 1), (40,)),
        ((96, 64, 3), (16, 32, 64)),
    ],
)
def test_resolutions_are_whole_fractions_of_at_least_8_pixels(shape, resolutions):
    assert dict(MobileSpace(shape, 10).genome.fields)["resolution"].options == resolutions


def test_one_resolution_may_be_fixed():
    space = MobileSpace((96, 96, 3), 10, resolutions=(48,))
    assert {space.sample(np.random.default_rng(seed)).resolution for seed in range(10)} == {48}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"resolutions": (50,)}, "resolution 50 is not a whole fraction of the input's; choose from 96, 48"),
        ({"resolutions": [48]}, "resolutions must be a tuple"),
        ({"depths": (0, 3)}, "depths must be"),
        ({"depths": (4, 3)}, "depths must be"),
        ({"max_filters": 4}, "max_filters must be at least 8"),
        ({"max_stages": 0}, "stage: cannot have from 1 to 0"),
    ],
)
def test_impossible_bounds_are_refused_when_the_space_is_made(options, words):
    with pytest.raises(ValueError, match=words):
        MobileSpace((96, 96, 3), 10, **options)


RESTRICTED = MobileSpace(
    (96, 96, 3),
    10,
    blocks=("mbconv", "residual"),
    activations=("relu6",),
    kernels=(3, 5),
    expansions=(2, 6),
    stems=(16, 24),
    widths=(0.5, 1.0),
)


@pytest.mark.parametrize("seed", range(30))
def test_a_restricted_space_holds_nothing_else_however_it_is_walked(seed):
    rng = np.random.default_rng(seed)
    parent = RESTRICTED.sample(rng)
    children = list(RESTRICTED.neighbours(parent, rng))
    extremes = [RESTRICTED.largest(parent, RESTRICTED.parts), RESTRICTED.smallest(parent)]
    for genotype in (parent, *children, *extremes):
        assert RESTRICTED.from_json(RESTRICTED.to_json(genotype)) == genotype
        assert genotype.activation == "relu6"
        assert genotype.stem in (16, 24)
        assert genotype.width_percent in (50, 100)
        for stage in genotype.stages:
            assert stage.block.kernel in (3, 5)
            assert not isinstance(stage.block, FusedMbConv)
            assert isinstance(stage.block, Residual) or stage.block.expansion in (2, 6)


def test_the_mixture_of_a_restricted_space_is_of_its_own_networks():
    mixture = RESTRICTED.mixture()
    assert [len(decision.options) for decision in mixture.decisions][:2] == [4, 4]
    selection = tuple(len(decision.options) - 1 for decision in mixture.decisions)
    genotype = mixture.genotype(selection)
    assert RESTRICTED.from_json(RESTRICTED.to_json(genotype)) == genotype
    assert macs(mixture.reduced(selection)[0]) == macs(RESTRICTED.graph(genotype))
    with pytest.raises(ValueError, match="a gradient search needs mbconv blocks; the space has only residual"):
        MobileSpace((96, 96, 3), 10, blocks=("residual",)).mixture()


LECTURE = {"wid": 0, "ks": [3, 5, 5], "e": [6, 2, 2], "d": [2, 3, 0], "image_size": 48}


def test_a_network_in_once_for_all_s_notation_is_read():
    genotype = RESTRICTED.from_subnet(LECTURE)
    assert (genotype.resolution, genotype.width_percent) == (48, 50)
    assert [(s.block.kernel, s.block.expansion, s.depth) for s in genotype.stages] == [(3, 6, 2), (5, 2, 3)]
    block_by_block = {"ks": [3, 3, 5, 5, 7] + [5] * 10, "e": [6] * 5 + [2] * 10}
    assert RESTRICTED.from_subnet({**LECTURE, "ks": [3, 3, 7, 7, 7] + [5] * 10, "e": [6] * 5 + [2] * 10}) == genotype
    assert RESTRICTED.from_subnet({**LECTURE, "image_size": [48]}) == genotype
    with pytest.raises(GenotypeError, match=r"ks: stage 1 has \[3, 5\]: blocks of a stage are equal"):
        RESTRICTED.from_subnet({**LECTURE, **block_by_block, "d": [3, 3, 0]})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kss": [3]}, "'kss': no such key; did you mean 'ks'"),
        ({"wid": 2}, r"wid must be from 0 to 1, a place among \[0.5, 1.0\], not 2"),
        ({"ks": [3, 5]}, "ks must have 3 or 15 numbers, not 2"),
        ({"ks": [3, 9, 3]}, "kernel"),
        ({"e": "six"}, "e must be a list of whole numbers"),
        ({"d": [2] * 8}, "d has 8 stages, the space 7"),
        ({"d": [0, 0, 0]}, "stages"),
        ({"image_size": 50}, "resolution"),
    ],
)
def test_a_notation_of_no_network_of_the_space_is_refused(change, words):
    with pytest.raises(GenotypeError, match=words):
        RESTRICTED.from_subnet({**LECTURE, **change})


def test_every_value_is_drawn():
    drawn = [SPACE.sample(np.random.default_rng(seed)) for seed in range(300)]
    blocks = {type(stage.block) for genotype in drawn for stage in genotype.stages}
    assert blocks == {MbConv, FusedMbConv, Residual}
    assert {genotype.activation for genotype in drawn} == {"relu6", "swish", "hard_swish"}
    assert {genotype.width_percent for genotype in drawn} == {50, 75, 100, 125}
    assert {stage.depth for genotype in drawn for stage in genotype.stages} == {2, 3, 4, 5}


def test_words_say_what_is_built():
    genotype = Mobile(
        48, "swish", 75, 16, (Stage(MbConv(3, 6, True), 24, 2, 2), Stage(Residual(5, False), 40, 1, 3)), 160
    )
    words = "48 px swish: conv 16 → 2× mbconv6 3×3 24/2 se → 3× residual 5×5 32 → 1×1 120 → 10 logits"
    assert SPACE.describe(genotype) == words
    small = "16 px swish: conv 16 → 2× mbconv6 3×3 24/2 se → 3× residual 5×5 32 → 1×1 120 → 10 logits"
    assert MobileSpace((16, 16, 3), 10).describe(replace(genotype, resolution=16)) == small
    wide = replace(genotype, resolution=8, stages=(Stage(FusedMbConv(7, 2, False), 8, 2, 3), *genotype.stages[1:]))
    clamped = "8 px swish: conv 16 → 1× fused2 7×7 8/2, 2× fused2 3×3 8 → 3× residual 3×3 32 → 1×1 120 → 10 logits"
    assert MobileSpace((16, 16, 3), 10).describe(wide) == clamped


def map_of(net, *shape):
    return net.input((1, *shape))


def test_a_block_of_its_input_s_shape_adds_it_and_another_does_not():
    net = GraphBuilder()
    x = map_of(net, 8, 8, 16)
    added = mbconv(net, x, 16, 3, 1, "relu6", 96)
    plain = mbconv(net, x, 24, 3, 1, "relu6", 96)
    halved = residual(net, x, 16, 3, 2, "relu6")
    graph = net.build(added, plain, halved)
    readers = graph.consumers["input_0"]
    names = [type(graph.nodes[index].op).__name__ for index in readers]
    assert names == ["Conv2D", "Add", "Conv2D", "Conv2D", "Conv2D"]
    assert halved.shape == (1, 4, 4, 16)


@pytest.mark.parametrize("groups", [2, 4, 8])
def test_a_shuffle_gives_every_part_something_of_every_part_before(groups):
    net = GraphBuilder()
    x = net.input((1, 3, 5, 16))
    graph = net.build(channel_shuffle(net, x, groups))
    channels = np.broadcast_to(np.arange(16, dtype=np.float32), x.shape)
    shuffled = np.asarray(forward(graph, {}, tf.constant(channels), graph.outputs[0].name)[0])[0, 0, 0].astype(int)
    assert sorted(shuffled) == list(range(16))
    size = 16 // groups
    for part in range(groups):
        before = {channel // size for channel in shuffled[part * size : (part + 1) * size]}
        assert len(before) == min(groups, size)


@pytest.mark.parametrize("name", MORE_BLOCKS)
@pytest.mark.parametrize("shape", SIDES)
def test_the_lecture_s_blocks_are_spaces_of_their_own(name, shape):
    space = MobileSpace(shape, 10, blocks=(name,), max_stages=3, depths=(1, 2))
    rng = np.random.default_rng(0)
    for _ in range(10):
        genotype = space.sample(rng)
        assert space.from_json(space.to_json(genotype)) == genotype
        assert space.graph(genotype).outputs[0].shape == (1, 10)
        assert name in space.describe(genotype)
    with pytest.raises(ValueError, match=f"{name} blocks share no weights; mbconv, fused_mbconv, residual do"):
        assert space.program


def test_a_swish_is_a_sigmoid_and_a_product():
    net = GraphBuilder()
    graph = net.build(activation(net, map_of(net, 4, 4, 8), "swish"))
    assert [node.op for node in graph.nodes] == [Activate(Activation.SIGMOID), Multiply()]
    assert graph.nodes[1].macs == math.prod((4, 4, 8))


@pytest.mark.parametrize("side", [1, 5])
def test_squeeze_and_excite_scales_channels_and_keeps_the_shape(side):
    net = GraphBuilder()
    x = map_of(net, side, side, 8)
    graph = net.build(squeeze_excite(net, x, 2, "relu6"))
    assert graph.outputs[0].shape == x.shape
    assert any(isinstance(node.op, AveragePool2D) for node in graph.nodes) == (side > 1)


@given(st.floats(1, 5000))
def test_rounded_channels_are_multiples_of_8_and_hardly_fewer(channels):
    assert rounded(channels) % 8 == 0
    assert 0.9 * channels <= rounded(channels) <= max(8, channels * 1.1 + 8)


def test_a_side_of_3_pixels_is_not_halved():
    net = GraphBuilder()
    assert window(map_of(net, 40, 3, 1), 7, 2) == ((7, 5), (1, 1))
    assert window(map_of(net, 40, 4, 1), 7, 2) == ((7, 7), (2, 2))
