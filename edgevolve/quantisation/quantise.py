"""Converts floats to int8 by TensorFlow Lite's quantisation specification.

Kernels are symmetric, with a scale for each output channel. Biases are int32 with the input's scale times the kernel's.
Activations have a scale and a zero point that map their range, zero included, to the 256 integers. Operators that only
move or choose values (pools, concatenation, ...) have one scale for all inputs and outputs. Source:
https://ai.google.dev/edge/litert/models/quantization_spec

The integers of a 4-bit kernel go from -7 to 7; that of a `Dense` has one scale, as TensorFlow Lite Micro demands
(`fully_connected_common.cc`). Activations of 16 bits are symmetric too, from -32767 to 32767, with biases of 64 bits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.graph import Activation, DType, Graph, Node, activation_bits
from edgevolve.quantisation.calibrate import Ranges
from edgevolve.quantisation.float_network import FloatNetwork
from edgevolve.tflite import Quantisation, of_one_scale, row_of, write_tflite

LARGEST_BIAS = {8: 2**30, 16: 2**38}
"""The largest stored bias, by bits of activations. A channel whose kernel is so small that its bias would be larger
gets a coarser scale of its kernel."""

LIMITS = {8: (-128, 127), 16: (-32768, 32767)}
"""The smallest and the largest integer of an activation, by its bits."""

_WIDE_SHARE = (1 / 32768, 0)
"""The scale and zero point that 16-bit kernels demand for values from 0 to 1."""

LEAST_WEIGHT, LEAST_ACTIVATION = 5e-7, 1e-6
"""The least ranges of a channel's weights and of an activation, as in TensorFlow."""

_FINEST_RELU6 = 2.0**-28
"""The finest scale of what RELU6 clips: runtimes count 6 in steps of int32."""


class QuantisationError(ValueError):
    """The network has no integer form. The message is one line."""


@dataclass(frozen=True, slots=True)
class Int8Network:
    """The file's operators, their constants as stored, and the scales of every tensor by name."""

    graph: Graph
    constants: Mapping[str, NDArray[Any]]
    scales: Mapping[str, Quantisation]

    def tflite(self) -> bytes:
        """The bytes of the network's file."""
        return write_tflite(self.graph, self.constants, self.scales)


def quantise(network: FloatNetwork, activations: Mapping[str, Quantisation]) -> Int8Network:
    """Quantise a network; `activations` are the scales of its activations by name."""
    scales = dict(activations)
    constants: dict[str, NDArray[Any]] = {}
    for node in network.graph.nodes:
        kernel, bias = f"{node.name}/kernel", f"{node.name}/bias"
        if kernel not in network.constants:
            continue
        axis = row_of(node.op).channel_axis
        by_channel = np.moveaxis(network.constants[kernel], axis, -1)
        (given,) = activations[node.inputs[0].name].scales
        steps = _kernel_steps(node, by_channel, network.constants.get(bias), given)
        stored = _stored(node, by_channel, steps).astype(np.int8)
        constants[kernel] = np.ascontiguousarray(np.moveaxis(stored, -1, axis))
        zeros = np.zeros(len(steps), np.int64)
        scales[kernel] = Quantisation(steps, zeros, axis)
        if bias in network.constants:
            steps = np.float32(given) * steps
            whole = _rounded(network.constants[bias], steps)
            constants[bias] = whole.astype(np.int32 if activation_bits(network.graph) == 8 else np.int64)
            scales[bias] = Quantisation(steps, zeros)
    return Int8Network(network.graph, constants, scales)


def with_rounded_kernels(network: FloatNetwork) -> FloatNetwork:
    """The network with its 4-bit kernels rounded as in the file, on which activations are measured.

    8-bit kernels stay as they are, since there the difference is within the noise.
    """
    constants = dict(network.constants)
    for node in network.graph.nodes:
        if largest_integer(node) < 127 and (kernel := f"{node.name}/kernel") in constants:
            axis = row_of(node.op).channel_axis
            by_channel = np.moveaxis(constants[kernel], axis, -1)
            steps = _kernel_steps(node, by_channel)
            rounded = _stored(node, by_channel, steps) * steps
            constants[kernel] = np.ascontiguousarray(np.moveaxis(rounded, -1, axis))
    return FloatNetwork(network.graph, constants)


def largest_integer(node: Node) -> int:
    """The largest absolute integer of the node's kernel: 127, or 7 for 4 bits."""
    return int(2 ** (getattr(node.op, "kernel_bits", 8) - 1)) - 1


def largest_bias(node: Node) -> int:
    """The largest stored bias of the node, given the bits of its activations."""
    return LARGEST_BIAS[16 if node.inputs[0].dtype is DType.INT16 else 8]


def fixed_scales(graph: Graph) -> dict[str, tuple[float, int]]:
    """The scale and zero point of activations whose operators demand them, by name."""
    wide = activation_bits(graph) == 16
    given = ((node.output.name, row_of(node.op).output_scale) for node in graph.nodes)
    return {name: _WIDE_SHARE if wide else scale for name, scale in given if scale}


def finest_scales(graph: Graph) -> dict[str, float]:
    """The finest scale that runtimes take of each activation by name, whatever other activations have."""
    finest = dict.fromkeys((x.name for x in graph.inputs), 0.0)
    for node in graph.nodes:
        last = getattr(node.op, "activation", getattr(node.op, "function", None))
        finest[node.output.name] = _FINEST_RELU6 if last is Activation.RELU6 else 0.0
        for x in node.inputs:
            finest[x.name] = max(finest[x.name], row_of(node.op).finest_input(node.op))
    return finest


def check_activations(graph: Graph) -> None:
    """Raise `QuantisationError` where no runtime runs an operator with activations of 16 bits."""
    if activation_bits(graph) == 8:
        return
    for node in graph.nodes:
        if (row := row_of(node.op)).narrow:
            raise QuantisationError(
                f"no runtime runs {row.name} with int16 activations: leave it out, or give activations=8"
            )
        if largest_integer(node) < 127:
            raise QuantisationError("no runtime runs kernels of 4 bits with int16 activations: give bits=8")


def _kernel_steps(
    node: Node, by_channel: NDArray[np.float32], bias: NDArray[np.float32] | None = None, given: float = 1.0
) -> NDArray[np.float32]:
    """The scale of each channel of the kernel, or the one of all channels; `given` is the input's scale."""
    largest = np.abs(by_channel).reshape(-1, by_channel.shape[-1]).max(axis=0).astype(float)
    steps = np.maximum(largest, LEAST_WEIGHT) / largest_integer(node)
    if bias is not None:
        steps = np.maximum(steps, np.abs(bias) / (given * largest_bias(node)))
    if row_of(node.op).one_scale(node.op):
        steps = steps.max(keepdims=True)
    return np.asarray(steps, np.float32)


def _stored(node: Node, by_channel: NDArray[np.float32], steps: NDArray[np.float32]) -> NDArray[np.float32]:
    """The integers of a kernel."""
    largest = largest_integer(node)
    return _rounded(by_channel, steps).clip(-largest, largest)


def activation_scales(graph: Graph, ranges: Ranges) -> dict[str, Quantisation]:
    """The scale and zero point of each activation by name, from its range, or from those of all that share a scale.

    Where runtimes do not take so fine a scale (`finest_scales`, `Row.finest`), it is coarser. Raises
    `QuantisationError` where an operator demands a scale that its neighbours cannot have.
    """
    check_activations(graph)
    fixed, bits = fixed_scales(graph), activation_bits(graph)
    smallest, most = LIMITS[bits]
    scales: dict[str, Quantisation] = {}

    def give(group: set[str], finest: float) -> None:
        least, largest = min(ranges[name][0] for name in group), max(ranges[name][1] for name in group)
        scale, zero = _scale(least, largest, finest, bits)
        for name in sorted(group):
            scale, zero = fixed.get(name) or (scale, zero)
        if least < (smallest - 1 - zero) * scale or largest > (most + 1 - zero) * scale or scale < finest:
            raise QuantisationError(
                f"{', '.join(sorted(group))} must share one scale, and a sigmoid or softmax among them has a fixed one"
            )
        scales.update(dict.fromkeys(group, Quantisation((scale,), (zero,))))

    groups, finest = of_one_scale(graph), finest_scales(graph)
    for group in groups:
        give(group, max(finest[name] for name in group))
    of_name = {name: group for group in groups for name in group}
    for node in graph.nodes:
        if limit := row_of(node.op).finest:
            least = limit(*(scales[x.name].scales[0] for x in node.inputs))
            if scales[node.output.name].scales[0] < least:
                give(of_name[node.output.name], least)
    return scales


def _scale(least: float, largest: float, finest: float, bits: int) -> tuple[float, int]:
    least, largest = min(least, 0.0), max(largest, 0.0)
    if max(-least, largest) < LEAST_ACTIVATION:
        least, largest = -LEAST_ACTIVATION, LEAST_ACTIVATION
    if bits == 16:
        return max(-least, largest, 32767 * finest) / 32767, 0
    scale = max((largest - least) / 255, finest)
    return scale, round(-128 - least / scale)


def _rounded(values: NDArray[np.float32], steps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values as multiples of their steps, rounded to the nearest integer, ties away from 0, as in TensorFlow."""
    numbers = values * (np.float32(1) / steps)
    rounded: NDArray[np.float32] = np.trunc(numbers + np.copysign(np.float32(0.5), numbers))
    return rounded
