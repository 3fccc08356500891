"""The interface of operators: shapes, weights and multiply-accumulates follow from the shapes of the inputs."""

from typing import NamedTuple, Protocol

from edgevolve.graph.attributes import Activation
from edgevolve.graph.tensor import DType, Shape

Pair = tuple[int, int]

LATER = "later"
"""Metadata of an attribute that was added later: it comes last, and JSON has it only where it is not the default."""


KERNEL_TYPES = {8: DType.INT8, 4: DType.INT4}
"""The element type of a kernel by its bits."""


class ShapeError(ValueError):
    """An operator cannot take inputs of these shapes, or has impossible attributes."""


class Weight(NamedTuple):
    """A constant operand: its role (kernel, bias, axes, ...), TFLite shape and element type."""

    role: str
    shape: Shape
    dtype: DType


class Op(Protocol):
    """The interface of operators; every method takes input shapes, and raises `ShapeError` for impossible ones."""

    def __hash__(self) -> int:
        """Equal operators have equal hashes."""

    def output_shape(self, *inputs: Shape) -> Shape:
        """Shape of the one output."""

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """Constant operands in TFLite's order."""

    def macs(self, *inputs: Shape) -> int:
        """Multiply-accumulates of one inference.

        As in μNAS, each addition of a pooling window, a mean or an Add counts as one, and each product of a Multiply.
        """


class WithoutWeights:
    """An operator of activations alone."""

    __slots__ = ()

    def weights(self, *inputs: Shape) -> tuple[Weight, ...]:
        """No weights."""
        return ()

    def macs(self, *inputs: Shape) -> int:
        """No multiply-accumulates."""
        return 0


def expect(op: object, inputs: tuple[Shape, ...], count: int = 1, rank: int | None = None) -> tuple[Shape, ...]:
    """`inputs`, if there are `count` of them and each has `rank`. Raises `ShapeError` otherwise."""
    if len(inputs) != count:
        raise ShapeError(f"{op} takes {count} input(s), got {len(inputs)}")
    for x in inputs:
        if rank is not None and len(x) != rank:
            raise ShapeError(f"{op} takes a shape of {rank} dimensions, got {x}")
    return inputs


def check_positive(op: object, *values: int) -> None:
    """Raise `ShapeError` unless all are whole numbers of at least 1."""
    if not all(isinstance(value, int) and value >= 1 for value in values):
        raise ShapeError(f"{op} needs whole numbers of at least 1")


def check_fusable(op: object, activation: Activation) -> None:
    """Raise `ShapeError` unless TFLite fuses the activation."""
    if not activation.fusable:
        raise ShapeError(f"{op}: {activation} does not fuse; use Activate after it")


def check_kernel_bits(op: object, bits: int) -> None:
    """Raise `ShapeError` unless a kernel can have `bits` bits an element."""
    if type(bits) is not int or bits not in KERNEL_TYPES:
        raise ShapeError(f"{op}: kernels have {' or '.join(map(str, KERNEL_TYPES))} bits")


def kernel_and_bias(kernel: Shape, channels: int, bits: int) -> tuple[Weight, ...]:
    """A kernel of `bits` bits an element, and a bias for each of the output channels."""
    return (Weight("kernel", kernel, KERNEL_TYPES[bits]), Weight("bias", (channels,), DType.INT32))
