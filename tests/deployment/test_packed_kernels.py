"""Kernels of 4 bits: half the flash, the same on both runtimes but for a rounding that is known to the bit."""

import math

import numpy as np
import pytest

from benchmarks.arena_fidelity import some_weights
from edgevolve.deployment.micro import available, run_on_micro
from edgevolve.deployment.optimise import lean
from edgevolve.graph import (
    Conv2D,
    Dense,
    DepthwiseConv2D,
    DType,
    GraphBuilder,
    Opaque,
    ShapeError,
    form_in_words,
    from_json,
    graph_hash,
    kernel_bits,
    reordered,
    to_json,
    with_kernel_bits,
)
from edgevolve.quantisation import int8_network, open_model
from edgevolve.tflite import read_tflite, runtimes
from resource_models import HOST, deployed, footprint, model_size, peak_memory
from tests.deployment.sizes import size_of
from tests.training.random_graphs import random_graph

on_micro = pytest.mark.skipif(not available(), reason="TensorFlow Lite Micro has no wheel here")


def packed(graph, seed=None):
    """The network with every kernel in 4 bits, or a random half of them."""
    rng = np.random.default_rng(seed)
    return with_kernel_bits(
        graph, {name: 4 if seed is None else int(rng.choice((4, 8))) for name in kernel_bits(graph)}
    )


def images(graph, number=8, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (number, *graph.inputs[0].shape[1:])).astype(np.float32)


def layer(op, shape):
    net = GraphBuilder()
    return net.build(net.add(op, net.input(shape)))


LAYERS = {
    "conv": layer(Conv2D(8, (1, 1)), (1, 6, 6, 4)),
    "dense": layer(Dense(10), (1, 48)),
    "depthwise": layer(DepthwiseConv2D((1, 1)), (1, 6, 6, 5)),
}


def test_bits_travel_in_json_and_make_another_network():
    graph = random_graph(3)
    four = packed(graph)
    assert set(kernel_bits(from_json(to_json(four))).values()) == {4}
    assert graph_hash(four) != graph_hash(graph)
    back = with_kernel_bits(four, dict.fromkeys(kernel_bits(four), 8))
    assert back == graph and to_json(back) == to_json(graph)


def test_bits_that_no_kernel_has_are_refused():
    with pytest.raises(ShapeError, match="8 or 4 bits"):
        Dense(10, kernel_bits=3)
    with pytest.raises(ShapeError, match="not a node with a kernel"):
        with_kernel_bits(random_graph(3), {"softmax_7": 4})


def test_words_say_how_many_kernels_have_four_bits():
    graph = random_graph(3)
    names = list(kernel_bits(graph))
    some = with_kernel_bits(graph, dict.fromkeys(names[:2], 4))
    assert form_in_words(graph) == "int8"
    assert form_in_words(some) == f"int8 with 2 of {len(names)} kernels in 4 bits"
    assert form_in_words(packed(graph)) == "int8 with 4-bit kernels"


@pytest.mark.parametrize("seed", range(6))
def test_a_file_with_kernels_of_four_bits_reads_back_as_its_network(seed):
    graph = packed(random_graph(seed), seed)
    model = read_tflite(int8_network(graph, some_weights(graph, seed), images(graph)).tflite())
    assert not any(isinstance(node.op, Opaque) for node in model.graph.nodes)
    assert list(kernel_bits(model.graph).values()) == list(kernel_bits(deployed(graph).graph).values())


@pytest.mark.parametrize("seed", range(4))
def test_kernels_take_half_the_flash(seed):
    graph = random_graph(seed)
    four = packed(graph)
    model = read_tflite(int8_network(four, some_weights(graph, seed), images(graph)).tflite())
    kernels = [x for node in model.graph.nodes for x in node.weights if x.dtype is DType.INT4]
    assert sum(x.size_bytes for x in kernels) == sum(math.ceil(math.prod(x.shape) / 2) for x in kernels)
    assert model_size(graph) - model_size(four) == sum(math.prod(x.shape) // 2 for x in kernels)


@on_micro
@pytest.mark.parametrize("seed", range(8))
def test_arena_and_flash_of_mixed_bits_are_predicted(seed):
    merged = deployed(packed(random_graph(seed), seed))
    order = peak_memory(merged.graph).order
    graph = reordered(packed(random_graph(seed), seed), merged.original_order(order))
    operators = reordered(merged.graph, order)
    model = lean(int8_network(graph, some_weights(graph, seed), images(graph)).tflite())
    predicted = footprint(operators, HOST)
    run = run_on_micro(model, [np.zeros((1, *graph.inputs[0].shape[1:]), np.int8)], least_arena=seed % 4 == 0)
    assert run.head_bytes == predicted.planned_head_bytes
    assert abs(run.tail_bytes - predicted.tail_bytes) <= 16
    assert len(model) == size_of(operators, model) <= predicted.flash_bytes <= 1.02 * len(model)
    if run.least_arena_bytes is not None:
        assert run.least_arena_bytes == -(-predicted.arena_bytes // 16) * 16


@on_micro
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("name", LAYERS)
def test_both_runtimes_give_what_integer_arithmetic_says(name, bits):
    """Both round twice. At a half below zero LiteRT's convolutions and dense layers round up, all others away from 0.

    With 4 bits the multipliers are larger, so that a half is met more often: that is the whole difference.
    """
    graph = with_kernel_bits(LAYERS[name], dict.fromkeys(kernel_bits(LAYERS[name]), bits))
    network = int8_network(graph, some_weights(graph, 0), images(graph, 32))
    model = open_model(network.tflite())
    stored = model.quantised(images(graph, 32))
    sums, multipliers = integer_sums(network, model, stored)
    away, up = (
        (rescaled(sums, multipliers, ties) + model.output.zero_point).clip(-128, 127) for ties in ("away from 0", "up")
    )
    (micro,) = run_on_micro(network.tflite(), [stored]).outputs
    litert = model.outputs(images(graph, 32))
    assert np.array_equal(micro.reshape(away.shape), away)
    assert np.array_equal(litert.reshape(away.shape), away if name == "depthwise" else up)


def integer_sums(network, model, stored):
    """Multiply-accumulates of a layer in integers, and for each channel what turns them into steps of the output."""
    (node,) = network.graph.nodes
    kernel, bias = network.constants[f"{node.name}/kernel"].astype(np.int64), network.constants[f"{node.name}/bias"]
    x = stored.astype(np.int64) - model.input.zero_point
    sums = (
        x * kernel.ravel() if isinstance(node.op, DepthwiseConv2D) else x @ kernel.reshape(len(kernel), -1).T
    ) + bias
    scales = np.broadcast_to(np.asarray(network.scales[f"{node.name}/kernel"].scales, np.float32), sums.shape[-1])
    return sums, [float(model.input.scale) * float(scale) / float(model.output.scale) for scale in scales]


def rescaled(sums, multipliers, ties):
    """As gemmlowp's fixed-point multiplication has it: 31 bits of the product, then a shift, each rounded."""
    result = np.empty(sums.shape, np.int64)
    for channel, multiplier in enumerate(multipliers):
        fraction, exponent = math.frexp(multiplier)
        assert exponent <= 0
        product = sums[..., channel] * round(fraction * 2**31)
        high = np.where(product >= 0, (product + 2**30) >> 31, -((2**30 - 1 - product) >> 31))
        remainder = high & ((1 << -exponent) - 1)
        half = (1 << -exponent) >> 1
        above = remainder > half - 1 + (high < 0) if ties == "away from 0" else remainder >= half
        result[..., channel] = (high >> -exponent) + (above if exponent else 0)
    return result


def test_compilers_of_accelerators_leave_four_bits_to_the_processor():
    graph = packed(LAYERS["conv"])
    model = read_tflite(int8_network(graph, some_weights(graph, 0), images(graph)).tflite())
    verdicts = {verdict.runtime: verdict for verdict in runtimes(model)}
    assert verdicts["LiteRT"].runs and verdicts["TensorFlow Lite Micro"].runs
    assert verdicts["Ethos-U"].stopped_by == verdicts["Edge TPU"].stopped_by == ("CONV_2D with a kernel of int4",)
