"""Networks as the exporters get them, with weights that leave nothing at one or zero."""

import numpy as np

from edgevolve.deployment.formats import Source
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
    MatMul,
    MaxPool2D,
    Multiply,
    Pad,
    Padding,
    Reshape,
    Slice,
    Softmax,
)
from edgevolve.quantisation import int8_network
from edgevolve.training.keras_model import keras_model
from edgevolve.training.weights import initial_weights
from search_space import SPACES
from tests.training.random_graphs import random_graph


def source_of(graph, number=16, *, int8=True):
    rng = np.random.default_rng(0)
    weights = initial_weights(graph, 0)
    for name, value in weights.items():
        if not name.endswith("kernel"):
            lowest = 0.5 if name.endswith("variance") else -1.5
            weights[name] = rng.uniform(lowest, 1.5, value.shape).astype(np.float32)
    images = rng.uniform(0, 1, (number, *graph.inputs[0].shape[1:])).astype(np.float32)
    keras = keras_model(graph, weights)
    return Source(
        graph,
        weights,
        int8_network(graph, weights, images).tflite() if int8 else b"",
        keras,
        images,
        keras(images).numpy(),
    )


def every_operator():
    """Each operator and activation, uneven margins, strides and sizes, and reshapes in both directions."""
    net = GraphBuilder()
    x = net.add(Conv2D(4, (2, 4), (2, 1), activation=Activation.RELU6, batch_norm=True), net.input((1, 13, 10, 3)))
    x = net.add(Conv2D(6, (3, 2), groups=2, activation=Activation.RELU, batch_norm=True), x)
    x = net.add(DepthwiseConv2D((2, 3), (1, 2), multiplier=2, batch_norm=True), net.add(Pad((1, 2), (0, 3)), x))
    pooled = net.add(MaxPool2D((2, 3), (2, 2), Padding.SAME, Activation.RELU6), x)
    x = net.add(Activate(Activation.HARD_SWISH), x)
    rectified = AveragePool2D((2, 3), (2, 2), Padding.SAME, Activation.RELU)
    mean = net.add(rectified, net.add(Activate(Activation.SIGMOID), x))
    x = net.add(Concat(), net.add(Add(Activation.RELU), pooled, mean), pooled)
    x = net.add(Conv2D(5, (2, 2), padding=Padding.VALID), x)
    gate = net.add(
        Conv2D(5, (1, 1), activation=Activation.RELU6), net.add(AveragePool2D(x.shape[1:3], x.shape[1:3]), x)
    )
    x = net.add(Multiply(), net.add(Multiply(Activation.RELU), x, gate), x)
    _, height, width, channels = x.shape
    x = net.add(Reshape((1, width, channels, height)), x)
    x = net.add(Softmax(), net.add(AveragePool2D((2, 2), (1, 1)), x))
    pixels = net.add(Reshape((1, x.shape[1] * x.shape[2], x.shape[3])), x)
    shares = net.add(Softmax(), net.add(MatMul(transposed=True), pixels, pixels))
    x = net.add(Reshape(x.shape), net.add(MatMul(), shares, pixels))
    x = net.add(Slice((0, 0, 1), x.shape[1:], (2, 1, 1)), x)
    left = net.add(Dense(3), net.add(GlobalAveragePool(), x))
    x = net.add(Concat(), left, net.add(Dense(4, Activation.RELU), x))
    return net.build(net.add(Dense(5), net.add(Dense(7), net.add(Reshape((1, 1, 1, 7)), x))))


SMALL = {"mobile": {"max_stages": 2, "depths": (1, 2), "max_filters": 32}}
"""Options that keep networks small, for a converter of some seconds each."""


def networks(each):
    """Names and graphs: random ones over every operator, then `each` random genotypes of every space."""
    yield "every operator", every_operator()
    for seed in range(2 * each):
        yield f"random {seed}", random_graph(seed)
    for name, kind in SPACES.items():
        space = kind((8, 8, 1), 10, **SMALL.get(name, {}))
        for seed in range(each):
            yield f"{name} {seed}", space.graph(space.sample(np.random.default_rng(seed)))
