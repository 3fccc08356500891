"""Networks of Coral's page that Keras does not have, written from their papers."""

import math
from typing import Any

from edgevolve.graph import (
    Activation,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    Graph,
    GraphBuilder,
    MaxPool2D,
    Padding,
    Softmax,
    Tensor,
)

_SAME = Padding.SAME


class _Writer(GraphBuilder):
    def conv(self, x: Tensor, filters: int, size: int, stride: int = 1, linear: bool = False) -> Tensor:
        function = Activation.NONE if linear else Activation.RELU
        return self.add(Conv2D(filters, (size, size), (stride, stride), _SAME, 1, function), x)

    def max_pool(self, x: Tensor, size: int, stride: int) -> Tensor:
        return self.add(MaxPool2D((size, size), (stride, stride), _SAME), x)

    def classified(self, x: Tensor) -> Graph:
        return self.build(self.add(Softmax(), self.flatten(x)))


def inception_v1() -> Graph:
    """GoogLeNet (Szegedy et al. 2015, table 1) with the 3×3 convolutions of its TensorFlow version."""
    net = _Writer()
    x = net.conv(net.input((1, 224, 224, 3)), 64, 7, 2)
    x = net.conv(net.conv(net.max_pool(x, 3, 2), 64, 1), 192, 3)

    def module(x: Tensor, *filters: int) -> Tensor:
        a, b, c, d, e, f = filters
        branches = (
            net.conv(x, a, 1),
            net.conv(net.conv(x, b, 1), c, 3),
            net.conv(net.conv(x, d, 1), e, 3),
            net.conv(net.max_pool(x, 3, 1), f, 1),
        )
        return net.add(Concat(), *branches)

    x = net.max_pool(x, 3, 2)
    for filters in ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)):
        x = module(x, *filters)
    x = net.max_pool(x, 3, 2)
    for filters in (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ):
        x = module(x, *filters)
    x = net.max_pool(x, 2, 2)
    for filters in ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)):
        x = module(x, *filters)
    x = net.add(AveragePool2D((7, 7), (1, 1), Padding.VALID), x)
    return net.classified(net.conv(x, 1001, 1, linear=True))


def squeezenet() -> Graph:
    """SqueezeNet 1.0 (Iandola et al. 2016, table 1)."""
    net = _Writer()
    x = net.max_pool(net.conv(net.input((1, 224, 224, 3)), 96, 7, 2), 3, 2)
    for squeeze, expand in (
        (16, 64),
        (16, 64),
        (32, 128),
        (0, 0),
        (32, 128),
        (48, 192),
        (48, 192),
        (64, 256),
        (0, 0),
        (64, 256),
    ):
        if squeeze:
            x = net.conv(x, squeeze, 1)
            x = net.add(Concat(), net.conv(x, expand, 1), net.conv(x, expand, 3))
        else:
            x = net.max_pool(x, 3, 2)
    return net.classified(net.add(GlobalAveragePool(), net.conv(x, 1000, 1)))


def efficientnet_edgetpu(size: int, width: float, depth: float) -> Graph:
    """EfficientNet-EdgeTPU (Gupta and Tan 2019): fused blocks first, no squeeze-and-excite, ReLU."""
    net = _Writer()
    x = net.conv(net.input((1, size, size, 3)), _rounded(32, width), 3, 2)
    blocks: tuple[Any, ...] = (
        (3, 1, 1, 4, 24, True),
        (3, 2, 2, 8, 32, True),
        (3, 4, 2, 8, 48, True),
        (5, 5, 2, 8, 96, False),
        (5, 4, 1, 8, 144, False),
        (5, 2, 2, 8, 192, False),
    )
    for stage, (kernel, repeats, first_stride, expansion, filters, fused) in enumerate(blocks):
        for index in range(math.ceil(repeats * depth)):
            stride = first_stride if index == 0 else 1
            channels = 24 if stage == 0 and index == 0 else x.shape[3]
            y = net.conv(x, channels * expansion, kernel if fused else 1)
            if not fused:
                y = net.add(DepthwiseConv2D((kernel, kernel), (stride, stride), activation=Activation.RELU), y)
            y = net.conv(y, _rounded(filters, width), 1, stride if fused else 1, linear=True)
            x = net.add(Add(), x, y) if stage and x.shape == y.shape else y
    x = net.add(GlobalAveragePool(), net.conv(x, _rounded(1280, width), 1))
    return net.classified(net.add(Dense(1001), x))


def _rounded(filters: int, width: float) -> int:
    scaled = filters * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded
