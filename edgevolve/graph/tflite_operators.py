"""From an operator of a `.tflite` to an op of the IR, where one describes it exactly; to `Opaque` otherwise.

Field numbers of options are those of TensorFlow Lite's schema.fbs.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from edgevolve.graph.attributes import Activation, Padding
from edgevolve.graph.flatbuffer import Table
from edgevolve.graph.opaque import Opaque
from edgevolve.graph.ops import (
    Activate,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    MaxPool2D,
    Multiply,
    Op,
    Pad,
    Reshape,
    ShapeError,
    Softmax,
)
from edgevolve.graph.tensor import Shape, Tensor

_T = TypeVar("_T")
_PADDING = {0: Padding.SAME, 1: Padding.VALID}
_FUSED = {0: Activation.NONE, 1: Activation.RELU, 3: Activation.RELU6}
_NOT_FUSED = {0: None}


@dataclass(frozen=True, slots=True)
class FileOperator:
    """An operator as the file has it: TFLite's name, its options, its inputs with None for what is left out.

    `values(i)` are those of constant input i, if it holds int32 or int64.
    """

    name: str
    options: Table
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    values: Callable[[int], tuple[int, ...]]

    def constant(self, place: int) -> Tensor:
        """The constant input at `place`. Raises `ShapeError` if there is none."""
        given = self.inputs[place] if place < len(self.inputs) else None
        if given is None or not given.constant:
            raise ShapeError(f"{self.name} has no constant input {place}")
        return given

    def choice(self, field: int, choices: Mapping[int, _T]) -> _T:
        """What an option of one byte stands for. Raises `ShapeError` if that is not among `choices`."""
        number = self.options.integer(field, "b")
        if number not in choices:
            raise ShapeError(f"{self.name}: option {field} is {number}")
        return choices[number]


def op_of(operator: FileOperator) -> Op:
    """The IR's op if it has the operator's very shapes and meaning, else `Opaque`."""
    given = [x for x in operator.inputs if x]
    try:
        op = _TRANSLATIONS[operator.name](operator)
        shapes = [x.shape for x in given if not x.constant]
        constants = [x.shape for x in given if x.constant]
        made = op.output_shape(*shapes)
        expected = [weight.shape for weight in op.weights(*shapes)]
        if (made,) == _shapes(operator) and constants == expected[: len(constants)]:
            return op
    except (KeyError, ShapeError):
        pass
    return Opaque(operator.name, _shapes(operator), _macs(operator))


def _shapes(operator: FileOperator) -> tuple[Shape, ...]:
    return tuple(y.shape for y in operator.outputs)


def _conv(operator: FileOperator) -> Op:
    options, kernel = operator.options, operator.constant(1).shape
    channels = _image(operator)[3]
    if len(kernel) != 4 or not kernel[3] or _dilated(options, 4):
        raise ShapeError("not a plain convolution")
    return Conv2D(
        filters=kernel[0],
        kernel=(kernel[1], kernel[2]),
        stride=(options.integer(2, "i"), options.integer(1, "i")),
        padding=operator.choice(0, _PADDING),
        groups=channels // kernel[3],
        activation=operator.choice(3, _FUSED),
    )


def _depthwise(operator: FileOperator) -> Op:
    options, kernel = operator.options, operator.constant(1).shape
    channels = _image(operator)[3]
    if len(kernel) != 4 or not channels or _dilated(options, 5):
        raise ShapeError("not a plain depthwise convolution")
    return DepthwiseConv2D(
        kernel=(kernel[1], kernel[2]),
        stride=(options.integer(2, "i"), options.integer(1, "i")),
        padding=operator.choice(0, _PADDING),
        multiplier=kernel[3] // channels,
        activation=operator.choice(4, _FUSED),
    )


def _dense(operator: FileOperator) -> Op:
    operator.choice(1, _NOT_FUSED)  # the weights are not shuffled
    kernel = operator.constant(1).shape
    if len(kernel) != 2:
        raise ShapeError("not a matrix")
    return Dense(kernel[0], operator.choice(0, _FUSED))


def _pool(kind: type[MaxPool2D] | type[AveragePool2D]) -> Callable[[FileOperator], Op]:
    def translate(operator: FileOperator) -> Op:
        options = operator.options
        operator.choice(5, _NOT_FUSED)
        return kind(
            size=(options.integer(4, "i"), options.integer(3, "i")),
            stride=(options.integer(2, "i"), options.integer(1, "i")),
            padding=operator.choice(0, _PADDING),
        )

    return translate


def _mean(operator: FileOperator) -> Op:
    axes = {axis % 4 for axis in operator.values(1)} if operator.constant(1) else set()
    if axes != {1, 2}:
        raise ShapeError("not over height and width")
    return GlobalAveragePool()


def _add(operator: FileOperator) -> Op:
    return Add(operator.choice(0, _FUSED))


def _multiply(operator: FileOperator) -> Op:
    return Multiply(operator.choice(0, _FUSED))


def _concat(operator: FileOperator) -> Op:
    operator.choice(1, _NOT_FUSED)
    rank = len(operator.outputs[0].shape) if operator.outputs else 0
    if operator.options.integer(0, "i") not in (-1, rank - 1):
        raise ShapeError("not along the channels")
    return Concat()


def _pad(operator: FileOperator) -> Op:
    amounts = operator.values(1) if operator.constant(1) else ()
    if len(amounts) != 8 or any(amounts[:2]) or any(amounts[6:]):
        raise ShapeError("not of height and width alone")
    return Pad((amounts[2], amounts[3]), (amounts[4], amounts[5]))


def _reshape(operator: FileOperator) -> Op:
    if len(operator.outputs) != 1:
        raise ShapeError("not one output")
    return Reshape(operator.outputs[0].shape)


def _activate(function: Activation) -> Callable[[FileOperator], Op]:
    return lambda operator: Activate(function)


def _softmax(operator: FileOperator) -> Op:
    if operator.options.real(0) != 1:
        raise ShapeError("not of temperature 1")
    return Softmax()


_TRANSLATIONS: dict[str, Callable[[FileOperator], Op]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _dense,
    "MAX_POOL_2D": _pool(MaxPool2D),
    "AVERAGE_POOL_2D": _pool(AveragePool2D),
    "MEAN": _mean,
    "ADD": _add,
    "MUL": _multiply,
    "CONCATENATION": _concat,
    "PAD": _pad,
    "RESHAPE": _reshape,
    "RELU": _activate(Activation.RELU),
    "RELU6": _activate(Activation.RELU6),
    "HARD_SWISH": _activate(Activation.HARD_SWISH),
    "LOGISTIC": _activate(Activation.SIGMOID),
    "SOFTMAX": _softmax,
}


def _image(operator: FileOperator) -> Shape:
    """The shape of the first input. Raises `ShapeError` unless it has four dimensions."""
    x = operator.inputs[0] if operator.inputs else None
    if x is None or len(x.shape) != 4:
        raise ShapeError("not an image")
    return x.shape


def _dilated(options: Table, field: int) -> bool:
    return (options.integer(field, "i", 1), options.integer(field + 1, "i", 1)) != (1, 1)


def _macs(operator: FileOperator) -> int:
    """Multiply-accumulates of an operator that no op describes; 0 for all but the ones named here.

    These differ from the IR's in dilation, fused activation, batch, rank or where their kernel comes from, not in what
    they count.
    """
    options = operator.options
    shapes = [x.shape if x else () for x in operator.inputs]
    elements = sum(math.prod(y.shape) for y in operator.outputs)
    kernel = shapes[1] if len(shapes) > 1 else ()
    match operator.name, len(kernel):
        case "CONV_2D", 4:
            return elements * math.prod(kernel[1:])
        case "DEPTHWISE_CONV_2D", 4:
            return elements * kernel[1] * kernel[2]
        case "FULLY_CONNECTED", 2:
            return elements * kernel[1]
        case "TRANSPOSE_CONV", 4 if len(shapes) > 2:
            return math.prod(shapes[2]) * math.prod(kernel[:3])
        case (("MAX_POOL_2D" | "AVERAGE_POOL_2D"), _):
            return elements * max(options.integer(3, "i"), 0) * max(options.integer(4, "i"), 0)
        case "MEAN", _ if shapes:
            return math.prod(shapes[0])
        case (("ADD" | "MUL"), _):
            return elements
    return 0
