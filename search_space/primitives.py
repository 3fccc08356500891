"""The primitives on an edge of a cell (`search_space.cells`): convolutions, pools, a skip, nothing.

Primitives have the names of TI's Tiny ML NAS: `conv_bn_relu_5x1` spans five rows and one column. A name says
everything, so `conv_bn_relu_1x1` needs no registration. An object of your own with a `name` and `add` is a primitive
too.
"""

import re
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from edgevolve.graph import Activation, AveragePool2D, Conv2D, DepthwiseConv2D, GraphBuilder, MaxPool2D, Padding, Tensor

Pair = tuple[int, int]

NONE = "none"
"""No connection: part of a mixture of all primitives, never of a genotype."""


@runtime_checkable
class Primitive(Protocol):
    """An operation on an edge."""

    @property
    def name(self) -> str:
        """Its name in genotypes."""

    def add(self, net: GraphBuilder, x: Tensor, stride: Pair) -> Tensor:
        """Add it on `x`, (1, h, w, channels); the output has the same channels, and h, w divided by `stride`."""


@dataclass(frozen=True, slots=True)
class Skip:
    """The identity at stride 1; else a 1×1 convolution with batch norm and ReLU."""

    @property
    def name(self) -> str:
        """`skip_connect`."""
        return "skip_connect"

    def add(self, net: GraphBuilder, x: Tensor, stride: Pair) -> Tensor:
        """`x` itself, or strided."""
        return x if stride == (1, 1) else net.add(conv_bn_relu(x.shape[3], (1, 1), stride), x)


@dataclass(frozen=True, slots=True)
class Window:
    """A convolution or a pool of `size`, (rows, columns), clamped to odd sizes within the map.

    `sep_conv` is depthwise, then 1×1 with batch norm and ReLU; `dil_conv` the same with taps two apart.
    """

    kind: str
    size: Pair

    @property
    def name(self) -> str:
        """`max_pool_3x1`."""
        return f"{self.kind}_{self.size[0]}x{self.size[1]}"

    def add(self, net: GraphBuilder, x: Tensor, stride: Pair) -> Tensor:
        """Padding keeps the map's size at stride 1."""
        size = clamped(self.size, x)
        if self.kind == "conv_bn_relu":
            return net.add(conv_bn_relu(x.shape[3], size, stride), x)
        if self.kind in ("avg_pool", "max_pool"):
            op = AveragePool2D if self.kind == "avg_pool" else MaxPool2D
            return x if size == stride == (1, 1) else net.add(op(size, stride, Padding.SAME), x)
        dilated = self.kind == "dil_conv"
        dilation = tuple(2 if dilated and extent > 1 else 1 for extent in size)
        first, last = ((1, 1), stride) if dilated else (stride, (1, 1))
        x = net.add(DepthwiseConv2D(size, first, batch_norm=True, dilation=(dilation[0], dilation[1])), x)
        return net.add(conv_bn_relu(x.shape[3], (1, 1), last), x)


KINDS = ("conv_bn_relu", "sep_conv", "dil_conv", "avg_pool", "max_pool")


def primitive(name: str) -> Primitive:
    """The primitive of a name. Raises `ValueError` for a name of none."""
    if name == "skip_connect":
        return Skip()
    match = re.fullmatch(rf"({'|'.join(KINDS)})_(\d{{1,2}})x(\d{{1,2}})", name)
    if match and all(int(extent) % 2 for extent in match.groups()[1:]):
        return Window(match[1], (int(match[2]), int(match[3])))
    raise ValueError(
        f"no primitive {name!r}: write skip_connect or one of {', '.join(KINDS)} with an odd size, as _3x1"
    )


def standard(input_shape: tuple[int, ...]) -> tuple[str, ...]:
    """TI's primitives but `none`: k×1 for a signal (a map of one column), 1×k for one row, k×k for an image."""
    rows, columns = (extent > 1 for extent in input_shape[:2])
    sizes = [f"{k if rows or not columns else 1}x{k if columns else 1}" for k in (3, 5, 7)]
    pools = (f"avg_pool_{sizes[0]}", f"max_pool_{sizes[0]}")
    return (*pools, "skip_connect", *(f"conv_bn_relu_{size}" for size in sizes))


def conv_bn_relu(filters: int, kernel: Pair, stride: Pair = (1, 1)) -> Conv2D:
    """Convolution, batch norm, ReLU."""
    return Conv2D(filters, kernel, stride, batch_norm=True, activation=Activation.RELU)


def clamped(size: Pair, x: Tensor) -> Pair:
    """The largest odd extents within `size` and the map `x`."""
    height, width = (min(k, extent - 1 + extent % 2) for k, extent in zip(size, x.shape[1:3], strict=True))
    return max(height, 1), max(width, 1)
