"""The network as bare TensorFlow operations, for training: a fraction of the cost of building Keras layers."""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

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
from edgevolve.training.weights import BATCH_NORM_EPSILON, Values
from search_space.mixture import Mix

Statistics = dict[str, Any]
"""Means and variances of a batch, by the names of the moving values."""


def forward(
    graph: Graph, values: Values, x: Any, last: str, after: Callable[[Node, list[Any], Any], Any] | None = None
) -> tuple[Any, Statistics]:
    """The activation named `last` for `x`, (batch, height, width, channels) float32, and the batch's statistics.

    A node whose `gamma` is among the values normalises by its batch, as in training, and adds to the statistics. For
    inference pass `folded` values, which hold no `gamma`. `after(node, operands, made)` replaces each node's output.
    """
    statistics: Statistics = {}
    tensors = {graph.inputs[0].name: x}
    for node in graph.nodes:
        if last in tensors:
            break
        with tf.name_scope(node.name):
            operands = [tensors[x.name] for x in node.inputs]
            made = FORWARD[type(node.op)](node, values, statistics, *operands)
            tensors[node.output.name] = after(node, operands, made) if after else made
    return tensors[last], statistics


def _conv(node: Node, values: Values, statistics: Statistics, x: Any) -> Any:
    op: Any = node.op
    kernel, padding = values[f"{node.name}/kernel"], op.padding.value.upper()
    if op.kernel == (1, 1) and max(op.stride) > 1:
        y = _strided_pixels(x, kernel, op.stride)
    elif max(op.dilation) > 1:  # the plain operator has no gradient on a CPU where it is dilated
        y = tf.nn.convolution(x, kernel, op.stride, padding, dilations=op.dilation)
    else:
        y = tf.nn.conv2d(x, kernel, op.stride, padding)
    return _finish(node, values, statistics, y)


def _strided_pixels(x: Any, kernel: Any, stride: tuple[int, int]) -> Any:
    """A 1×1 convolution of every `stride`-th pixel; its gradient is computed on a map of these pixels alone.

    oneDNN's own gradient writes beyond its memory (TensorFlow 2.21 without AVX-512, few channels).
    """

    def convolved(x: Any, kernel: Any) -> Any:
        def gradient(above: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch((x, kernel))
                made = tf.nn.conv2d(x[:, :: stride[0], :: stride[1]], kernel, 1, "VALID")
            return tape.gradient(made, (x, kernel), above)

        return tf.nn.conv2d(x, kernel, stride, "VALID"), gradient

    return tf.custom_gradient(convolved)(x, kernel)


def _depthwise(node: Node, values: Values, statistics: Statistics, x: Any) -> Any:
    op: Any = node.op
    if x.shape[-1] == 1 and op.kernel == (1, 1):  # oneDNN aborts in its gradient (TensorFlow 2.21)
        return _conv(node, values, statistics, x)
    kernel, padding = values[f"{node.name}/kernel"], op.padding.value.upper()
    y = tf.nn.depthwise_conv2d(x, kernel, (1, *op.stride, 1), padding, dilations=op.dilation)
    return _finish(node, values, statistics, y)


def _dense(node: Node, values: Values, statistics: Statistics, x: Any) -> Any:
    flat = tf.reshape(x, (-1, math.prod(x.shape[1:]))) if len(x.shape) == 4 else x
    return _finish(node, values, statistics, tf.matmul(flat, values[f"{node.name}/kernel"]))


def _finish(node: Node, values: Values, statistics: Statistics, y: Any) -> Any:
    """Bias or batch norm, then the fused activation."""
    name = node.name
    if f"{name}/gamma" in values:
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=y,
            scale=values[f"{name}/gamma"],
            offset=values[f"{name}/beta"],
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=BATCH_NORM_EPSILON,
            is_training=True,
        )
        statistics[f"{name}/mean"] = mean
        statistics[f"{name}/variance"] = variance
    elif f"{name}/bias" in values:  # in a deployed network a node may have no bias
        y = tf.nn.bias_add(y, values[f"{name}/bias"])
    return ACTIVATIONS[node.op.activation](y)  # type: ignore[attr-defined]


def _max_pool(node: Node, values: Values, statistics: Statistics, x: Any) -> Any:
    op: Any = node.op
    return ACTIVATIONS[op.activation](tf.nn.max_pool2d(x, op.size, op.stride, op.padding.value.upper()))


def _average_pool(node: Node, values: Values, statistics: Statistics, x: Any) -> Any:
    op: Any = node.op
    return ACTIVATIONS[op.activation](tf.nn.avg_pool2d(x, op.size, op.stride, op.padding.value.upper()))


def _global_average(node: Node, values: Values, statistics: Statistics, x: Any) -> Any:
    return tf.reduce_mean(x, axis=[1, 2])


def _add(node: Node, values: Values, statistics: Statistics, a: Any, b: Any) -> Any:
    op: Any = node.op
    return ACTIVATIONS[op.activation](a + b)


def _multiply(node: Node, values: Values, statistics: Statistics, a: Any, b: Any) -> Any:
    op: Any = node.op
    return ACTIVATIONS[op.activation](a * b)


def _matmul(node: Node, values: Values, statistics: Statistics, a: Any, b: Any) -> Any:
    op: Any = node.op
    return tf.matmul(a, b, transpose_b=op.transposed)


def _concat(node: Node, values: Values, statistics: Statistics, *inputs: Any) -> Any:
    return tf.concat(inputs, axis=-1)


def _pad(node: Node, values: Values, statistics: Statistics, x: Any) -> Any:
    op: Any = node.op
    return tf.pad(x, [(0, 0), op.height, op.width, (0, 0)])


def _reshape(node: Node, values: Values, statistics: Statistics, x: Any) -> Any:
    op: Any = node.op
    return tf.reshape(x, (-1, *op.shape[1:]))


def _slice(node: Node, values: Values, statistics: Statistics, x: Any) -> Any:
    op: Any = node.op
    return tf.strided_slice(x, (0, *op.begin), (0, *op.end), (1, *op.stride), begin_mask=1, end_mask=1)


def _activate(node: Node, values: Values, statistics: Statistics, x: Any) -> Any:
    op: Any = node.op
    return ACTIVATIONS[op.function](x)


def _softmax(node: Node, values: Values, statistics: Statistics, x: Any) -> Any:
    op: Any = node.op
    return tf.nn.softmax(x if op.beta == 1 else op.beta * x)


def _mix(node: Node, values: Values, statistics: Statistics, *inputs: Any) -> Any:
    op: Any = node.op
    return tf.tensordot(values[op.weight], tf.stack(inputs), 1)


def _hard_swish(x: Any) -> Any:
    return x * tf.nn.relu6(x + 3) * (1 / 6)


ACTIVATIONS: dict[Activation, Callable[[Any], Any]] = {
    Activation.NONE: lambda x: x,
    Activation.RELU: tf.nn.relu,
    Activation.RELU6: tf.nn.relu6,
    Activation.HARD_SWISH: _hard_swish,
    Activation.SIGMOID: tf.nn.sigmoid,
}

FORWARD: dict[type, Callable[..., Any]] = {
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
    Mix: _mix,
}
