"""TensorFlow Lite's operators and what their kernels keep in memory, in TensorFlow Lite Micro's builds.

A kernel keeps its parameters and its own data for ever (in the tail of the arena) and may ask for scratch while it
runs. The sizes of the 64-bit build were fitted to what the runtime of the `tflite-micro` wheel reports; those of the
32-bit build follow from the same structures with pointers of 4 bytes (`builtin_op_data.h`, `kernels/*.h` of
TensorFlow Lite Micro). Scratch is that of `reduce_common.cc` and, for the CMSIS-NN sets, of Arm's
`arm_*_get_buffer_size` functions.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

from edgevolve.graph import (
    Activate,
    Activation,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    DType,
    GlobalAveragePool,
    Node,
    Opaque,
    Padding,
)
from resource_models.target import KernelSet, Target

NAMES: Mapping[str, str] = {
    "Conv2D": "CONV_2D",
    "DepthwiseConv2D": "DEPTHWISE_CONV_2D",
    "Dense": "FULLY_CONNECTED",
    "MaxPool2D": "MAX_POOL_2D",
    "AveragePool2D": "AVERAGE_POOL_2D",
    "GlobalAveragePool": "MEAN",
    "Add": "ADD",
    "Multiply": "MUL",
    "Concat": "CONCATENATION",
    "Pad": "PAD",
    "Reshape": "RESHAPE",
    "Softmax": "SOFTMAX",
}
"""TFLite's names of the operators but `Activate`."""

ACTIVATION_NAMES: Mapping[Activation, str] = {
    Activation.RELU: "RELU",
    Activation.RELU6: "RELU6",
    Activation.HARD_SWISH: "HARD_SWISH",
    Activation.SIGMOID: "LOGISTIC",
}
"""TFLite's names of `Activate`, by its function."""


def tflite_name(node: Node) -> str:
    """TFLite's name of the node's operator."""
    if isinstance(node.op, Opaque):
        return node.op.name
    if isinstance(node.op, Activate):
        return ACTIVATION_NAMES[node.op.function]
    return NAMES[type(node.op).__name__]


class Kept(NamedTuple):
    """Bytes that a kernel keeps: its parameters, how they are aligned, and its data (aligned to 16)."""

    parameters: int
    alignment: int
    data: int


_KEPT: dict[int, dict[str, Kept]] = {
    8: {
        "ADD": Kept(8, 4, 64),
        "AVERAGE_POOL_2D": Kept(40, 4, 32),
        "CONCATENATION": Kept(8, 4, 40),
        "CONV_2D": Kept(28, 4, 80),
        "DEPTHWISE_CONV_2D": Kept(28, 4, 80),
        "FULLY_CONNECTED": Kept(32, 8, 80),
        "HARD_SWISH": Kept(0, 1, 32),
        "LOGISTIC": Kept(0, 1, 16),
        "MAX_POOL_2D": Kept(40, 4, 32),
        "MEAN": Kept(1, 1, 36),
        "MUL": Kept(4, 4, 48),
        "PAD": Kept(0, 1, 56),
        "RELU": Kept(0, 1, 32),
        "RELU6": Kept(0, 1, 32),
        "RESHAPE": Kept(32, 4, 0),
        "SOFTMAX": Kept(4, 4, 80),
    },
    4: {
        "ADD": Kept(8, 4, 60),
        "AVERAGE_POOL_2D": Kept(40, 4, 32),
        "CONCATENATION": Kept(8, 4, 24),
        "CONV_2D": Kept(28, 4, 56),
        "DEPTHWISE_CONV_2D": Kept(28, 4, 56),
        "FULLY_CONNECTED": Kept(24, 4, 48),
        "HARD_SWISH": Kept(0, 1, 32),
        "LOGISTIC": Kept(0, 1, 16),
        "MAX_POOL_2D": Kept(40, 4, 32),
        "MEAN": Kept(1, 1, 36),
        "MUL": Kept(4, 4, 48),
        "PAD": Kept(0, 1, 56),
        "RELU": Kept(0, 1, 32),
        "RELU6": Kept(0, 1, 32),
        "RESHAPE": Kept(36, 4, 0),
        "SOFTMAX": Kept(4, 4, 56),
    },
}
_UNKNOWN = Kept(8, 4, 48)
_CMSIS_NN_EXTRA_DATA = {
    "CONV_2D": 4,
    "DEPTHWISE_CONV_2D": 4,
    "FULLY_CONNECTED": 20,
    "AVERAGE_POOL_2D": 4,
    "MAX_POOL_2D": 4,
}
_DEPTHWISE_CHANNELS_IN_BLOCK_MVE = 124


def kept(name: str, target: Target) -> Kept:
    """What the kernel of the operator of that TFLite name keeps, channel tables not counted."""
    found = _KEPT[target.pointer_bytes].get(name, _UNKNOWN)
    if target.kernels is KernelSet.REFERENCE:
        return found
    return found._replace(data=found.data + _CMSIS_NN_EXTRA_DATA.get(name, 0))


def persistent_tables(node: Node, target: Target) -> tuple[int, ...]:
    """Bytes of each table that the kernel keeps beside its data: multipliers and shifts by channel, and their like."""
    op = node.op
    if isinstance(op, Conv2D | DepthwiseConv2D):
        return (4 * node.output.shape[-1],) * 2
    if isinstance(op, Dense):
        sums = (4 * op.units,) if target.kernels is KernelSet.CMSIS_NN_MVE else ()
        return (*((4 * op.units,) * 2 if op.units > 1 else ()), *sums)
    if isinstance(op, Concat):
        return (4 * len(node.inputs),) * 2
    return ()


def scratch(node: Node, target: Target) -> tuple[int, ...]:
    """Bytes of each buffer that the kernel asks for while it runs, in its order, before alignment."""
    op = node.op
    if isinstance(op, GlobalAveragePool):
        x = node.inputs[0].shape
        return 4 * x[-1], 4 * len(x), 4 * 2
    if isinstance(op, Opaque) and op.name == "MEAN" and node.inputs and node.outputs:
        sums = () if node.inputs[0].dtype is DType.FLOAT32 else (4 * math.prod(node.outputs[0].shape),)
        return *sums, 4 * len(node.inputs[0].shape), sum(axes.size_bytes for axes in node.weights[:1])
    if target.kernels is KernelSet.REFERENCE:
        return ()
    mve = target.kernels is KernelSet.CMSIS_NN_MVE
    size = 0
    if isinstance(op, Conv2D):
        size = _convolution_scratch(op, node.inputs[0].shape[-1], mve=mve)
    elif isinstance(op, DepthwiseConv2D):
        size = _depthwise_scratch(op, node.inputs[0].shape, mve=mve)
    elif isinstance(op, AveragePool2D) and not mve:
        size = 4 * node.inputs[0].shape[-1]
    return (size,) if size else ()


def _convolution_scratch(op: Conv2D, channels: int, *, mve: bool) -> int:
    if op.kernel == (1, 1):
        return 0
    column = math.prod(op.kernel) * (channels // op.groups)
    return 64 * -(-column // 16) if mve else 4 * (-(-column // 4) * 4)


def _depthwise_scratch(op: DepthwiseConv2D, x: tuple[int, ...], *, mve: bool) -> int:
    if op.multiplier != 1:
        return 0
    area = math.prod(op.kernel)
    if mve:
        return 4 * _DEPTHWISE_CHANNELS_IN_BLOCK_MVE * area
    return 0 if op.kernel == (3, 3) and _leading_padding(op, x) <= 1 else 2 * x[-1] * area


def _leading_padding(op: DepthwiseConv2D, x: tuple[int, ...]) -> int:
    """Zeros above or left of the map, whichever are more."""
    if op.padding is Padding.VALID:
        return 0
    return max(
        max((-(-size // stride) - 1) * stride + kernel - size, 0) // 2
        for size, kernel, stride in zip(x[1:3], op.kernel, op.stride, strict=True)
    )
