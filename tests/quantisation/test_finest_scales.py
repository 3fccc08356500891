"""Activations of which next to nothing is left: their files run on LiteRT and on TensorFlow Lite Micro, and agree."""

import numpy as np
import pytest

from edgevolve.deployment.micro import available, run_on_micro
from edgevolve.graph import (
    Activate,
    Activation,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    GraphBuilder,
    MaxPool2D,
    Multiply,
    Pad,
    Padding,
    Reshape,
    Slice,
    Softmax,
    with_activation_bits,
)
from edgevolve.quantisation import QuantisationError, int8_network, open_model
from edgevolve.quantisation.fake_quant import FakeQuantised
from edgevolve.training.forward import forward
from edgevolve.training.weights import initial_weights

pytestmark = pytest.mark.skipif(not available(), reason="TensorFlow Lite Micro is not installed")

NONE, RELU, RELU6 = Activation.NONE, Activation.RELU, Activation.RELU6

OF_ONE = {
    "convolution": (Conv2D(3, (2, 2)),),
    "convolution with relu6": (Conv2D(3, (2, 2), activation=RELU6),),
    "depthwise convolution": (DepthwiseConv2D((2, 2)),),
    "dense": (GlobalAveragePool(), Dense(3)),
    "largest": (MaxPool2D((2, 2), (2, 2)),),
    "average": (AveragePool2D((2, 2), (2, 2)),),
    "average with relu6": (AveragePool2D((2, 2), (2, 2), Padding.SAME, RELU6),),
    "global average": (GlobalAveragePool(),),
    "margins": (Pad((1, 1), (1, 1)),),
    "slice": (Slice((0, 0, 0), (2, 2, 2), (1, 1, 1)),),
    "relu": (Reshape((1, 2, 8, 2)), Activate(RELU)),
    "relu6": (Reshape((1, 2, 8, 2)), Activate(RELU6)),
    "hard swish": (Activate(Activation.HARD_SWISH),),
    "sigmoid": (Activate(Activation.SIGMOID),),
    "softmax": (Softmax(),),
    "softmax of averages": (GlobalAveragePool(), Softmax()),
    "flat softmax": (Softmax(0.1),),
    "steep softmax": (Softmax(10.0),),
}
NARROW = ("hard swish", 16)
"""No runtime has it."""

OF_TWO = {
    "sum": (Add(),),
    "sum with relu": (Add(RELU),),
    "product": (Multiply(),),
    "product with relu6": (Multiply(RELU6),),
    "join": (Concat(),),
}


def network(ops, *biases, size=1.0, bits=8):
    """`ops` on convolutions, one for each of `biases`, with RELU where that is below 0, and `size` times as large."""
    net = GraphBuilder()
    x = net.input((1, 4, 4, 3))
    made = [net.add(Conv2D(2, (1, 1), activation=RELU if bias == -9 else NONE), x) for bias in biases]
    x = net.add(ops[0], *made)
    for op in ops[1:]:
        x = net.add(op, x)
    graph = with_activation_bits(net.build(x), bits)
    weights = initial_weights(graph, 0)
    for node, bias in zip(graph.nodes, biases, strict=False):
        weights[f"{node.name}/kernel"] = weights[f"{node.name}/kernel"] * np.float32(size)
        weights[f"{node.name}/bias"] = np.full(2, size * bias, np.float32)
    return graph, weights


def check_on_both_runtimes(graph, weights):
    """Outputs agree to a step and lie within two of the network's own; training takes the same scales."""
    x = np.random.default_rng(0).uniform(0, 1, (4, *graph.inputs[0].shape[1:])).astype(np.float32)
    network = int8_network(graph, weights, x)
    opened = open_model(network.tflite())
    outputs = opened.outputs(x)
    (micro,) = run_on_micro(network.tflite(), [opened.quantised(x)]).outputs
    assert np.abs(micro.reshape(outputs.shape).astype(int) - outputs).max() <= 1
    rounded = FakeQuantised(graph, graph.outputs[0].name, x)
    for name, (scale, zero) in rounded.scales(rounded.constants(weights)).items():
        assert np.isclose(scale, network.scales[name].scales[0], rtol=1e-5)
        assert abs(int(zero) - network.scales[name].zero_points[0]) <= 1  # where a half is rounded
    return opened.real(outputs), forward(graph, weights, x, graph.outputs[0].name)[0].numpy()


@pytest.mark.parametrize(("name", "bits"), [(n, bits) for n in OF_ONE for bits in (8, 16) if (n, bits) != NARROW])
def test_both_runtimes_run_an_operator_on_what_is_0_throughout(name, bits):
    """Softmax ended the process of TensorFlow Lite Micro, and RELU6 overflowed with int16 activations."""
    real, wanted = check_on_both_runtimes(*network(OF_ONE[name], -9, bits=bits))
    assert np.abs(real - wanted).max() <= 1 / 256


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("other", [-9, 0.3])
@pytest.mark.parametrize("ops", OF_TWO.values(), ids=OF_TWO)
def test_both_runtimes_run_an_operator_of_which_one_input_is_0_throughout(ops, other, bits):
    real, wanted = check_on_both_runtimes(*network(ops, -9, other, bits=bits))
    assert np.abs(real - wanted).max() <= 0.02


@pytest.mark.parametrize("kind", ["hard swish", "sum"])
def test_both_runtimes_run_what_makes_next_to_nothing_of_large_inputs(kind):
    """With the finest scale that its range allows LiteRT refuses the hard swish, and the sum ends its process."""
    net = GraphBuilder()
    x = net.input((1, 6, 6, 2))
    a, b = (net.add(Conv2D(3, (1, 1)), x) for _ in range(2))
    made = net.add(Activate(Activation.HARD_SWISH), a) if kind == "hard swish" else net.add(Add(RELU), a, b)
    graph = net.build(net.add(Dense(3), net.add(GlobalAveragePool(), made)))
    weights = initial_weights(graph, 0)
    large = {name: value - 50 for name, value in weights.items() if name.endswith("/bias")}
    check_on_both_runtimes(graph, weights | large)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("other", [-8.0, 0.3])
def test_both_runtimes_run_a_sum_that_relu_cuts_to_nothing(other, bits):
    """An int16 sum ended the process, and LiteRT made the largest integer of an int8 one."""
    real, _ = check_on_both_runtimes(*network((Add(RELU),), -20.0, other, bits=bits))
    assert not real.any()


@pytest.mark.parametrize("bits", [8, 16])
def test_both_runtimes_run_a_product_that_relu6_cuts_to_a_small_part(bits):
    """LiteRT's int8 product overflowed to the other end of the range."""
    real, wanted = check_on_both_runtimes(*network((Multiply(RELU6),), -0.2, 0.3, size=200, bits=bits))
    assert set(np.unique(wanted)) == {0, 6}
    assert np.mean(np.abs(real - wanted) < 1) > 0.9


@pytest.mark.parametrize("bits", [8, 16])
def test_both_runtimes_clip_at_6_what_another_operator_reads_unclipped(bits):
    """TensorFlow Lite Micro's RELU6 does not scale: its output was wrong by the ratio of two scales."""
    net = GraphBuilder()
    x = net.add(Conv2D(2, (1, 1)), net.input((1, 4, 4, 3)))
    joined = net.add(
        Concat(), net.add(GlobalAveragePool(), net.add(Activate(RELU6), x)), net.add(GlobalAveragePool(), x)
    )
    graph = with_activation_bits(net.build(joined), bits)
    weights = {name: value * 20 for name, value in initial_weights(graph, 0).items()}
    real, wanted = check_on_both_runtimes(graph, weights)
    assert np.abs(real - wanted).max() < 0.2


def test_a_softmax_that_no_scale_of_its_input_suits_is_refused():
    graph, weights = network((Activate(Activation.SIGMOID), Softmax(1e-6)), 0.3)
    with pytest.raises(QuantisationError, match="must share one scale, and a sigmoid or softmax among them"):
        int8_network(graph, weights, np.ones((1, 4, 4, 3), np.float32))
