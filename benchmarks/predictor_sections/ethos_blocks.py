"""The blocks in which Ethos-U85 of 1024 multipliers computes an output, as Arm's compiler chooses them.

A block fits the accumulators and the input buffer, both twice; of all that fit, a convolution takes the one that
fetches the least input and weights for each output. Its sides are multiples of a microblock's, the one that wastes the
least of the output. The rules and sizes are those of the compiler (regor, `FindBlockConfig`); what it does beside,
cutting the output into stripes and slices, is not followed.
"""

import math
from functools import cache
from typing import Any

import numpy as np

from edgevolve.graph import Conv2D, Dense, DepthwiseConv2D, GlobalAveragePool, Node

_MICROBLOCKS = ((2, 2, 32), (1, 4, 32), (2, 4, 16))
_LARGEST = (64, 128, 1024)
_ACCUMULATORS = 8192
_INPUT_BYTES = 8192
_SUBKERNEL = 8
"""A larger kernel is computed in parts of so many pixels a side."""

Pair = tuple[int, int]
Sides = tuple[int, int, int]
"""Height, width and channels."""


def scale_fetches(node: Node) -> int:
    """How often a node fetches the scales of 16 channels: once for each block of its output, a microblock at least."""
    output = node.output.shape
    if isinstance(node.op, Conv2D):
        _, *sides, channels = node.inputs[0].shape
        height, width, count = output[1:]
        return _convolution_fetches((*sides, channels), (height, width, count), node.op.kernel, node.op.stride)
    if isinstance(node.op, DepthwiseConv2D):
        return -(-output[-1] // 16) * _depthwise_blocks(output[1:3], node.op.kernel, node.op.stride)
    if isinstance(node.op, Dense):
        return 2 * -(-output[-1] // 32)
    return -(-output[-1] // 16) if isinstance(node.op, GlobalAveragePool) else 0


@cache
def _convolution_fetches(read: Sides, output: Sides, kernel: Pair, stride: Pair) -> int:
    unit = min(_MICROBLOCKS, key=lambda unit: math.prod(map(_up, output, unit)))
    ends = [_up(max(min(size, most), step), step) for size, most, step in zip(output, _LARGEST, unit, strict=True)]
    axes = [np.arange(step, end + 1, step) for step, end in zip(unit, ends, strict=True)]
    height, width, filters = np.meshgrid(*axes, indexing="ij")
    # the input behind a block: rows in twos, columns in fours
    rows = _up((height - 1) * stride[0] + min(kernel[0], _SUBKERNEL), 2)
    columns = _up((width - 1) * stride[1] + min(kernel[1], _SUBKERNEL), 4)
    channels, taps = read[2], math.prod(kernel)
    deep = 64 if _depth_first(channels, taps) else 16
    fits = rows * columns * _up(min(deep, channels), 16) <= _INPUT_BYTES
    fits &= height * width * filters <= _ACCUMULATORS
    blocks = -(-output[0] // height) * -(-output[1] // width)
    parts = math.prod(-(-size // _SUBKERNEL) for size in kernel)
    weights = taps * channels * output[2] * blocks
    inputs = rows * columns * channels * parts * (output[0] / height) * (output[1] / width) * -(-output[2] // filters)
    cost = np.where(math.prod(read) < 2 * rows * columns * deep, 0.5, 1.0) * (weights + inputs)
    cost = np.where(fits, cost, np.inf).transpose(2, 0, 1)
    least = int(np.argmin(cost))
    return int(blocks.transpose(2, 0, 1).flat[least]) * -(-output[2] // unit[2]) * (unit[2] // 16)


def _depth_first(channels: int, taps: int) -> bool:
    """Whether more multipliers are busy with 64 channels of a pixel than with 16 of each of five pixels."""
    steps = taps // 5 * 5 + max(taps % 5, 2)
    return bool(_up(channels, 64) * taps < _up(channels, 16) * steps)


@cache
def _depthwise_blocks(output: Pair, kernel: Pair, stride: Pair) -> int:
    """The fewest blocks of 16 channels that cover an output, with room for two more of its rows in the input buffer."""
    fewest = math.prod(-(-side // 2) for side in output)
    for height in range(2, min(output[0], 64) + 2, 2):
        for width in range(4, output[1] + 4, 4):
            rows = _up((height - 1) * stride[0] + kernel[0], 2) + _up(stride[0] + kernel[0], 2)
            columns = _up((width - 1) * stride[1] + kernel[1], 4)
            if height * width * 16 > 2 * _ACCUMULATORS or rows * columns * 16 > 2 * _INPUT_BYTES:
                break
            fewest = min(fewest, -(-output[0] // height) * -(-output[1] // width))
    return fewest


def _up(number: Any, step: int) -> Any:
    """The next multiple of a step."""
    return -(-number // step) * step
