"""Any network of a space from shared weights, in one compiled function: a path is data, a vector of numbers.

Kernels have the sizes that the path says, so a new path needs no new trace. Parts that a path leaves out are branches
that do not run. `forward` of the built network with inherited weights gives the same outputs (a test compares).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from edgevolve.graph import Activation
from edgevolve.training.forward import ACTIVATIONS
from edgevolve.training.shared_layout import is_transformed
from edgevolve.training.weights import BATCH_NORM_EPSILON
from search_space.shared import (
    FUNCTIONS,
    AddUp,
    Either,
    Excite,
    Gather,
    Keep,
    Layer,
    Mean,
    Pool,
    Program,
    Recall,
    Step,
)

Registers = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs a program along the path `row`, int32 tensors, on the `parts` of the shared values that it uses.

    In `training` batch norm takes the statistics of the batch, else those among the values.
    """

    program: Program
    parts: Mapping[str, Any]
    row: Sequence[Any]
    training: bool
    offsets: Mapping[str, int]

    def number(self, name: str, place: int) -> Any:
        """The number at `place` of what the path holds for the step called `name`."""
        return self.row[self.offsets[name] + place]

    def run(self, steps: tuple[Step, ...], registers: Registers) -> Registers:
        """The registers after the steps."""
        for step in steps:
            with tf.name_scope("step"):
                registers = _RUN[type(step)](self, step, registers)
        return registers

    def choose(
        self, index: Any, branches: Sequence[Callable[[], Registers]], registers: Registers, changed: Collection[str]
    ) -> Registers:
        """The registers after the branch `index`; only that branch runs, and changes no register but `changed`."""
        names = sorted(changed)

        def flat(branch: Callable[[], Registers]) -> Callable[[], tuple[Any, ...]]:
            return lambda: tuple(branch()[name] for name in names)

        if len(branches) == 2:
            chosen = tf.cond(index > 0, flat(branches[1]), flat(branches[0]))
        else:
            chosen = tf.switch_case(index, list(map(flat, branches)))
        return {**registers, **dict(zip(names, chosen, strict=True))}


def shared_forward(program: Program, parts: Mapping[str, Any], row: Any, x: Any, training: bool) -> Any:
    """The outputs of the network of the path `row` for `x`, (batch, height, width, channels) float32: (batch, outputs).

    `parts` are the parts of the arrays that the path uses, as `SharedLayout.tensors` gives them.
    """
    runner = Runner(program, parts, tf.unstack(row), training, program.offsets)
    kept = {step.register for step in program if isinstance(step, Keep | Gather)}
    kept |= {name for step in program if isinstance(step, Recall) for name in step.registers}
    y = runner.run(program.steps, {"x": x, **dict.fromkeys(kept, x)})["x"]
    outputs = next(layer for layer in reversed(program.layers) if layer.kind == "dense").kernel[3]
    return tf.reshape(y, (-1, outputs))


def _layer(runner: Runner, layer: Layer, registers: Registers) -> Registers:
    def there() -> Registers:
        return {**registers, layer.on: layer_output(runner, layer, registers[layer.on])}

    if not layer.optional:
        return there()
    return runner.choose(runner.number(layer.name, 0), [lambda: registers, there], registers, {layer.on})


def layer_output(runner: Runner, layer: Layer, x: Any) -> Any:
    """The output of a layer for `x`, with the part of the kernel that the path uses."""
    kernel = runner.parts[f"{layer.name}/kernel"]
    if is_transformed(layer, runner.parts):
        kernel = _transformed(runner, layer, kernel)
    y = _convolved(runner, layer, x, kernel)

    def normed() -> Any:
        return _normed(runner, layer, y)

    def biased() -> Any:
        return tf.nn.bias_add(y, runner.parts[f"{layer.name}/bias"])

    if layer.norm is None:
        y = tf.cond(runner.number(layer.name, 6) > 0, normed, biased)
    else:
        y = normed() if layer.norm else biased()
    return _function(layer.functions, runner.number(layer.name, 7), y)


def _normed(runner: Runner, layer: Layer, y: Any) -> Any:
    """Batch norm: by the batch in training, else by the mean and variance among the values."""
    gamma, beta = (runner.parts[f"{layer.name}/{role}"] for role in ("gamma", "beta"))
    if not runner.training:
        mean, variance = (runner.parts[f"{layer.name}/{role}"] for role in ("mean", "variance"))
        scale = gamma * (variance + BATCH_NORM_EPSILON) ** -0.5
        return y * scale + (beta - mean * scale)
    normed, *_ = tf.raw_ops.FusedBatchNormV3(
        x=y,
        scale=gamma,
        offset=beta,
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=BATCH_NORM_EPSILON,
        is_training=True,
    )
    return normed


def _transformed(runner: Runner, layer: Layer, kernel: Any) -> Any:
    """Do as `search_space.shared.transformed` does, and cut the result to the window."""
    side, channels = layer.kernel[0], tf.shape(kernel)[2:]
    height, width = runner.number(layer.name, 1), runner.number(layer.name, 2)
    versions = [kernel]
    for smaller in range(side - 2, 2, -2):
        top = (side - smaller) // 2
        middle = tf.reshape(versions[-1][top : top + smaller, top : top + smaller], (smaller * smaller, -1))
        new = tf.matmul(runner.parts[f"{layer.name}/{smaller}x{smaller}"], middle)
        new = tf.reshape(new, tf.concat([[smaller, smaller], channels], 0))
        versions.append(tf.pad(new, [[top, top], [top, top], [0, 0], [0, 0]]))  # the padding is never used
    index = tf.clip_by_value((side - tf.maximum(height, width)) // 2, 0, len(versions) - 1)
    chosen = tf.switch_case(index, [partial(tf.identity, version) for version in versions])
    top, left = (side - height) // 2, (side - width) // 2
    return chosen[top : top + height, left : left + width]


def _convolved(runner: Runner, layer: Layer, x: Any, kernel: Any) -> Any:
    if layer.kind == "dense":
        return _flat_product(x, kernel)
    convolve = _depthwise if layer.kind == "depthwise" else _conv
    # a kernel of one pixel means a map of one pixel; oneDNN aborts in its gradient where there is one channel
    one_pixel = layer.kind == "depthwise" and runner.number(layer.name, 1) * runner.number(layer.name, 2) < 2
    if layer.kind == "depthwise" and layer.same:  # a margin of zeros gives the same without a branch
        margin = np.array([[1, 1], [1, 1], [0, 0], [0, 0]], np.int32)
        kernel = tf.pad(kernel, tf.cast(one_pixel, tf.int32) * margin)
    strided = [convolve(x, kernel, stride, "SAME" if layer.same else "VALID") for stride in layer.strides]

    def whole() -> Any:
        return strided[0]() if len(strided) == 1 else tf.cond(runner.number(layer.name, 5) > 1, *strided[::-1])

    if layer.kind == "conv" or layer.same:
        return whole()
    return tf.cond(one_pixel, lambda: x * kernel[0, 0, :, 0], whole)


def _conv(x: Any, kernel: Any, stride: int, padding: str) -> Callable[[], Any]:
    return lambda: tf.nn.conv2d(x, kernel, stride, padding)


def _depthwise(x: Any, kernel: Any, stride: int, padding: str) -> Callable[[], Any]:
    strides = (1, stride, stride, 1)
    return lambda: tf.raw_ops.DepthwiseConv2dNative(input=x, filter=kernel, strides=strides, padding=padding)


def _flat_product(x: Any, kernel: Any) -> Any:
    """A dense layer on a map; its output is a map of one pixel."""
    units = tf.shape(kernel)[3]
    y = tf.matmul(tf.reshape(x, (tf.shape(x)[0], -1)), tf.reshape(kernel, (-1, units)))
    return tf.reshape(y, (-1, 1, 1, units))


def _swish(x: Any) -> Any:
    return x * tf.nn.sigmoid(x)


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "swish": _swish,
    **{name: ACTIVATIONS[Activation(name)] for name in FUNCTIONS if name != "swish"},
}


def _function(functions: tuple[str, ...], index: Any, y: Any) -> Any:
    """Apply `FUNCTIONS[index]`, which is one of `functions`, to `y`."""
    if len(functions) == 1:
        return _FUNCTIONS[functions[0]](y)
    if functions == ("none", "relu"):
        return tf.maximum(y, tf.where(index > 0, 0.0, y.dtype.min))
    place = tf.constant([functions.index(function) if function in functions else 0 for function in FUNCTIONS])[index]
    return tf.switch_case(place, [partial(_FUNCTIONS[name], y) for name in functions])


def _excite(runner: Runner, step: Excite, registers: Registers) -> Registers:
    def there() -> Registers:
        x = registers["x"]
        y = layer_output(runner, step.squeeze, tf.reduce_mean(x, axis=[1, 2], keepdims=True))
        return {**registers, "x": x * tf.nn.sigmoid(layer_output(runner, step.excite, y))}

    return runner.choose(runner.number(step.name, 0), [lambda: registers, there], registers, {"x"})


def _keep(runner: Runner, step: Keep, registers: Registers) -> Registers:
    return {**registers, step.register: registers["x"]}


def _recall(runner: Runner, step: Recall, registers: Registers) -> Registers:
    def take(name: str) -> Callable[[], Registers]:
        return lambda: {**registers, "x": registers[name]}

    branches = [take(name) for name in ("x", *step.registers)]
    return runner.choose(runner.number(step.name, 0), branches, registers, {"x"})


def _add(runner: Runner, step: AddUp, registers: Registers) -> Registers:
    def there() -> Registers:
        total = tf.add_n([registers["x"], registers[step.register]])  # equal shapes: its gradient asks for none
        return {**registers, "x": _function(step.functions, runner.number(step.name, 1), total)}

    return runner.choose(runner.number(step.name, 0), [lambda: registers, there], registers, {"x"})


def _pool(runner: Runner, step: Pool, registers: Registers) -> Registers:
    height, width = runner.number(step.name, 0), runner.number(step.name, 1)
    return {**registers, "x": _pooled(step.kind, registers["x"], height, width)}


def _pooled(kind: str, x: Any, height: Any, width: Any) -> Any:
    """Pool over windows that do not overlap; rows and columns that fill no window are left out."""

    def there() -> Any:
        shape = tf.shape(x)
        rows, columns = shape[1] // height, shape[2] // width
        whole = x[:, : rows * height, : columns * width]
        tiles = tf.reshape(whole, tf.stack([shape[0], rows, height, columns, width, shape[3]]))
        reduce = tf.reduce_mean if kind == "average" else tf.reduce_max
        return reduce(tiles, axis=[2, 4])

    return tf.cond(height * width > 1, there, lambda: x)


def _gather(runner: Runner, step: Gather, registers: Registers) -> Registers:
    height, width, below, right, begins = (runner.number(step.name, place) for place in range(5))
    y = tf.pad(_pooled("max", registers["x"], height, width), [[0, 0], [0, below], [0, right], [0, 0]])
    total = tf.cond(begins > 0, lambda: y, lambda: y + registers[step.register])
    return {**registers, step.register: total}


def _mean(runner: Runner, step: Mean, registers: Registers) -> Registers:
    return {**registers, "x": tf.reduce_mean(registers["x"], axis=[1, 2], keepdims=True)}


def _either(runner: Runner, step: Either, registers: Registers) -> Registers:
    def along(steps: tuple[Step, ...]) -> Callable[[], Registers]:
        return lambda: runner.run(steps, registers)

    branches = [along(()), *(along(steps) for _, steps in step.branches)]
    return runner.choose(runner.number(step.name, 0), branches, registers, _changed(step))


def _changed(either: Either) -> set[str]:
    """The registers that a branch writes, without those that every branch writes first: nothing reads them later."""
    written = {register for _, steps in either.branches for step in steps for register in _written(step)}
    first: list[set[str]] = [
        {step.register for step in steps[:1] if isinstance(step, Keep)} for _, steps in either.branches
    ]
    return written.difference(*first) if all(first) else written


def _written(step: Step) -> set[str]:
    if isinstance(step, Either):
        return _changed(step)
    if isinstance(step, Keep | Gather):
        return {step.register}
    return {step.on if isinstance(step, Layer) else "x"}


_RUN: dict[type, Callable[[Runner, Any, Registers], Registers]] = {
    Layer: _layer,
    Excite: _excite,
    Keep: _keep,
    Recall: _recall,
    AddUp: _add,
    Pool: _pool,
    Gather: _gather,
    Mean: _mean,
    Either: _either,
}
