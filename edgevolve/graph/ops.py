"""Operators, as TFLite has them: attributes, output shape, weight shapes, multiply-accumulates.

Activations are NHWC with a batch of 1, or (1, features). Batch norm and fused activations are attributes of the
operator that they fold into. `docs/extending/operator.md` says how to add an operator.
"""

import math
from dataclasses import dataclass, field

from edgevolve.graph.attributes import Activation
from edgevolve.graph.op import (
    LATER,
    Op,
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
from edgevolve.graph.tensor import DType, Shape
from edgevolve.graph.windows import AveragePool2D, Conv2D, DepthwiseConv2D, MaxPool2D

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
    "MatMul",
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


@dataclass(frozen=True, slots=True)
class Dense:
    """Fully connected layer, TFLite's FULLY_CONNECTED; kernel weights are (units, features).

    They have `kernel_bits` bits each, 4 or 8. The input is (1, features), or a map, (1, h, w, c), whose elements are
    the features in this order.
    """

    units: int
    activation: Activation = Activation.NONE
    kernel_bits: int = field(default=8, metadata={LATER: True})

    def __post_init__(self) -> None:
        check_positive(self, self.units)
        check_fusable(self, self.activation)
        check_kernel_bits(self, self.kernel_bits)

    def output_shape(self, *inputs: Shape) -> Shape:
        """The output's shape, (1, units)."""
        (x,) = expect(self, inputs)
        if len(x) not in (2, 4) or x[0] != 1:
            raise ShapeError(f"{self} takes (1, features) or (1, h, w, c), got {x}")
        return (1, self.units)

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Kernel and bias."""
        return kernel_and_bias((self.units, math.prod(inputs[0])), self.units, self.kernel_bits)

    def macs(self, *inputs: Shape) -> int:
        """Features · units."""
        return math.prod(inputs[0]) * self.units


@dataclass(frozen=True, slots=True)
class GlobalAveragePool:
    """Mean over height and width, TFLite's MEAN: (1, h, w, c) to (1, c)."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """The output's shape, (1, channels)."""
        (x,) = expect(self, inputs, rank=4)
        return (1, x[3])

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """The two axes, height and width."""
        return (Weight("axes", (2,), DType.INT32),)

    def macs(self, *inputs: Shape) -> int:
        """One for each input element."""
        return math.prod(inputs[0])


@dataclass(frozen=True, slots=True)
class Add(WithoutWeights):
    """Sum of two tensors of one shape, TFLite's ADD; the order of the inputs does not matter."""

    activation: Activation = Activation.NONE

    def __post_init__(self) -> None:
        check_fusable(self, self.activation)

    def output_shape(self, *inputs: Shape) -> Shape:
        """The shape of either input."""
        a, b = expect(self, inputs, count=2)
        if a != b:
            raise ShapeError(f"Add needs two equal shapes, got {a} and {b}")
        return a

    def macs(self, *inputs: Shape) -> int:
        """One for each element."""
        return math.prod(inputs[0])


@dataclass(frozen=True, slots=True)
class Multiply(WithoutWeights):
    """Product of two tensors, TFLite's MUL; the order of the inputs does not matter.

    Both have one shape, or one is a map and the other (1, 1, 1, channels), a factor for each channel.
    """

    activation: Activation = Activation.NONE

    def __post_init__(self) -> None:
        check_fusable(self, self.activation)

    def output_shape(self, *inputs: Shape) -> Shape:
        """The shape of the larger input."""
        a, b = expect(self, inputs, count=2)
        if a != b and (len(a) != 4 or b != (1, 1, 1, a[3])) and (len(b) != 4 or a != (1, 1, 1, b[3])):
            raise ShapeError(
                f"Multiply needs two equal shapes, or a map and a factor for each channel, got {a} and {b}"
            )
        return max(a, b)

    def macs(self, *inputs: Shape) -> int:
        """One for each element."""
        return math.prod(self.output_shape(*inputs))


@dataclass(frozen=True, slots=True)
class MatMul(WithoutWeights):
    """Product of two matrices, (1, m, k) and (1, k, n), TFLite's BATCH_MATMUL.

    With `transposed` the second is (1, n, k).
    """

    transposed: bool = False

    def output_shape(self, *inputs: Shape) -> Shape:
        """(1, m, n)."""
        a, b = expect(self, inputs, count=2, rank=3)
        k, n = (b[2], b[1]) if self.transposed else (b[1], b[2])
        if a[2] != k:
            raise ShapeError(f"{self} cannot multiply {a} and {b}")
        return (1, a[1], n)

    def macs(self, *inputs: Shape) -> int:
        """The product m · k · n."""
        return inputs[0][2] * math.prod(self.output_shape(*inputs))


@dataclass(frozen=True, slots=True)
class Concat(WithoutWeights):
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
            raise ShapeError(f"Pad needs amounts of at least 0, not height {self.height}, width {self.width}")

    def output_shape(self, *inputs: Shape) -> Shape:
        """(1, top + height + bottom, left + width + right, channels)."""
        (x,) = expect(self, inputs, rank=4)
        return (1, x[1] + sum(self.height), x[2] + sum(self.width), x[3])

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """The amounts, a (4, 2) table."""
        return (Weight("amounts", (4, 2), DType.INT32),)

    def macs(self, *inputs: Shape) -> int:
        """None: a copy."""
        return 0


@dataclass(frozen=True, slots=True)
class Slice:
    """Every `stride`-th element from `begin` to `end` (excluded), TFLite's STRIDED_SLICE.

    Each attribute has one number for each axis but the batch, from 0.
    """

    begin: Shape
    end: Shape
    stride: Shape

    def __post_init__(self) -> None:
        check_positive(self, *self.end, *self.stride)
        if not len(self.begin) == len(self.end) == len(self.stride) or min(self.begin, default=0) < 0:
            raise ShapeError(f"begin, end and stride must have one length, and begin be at least 0: {self}")

    def output_shape(self, *inputs: Shape) -> Shape:
        """The batch of 1, then the number of elements that each axis keeps."""
        (x,) = expect(self, inputs, rank=1 + len(self.begin))
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
        check_positive(self, *self.shape)

    def output_shape(self, *inputs: Shape) -> Shape:
        """The output's shape, `shape`."""
        (x,) = expect(self, inputs)
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
class Activate(WithoutWeights):
    """An activation as an operator of its own, for the functions that do not fuse or have nothing to fuse into."""

    function: Activation

    def __post_init__(self) -> None:
        if self.function is Activation.NONE:
            raise ShapeError("Activate needs a function other than none")

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        return expect(self, inputs)[0]


@dataclass(frozen=True, slots=True)
class Softmax(WithoutWeights):
    """Softmax over the last axis of `beta` times the input, TFLite's SOFTMAX."""

    beta: float = field(default=1.0, metadata={LATER: True})

    def __post_init__(self) -> None:
        if not 0 < self.beta < math.inf:
            raise ShapeError(f"{self} needs a beta above 0")

    def output_shape(self, *inputs: Shape) -> Shape:
        """The input's shape."""
        return expect(self, inputs)[0]


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
        MatMul,
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
