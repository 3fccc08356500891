"""The network as a Keras model, for people and for export."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
from numpy.typing import NDArray

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
    Graph,
    MatMul,
    MaxPool2D,
    Multiply,
    Node,
    Pad,
    Reshape,
    Slice,
    Softmax,
)
from edgevolve.training.weights import (
    BATCH_NORM_EPSILON,
    BATCH_NORM_MOMENTUM,
    Weights,
    check_weights,
    initial_weights,
    node_parameters,
)


def keras_model(
    graph: Graph, weights: Mapping[str, NDArray[Any]] | None = None, batch_size: int | None = None
) -> keras.Model:
    """The network as a Keras model, with `weights` or, without any, those of `initial_weights(graph, 0)`.

    Layers have the names of the nodes. Batch norm and fused activations are layers of their own, `NODE_bn` and
    `NODE_activation`. A convolution has a bias unless batch norm follows it. `batch_size=1` gives the static shapes
    that deployment needs. Raises `ValueError` when the weights are not those of the graph.

    On CPU, grouped convolutions train, and depthwise ones of unequal strides run, only with oneDNN. This package turns
    it on.
    """
    if weights is None:
        weights = initial_weights(graph, 0)
    check_weights(graph, weights)
    inputs = [keras.Input(x.shape[1:], batch_size=batch_size, name=x.name) for x in graph.inputs]
    tensors = {x.name: tensor for x, tensor in zip(graph.inputs, inputs, strict=True)}
    for node in graph.nodes:
        tensors[node.output.name] = LOWER[type(node.op)](node, *(tensors[x.name] for x in node.inputs))
    outputs = [tensors[y.name] for y in graph.outputs]
    model = keras.Model(*(many if len(many) > 1 else many[0] for many in (inputs, outputs)))
    assign(model, graph, weights)
    return model


def assign(model: keras.Model, graph: Graph, weights: Mapping[str, NDArray[Any]]) -> None:
    """Put `weights` into a model of `graph`."""
    for node in graph.nodes:
        own = [weights[parameter.name] for parameter in node_parameters(node)]
        if not own:
            continue
        batch_norm = len(own) > 2
        model.get_layer(node.name).set_weights(own[:1] if batch_norm else own)
        if batch_norm:
            model.get_layer(f"{node.name}_bn").set_weights(own[1:])


def values_of(model: keras.Model, graph: Graph) -> Weights:
    """The weights in a model of `graph`, by name: the inverse of `assign`."""
    values: Weights = {}
    for node in graph.nodes:
        names = [parameter.name for parameter in node_parameters(node)]
        if names:
            own = model.get_layer(node.name).get_weights()
            own += model.get_layer(f"{node.name}_bn").get_weights() if len(names) > 2 else []
            values |= dict(zip(names, own, strict=True))
    return values


def save_keras(model: keras.Model, path: Path) -> None:
    """Write a `.keras` file, without Keras' deprecation warnings about NumPy 2."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="__array__ implementation", category=DeprecationWarning)
        model.save(path)


def _conv(node: Node, x: Any) -> Any:
    op: Any = node.op
    layer = keras.layers.Conv2D(
        op.filters,
        op.kernel,
        strides=op.stride,
        padding=op.padding.value,
        dilation_rate=op.dilation,
        groups=op.groups,
        use_bias=not op.batch_norm,
        kernel_initializer="zeros",
        name=node.name,
    )
    return _finish(node, layer(x))


def _depthwise(node: Node, x: Any) -> Any:
    op: Any = node.op
    layer = keras.layers.DepthwiseConv2D(
        op.kernel,
        strides=op.stride,
        padding=op.padding.value,
        dilation_rate=op.dilation,
        depth_multiplier=op.multiplier,
        use_bias=not op.batch_norm,
        depthwise_initializer="zeros",
        name=node.name,
    )
    return _finish(node, layer(x))


def _dense(node: Node, x: Any) -> Any:
    op: Any = node.op
    flat = keras.layers.Flatten(name=f"{node.name}_flat")(x) if len(x.shape) == 4 else x
    return _finish(node, keras.layers.Dense(op.units, kernel_initializer="zeros", name=node.name)(flat))


def _finish(node: Node, y: Any) -> Any:
    """Batch norm and the fused activation, if the node has them."""
    op: Any = node.op
    if getattr(op, "batch_norm", False):
        y = keras.layers.BatchNormalization(
            momentum=BATCH_NORM_MOMENTUM, epsilon=BATCH_NORM_EPSILON, name=f"{node.name}_bn"
        )(y)
    if op.activation is not Activation.NONE:
        y = keras.layers.Activation(KERAS_NAMES[op.activation], name=f"{node.name}_activation")(y)
    return y


def _max_pool(node: Node, x: Any) -> Any:
    op: Any = node.op
    return _finish(node, keras.layers.MaxPooling2D(op.size, op.stride, op.padding.value, name=node.name)(x))


def _average_pool(node: Node, x: Any) -> Any:
    op: Any = node.op
    return _finish(node, keras.layers.AveragePooling2D(op.size, op.stride, op.padding.value, name=node.name)(x))


def _global_average(node: Node, x: Any) -> Any:
    return keras.layers.GlobalAveragePooling2D(name=node.name)(x)


def _add(node: Node, a: Any, b: Any) -> Any:
    return _finish(node, keras.layers.Add(name=node.name)([a, b]))


def _multiply(node: Node, a: Any, b: Any) -> Any:
    return _finish(node, keras.layers.Multiply(name=node.name)([a, b]))


def _matmul(node: Node, a: Any, b: Any) -> Any:
    op: Any = node.op
    return keras.layers.Dot((2, 2 if op.transposed else 1), name=node.name)([a, b])


def _concat(node: Node, *inputs: Any) -> Any:
    return keras.layers.Concatenate(name=node.name)(list(inputs))


def _pad(node: Node, x: Any) -> Any:
    op: Any = node.op
    return keras.layers.ZeroPadding2D((op.height, op.width), name=node.name)(x)


def _reshape(node: Node, x: Any) -> Any:
    op: Any = node.op
    return keras.layers.Reshape(op.shape[1:], name=node.name)(x)


def _slice(node: Node, x: Any) -> Any:
    op: Any = node.op
    taken = (slice(*bounds) for bounds in zip(op.begin, op.end, op.stride, strict=True))
    return keras.layers.Identity(name=node.name)(x[(slice(None), *taken)])


def _activate(node: Node, x: Any) -> Any:
    op: Any = node.op
    return keras.layers.Activation(KERAS_NAMES[op.function], name=node.name)(x)


def _softmax(node: Node, x: Any) -> Any:
    op: Any = node.op
    return keras.layers.Softmax(name=node.name)(x if op.beta == 1 else keras.layers.Rescaling(op.beta)(x))


KERAS_NAMES = {
    Activation.RELU: "relu",
    Activation.RELU6: "relu6",
    Activation.HARD_SWISH: "hard_silu",
    Activation.SIGMOID: "sigmoid",
}
"""Keras' names of the activations."""

LOWER: dict[type, Callable[..., Any]] = {
    Conv2D: _conv,
    DepthwiseConv2D: _depthwise,
    Dense: _dense,
    MaxPool2D: _max_pool,
    AveragePool2D: _average_pool,
    GlobalAveragePool: _global_average,
    Add: _add,
    Multiply: _multiply,
    MatMul: _matmul,
    Concat: _concat,
    Pad: _pad,
    Reshape: _reshape,
    Slice: _slice,
    Activate: _activate,
    Softmax: _softmax,
}
"""How each operator becomes layers."""
