"""Quantisation-aware training: the network with its values rounded as in the int8 file, as TensorFlow operations.

Kernels, biases and activations take exactly the values that the file's integers stand for (`requantise.py`). A gradient
passes a kernel's rounding unchanged, and an activation's within its range (the straight-through estimator of Bengio,
Léonard & Courville, 2013; ranges as in Jacob et al., 2018, with batch norm folded and its statistics frozen). Ranges
are those over the calibration examples, as in `int8_network`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from edgevolve.graph import Concat, DepthwiseConv2D, Graph, MaxPool2D, Node, Pad, Reshape, Slice, activation_bits
from edgevolve.quantisation.float_network import merged_values
from edgevolve.quantisation.quantise import (
    LEAST_ACTIVATION,
    LEAST_WEIGHT,
    LIMITS,
    finest_scales,
    fixed_scales,
    largest_bias,
    largest_integer,
)
from edgevolve.quantisation.requantise import as_stored
from edgevolve.tflite import Quantisation, of_one_scale, row_of
from edgevolve.training.forward import FORWARD, Statistics, forward
from edgevolve.training.weights import Values, folded
from resource_models import Deployed, deployed

Scales = Mapping[str, tuple[Any, Any]]
"""Scale and zero point of each activation, by its tensor's name."""

_ON_THE_GRID = (MaxPool2D, Concat, Pad, Reshape, Slice)
"""Operators whose outputs are integers of their inputs."""


@dataclass(frozen=True)
class FakeQuantised:
    """A `Lowering` of `graph` up to the activation `logits`; `examples` are those of `calibration_examples`."""

    graph: Graph
    logits: str
    examples: NDArray[np.float32] = field(repr=False)

    @cached_property
    def merged(self) -> Deployed:
        """The file's operators."""
        return deployed(self.graph)

    @property
    def bits(self) -> int:
        """The bits of an activation."""
        return activation_bits(self.graph)

    def begun(self, values: Values) -> Scales:
        """The scales over the calibration examples with these values, which stay fixed for a pass over the data."""
        return {name: tuple(map(tf.stop_gradient, pair)) for name, pair in self.scales(self.constants(values)).items()}

    def training(self, values: Values, begun: Scales, images: Any) -> tuple[Any, Statistics]:
        """The outputs of a batch; batch norm keeps its statistics."""
        return self.outputs(self.constants(values), begun, images), {}

    def inference(self, values: Values) -> Callable[[Any], Any]:
        """A function to the file's outputs, as reals, up to the rounding of sums in floating point."""
        constants = self.constants(values)
        scales = self.scales(constants)
        return lambda images: self.outputs(constants, scales, images)

    def constants(self, values: Values) -> dict[str, Any]:
        """The kernels and biases of the file's operators, not rounded."""
        return merged_values(self.graph, self.merged, folded(self.graph, values, tf.reshape), tf.reshape)

    def scales(self, constants: Values) -> Scales:
        """The scales that `activation_scales` gives for the ranges over the examples."""
        network, scales = self.merged.graph, dict[str, Any]()
        rounded = dict(constants)
        for node in network.nodes:
            if largest_integer(node) < 127 and (kernel := f"{node.name}/kernel") in rounded:
                rounded[kernel] = _kernel(node, rounded[kernel], None, 1.0)[0]

        def seen(node: Node, operands: list[Any], made: Any) -> Any:
            scales[node.output.name] = made
            return made

        scales[network.inputs[0].name] = tf.constant(self.examples)
        forward(network, rounded, scales[network.inputs[0].name], network.outputs[0].name, seen)
        fixed = fixed_scales(network)
        result: dict[str, tuple[Any, Any]] = {}

        def give(group: set[str], finest: Any) -> None:
            least = tf.minimum(0.0, tf.reduce_min([tf.reduce_min(scales[name]) for name in sorted(group)]))
            largest = tf.maximum(0.0, tf.reduce_max([tf.reduce_max(scales[name]) for name in sorted(group)]))
            scale: tuple[Any, Any] = _scale(least, largest, finest, self.bits)
            for name in sorted(group):
                scale = fixed.get(name, scale)
            result.update(dict.fromkeys(group, scale))

        groups, finest = of_one_scale(network), finest_scales(network)
        for group in groups:
            give(group, max(finest[name] for name in group))
        of_name = {name: group for group in groups for name in group}
        for node in network.nodes:
            if limit := row_of(node.op).finest:
                least = limit(*(result[x.name][0] for x in node.inputs))
                give(of_name[node.output.name], tf.maximum(result[node.output.name][0], least))
        return result

    def outputs(self, constants: Values, scales: Scales, images: Any) -> Any:
        """The network's outputs with rounded `constants` and with activations rounded to these scales."""
        network = self.merged.graph
        rounded, steps = self.rounded(constants, scales)

        def after(node: Node, operands: list[Any], made: Any) -> Any:
            return self._after(node, operands, made, scales, steps)

        images = _activation(images, *scales[network.inputs[0].name], self.bits)
        return forward(network, rounded, images, self.logits, after)[0]

    def by_operator(self, constants: Values, scales: Scales, given: Values) -> dict[str, Any]:
        """The output of each operator alone for the activations `given`, by the names of the activations."""
        rounded, steps = self.rounded(constants, scales)
        made = {}
        for node in self.merged.graph.nodes:
            operands = [given[x.name] for x in node.inputs]
            output = FORWARD[type(node.op)](node, rounded, {}, *operands)
            made[node.output.name] = self._after(node, operands, output, scales, steps)
        return made

    def _after(self, node: Node, operands: list[Any], made: Any, scales: Scales, steps: Values) -> Any:
        if isinstance(node.op, _ON_THE_GRID):
            return made
        inputs, output = (
            [(x, *scales[t.name]) for x, t in zip(operands, node.inputs, strict=True)],
            scales[node.output.name],
        )
        stored = as_stored(node, inputs, made, output, steps.get(node.name), self.bits)
        return _activation(_passed(made, stored), *output, self.bits)

    def rounded(self, constants: Values, scales: Scales) -> tuple[dict[str, Any], dict[str, Any]]:
        """The constants as stored, for inputs of these scales, and the scales of each node's kernel."""
        rounded, steps = dict(constants), dict[str, Any]()
        for node in self.merged.graph.nodes:
            kernel, bias = f"{node.name}/kernel", f"{node.name}/bias"
            if kernel in constants:
                given, _ = scales[node.inputs[0].name]
                rounded[kernel], step = _kernel(node, constants[kernel], constants.get(bias), given)
                if bias in constants:
                    whole = _rounded(constants[bias], given * step) * (given * step)
                    rounded[bias] = _passed(constants[bias], whole)
                steps[node.name] = step
        return rounded, steps


def as_scales(activations: Mapping[str, Quantisation]) -> Scales:
    """The result of `activation_scales` in the form that `FakeQuantised.outputs` takes."""
    return {name: (float(stored.scales[0]), float(stored.zero_points[0])) for name, stored in activations.items()}


def _scale(least: Any, largest: Any, finest: Any, bits: int) -> tuple[Any, Any]:
    tiny = tf.maximum(-least, largest) < LEAST_ACTIVATION
    least, largest = tf.where(tiny, -LEAST_ACTIVATION, least), tf.where(tiny, LEAST_ACTIVATION, largest)
    if bits == 16:
        return tf.maximum(tf.maximum(-least, largest) / 32767, finest), tf.zeros_like(least)
    scale = tf.maximum((largest - least) / 255, finest)
    return scale, tf.round(-128 - least / scale)


def _activation(x: Any, scale: Any, zero_point: Any, bits: int) -> Any:
    smallest, most = LIMITS[bits]
    least, largest = (smallest - zero_point) * scale, (most - zero_point) * scale
    return tf.quantization.fake_quant_with_min_max_vars(x, least, largest, num_bits=bits)


def _kernel(node: Node, kernel: Any, bias: Any, given: Any) -> tuple[Any, Any]:
    """A rounded kernel, and the scale of each output channel; `given` is the input's scale."""
    by_channel = tf.reshape(kernel, (-1, node.output.shape[-1])) if isinstance(node.op, DepthwiseConv2D) else kernel
    largest = largest_integer(node)
    axes = list(range(len(by_channel.shape) - 1))
    most = tf.cast(tf.reduce_max(tf.abs(by_channel), axes), tf.float64)
    step = tf.cast(tf.maximum(most, LEAST_WEIGHT) / largest, tf.float32)
    if bias is not None:
        step = tf.maximum(step, tf.abs(bias) / (given * largest_bias(node)))
    if row_of(node.op).one_scale(node.op):
        step = tf.fill(tf.shape(step), tf.reduce_max(step))
    rounded = tf.clip_by_value(_rounded(by_channel, step), -largest, largest) * step
    return _passed(kernel, tf.reshape(rounded, kernel.shape)), tf.stop_gradient(step)


def _rounded(values: Any, steps: Any) -> Any:
    """Values as multiples of their steps, rounded like the converter."""
    numbers = values * (1 / steps)
    return tf.sign(numbers) * tf.floor(tf.abs(numbers) + 0.5)


def _passed(value: Any, rounded: Any) -> Any:
    """The rounded values, with the gradient of the unrounded ones."""
    return value + tf.stop_gradient(rounded - value)
