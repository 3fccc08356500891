"""The rounding of LiteRT's integer kernels, as TensorFlow operations of double precision.

A kernel multiplies its sum by the input scales over the output scale. That multiplier is an integer of 31 bits and a
shift to the right. The product is rounded twice: to 2^-shift of a step, then to a step (gemmlowp; Jacob et al., 2018).
With short shifts the first rounding often ends at half a step, so that the second always goes the same way: in a
depthwise convolution a value 0.3 of a step above an integer may be rounded up. Convolutions of 16-bit activations round
once, by a multiplier of 15 bits. Averages over windows are integer divisions. TensorFlow Lite Micro's kernels have the
same arithmetic, but round halves below zero down.
"""

import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from edgevolve.graph import (
    Activate,
    Activation,
    Add,
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    Multiply,
    Node,
)

Stored = tuple[Any, Any, Any]
"""Reals that stand for integers, with their scale and zero point."""

_LEFT = 20
"""Bits by which the operands of a sum are shifted to the left."""


def as_stored(node: Node, inputs: Sequence[Stored], made: Any, output: tuple[Any, Any], step: Any, bits: int) -> Any:
    """The real output `made` of `node`, rounded to the steps of the output as by the runtime; not clipped to `bits`.

    `output` is its scale and zero point, `step` the scale of each channel of its kernel, if it has one. The output of
    an operator without a rule stays as it is.
    """
    scale, zero_point = _wide(output[0]), _wide(output[1])
    grid = math.prod((_wide(given) for _, given, _ in inputs), start=tf.ones((), tf.float64))
    match node.op:
        case Conv2D() | DepthwiseConv2D() if bits == 16:
            sums, multiplier = _sums(made, grid * _wide(step), scale)
            factor, exponent = _of_16_bits(multiplier)
            whole = tf.floor(sums * factor / 2**15 * _power_of_two(exponent) + 0.5)
        case Conv2D() | DepthwiseConv2D() | Dense():
            whole = tf.floor(_shifted(*_sums(made, grid * _wide(step), scale)) + 0.5)
        case Multiply():
            whole = _away_from_zero(_shifted(*_sums(made, grid, scale)))
        case GlobalAveragePool():
            number = math.prod(node.inputs[0].shape[1:3])
            whole = _away_from_zero(_shifted(*_sums(made, grid / number, scale), number))
        case AveragePool2D(size=window):
            nearer = 0.25 / math.prod(window)  # nearer to a half than any other fraction
            whole = _away_from_zero(_wide(made) / scale + zero_point, nearer) - zero_point
        case Add(activation=Activation.NONE | Activation.RELU as function) if bits == 8:
            whole = _added(inputs, scale)
            whole = tf.nn.relu(whole) if function is Activation.RELU else whole
        case Activate(function=Activation.RELU) if bits == 8:
            whole = tf.nn.relu(_away_from_zero(_shifted(*_sums(made, grid, scale))))
        case Activate(function=Activation.HARD_SWISH) if bits == 8:
            whole = _hard_swish(*inputs[0][:2], scale)
        case _:
            return made
    return tf.cast(whole * scale, tf.float32)


def _added(inputs: Sequence[Stored], scale: Any) -> Any:
    """A sum: operands are shifted to the left, then brought to twice the larger of their scales."""
    twice, total = 2 * _wide(tf.maximum(inputs[0][1], inputs[1][1])), tf.zeros((), tf.float64)
    for values, given, _ in inputs:
        total += _away_from_zero(_shifted(_whole(values, given) * 2**_LEFT, _wide(given) / twice))
    return _away_from_zero(_shifted(total, twice / (scale * 2**_LEFT)))


def _hard_swish(values: Any, given: Any, scale: Any) -> Any:
    """Hard swish in 16 bits: x times relu6(x + 3) / 6 as a share of 2^15; each product keeps its upper half."""
    fine = _whole(values, given) * 2**7
    factor, exponent = _of_16_bits(_wide(given) / 2**7 / scale)
    x = tf.floor(fine * factor / 2**15 + 0.5)
    share, digits = _of_16_bits(_wide(given) / 2**7 / (3 / 2**15))
    gate = _in_16_bits(fine * _power_of_two(tf.maximum(digits - 1, 0)))
    gate = tf.floor(gate * share / 2**15 + 0.5)
    gate = _in_16_bits(gate * _power_of_two(tf.clip_by_value(digits, 0, 1)))
    gate = tf.floor((_away_from_zero(gate / _power_of_two(tf.maximum(-digits, 0))) + 2**15) / 2)
    product = gate * x / 2**15
    return _away_from_zero(tf.sign(product) * tf.floor(tf.abs(product)) * _power_of_two(exponent))


def _in_16_bits(values: Any) -> Any:
    return tf.clip_by_value(values, -(2.0**15), 2.0**15 - 1)


def _of_16_bits(multiplier: Any) -> tuple[Any, Any]:
    """The multiplier as an integer in units of 2^-15, and the exponent of its power of two."""
    exponent = _exponent(multiplier)
    of_31_bits = tf.round(multiplier / _power_of_two(exponent) * 2**31)
    return tf.minimum(tf.floor((of_31_bits + 2**15) / 2**16), 2.0**15 - 1), exponent


def _whole(values: Any, scale: Any) -> Any:
    return tf.round(_wide(values) / _wide(scale))


def _sums(made: Any, grid: Any, scale: Any) -> tuple[Any, Any]:
    """The kernel's integer sums, recovered from floating point, and their multiplier."""
    return tf.round(_wide(made) / grid), grid / scale


def _shifted(sums: Any, multiplier: Any, divisor: int = 1) -> Any:
    """The sums after the first rounding; a divisor lengthens the shift by its number of bits."""
    exponent = _exponent(multiplier if divisor == 1 else multiplier * divisor)
    fine = _power_of_two(tf.maximum(divisor.bit_length() - 1 - exponent, 0))
    return tf.floor(sums * (multiplier * fine) + 0.5) / fine


def _exponent(multiplier: Any) -> Any:
    """The integer e with 2^(e-1) <= multiplier < 2^e."""
    return tf.bitcast(multiplier, tf.int64) // 2**52 - 1022


def _power_of_two(exponent: Any) -> Any:
    return tf.bitcast((exponent + 1023) * 2**52, tf.float64)


def _away_from_zero(values: Any, nearer: float = 0.0) -> Any:
    return tf.sign(values) * tf.floor(tf.abs(values) + (0.5 + nearer))


def _wide(value: Any) -> Any:
    return tf.cast(value, tf.float64)
