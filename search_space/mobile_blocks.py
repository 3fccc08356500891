"""The blocks of mobile networks, for the families as published and for the space around them.

Sources: depthwise-separable blocks (Howard et al. 2017, arXiv 1704.04861), inverted residuals or MBConv (Sandler et
al. 2018, arXiv 1801.04381), squeeze and excite within them (Tan et al. 2019, arXiv 1807.11626), hard functions (Howard
et al. 2019, arXiv 1905.02244), fused MBConv (Gupta and Akin 2020, arXiv 2003.02838), residual blocks and bottlenecks
(He et al. 2016), grouped ones (Xie et al. 2017, arXiv 1611.05431), shuffled ones (Zhang et al. 2018, arXiv 1707.01083),
self-attention (Vaswani et al. 2017, arXiv 1706.03762) of all pixels of a map (Srinivas et al. 2021, arXiv 2101.11605).

Batch norm follows every convolution but those of squeeze and excite. ReLU and ReLU6 fuse; a swish is a sigmoid and a
product, since TensorFlow Lite has no operator for it.
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from edgevolve.graph import (
    Activate,
    Activation,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    DepthwiseConv2D,
    GlobalAveragePool,
    GraphBuilder,
    MatMul,
    Multiply,
    Reshape,
    Slice,
    Softmax,
    Tensor,
)

Pair = tuple[int, int]
Function = Literal["relu", "relu6", "swish", "hard_swish"]
Gate = Literal["sigmoid", "hard_sigmoid"]

_FUSED: dict[str, Activation] = {"relu": Activation.RELU, "relu6": Activation.RELU6}
_SMALLEST_HALVED = 4


def rounded(channels: float) -> int:
    """The multiple of 8 nearest to `channels`, at least 8 and at most a tenth below it (MobileNetV2's rule)."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def window(x: Tensor, kernel: int, stride: int) -> tuple[Pair, Pair]:
    """Kernel and stride on this map: no kernel pixel sees only padding, and no side below 4 pixels is halved.

    For a signal, a map of a single row or column, only the longer side counts and is halved.
    """
    _, height, width, _ = x.shape
    step = stride if shorter_side(x.shape[1:3]) >= _SMALLEST_HALVED else 1
    kernels = (min(kernel, 2 * height - 1), min(kernel, 2 * width - 1))
    return kernels, (step if height > 1 else 1, step if width > 1 else 1)


def shorter_side(sides: tuple[int, ...]) -> int:
    """The shorter side in pixels; for a signal, which has a side of one pixel, the other side."""
    return min((side for side in sides if side > 1), default=1)


def activated(net: GraphBuilder, op: Conv2D | DepthwiseConv2D | Add, function: Function, *inputs: Tensor) -> Tensor:
    """Add an operator and the function after it."""
    if function in _FUSED:
        return net.add(replace(op, activation=_FUSED[function]), *inputs)
    return activation(net, net.add(op, *inputs), function)


def activation(net: GraphBuilder, x: Tensor, function: Function) -> Tensor:
    """Add a function as separate operators."""
    if function in _FUSED:
        return net.add(Activate(_FUSED[function]), x)
    if function == "hard_swish":
        return net.add(Activate(Activation.HARD_SWISH), x)
    return net.add(Multiply(), x, net.add(Activate(Activation.SIGMOID), x))


def convolution(net: GraphBuilder, x: Tensor, filters: int, kernel: int, stride: int, function: Function) -> Tensor:
    """A convolution with batch norm and the function."""
    return activated(net, Conv2D(filters, *window(x, kernel, stride), batch_norm=True), function, x)


def separable(net: GraphBuilder, x: Tensor, filters: int, kernel: int, stride: int, function: Function) -> Tensor:
    """MobileNetV1's block: a depthwise and a 1×1 convolution, each with the function, and no skip."""
    return convolution(net, _depthwise(net, x, kernel, stride, function), filters, 1, 1, function)


def mbconv(
    net: GraphBuilder,
    x: Tensor,
    filters: int,
    kernel: int,
    stride: int,
    function: Function,
    expanded: int,
    squeezed: int = 0,
    gate: Gate = "sigmoid",
) -> Tensor:
    """1×1 to `expanded` channels unless `x` has them, depthwise, squeeze and excite, linear 1×1; a skip if it fits."""
    y = x if expanded == x.shape[3] else convolution(net, x, expanded, 1, 1, function)
    y = squeeze_excite(net, _depthwise(net, y, kernel, stride, function), squeezed, function, gate)
    return _skipped(net, x, _linear(net, y, filters, 1))


def fused_mbconv(
    net: GraphBuilder,
    x: Tensor,
    filters: int,
    kernel: int,
    stride: int,
    function: Function,
    expanded: int,
    squeezed: int = 0,
) -> Tensor:
    """Like `mbconv`, with one convolution in place of the first two; without expansion it is the whole block."""
    narrow = expanded == x.shape[3]
    y = convolution(net, x, filters if narrow else expanded, kernel, stride, function)
    y = squeeze_excite(net, y, squeezed, function)
    return _skipped(net, x, y if narrow else _linear(net, y, filters, 1))


def residual(
    net: GraphBuilder, x: Tensor, filters: int, kernel: int, stride: int, function: Function, squeezed: int = 0
) -> Tensor:
    """Two convolutions with a skip, which has a 1×1 convolution where shapes differ; the function after the sum."""
    y = _linear(net, convolution(net, x, filters, kernel, stride, function), filters, kernel)
    return _beside(net, x, squeeze_excite(net, y, squeezed, function), filters, stride, function)


def bottleneck(
    net: GraphBuilder,
    x: Tensor,
    filters: int,
    kernel: int,
    stride: int,
    function: Function,
    squeezed: int = 0,
    groups: int = 1,
) -> Tensor:
    """1×1 to a quarter of `filters`, a convolution, 1×1 back, with a skip; the function after the sum.

    With `groups` above 1 it is ResNeXt's block: the convolution is grouped and has half of `filters`.
    """
    inner = rounded(filters / (2 if groups > 1 else 4))
    y = convolution(net, x, inner, 1, 1, function)
    middle = Conv2D(inner, *window(y, kernel, stride), groups=groups, batch_norm=True)
    y = _linear(net, activated(net, middle, function, y), filters, 1)
    return _beside(net, x, squeeze_excite(net, y, squeezed, function), filters, stride, function)


def shuffled(
    net: GraphBuilder, x: Tensor, filters: int, kernel: int, stride: int, function: Function, groups: int
) -> Tensor:
    """ShuffleNet's block: grouped 1×1 to a quarter, shuffle, linear depthwise, grouped 1×1 back, with a skip."""
    narrow = Conv2D(rounded(filters / 4), (1, 1), groups=groups, batch_norm=True)
    y = channel_shuffle(net, activated(net, narrow, function, x), groups)
    y = net.add(DepthwiseConv2D(*window(y, kernel, stride), batch_norm=True), y)
    y = net.add(Conv2D(filters, (1, 1), groups=groups, batch_norm=True), y)
    return _beside(net, x, y, filters, stride, function)


def attention(net: GraphBuilder, x: Tensor, filters: int, stride: int, function: Function, heads: int) -> Tensor:
    """Self-attention of all pixels: `heads` weighted means of values, side by side, then 1×1, with a skip.

    Each head has its own queries, keys and values, 1×1 convolutions to its share of `filters`. Weights are the softmax
    of query times key over the root of their length. The input is first brought to `filters` and the stride.
    """
    if x.shape[3] != filters or stride > 1:
        x = convolution(net, x, filters, 1, stride, function)
    _, height, width, _ = x.shape
    length = filters // heads
    root = float(np.float32(length**-0.5))  # as files store it

    def pixels() -> Tensor:
        return net.add(Reshape((1, height * width, length)), _linear(net, x, length, 1))

    made = []
    for _ in range(heads):
        scores = net.add(MatMul(transposed=True), pixels(), pixels())
        mean = net.add(MatMul(), net.add(Softmax(root), scores), pixels())
        made.append(net.add(Reshape((1, height, width, length)), mean))
    y = made[0] if heads == 1 else net.add(Concat(), *made)
    return activated(net, Add(), function, _linear(net, y, filters, 1), x)


def channel_shuffle(net: GraphBuilder, x: Tensor, groups: int) -> Tensor:
    """Reorder channels so that each of `groups` equal parts holds channels of every part before.

    It is a concatenation of strided slices: of the two ways to transpose the table of channels, (groups, channels /
    groups), the one with fewer slices.
    """
    _, height, width, channels = x.shape
    step = min(groups, channels // groups)
    if step == 1:
        return x
    parts = [Slice((0, 0, first), (height, width, channels), (1, 1, step)) for first in range(step)]
    return net.add(Concat(), *(net.add(part, x) for part in parts))


def squeeze_excite(net: GraphBuilder, x: Tensor, squeezed: int, function: Function, gate: Gate = "sigmoid") -> Tensor:
    """Scale each channel by a gate, computed from the means of all channels through `squeezed` channels; 0: no gate.

    A hard sigmoid is relu6(x + 3) / 6. The 3 is part of the bias before it and the sixth part of the kernel after it,
    so that it is written as the ReLU6 of a convolution: the same functions with one operator less. (Some gates are then
    closed at the start, which hurts training from scratch; the space uses the sigmoid.)
    """
    if not squeezed:
        return x
    size = (x.shape[1], x.shape[2])
    y = x if size == (1, 1) else net.add(AveragePool2D(size, size), x)
    y = activated(net, Conv2D(squeezed, (1, 1)), function, y)
    excite = Conv2D(x.shape[3], (1, 1), activation=Activation.RELU6 if gate == "hard_sigmoid" else Activation.NONE)
    y = net.add(excite, y)
    return net.add(Multiply(), x, y if gate == "hard_sigmoid" else net.add(Activate(Activation.SIGMOID), y))


def pooled(net: GraphBuilder, x: Tensor) -> Tensor:
    """The mean of each channel, (1, channels), as `Dense` takes it."""
    return x if x.shape[1:3] == (1, 1) else net.add(GlobalAveragePool(), x)


def _depthwise(net: GraphBuilder, x: Tensor, kernel: int, stride: int, function: Function) -> Tensor:
    return activated(net, DepthwiseConv2D(*window(x, kernel, stride), batch_norm=True), function, x)


def _linear(net: GraphBuilder, x: Tensor, filters: int, kernel: int, stride: int = 1) -> Tensor:
    return net.add(Conv2D(filters, *window(x, kernel, stride), batch_norm=True), x)


def _skipped(net: GraphBuilder, x: Tensor, y: Tensor) -> Tensor:
    return net.add(Add(), x, y) if x.shape == y.shape else y


def _beside(net: GraphBuilder, x: Tensor, y: Tensor, filters: int, stride: int, function: Function) -> Tensor:
    """The sum of `y` and the input, which gets a 1×1 convolution where shapes differ; then the function."""
    beside = x if x.shape == y.shape else _linear(net, x, filters, 1, stride)
    return activated(net, Add(), function, y, beside)
