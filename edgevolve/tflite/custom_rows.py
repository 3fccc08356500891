"""TensorFlow Lite Micro's own operators, which the schema does not number: sound, streams, detection.

Sizes follow from the structures and `Prepare` functions of `signal/micro/kernels` and `micro/kernels`; 64-bit sizes are
those that the recording allocator of the `tflite-micro` wheel reports. Options are the numbers in the map of a
FlexBuffer, by name.
"""

import math

from edgevolve.graph import DType
from edgevolve.tflite.row import Kept, Kernel, Operator, Row, Sizes, nothing
from edgevolve.tflite.targets import Target

_CUSTOM = 32
_MOST_STREAMS = 4_096
"""The most streams of one operator; it has no model where there are more."""

_ELEMENT_BYTES = {DType.INT16: 2, DType.INT32: 4, DType.FLOAT32: 4}
_FACTORS_BYTES = 4 * 2 + 4 * 64
"""Bytes of kissfft's record of a transform, without its roots: length, direction and room for 32 factors."""


def _option(operator: Operator, name: str) -> int:
    """Raises `LookupError` for an option that the file does not have, `ValueError` for one below 0."""
    value = int(operator.options[name])
    if value < 0:
        raise ValueError(f"{name} is {value}")
    return value


def _streams(operator: Operator, dimensions: int) -> int:
    """The number of streams, each of which has its own state: the input's size without its last dimensions."""
    count = math.prod(operator.shape(0)[:-dimensions])
    if count > _MOST_STREAMS:
        raise ValueError(f"{count} streams")
    return count


def _ring_bytes(capacity: int, target: Target) -> int:
    """Bytes of a ring of int16 with room for twice its capacity, and of its record."""
    return 4 * target.pointer_bytes + 8 + 4 * capacity


def _rings(operator: Operator, target: Target, capacity: int) -> tuple[int, ...]:
    """A ring for each stream, and two lists of pointers to them."""
    streams = _streams(operator, 1)
    return (target.pointer_bytes * streams,) * 2 + (_ring_bytes(capacity, target),) * streams


def _delayed(operator: Operator, target: Target) -> tuple[int, ...]:
    return _rings(operator, target, operator.shape(0)[-1] + _option(operator, "delay_length"))


def _framed(operator: Operator, target: Target) -> tuple[int, ...]:
    size, step = _option(operator, "frame_size"), _option(operator, "frame_step")
    return _rings(operator, target, -(-size // step) * step)


def _stacked(operator: Operator, target: Target) -> tuple[int, ...]:
    frames = _option(operator, "stacker_left_context") + _option(operator, "stacker_right_context") + 1
    return (_ring_bytes(_option(operator, "num_channels") * frames, target),)


def _overlapping(operator: Operator, target: Target) -> tuple[int, ...]:
    streams, tensor = _streams(operator, 2), operator.inputs[0]
    frame_bytes = operator.shape(0)[-1] * _ELEMENT_BYTES[tensor.dtype] if tensor else 0
    return (target.pointer_bytes * streams, *(frame_bytes,) * streams)


def _per_channel(element_bytes: int, more: int) -> Sizes:
    def tables(operator: Operator, target: Target) -> tuple[int, ...]:
        return (element_bytes * (_option(operator, "num_channels") + more),)

    return tables


def _transform(operator: Operator, target: Target) -> tuple[int, ...]:
    """Bytes that kissfft keeps for a real transform: one of half the length, its roots, and an intermediate buffer."""
    half, element = _option(operator, "fft_length") // 2, _ELEMENT_BYTES[_type(operator)]
    roots, beside = 2 * element * half, 2 * element * (3 * half // 2)
    return (3 * target.pointer_bytes + _FACTORS_BYTES + roots + beside,)


def _inverse(operator: Operator, target: Target) -> tuple[int, ...]:
    """Bytes as of `_transform`; for floats a length and a pointer are added."""
    (kept,) = _transform(operator, target)
    return (kept + (2 * target.pointer_bytes if _type(operator) is DType.FLOAT32 else 0),)


def _transformed(operator: Operator, target: Target) -> tuple[int, ...]:
    """A copy of the input, padded with zeros."""
    return (_option(operator, "fft_length") * _ELEMENT_BYTES[_type(operator)],)


def _type(operator: Operator) -> DType:
    given = operator.inputs[0]
    if given is None:
        raise LookupError("no input")
    return given.dtype


def _detection(operator: Operator, target: Target) -> tuple[int, ...]:
    """Bytes for boxes and scores, and for sorting and suppressing them, in the kernel's order."""
    boxes, classes = operator.shape(0)[1], operator.shape(1)[2]
    most, counted = _option(operator, "max_detections"), _option(operator, "num_classes")
    each, all_scores = 4 * boxes, 4 * operator.shape(1)[1] * classes
    several, chosen = most * each, min(boxes, most) * each
    many = max(counted, most) * each
    return boxes, 4 * each, all_scores, each, each, several, several, each, several, many, chosen


def _row(
    name: str,
    method: str,
    host: int = 0,
    device: int | None = None,
    tables: Sizes = nothing,
    scratch: Sizes = nothing,
) -> Row:
    """A kernel that keeps `host` bytes where pointers have 8 bytes and `device` where they have 4."""
    small = host if device is None else device
    return Row(
        name=name,
        code=_CUSTOM,
        method=method,
        kernel=Kernel(Kept(0, 1, host), Kept(0, 1, small), 0, tables, scratch),
    )


CUSTOM_ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        _row("CIRCULAR_BUFFER", "AddCircularBuffer", 8),
        _row("SignalDelay", "AddDelay", 32, 20, _delayed),
        _row("SignalEnergy", "AddEnergy", 8),
        _row("SignalFftAutoScale", "AddFftAutoScale"),
        _row("SignalFilterBank", "AddFilterBank", 64, 36, _per_channel(8, 1)),
        _row("SignalFilterBankLog", "AddFilterBankLog", 8),
        _row("SignalFilterBankSpectralSubtraction", "AddFilterBankSpectralSubtraction", 56, 44, _per_channel(4, 0)),
        _row("SignalFilterBankSquareRoot", "AddFilterBankSquareRoot"),
        _row("SignalFramer", "AddFramer", 40, 28, _framed),
        _row("SignalIrfft", "AddIrfft", 32, 24, _inverse),
        _row("SignalOverlapAdd", "AddOverlapAdd", 32, 24, _overlapping),
        _row("SignalPCAN", "AddPCAN", 4),
        _row("SignalRfft", "AddRfft", 48, 32, _transform, _transformed),
        _row("SignalStacker", "AddStacker", 56, 36, _stacked),
        _row("SignalWindow", "AddWindow", 8),
        _row("TFLite_Detection_PostProcess", "AddDetectionPostprocess", 112, None, nothing, _detection),
        Row(name="TFLM_DECODE", code=_CUSTOM, method="AddDecode", kernel=None),
    )
}
"""Rows of custom operators by their names in files. One without a kernel runs, but has no model."""
