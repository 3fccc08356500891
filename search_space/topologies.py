"""The standard networks of the field as graphs, to measure a search against, for any input and number of outputs.

DS-CNN S (Zhang et al. 2017, arXiv 1711.07128), MobileNetV1 of width 0.25 (Howard et al. 2017, arXiv 1704.04861),
ResNet-8 and the fully connected autoencoder are layer by layer those of MLPerf Tiny (Banbury et al. 2021, arXiv
2106.07597; the files of its repository, mlcommons/tiny). The 1-D networks are those of TinyTNAS (Saha et al. 2024,
arXiv 2408.16535). All are as deployed, with batch norm folded, and end in logits or values.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgevolve.graph import (
    Activation,
    Add,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Graph,
    GraphBuilder,
    MaxPool2D,
    Shape,
    Tensor,
)
from edgevolve.spelling import suggestion
from search_space.mobile_blocks import pooled

_RELU = Activation.RELU


@dataclass(frozen=True, slots=True)
class Topology:
    """A standard network: its description, its published input shape without the batch, and its number of outputs."""

    words: str
    input_shape: Shape
    outputs: int
    body: Callable[[GraphBuilder, Tensor], Tensor]


def topology(name: str, input_shape: Shape | None = None, outputs: int | None = None) -> Graph:
    """A standard network.

    Args:
        name: one of `TOPOLOGIES`.
        input_shape: (height, width, channels); by default the published one. The 1-D networks take (steps, 1, channels)
            or (1, steps, channels), the autoencoder any shape. Kernels are cut to the map where it is smaller.
        outputs: the number of outputs: classes, or 1 for a binary network; by default the published one. An autoencoder
            has as many outputs as inputs.

    Raises:
        ValueError: for an unknown name, or an input or number of outputs that the network cannot have.
    """
    if name not in TOPOLOGIES:
        near = suggestion(name, TOPOLOGIES) or f"; there are {', '.join(TOPOLOGIES)}"
        raise ValueError(f"no standard network is called {name!r}{near}")
    plan = TOPOLOGIES[name]
    shape = plan.input_shape if input_shape is None else tuple(input_shape)
    if not shape or not all(type(size) is int and size >= 1 for size in shape):
        raise ValueError(f"{name}: the input must be of whole sizes of at least 1, not {shape}")
    if plan.body is _autoencoder:
        values = math.prod(shape)
        if outputs not in (None, values):
            raise ValueError(f"{name}: an autoencoder of {values} values gives {values}, not {outputs}")
        outputs = values
    elif len(shape) != 3:
        raise ValueError(f"{name}: the input must be (height, width, channels), not {shape}")
    outputs = plan.outputs if outputs is None else outputs
    net = GraphBuilder()
    return net.build(net.add(Dense(outputs), plan.body(net, net.input((1, *shape)))))


def topologies_for(input_shape: Shape, reconstructs: bool) -> tuple[str, ...]:
    """The names of the networks for such an input; the autoencoder alone if a network `reconstructs` its input."""
    if reconstructs:
        return tuple(name for name, plan in TOPOLOGIES.items() if plan.body is _autoencoder)
    if len(input_shape) != 3:
        return ()
    one_dimensional = 1 in input_shape[:2]
    names = (name for name, plan in TOPOLOGIES.items() if plan.body is not _autoencoder)
    return tuple(name for name in names if (1 in TOPOLOGIES[name].input_shape[:2]) == one_dimensional)


def _convolved(net: GraphBuilder, x: Tensor, filters: int, kernel: tuple[int, int], stride: int = 1) -> Tensor:
    """Convolution, batch norm, ReLU."""
    size = _window(x, kernel)
    return net.add(Conv2D(filters, size, (stride, stride), activation=_RELU, batch_norm=True), x)


def _separable(net: GraphBuilder, x: Tensor, filters: int, stride: int = 1) -> Tensor:
    """Depthwise 3×3 and 1×1, each with batch norm and ReLU."""
    op = DepthwiseConv2D(_window(x, (3, 3)), (stride, stride), activation=_RELU, batch_norm=True)
    return _convolved(net, net.add(op, x), filters, (1, 1))


def _window(x: Tensor, kernel: tuple[int, int]) -> tuple[int, int]:
    """The kernel, cut to the part that reaches a pixel of the map."""
    return min(kernel[0], 2 * x.shape[1] - 1), min(kernel[1], 2 * x.shape[2] - 1)


def _ds_cnn(net: GraphBuilder, x: Tensor) -> Tensor:
    x = _convolved(net, x, 64, (10, 4), 2)
    for _ in range(4):
        x = _separable(net, x, 64)
    return pooled(net, x)


def _mobilenet(net: GraphBuilder, x: Tensor) -> Tensor:
    x = _convolved(net, x, 8, (3, 3), 2)
    blocks = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *((128, 1),) * 5, (256, 2), (256, 1))
    for filters, stride in blocks:
        x = _separable(net, x, filters, stride)
    return pooled(net, x)


def _resnet(net: GraphBuilder, x: Tensor) -> Tensor:
    x = _convolved(net, x, 16, (3, 3))
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        y = _convolved(net, x, filters, (3, 3), stride)
        y = net.add(Conv2D(filters, _window(y, (3, 3)), batch_norm=True), y)
        if x.shape != y.shape:
            x = net.add(Conv2D(filters, (1, 1), (stride, stride)), x)
        x = net.add(Add(_RELU), x, y)
    return pooled(net, x)


def _autoencoder(net: GraphBuilder, x: Tensor) -> Tensor:
    x = net.flatten(x)
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = net.add(Dense(units, _RELU), x)
    return x


def _tinytnas(filters: int, cells: int) -> Callable[[GraphBuilder, Tensor], Tensor]:
    """Separable convolutions of 3 steps with max-pools of 2 between them, each 1.5 times as wide as the one before."""

    def body(net: GraphBuilder, x: Tensor) -> Tensor:
        if 1 not in x.shape[1:3]:
            raise ValueError(f"a 1-D network takes (steps, 1, channels) or (1, steps, channels), not {x.shape[1:]}")
        width = filters
        for cell in range(1 + cells):
            if cell and max(x.shape[1:3]) == 1:
                break
            if cell:
                size = (min(2, x.shape[1]), min(2, x.shape[2]))
                x, width = net.add(MaxPool2D(size, size), x), width * 3 // 2
            x = net.add(DepthwiseConv2D(_window(x, (3, 3))), x)
            x = net.add(Conv2D(width, (1, 1), activation=_RELU), x)
        return net.add(Dense(width * 3 // 2, _RELU), pooled(net, x))

    return body


TOPOLOGIES: Mapping[str, Topology] = {
    "ds_cnn_s": Topology("DS-CNN S", (49, 10, 1), 12, _ds_cnn),
    "mobilenet_v1_025": Topology("MobileNetV1 0.25", (96, 96, 3), 2, _mobilenet),
    "resnet_8": Topology("ResNet-8", (32, 32, 3), 10, _resnet),
    "autoencoder": Topology("fully connected autoencoder", (640,), 640, _autoencoder),
    "tinytnas_uci_har": Topology("TinyTNAS for UCI-HAR", (128, 1, 9), 6, _tinytnas(10, 3)),
    "tinytnas_pamap2": Topology("TinyTNAS for PAMAP2", (40, 1, 6), 6, _tinytnas(32, 1)),
}
"""The standard networks by name."""
