"""Buffers of TensorFlow Lite Micro's kernels that depend on shapes: tables that stay, and scratch while one runs.

Sources: the `Prepare` functions of TensorFlow Lite Micro's reference kernels (`*_common.cc`, `reduce_common.cc`) and,
for the CMSIS-NN sets, Arm's `arm_*_get_buffer_size` functions.
"""

import math

from edgevolve.graph import DType
from edgevolve.tflite.row import Operator
from edgevolve.tflite.targets import KernelSet, Target

_DEPTHWISE_CHANNELS_IN_BLOCK_MVE = 124
_SAME = 0


def channel_tables(operator: Operator, target: Target) -> tuple[int, ...]:
    """A multiplier and a shift for each output channel, whatever the scales are."""
    return (4 * operator.outputs[0].shape[-1],) * 2


def dense_tables(operator: Operator, target: Target) -> tuple[int, ...]:
    """A multiplier and a shift for each unit that has a scale of its own; sums of the kernel's rows for MVE."""
    units = operator.outputs[0].shape[-1]
    sums = (4 * units,) if target.kernels is KernelSet.CMSIS_NN_MVE else ()
    return (*((4 * units,) * 2 if operator.scales[1] > 1 else ()), *sums)


def input_tables(operator: Operator, target: Target) -> tuple[int, ...]:
    """Two tables of a number for each input."""
    return (4 * len(operator.inputs),) * 2


def mean_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """Sums, unless it is of floats; an index for each dimension; the axes in order."""
    x, axes = operator.inputs[0], operator.inputs[1]
    sums = () if x is None or x.dtype is DType.FLOAT32 else (4 * math.prod(operator.outputs[0].shape),)
    return *sums, 4 * len(operator.shape(0)), axes.size_bytes if axes else 0


def convolution_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """CMSIS-NN's columns of the input, for kernels of more than a pixel."""
    _, height, width, channels = operator.shape(1)
    if target.kernels is KernelSet.REFERENCE or (height, width) == (1, 1):
        return ()
    column = height * width * channels
    return (64 * -(-column // 16),) if target.kernels is KernelSet.CMSIS_NN_MVE else (4 * (-(-column // 4) * 4),)


def depthwise_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """CMSIS-NN's columns of the input; none for a multiplier, nor for the special case of 3×3 with little padding."""
    channels, (_, height, width, filters) = operator.shape(0)[-1], operator.shape(1)
    if target.kernels is KernelSet.REFERENCE or filters != channels:
        return ()
    if target.kernels is KernelSet.CMSIS_NN_MVE:
        return (4 * _DEPTHWISE_CHANNELS_IN_BLOCK_MVE * height * width,)
    return () if (height, width) == (3, 3) and _leading_padding(operator) <= 1 else (2 * channels * height * width,)


def average_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """CMSIS-NN's sums by channel, without MVE."""
    return (4 * operator.shape(0)[-1],) if target.kernels is KernelSet.CMSIS_NN_DSP else ()


def _leading_padding(operator: Operator) -> int:
    """Zeros above or left of the map, whichever are more."""
    if operator.options["padding"] != _SAME:
        return 0
    strides = int(operator.options["stride_height"]), int(operator.options["stride_width"])
    return max(
        max((-(-size // stride) - 1) * stride + kernel - size, 0) // 2
        for size, kernel, stride in zip(operator.shape(0)[1:3], operator.shape(1)[1:3], strides, strict=True)
    )
