"""From a genotype to the network, against assemblies written by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevolve.graph import (
    Activation,
    Add,
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    MaxPool2D,
    Pad,
    Padding,
    Reshape,
)
from search_space import CnnSpace
from search_space.cnn import Block, Conv, Depthwise, Net, Pointwise, Pool
from search_space.head import Hidden

VALID, RELU = Padding.VALID, Activation.RELU


def conv(kernel=3, filters=8, stride=1, batch_norm=False, relu=False, prepool=False):
    return Conv(kernel, filters, stride, batch_norm, relu, prepool)


def pointwise(filters=8, batch_norm=False, relu=False, prepool=False):
    return Pointwise(filters, batch_norm, relu, prepool)


def depthwise(kernel=3, stride=1, batch_norm=False, relu=False, prepool=False):
    return Depthwise(kernel, stride, batch_norm, relu, prepool)


def assembled(input_shape, *blocks, pool=None, classes=10):
    """(operator, numbers of the nodes it reads (-1: the input), output shape) of each node but the classifier."""
    genotype = Net(tuple(Block(b, tuple(layers)) for b, *layers in blocks), pool, (Hidden(16),))
    graph = CnnSpace(input_shape, classes).graph(genotype)
    number = {graph.inputs[0].name: -1} | {node.output.name: i for i, node in enumerate(graph.nodes)}
    rows = [(node.op, [number[x.name] for x in node.inputs], node.output.shape) for node in graph.nodes]
    assert [type(op) for op, _, _ in rows[-2:]] == [Dense, Dense]
    return [row for row in rows[:-2] if not isinstance(row[0], Reshape)]


def test_a_branch_runs_on_the_input_of_the_last_series_block_and_is_joined_by_pooling():
    rows = assembled(
        (8, 8, 2),
        (False, conv(filters=4, batch_norm=True, relu=True)),
        (True, depthwise(kernel=5, stride=2, relu=True)),
        (False, pointwise(filters=6)),
        pool=Pool("avg", 6),
    )
    assert rows == [
        (Conv2D(4, (3, 3), (1, 1), VALID, activation=RELU, batch_norm=True), [-1], (1, 6, 6, 4)),
        (DepthwiseConv2D((5, 5), (2, 2), VALID, activation=RELU), [-1], (1, 2, 2, 2)),
        (Conv2D(4, (1, 1), (1, 1), VALID), [1], (1, 2, 2, 4)),
        (MaxPool2D((3, 3), (3, 3)), [0], (1, 2, 2, 4)),
        (Add(), [3, 2], (1, 2, 2, 4)),
        (Conv2D(6, (1, 1), (1, 1), VALID), [4], (1, 2, 2, 6)),
        (AveragePool2D((2, 2), (2, 2)), [5], (1, 1, 1, 6)),
    ]


def test_outputs_of_three_blocks_are_padded_to_the_largest_and_added_two_by_two():
    rows = assembled(
        (9, 12, 1),
        (False, pointwise(filters=3)),
        (True, conv(kernel=3, filters=99)),
        (True, pointwise(filters=50), conv(kernel=3, filters=7, stride=2)),
        pool=None,
    )
    assert rows == [
        (Conv2D(3, (1, 1), (1, 1), VALID), [-1], (1, 9, 12, 3)),
        (Conv2D(3, (3, 3), (1, 1), VALID), [-1], (1, 7, 10, 3)),
        (Conv2D(50, (1, 1), (1, 1), VALID), [-1], (1, 9, 12, 50)),
        (Conv2D(3, (3, 3), (2, 2), VALID), [2], (1, 4, 5, 3)),
        (MaxPool2D((2, 2), (2, 2)), [0], (1, 4, 6, 3)),
        (MaxPool2D((2, 2), (2, 2)), [1], (1, 3, 5, 3)),
        (Pad((0, 1), (0, 1)), [5], (1, 4, 6, 3)),
        (Pad((0, 0), (0, 1)), [3], (1, 4, 6, 3)),
        (Add(), [4, 6], (1, 4, 6, 3)),
        (Add(), [8, 7], (1, 4, 6, 3)),
    ]


def test_a_second_series_block_runs_on_the_first_and_its_branch_on_the_same_input():
    rows = assembled((8, 8, 1), (False, pointwise(2)), (False, pointwise(5)), (True, pointwise(1)))
    assert [(op.filters if isinstance(op, Conv2D) else "add", reads) for op, reads, _ in rows] == [
        (2, [-1]),
        (5, [0]),
        (5, [0]),
        ("add", [1, 2]),
    ]


def test_pools_floor():
    rows = assembled((9, 15, 1), (False, pointwise(1, prepool=True)), pool=Pool("max", 4))
    assert [shape for _, _, shape in rows] == [(1, 4, 7, 1), (1, 4, 7, 1), (1, 1, 1, 1)]


def test_kernels_and_pools_are_clamped_to_the_map():
    rows = assembled((2, 5, 1), (False, conv(kernel=7, filters=3, prepool=True)), pool=Pool("avg", 4))
    assert rows == [
        (MaxPool2D((2, 2), (2, 2)), [-1], (1, 1, 2, 1)),
        (Conv2D(3, (1, 2), (1, 1), VALID), [0], (1, 1, 1, 3)),
    ]
    rows = assembled((1, 9, 1), (False, depthwise(kernel=3, stride=2, prepool=True)), pool=Pool("max", 2))
    assert rows == [
        (MaxPool2D((1, 2), (1, 2)), [-1], (1, 1, 4, 1)),
        (Conv2D(1, (1, 3), (1, 2), VALID), [0], (1, 1, 1, 1)),
    ]


def test_a_depthwise_layer_on_one_channel_is_a_convolution_with_one_filter():
    rows = assembled((8, 8, 1), (False, depthwise(kernel=3), pointwise(2), depthwise(kernel=3)))
    assert [op for op, _, _ in rows] == [
        Conv2D(1, (3, 3), (1, 1), VALID),
        Conv2D(2, (1, 1), (1, 1), VALID),
        DepthwiseConv2D((3, 3), (1, 1), VALID),
    ]


def test_one_pixel_goes_to_the_classifier_as_it_is():
    graph = CnnSpace((3, 3, 1), 3).graph(Net((Block(False, (conv(kernel=3),)),), None, (Hidden(16),)))
    assert [type(node.op) for node in graph.nodes] == [Conv2D, Dense, Dense]


def test_what_does_nothing_on_one_pixel_is_left_out():
    rows = assembled((1, 1, 4), (False, conv(kernel=5, stride=2, prepool=True)), pool=Pool("max", 6))
    assert rows == [(Conv2D(8, (1, 1), (1, 1), VALID), [-1], (1, 1, 1, 8))]


def test_a_kernel_that_covers_the_map_has_no_stride():
    once = assembled((5, 5, 1), (False, conv(kernel=5, stride=1)))
    assert once == assembled((5, 5, 1), (False, conv(kernel=7, stride=2)))


@pytest.mark.parametrize(("classes", "logits"), [(2, 1), (3, 3), (10, 10)])
def test_two_classes_have_one_linear_logit_and_more_have_one_each(classes, logits):
    graph = CnnSpace((4, 4, 1), classes).graph(Net((Block(False, (pointwise(2),)),), None, (Hidden(16), Hidden(11))))
    assert [node.op for node in graph.nodes[-4:]] == [
        Reshape((1, 32)),
        Dense(16, RELU),
        Dense(11, RELU),
        Dense(logits),
    ]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 70), width=st.integers(1, 70), channels=st.integers(1, 4))
def test_every_genotype_builds_for_every_input_with_windows_inside_their_maps(seed, height, width, channels):
    space = CnnSpace((height, width, channels), 10)
    graph = space.graph(space.sample(np.random.default_rng(seed)))
    for node in graph.nodes:
        if isinstance(node.op, MaxPool2D):
            _, h, w, _ = node.inputs[0].shape
            assert node.op.padding is VALID and node.op.stride == node.op.size != (1, 1)
            assert node.output.shape[1:3] == (h // node.op.size[0], w // node.op.size[1])
        if isinstance(node.op, Conv2D | DepthwiseConv2D):
            assert node.op.padding is VALID
            assert all(k <= size for k, size in zip(node.op.kernel, node.inputs[0].shape[1:3], strict=True))
