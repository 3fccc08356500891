"""Buffers of TensorFlow Lite Micro's kernels that depend on shapes: tables that are kept, and scratch for one run.

Each function gives the bytes of each buffer.

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
    """A multiplier and a shift for each output channel, even with one scale for all."""
    return (4 * operator.outputs[0].shape[-1],) * 2


def dense_tables(operator: Operator, target: Target) -> tuple[int, ...]:
    """A multiplier and a shift for each unit, where units have scales of their own; for MVE, sums of kernel rows."""
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
    """The output's shape, which the kernel writes itself."""
    return (4 * (1 + len(operator.outputs[0].shape)),)


def integer_tables(size_bytes: int) -> Sizes:
    """Tables of `size_bytes` for integer kernels, none for floats."""

    def tables(operator: Operator, target: Target) -> tuple[int, ...]:
        return () if _dtype(operator, 0) is DType.FLOAT32 else (size_bytes,)

    return tables


def embedding_tables(operator: Operator, target: Target) -> tuple[int, ...]:
    """The output's shape, which the kernel writes itself; a scale and the number of columns."""
    return *output_shape_tables(operator, target), 2 * target.pointer_bytes


def batch_matmul_tables(operator: Operator, target: Target) -> tuple[int, ...]:
    """The output's shape, multipliers for integers, and a transposed copy of each operand that needs one."""
    sizes = [4 * (1 + len(operator.outputs[0].shape)), *([] if _dtype(operator, 0) is DType.FLOAT32 else [28])]
    transposed = bool(operator.options["adjoint_first"]), not operator.options["transposed"]
    for operand, copied in zip(operator.inputs, transposed, strict=True):
        if copied and operand:
            sizes += [3 * target.pointer_bytes, 4 * (1 + len(operand.shape)), operand.size_bytes]
    return tuple(sizes)


def mean_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """Sums, for integers; an index for each dimension; the sorted axes."""
    sums = () if _dtype(operator, 0) is DType.FLOAT32 else (4 * math.prod(operator.outputs[0].shape),)
    return *sums, *reduce_scratch(operator, target)


def reduce_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """An index for each dimension, and the sorted axes."""
    return 4 * len(operator.shape(0)), 4 * math.prod(operator.shape(1))


def reduced_again(operator: Operator) -> tuple[int, ...]:
    """`Kernel.again` of a reduction: its input and axes, and an int8 output as well."""
    return (0, 1, -1) if _dtype(operator, 0) is DType.INT8 else (0, 1)


def mirror_pad_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """The stride of each dimension, for output and input."""
    return (4 * len(operator.shape(0)),) * 2


def add_n_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """A pointer to each input."""
    return (target.pointer_bytes * len(operator.inputs),)


def svdf_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """A sum for each filter; for integers, also one for each unit."""
    batch, filters = operator.shape(0)[0], operator.shape(1)[0]
    units = filters // int(operator.options["rank"])
    return (4 * batch * filters, *(() if _dtype(operator, 0) is DType.FLOAT32 else (4 * batch * units,)))


def lstm_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """The four gates, each as large as the state of the cell."""
    state = operator.inputs[19]
    return (state.size_bytes,) * 4 if state else ()


def transposed_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """A sum for each output element: 32 bits for int8, 64 bits for int16, and a 64-bit copy of a 16-bit bias."""
    outputs = math.prod(operator.outputs[0].shape)
    if _dtype(operator, 2) is DType.INT16:
        widened = (8 * math.prod(operator.shape(3)),) if _dtype(operator, 3) is DType.INT16 else ()
        return 8 * outputs, *widened
    return (4 * outputs,) if _dtype(operator, 2) is DType.INT8 else ()


def unpacked_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """A 4-bit kernel unpacked, one byte an element."""
    return (math.prod(operator.shape(1)),) if _dtype(operator, 1) is DType.INT4 else ()


def convolution_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """CMSIS-NN's columns of the input, for kernels larger than a pixel; an unpacked 4-bit kernel."""
    _, height, width, channels = operator.shape(1)
    unpacked = unpacked_scratch(operator, target)
    if target.kernels is KernelSet.REFERENCE or (height, width) == (1, 1):
        return unpacked
    column = height * width * channels
    size = 64 * -(-column // 16) if target.kernels is KernelSet.CMSIS_NN_MVE else 4 * (-(-column // 4) * 4)
    return size, *unpacked


def depthwise_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """CMSIS-NN's columns of the input; none with a channel multiplier, nor for its special case of 3×3 kernels."""
    channels, (_, height, width, filters) = operator.shape(0)[-1], operator.shape(1)
    if target.kernels is KernelSet.REFERENCE or filters != channels:
        return unpacked_scratch(operator, target)
    if target.kernels is KernelSet.CMSIS_NN_MVE:
        return (4 * _DEPTHWISE_CHANNELS_IN_BLOCK_MVE * height * width,)
    return () if (height, width) == (3, 3) and _leading_padding(operator) <= 1 else (2 * channels * height * width,)


def average_scratch(operator: Operator, target: Target) -> tuple[int, ...]:
    """CMSIS-NN's sums by channel, in the build without MVE."""
    return (4 * operator.shape(0)[-1],) if target.kernels is KernelSet.CMSIS_NN_DSP else ()


def _dtype(operator: Operator, place: int) -> DType | None:
    given = operator.inputs[place] if place < len(operator.inputs) else None
    return given.dtype if given else None


def _leading_padding(operator: Operator) -> int:
    """Rows of zeros above the map, or columns left of it, whichever are more."""
    if operator.options["padding"] != _SAME:
        return 0
    strides = int(operator.options["stride_height"]), int(operator.options["stride_width"])
    return max(
        max((-(-size // stride) - 1) * stride + kernel - size, 0) // 2
        for size, kernel, stride in zip(operator.shape(0)[1:3], operator.shape(1)[1:3], strides, strict=True)
    )
