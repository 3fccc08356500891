"""Operators that slide a window over a map: convolutions and pools."""

import math
from dataclasses import dataclass, field

from edgevolve.graph.attributes import Activation, Padding
from edgevolve.graph.op import (
    LATER,
    Pair,
    ShapeError,
    Weight,
    WithoutWeights,
    check_fusable,
    check_kernel_bits,
    check_positive,
    expect,
    kernel_and_bias,
)
from edgevolve.graph.tensor import Shape


@dataclass(frozen=True, slots=True)
class Conv2D:
    """2-D convolution, TFLite's CONV_2D; grouped when `groups` > 1.

    `kernel` and `stride` are (height, width) in pixels, `dilation` is the distance of the kernel's taps; dilation or
    stride must be 1. Kernel weights are (filters, height, width, channels / groups), of `kernel_bits` bits each, 4 or
    8. Batch norm is folded at deployment and costs nothing here.
    """

    filters: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = Padding.SAME
    groups: int = 1
    activation: Activation = Activation.NONE
    batch_norm: bool = False
    dilation: Pair = field(default=(1, 1), metadata={LATER: True})
    kernel_bits: int = field(default=8, metadata={LATER: True})

    def __post_init__(self) -> None:
        check_positive(self, self.filters, *self.kernel, *self.stride, self.groups, *self.dilation)
        _check_convolution(self)

    @property
    def window(self) -> Pair:
        """Height and width of what the kernel spans, in pixels."""
        return _spanned(self.kernel, self.dilation)

    def output_shape(self, *inputs: Shape) -> Shape:
        """(1, height, width, filters)."""
        (x,) = expect(self, inputs, rank=4)
        if x[3] % self.groups or self.filters % self.groups:
            raise ShapeError(f"{self} cannot split {x[3]} channels into {self.groups} groups")
        return (1, *_window(self, x), self.filters)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Kernel and bias."""
        channels = inputs[0][3] // self.groups
        return kernel_and_bias((self.filters, *self.kernel, channels), self.filters, self.kernel_bits)

    def macs(self, *inputs: Shape) -> int:
        """Height · width · filters · kernel area · channels / groups."""
        return math.prod(self.output_shape(*inputs)) * math.prod(self.kernel) * (inputs[0][3] // self.groups)


@dataclass(frozen=True, slots=True)
class DepthwiseConv2D:
    """`multiplier` filters for each channel, TFLite's DEPTHWISE_CONV_2D.

    `kernel` and `stride` are (height, width) in pixels, `dilation` is the distance of the kernel's taps; dilation or
    stride must be 1. Kernel weights are (1, height, width, channels · multiplier), of `kernel_bits` bits each, 4 or 8.
    Batch norm is folded at deployment and costs nothing here.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = Padding.SAME
    multiplier: int = 1
    activation: Activation = Activation.NONE
    batch_norm: bool = False
    dilation: Pair = field(default=(1, 1), metadata={LATER: True})
    kernel_bits: int = field(default=8, metadata={LATER: True})

    def __post_init__(self) -> None:
        check_positive(self, *self.kernel, *self.stride, self.multiplier, *self.dilation)
        _check_convolution(self)

    @property
    def window(self) -> Pair:
        """Height and width of what the kernel spans, in pixels."""
        return _spanned(self.kernel, self.dilation)

    def output_shape(self, *inputs: Shape) -> Shape:
        """(1, height, width, channels · multiplier)."""
        (x,) = expect(self, inputs, rank=4)
        return (1, *_window(self, x), x[3] * self.multiplier)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Kernel and bias."""
        channels = inputs[0][3] * self.multiplier
        return kernel_and_bias((1, *self.kernel, channels), channels, self.kernel_bits)

    def macs(self, *inputs: Shape) -> int:
        """Height · width · channels · multiplier · kernel area."""
        return math.prod(self.output_shape(*inputs)) * math.prod(self.kernel)


@dataclass(frozen=True, slots=True)
class _Pool2D(WithoutWeights):
    size: Pair
    stride: Pair
    padding: Padding = Padding.VALID
    activation: Activation = field(default=Activation.NONE, metadata={LATER: True})

    def __post_init__(self) -> None:
        check_positive(self, *self.size, *self.stride)
        check_fusable(self, self.activation)

    @property
    def kernel(self) -> Pair:
        """The window, by the name that convolutions use."""
        return self.size

    @property
    def window(self) -> Pair:
        """The window's height and width, in pixels."""
        return self.size

    def output_shape(self, *inputs: Shape) -> Shape:
        """(1, height, width, channels)."""
        (x,) = expect(self, inputs, rank=4)
        return (1, *_window(self, x), x[3])

    def macs(self, *inputs: Shape) -> int:
        """One for each element of each window."""
        return math.prod(self.output_shape(*inputs)) * math.prod(self.size)


@dataclass(frozen=True, slots=True)
class MaxPool2D(_Pool2D):
    """Largest value of each window, TFLite's MAX_POOL_2D; `size` and `stride` are (height, width)."""


@dataclass(frozen=True, slots=True)
class AveragePool2D(_Pool2D):
    """Mean of each window, TFLite's AVERAGE_POOL_2D; padded positions do not count."""


def _window(op: Conv2D | DepthwiseConv2D | _Pool2D, x: Shape) -> Pair:
    """Output height and width of a sliding window (TensorFlow's convention for SAME and VALID)."""
    height, width = x[1], x[2]
    if op.padding is Padding.VALID:
        window = op.window
        if window[0] > height or window[1] > width:
            raise ShapeError(f"{op}: a window of {window[0]}×{window[1]} does not fit a map of {height}×{width}")
        height, width = height - window[0] + 1, width - window[1] + 1
    return -(-height // op.stride[0]), -(-width // op.stride[1])


def _spanned(kernel: Pair, dilation: Pair) -> Pair:
    (height, width), (down, right) = kernel, dilation
    return 1 + (height - 1) * down, 1 + (width - 1) * right


def _check_convolution(op: Conv2D | DepthwiseConv2D) -> None:
    check_fusable(op, op.activation)
    if max(op.stride) > 1 and max(op.dilation) > 1:
        raise ShapeError(f"{op}: stride and dilation cannot both be above 1")
    check_kernel_bits(op, op.kernel_bits)
