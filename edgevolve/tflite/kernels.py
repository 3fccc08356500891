"""Buffers of TensorFlow Lite Micro's kernels that depend on shapes: tables that stay, and scratch while one runs.

Sources: the `Prepare` functions of TensorFlow Lite Micro's reference kernels (`*_common.cc`, `reduce_common.cc`) and,
for the CMSIS-NN sets, Arm's `arm_*_get_buffer_size` functions.
"""

import math

from edgevolve.graph import DType
from edgevolve.tflite.row import Operator, Sizes
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


def softmax_tables(operator: Operator, target: Target) -> tuple[int, ...]:
    """Two look-up tables for 16 bits."""
    return (1026, 1026) if _dtype(operator, 0) is DType.INT16 else ()


def transposed_tables(operator: Operator, target: Target) -> tuple[int, ...]:
    """A multiplier and a shift for each filter."""
    return (4 * operator.shape(1)[0],) * 2


def output_shape_tables(operator: Operator, target: Target) -> tuple[int, ...]:
    """The output's shape, which the kernel writes anew."""
    return (4 * (1 + len(operator.outputs[0].shape)),)


def integer_tables(size_bytes: int) -> Sizes:
    """Data that a kernel of integers alone keeps."""

    def tables(operator: Operator, target: Target) -> tuple[int, ...]:
        return () if _dtype(operator, 0) is DType.FLOAT32 else (size_bytes,)

    return tables


def embedding_tables(operator: Operator, target: Target) -> tuple[int, ...]:
    """The output's shape, which the kernel writes anew; a scale and a number of columns."""
    return *output_shape_tables(operator, target), 2 * target.pointer_bytes


def batch_matmul_tables(operator: Operator, target: Target) -> tuple[int, ...]:
    """The output's shape, multipliers unless it is of floats, and a transposed copy of each operand that needs one."""
    sizes = [4 * (1 + len(operator.outputs[0].shape)), *([] if _dtype(operator, 0) is DType.FLOAT32 else [28])]
    transposed = bool(operator.options["adjoint_first"]), not operator.options["transposed"]
    for operand, copied in zip(operator.inputs, transposed, strict=True):
        if copied and operand:
            sizes += [3 * target.pointer_bytes, 4 * (1 + len(operand.shape)), operand.size_bytes]
    return tuple(sizes)


def mean_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """Sums, unless it is of floats; an index for each dimension; the axes in order."""
    sums = () if _dtype(operator, 0) is DType.FLOAT32 else (4 * math.prod(operator.outputs[0].shape),)
    return *sums, *reduce_scratch(operator, target)


def reduce_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """An index for each dimension, and the axes in order."""
    return 4 * len(operator.shape(0)), 4 * math.prod(operator.shape(1))


def reduced_again(operator: Operator) -> tuple[int, ...]:
    """A kernel that reduces looks at its input and axes twice, at an output of int8 as well."""
    return (0, 1, -1) if _dtype(operator, 0) is DType.INT8 else (0, 1)


def mirror_pad_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """Elements before each dimension, of output and input."""
    return (4 * len(operator.shape(0)),) * 2


def add_n_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """A pointer to each input."""
    return (target.pointer_bytes * len(operator.inputs),)


def svdf_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """A sum for each filter; for integers one for each unit, too."""
    batch, filters = operator.shape(0)[0], operator.shape(1)[0]
    units = filters // int(operator.options["rank"])
    return (4 * batch * filters, *(() if _dtype(operator, 0) is DType.FLOAT32 else (4 * batch * units,)))


def lstm_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """Four gates, each as large as the cell's state."""
    state = operator.inputs[19]
    return (state.size_bytes,) * 4 if state else ()


def transposed_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """Sums for each output of integers: 32 bits for 8, 64 for 16, and then the bias of 16 bits widened."""
    outputs = math.prod(operator.outputs[0].shape)
    if _dtype(operator, 2) is DType.INT16:
        widened = (8 * math.prod(operator.shape(3)),) if _dtype(operator, 3) is DType.INT16 else ()
        return 8 * outputs, *widened
    return (4 * outputs,) if _dtype(operator, 2) is DType.INT8 else ()


def unpacked_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """A kernel of 4 bits, a byte an element."""
    return (math.prod(operator.shape(1)),) if _dtype(operator, 1) is DType.INT4 else ()


def convolution_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """CMSIS-NN's columns of the input, for kernels of more than a pixel."""
    _, height, width, channels = operator.shape(1)
    unpacked = unpacked_scratch(operator, target)
    if target.kernels is KernelSet.REFERENCE or (height, width) == (1, 1):
        return unpacked
    column = height * width * channels
    size = 64 * -(-column // 16) if target.kernels is KernelSet.CMSIS_NN_MVE else 4 * (-(-column // 4) * 4)
    return size, *unpacked


def depthwise_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """CMSIS-NN's columns of the input; none for a multiplier, nor for the special case of 3×3 with little padding."""
    channels, (_, height, width, filters) = operator.shape(0)[-1], operator.shape(1)
    if target.kernels is KernelSet.REFERENCE or filters != channels:
        return unpacked_scratch(operator, target)
    if target.kernels is KernelSet.CMSIS_NN_MVE:
        return (4 * _DEPTHWISE_CHANNELS_IN_BLOCK_MVE * height * width,)
    return () if (height, width) == (3, 3) and _leading_padding(operator) <= 1 else (2 * channels * height * width,)


def average_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """CMSIS-NN's sums by channel, without MVE."""
    return (4 * operator.shape(0)[-1],) if target.kernels is KernelSet.CMSIS_NN_DSP else ()


def _dtype(operator: Operator, place: int) -> DType | None:
    given = operator.inputs[place] if place < len(operator.inputs) else None
    return given.dtype if given else None


def _leading_padding(operator: Operator) -> int:
    """Zeros above or left of the map, whichever are more."""
    if operator.options["padding"] != _SAME:
        return 0
    strides = int(operator.options["stride_height"]), int(operator.options["stride_width"])
    return max(
        max((-(-size // stride) - 1) * stride + kernel - size, 0) // 2
        for size, kernel, stride in zip(operator.shape(0)[1:3], operator.shape(1)[1:3], strides, strict=True)
    )
