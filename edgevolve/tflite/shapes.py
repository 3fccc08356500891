"""Derives attributes of the graph's operator, and MACs, from the shapes and constants of a file's operator."""

import math
from typing import Any

from edgevolve.graph import DType, Shape, ShapeError
from edgevolve.tflite.row import Operator


def _image(operator: Operator) -> Shape:
    """The shape of the first input. Raises `ShapeError` unless it has four dimensions."""
    if len(operator.shape(0)) != 4:
        raise ShapeError("not an image")
    return operator.shape(0)


def convolution(operator: Operator) -> dict[str, Any]:
    """The attributes of a convolution: filters, kernel, its bits and groups."""
    kernel, channels = operator.constant(1).shape, _image(operator)[3]
    if len(kernel) != 4 or not kernel[3]:
        raise ShapeError("not a plain convolution")
    return {"filters": kernel[0], "kernel": kernel[1:3], "groups": channels // kernel[3], **_bits(operator)}


def depthwise(operator: Operator) -> dict[str, Any]:
    """The attributes of a depthwise convolution: kernel, its bits and multiplier."""
    kernel, channels = operator.constant(1).shape, _image(operator)[3]
    if len(kernel) != 4 or not channels:
        raise ShapeError("not a plain depthwise convolution")
    return {"kernel": kernel[1:3], "multiplier": kernel[3] // channels, **_bits(operator)}


def dense(operator: Operator) -> dict[str, Any]:
    """The attributes of a `Dense`: units, and the bits of the kernel."""
    kernel = operator.constant(1).shape
    if len(kernel) != 2:
        raise ShapeError("not a matrix")
    return {"units": kernel[0], **_bits(operator)}


def _bits(operator: Operator) -> dict[str, Any]:
    """The bits of an element of the kernel, where they differ from the graph's default of 8."""
    return {"kernel_bits": 4} if operator.constant(1).dtype is DType.INT4 else {}


def mean(operator: Operator) -> dict[str, Any]:
    """No attributes. Raises `ShapeError` unless the mean is over height and width."""
    axes = {axis % 4 for axis in operator.values[1]} if operator.constant(1) else set()
    if axes != {1, 2}:
        raise ShapeError("not over height and width")
    return {}


def concat(operator: Operator) -> dict[str, Any]:
    """No attributes. Raises `ShapeError` unless the concatenation is along the last axis."""
    rank = len(operator.outputs[0].shape) if operator.outputs else 0
    if operator.options["axis"] not in (-1, rank - 1):
        raise ShapeError("not along the channels")
    return {}


def pad(operator: Operator) -> dict[str, Any]:
    """The amounts of a `Pad`, for height and width."""
    amounts = operator.values[1] if operator.constant(1) else ()
    if len(amounts) != 8 or any(amounts[:2]) or any(amounts[6:]):
        raise ShapeError("not of height and width alone")
    return {"height": (amounts[2], amounts[3]), "width": (amounts[4], amounts[5])}


def slice(operator: Operator) -> dict[str, Any]:
    """Begin, end and stride of a `Slice`.

    A bit of a mask says that the slice begins at 0, or ends at the axis's end; numbers below 0 count from the end.
    """
    if len(operator.inputs) != 4:
        raise ShapeError("not a begin, an end and a stride")
    shape, (begins, ends, strides) = operator.shape(0), operator.values[1:]
    if not len(begins) == len(ends) == len(strides) == len(shape) > 0 or shape[0] != 1 or 0 in shape:
        raise ShapeError("not a slice of one example")
    first, last = int(operator.options["begin_mask"]), int(operator.options["end_mask"])
    axes = range(1, len(shape))
    return {
        "begin": tuple(0 if first >> i & 1 else begins[i] % shape[i] for i in axes),
        "end": tuple(shape[i] if last >> i & 1 or ends[i] >= shape[i] else ends[i] % shape[i] for i in axes),
        "stride": strides[1:],
    }


def reshape(operator: Operator) -> dict[str, Any]:
    """The shape of a `Reshape`."""
    if len(operator.outputs) != 1:
        raise ShapeError("not one output")
    return {"shape": operator.outputs[0].shape}


def elements(operator: Operator) -> int:
    """The number of elements of all outputs."""
    return sum(math.prod(y.shape) for y in operator.outputs)


def macs_of_kernel(first: int, last: int | None) -> Any:
    """A function that counts output elements times the kernel's dimensions `first` to `last`.

    It gives 0 for a kernel of another rank than the operator's plain one.
    """

    def macs(operator: Operator) -> int:
        kernel = operator.shape(1)
        plain = 2 if operator.name == "FULLY_CONNECTED" else 4
        return elements(operator) * math.prod(kernel[first:last]) if len(kernel) == plain else 0

    return macs


def macs_of_window(operator: Operator) -> int:
    """Output elements times the pixels of the window."""
    return (
        elements(operator) * max(int(operator.options["size_width"]), 0) * max(int(operator.options["size_height"]), 0)
    )


def macs_of_transposed(operator: Operator) -> int:
    """Input elements times the kernel's area times its filters."""
    kernel = operator.shape(1)
    return math.prod(operator.shape(2)) * math.prod(kernel[:3]) if len(kernel) == 4 and len(operator.inputs) > 2 else 0


def macs_of_input(operator: Operator) -> int:
    """One for each element of the first input."""
    return math.prod(operator.shape(0)) if operator.inputs else 0
