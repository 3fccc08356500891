"""Operators, as TFLite has them: attributes, output shape, weight shapes, multiply-accumulates.

Activations are NHWC with a batch of 1, or (1, features). Batch norm and fused activations are
attributes of the operator that they fold into. To add an operator, write its dataclass here, list it
in `OPS` and give it a Keras lowering in `training/`; a test fails until both exist.
"""

import math
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from edgevolve.graph.attributes import Activation, Padding
from edgevolve.graph.tensor import DType, Shape

__all__ = [
    "OPS",
    "Activate",
    "Add",
    "AveragePool2D",
    "Concat",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "GlobalAveragePool",
    "MaxPool2D",
    "Multiply",
    "Op",
    "Pad",
    "Reshape",
    "ShapeError",
    "Slice",
    "Softmax",
    "Weight",
]

Pair = tuple[int, int]

LATER = "later"
"""Metadata of an attribute that an operator got later: it stands last, and JSON has it only where it is set."""


class ShapeError(ValueError):
    """An operator cannot take inputs of these shapes, or has impossible attributes."""


class Weight(NamedTuple):
    """A constant operand: its role (kernel, bias, axes, ...), TFLite shape and element type."""

    role: str
    shape: Shape
    dtype: DType


class Op(Protocol):
    """What every operator answers about inputs of given shapes; all raise `ShapeError`."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """Shape of the one output."""

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Constant operands in TFLite's order."""

    def macs(self, *inputs: Shape) -> int:
        """Multiply-accumulates of one inference.

        As in μNAS, an addition of a pooling window, of a mean or of Add counts as one; so does a product of Multiply.
        """


class _WithoutWeights:
    __slots__ = ()

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """None."""
        return ()

    def macs(self, *inputs: Shape) -> int:
        """None."""
        return 0


@dataclass(frozen=True, slots=True)
class Conv2D:
    """2-D convolution, TFLite's CONV_2D; grouped when `groups` > 1.

    `kernel` and `stride` are (height, width) in pixels, `dilation` the distance of the kernel's taps; it or the stride
    is 1. Kernel weights are
    (filters, height, width, channels / groups). Batch norm is folded at deployment and costs nothing here.
    """

    filters: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = Padding.SAME
    groups: int = 1
    activation: Activation = Activation.NONE
    batch_norm: bool = False
    dilation: Pair = field(default=(1, 1), metadata={LATER: True})

    def __post_init__(self) -> None:
        _check_positive(self, self.filters, *self.kernel, *self.stride, self.groups)
        _check_fusable(self, self.activation)
        _check_dilation(self, self.stride, self.dilation)

    @property
    def window(self) -> Pair:
        """Height and width of what the kernel spans, in pixels."""
        return _dilated(self.kernel, self.dilation)

    def output_shape(self, *inputs: Shape) -> Shape:
        """(1, height, width, filters)."""
        (x,) = _expect(self, inputs, rank=4)
        if x[3] % self.groups or self.filters % self.groups:
            raise ShapeError(f"{self} cannot split {x[3]} channels into {self.groups} groups")
        return (1, *_window(self, x), self.filters)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Kernel and bias."""
        channels = inputs[0][3] // self.groups
        return _kernel_and_bias((self.filters, *self.kernel, channels), self.filters)

    def macs(self, *inputs: Shape) -> int:
        """Height · width · filters · kernel area · channels / groups."""
        return math.prod(self.output_shape(*inputs)) * math.prod(self.kernel) * (inputs[0][3] // self.groups)


@dataclass(frozen=True, slots=True)
class DepthwiseConv2D:
    """`multiplier` filters a channel, TFLite's DEPTHWISE_CONV_2D.

    `kernel` and `stride` are (height, width) in pixels, `dilation` the distance of the kernel's taps; it or the stride
    is 1. Kernel weights are
    (1, height, width, channels · multiplier). Batch norm is folded at deployment and costs nothing here.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = Padding.SAME
    multiplier: int = 1
    activation: Activation = Activation.NONE
    batch_norm: bool = False
    dilation: Pair = field(default=(1, 1), metadata={LATER: True})

    def __post_init__(self) -> None:
        _check_positive(self, *self.kernel, *self.stride, self.multiplier)
        _check_fusable(self, self.activation)
        _check_dilation(self, self.stride, self.dilation)

    @property
    def window(self) -> Pair:
        """Height and width of what the kernel spans, in pixels."""
        return _dilated(self.kernel, self.dilation)

    def output_shape(self, *inputs: Shape) -> Shape:
        """(1, height, width, channels · multiplier)."""
        (x,) = _expect(self, inputs, rank=4)
        return (1, *_window(self, x), x[3] * self.multiplier)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Kernel and bias."""
        channels = inputs[0][3] * self.multiplier
        return _kernel_and_bias((1, *self.kernel, channels), channels)

    def macs(self, *inputs: Shape) -> int:
        """Height · width · channels · multiplier · kernel area."""
        return math.prod(self.output_shape(*inputs)) * math.prod(self.kernel)


@dataclass(frozen=True, slots=True)
class Dense:
    """Fully connected layer, TFLite's FULLY_CONNECTED; kernel weights are (units, features).

    The input is (1, features), or a map of one pixel, (1, 1, 1, features).
    """

    units: int
    activation: Activation = Activation.NONE

    def __post_init__(self) -> None:
        _check_positive(self, self.units)
        _check_fusable(self, self.activation)

    def output_shape(self, *inputs: Shape) -> Shape:
        """(1, units)."""
        (x,) = _expect(self, inputs)
        if math.prod(x[:-1]) != 1 or len(x) not in (2, 4):
            raise ShapeError(f"{self} takes (1, features) or (1, 1, 1, features), got {x}")
        return (1, self.units)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Kernel and bias."""
        return _kernel_and_bias((self.units, inputs[0][-1]), self.units)

    def macs(self, *inputs: Shape) -> int:
        """Features · units."""
        return math.prod(inputs[0]) * self.units


@dataclass(frozen=True, slots=True)
class _Pool2D(_WithoutWeights):
    size: Pair
    stride: Pair
    padding: Padding = Padding.VALID

    def __post_init__(self) -> None:
        _check_positive(self, *self.size, *self.stride)

    @property
    def kernel(self) -> Pair:
        """The window, under the name convolutions use."""
        return self.size

    @property
    def window(self) -> Pair:
        """The same."""
        return self.size

    def output_shape(self, *inputs: Shape) -> Shape:
        """(1, height, width, channels)."""
        (x,) = _expect(self, inputs, rank=4)
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


@dataclass(frozen=True, slots=True)
class GlobalAveragePool:
    """Mean over height and width, TFLite's MEAN: (1, h, w, c) to (1, c)."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """(1, channels)."""
        (x,) = _expect(self, inputs, rank=4)
        return (1, x[3])

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """The two axes."""
        return (Weight("axes", (2,), DType.INT32),)

    def macs(self, *inputs: Shape) -> int:
        """One for each input element."""
        return math.prod(inputs[0])


@dataclass(frozen=True, slots=True)
class Add(_WithoutWeights):
    """Sum of two tensors of one shape, TFLite's ADD; the order of the inputs does not matter."""

    activation: Activation = Activation.NONE

    def __post_init__(self) -> None:
        _check_fusable(self, self.activation)

    def output_shape(self, *inputs: Shape) -> Shape:
        """The shape of either input."""
        a, b = _expect(self, inputs, count=2)
        if a != b:
            raise ShapeError(f"Add needs two equal shapes, got {a} and {b}")
        return a

    def macs(self, *inputs: Shape) -> int:
        """One for each element."""
        return math.prod(inputs[0])


@dataclass(frozen=True, slots=True)
class Multiply(_WithoutWeights):
    """Product of two tensors, TFLite's MUL; the order of the inputs does not matter.

    Both have one shape, or one is a map and the other (1, 1, 1, channels), a factor for each channel.
    """

    activation: Activation = Activation.NONE

    def __post_init__(self) -> None:
        _check_fusable(self, self.activation)

    def output_shape(self, *inputs: Shape) -> Shape:
        """The shape of the larger input."""
        a, b = _expect(self, inputs, count=2)
        if a != b and (len(a) != 4 or b != (1, 1, 1, a[3])) and (len(b) != 4 or a != (1, 1, 1, b[3])):
            raise ShapeError(
                f"Multiply needs two equal shapes, or a map and a factor for each channel, got {a} and {b}"
            )
        return max(a, b)

    def macs(self, *inputs: Shape) -> int:
        """One for each element."""
        return math.prod(self.output_shape(*inputs))


@dataclass(frozen=True, slots=True)
class Concat(_WithoutWeights):
    """Two or more tensors side by side along the channels, TFLite's CONCATENATION."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """The inputs' shape with the sum of their channels."""
        if len(inputs) < 2 or len({x[:-1] for x in inputs}) != 1:
            raise ShapeError(f"Concat needs two or more shapes that differ in channels alone, got {inputs}")
        return (*inputs[0][:-1], sum(x[-1] for x in inputs))


@dataclass(frozen=True, slots=True)
class Pad:
    """Zeros around height and width, TFLite's PAD: `height` is (top, bottom), `width` is (left, right)."""

    height: Pair
    width: Pair

    def __post_init__(self) -> None:
        if min(*self.height, *self.width) < 0:
            raise ShapeError(f"{self} has a negative amount")

    def output_shape(self, *inputs: Shape) -> Shape:
        """(1, top + height + bottom, left + width + right, channels)."""
        (x,) = _expect(self, inputs, rank=4)
        return (1, x[1] + sum(self.height), x[2] + sum(self.width), x[3])

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """The amounts, a (4, 2) table."""
        return (Weight("amounts", (4, 2), DType.INT32),)

    def macs(self, *inputs: Shape) -> int:
        """None: a copy."""
        return 0


@dataclass(frozen=True, slots=True)
class Slice:
    """Every `stride`-th element from `begin` up to, without, `end`, TFLite's STRIDED_SLICE.

    Each has a number for each axis but the batch, counted from 0.
    """

    begin: Shape
    end: Shape
    stride: Shape

    def __post_init__(self) -> None:
        _check_positive(self, *self.end, *self.stride)
        if not len(self.begin) == len(self.end) == len(self.stride) or min(self.begin, default=0) < 0:
            raise ShapeError(f"{self} needs as many begins, of at least 0, as ends and strides")

    def output_shape(self, *inputs: Shape) -> Shape:
        """The batch of 1, then how many elements each axis keeps."""
        (x,) = _expect(self, inputs, rank=1 + len(self.begin))
        if any(not begin < end <= size for begin, end, size in zip(self.begin, self.end, x[1:], strict=True)):
            raise ShapeError(f"{self} does not lie within {x}")
        kept = tuple(-(-(e - b) // s) for b, e, s in zip(self.begin, self.end, self.stride, strict=True))
        if kept == x[1:]:
            raise ShapeError(f"{self} takes all of {x}")
        return (1, *kept)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Begin, end and stride, the batch included."""
        return tuple(Weight(role, (1 + len(self.begin),), DType.INT32) for role in ("begin", "end", "stride"))

    def macs(self, *inputs: Shape) -> int:
        """None: a copy."""
        return 0


@dataclass(frozen=True, slots=True)
class Reshape:
    """The same elements in another shape, TFLite's RESHAPE; `shape` includes the batch of 1."""

    shape: Shape

    def __post_init__(self) -> None:
        _check_positive(self, *self.shape)

    def output_shape(self, *inputs: Shape) -> Shape:
        """`shape`."""
        (x,) = _expect(self, inputs)
        if math.prod(x) != math.prod(self.shape):
            raise ShapeError(f"{self} cannot hold the elements of {x}")
        return self.shape

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """The new shape."""
        return (Weight("shape", (len(self.shape),), DType.INT32),)

    def macs(self, *inputs: Shape) -> int:
        """None: a copy."""
        return 0


@dataclass(frozen=True, slots=True)
class Activate(_WithoutWeights):
    """An activation as an operator of its own, for the functions that do not fuse or have nothing to fuse into."""

    function: Activation

    def __post_init__(self) -> None:
        if self.function is Activation.NONE:
            raise ShapeError("Activate needs a function other than none")

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        return _expect(self, inputs)[0]


@dataclass(frozen=True, slots=True)
class Softmax(_WithoutWeights):
    """Softmax over the last axis, TFLite's SOFTMAX."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        return _expect(self, inputs)[0]


OPS: dict[str, type] = {
    op.__name__: op
    for op in (
        Conv2D,
        DepthwiseConv2D,
        Dense,
        MaxPool2D,
        AveragePool2D,
        GlobalAveragePool,
        Add,
        Multiply,
        Concat,
        Pad,
        Reshape,
        Slice,
        Activate,
        Softmax,
    )
}

COMMUTATIVE: frozenset[type] = frozenset({Add, Multiply})
"""Operators whose result does not depend on the order of their inputs."""


def _expect(op: object, inputs: tuple[Shape, ...], count: int = 1, rank: int | None = None) -> tuple[Shape, ...]:
    if len(inputs) != count:
        raise ShapeError(f"{op} takes {count} input(s), got {len(inputs)}")
    for x in inputs:
        if rank is not None and len(x) != rank:
            raise ShapeError(f"{op} takes a shape of {rank} dimensions, got {x}")
    return inputs


def _window(op: Conv2D | DepthwiseConv2D | _Pool2D, x: Shape) -> Pair:
    """Output height and width of a sliding window (TensorFlow's convention for SAME and VALID)."""
    sizes = []
    for size, window, stride in zip(x[1:3], op.window, op.stride, strict=True):
        if op.padding is Padding.VALID and window > size:
            raise ShapeError(f"{op} does not fit a map of {x}")
        span = size if op.padding is Padding.SAME else size - window + 1
        sizes.append(-(-span // stride))
    return sizes[0], sizes[1]


def _dilated(kernel: Pair, dilation: Pair) -> Pair:
    """Pixels that a kernel spans whose taps are `dilation` apart."""
    return 1 + (kernel[0] - 1) * dilation[0], 1 + (kernel[1] - 1) * dilation[1]


def _check_dilation(op: object, stride: Pair, dilation: Pair) -> None:
    _check_positive(op, *dilation)
    if max(stride) > 1 and max(dilation) > 1:
        raise ShapeError(f"{op}: stride and dilation cannot both be above 1")


def _kernel_and_bias(kernel: Shape, channels: int) -> tuple[Weight, ...]:
    return (Weight("kernel", kernel, DType.INT8), Weight("bias", (channels,), DType.INT32))


def _check_positive(op: object, *values: int) -> None:
    if not all(isinstance(value, int) and value >= 1 for value in values):
        raise ShapeError(f"{op} needs whole numbers of at least 1")


def _check_fusable(op: object, activation: Activation) -> None:
    if not activation.fusable:
        raise ShapeError(f"{op}: {activation} does not fuse; use Activate after it")
