"""A graph as an int8 `.tflite` without a framework: right shapes, operators and sizes, made-up weights and scales.

It is what a vendor's compiler or a profiler needs to tell what a network costs before anyone trained it; what it
computes means nothing. Tables are written by field number, as TensorFlow Lite's schema (version 3) numbers them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np

from edgevolve.graph.attributes import Activation, Padding
from edgevolve.graph.network import Graph, Node
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
from edgevolve.graph.tensor import DType, Shape

_VERSION = 3
_TYPES = {DType.FLOAT32: 0, DType.INT32: 2, DType.UINT8: 3, DType.INT64: 4, DType.INT16: 7, DType.INT8: 9}
_FUSED = {Activation.NONE: 0, Activation.RELU: 1, Activation.RELU6: 3}
_FUNCTIONS = {Activation.RELU: 19, Activation.RELU6: 21, Activation.SIGMOID: 14, Activation.HARD_SWISH: 117}
_SCALE = 0.05
_WEIGHT_SCALE = 0.01
_SHARE = (1 / 256, -128)
"""Scale and zero point of what lies between 0 and 1: TFLite's kernels insist on them."""

_Options = tuple[int, Sequence[tuple[str, int, Any]]]
"""The number of an options table in its union, and its fields: kind, number, value."""


def skeleton(graph: Graph, seed: int = 0, *, shared: bool = False) -> bytes:
    """The bytes of the file; kernels are drawn from `seed`, so that compressors find them as hard as real ones.

    With `shared`, kernels of one kind and shape are one buffer, which a compiler that remembers compresses once.
    Raises `ShapeError` for an operator that TensorFlow Lite has under no name known here.
    """
    return _Writer(graph, np.random.default_rng(seed), shared).file()


class _Writer:
    def __init__(self, graph: Graph, rng: np.random.Generator, shared: bool) -> None:
        self.graph, self.rng, self.shared = graph, rng, shared
        self.out = flatbuffers.Builder(1 << 16)
        self.buffers = [self.buffer(None)]
        self.tensors: list[int] = []
        self.numbers: dict[str, int] = {}
        self.codes: dict[int, int] = {}
        self.kernels: dict[tuple[type, Shape], int] = {}
        self.written: dict[tuple[Any, ...], int] = {}
        """Shapes, lists and quantisations that stand in the file already: it may point to them many times."""

    def file(self) -> bytes:
        for x in self.graph.inputs:
            self.activation(x.name, x.shape, x.dtype, None)
        operators = [self.operator(node) for node in self.graph.nodes]
        codes = [self.table([("b", 0, min(code, 127)), ("i", 2, 1), ("i", 3, code)]) for code in self.codes]
        subgraph = self.table(
            [
                ("o", 0, self.offsets(self.tensors)),
                ("o", 1, self.integers([self.numbers[x.name] for x in self.graph.inputs])),
                ("o", 2, self.integers([self.numbers[y.name] for y in self.graph.outputs])),
                ("o", 3, self.offsets(operators)),
            ]
        )
        fields = (self.offsets(codes), self.offsets([subgraph]), None, self.offsets(self.buffers))
        model = self.table([("I", 0, _VERSION), *(("o", 1 + i, f) for i, f in enumerate(fields) if f is not None)])
        self.out.Finish(model, file_identifier=b"TFL3")
        return bytes(self.out.Output())

    def operator(self, node: Node) -> int:
        if type(node.op) not in _OPERATORS:
            raise ShapeError(f"{node.name}: {type(node.op).__name__} cannot be written as TensorFlow Lite")
        code, describe = _OPERATORS[type(node.op)]
        code = _FUNCTIONS[node.op.function] if isinstance(node.op, Activate) else code
        number = self.codes.setdefault(code, len(self.codes))
        inputs = [self.numbers[x.name] for x in node.inputs]
        for weight in node.op.weights(*(x.shape for x in node.inputs)):
            inputs.append(self.constant(node, weight.role, weight.shape, weight.dtype))
        self.activation(node.output.name, node.output.shape, node.output.dtype, node.op)
        fields: list[tuple[str, int, Any]] = [
            ("I", 0, number),
            ("o", 1, self.integers(inputs)),
            ("o", 2, self.integers([self.numbers[node.output.name]])),
        ]
        if describe is not None:
            kind, options = describe(node.op)
            fields += [("B", 3, kind), ("o", 4, self.table(options))]
        return self.table(fields)

    def activation(self, name: str, shape: Shape, dtype: DType, op: Op | None) -> None:
        share = isinstance(op, Softmax) or (isinstance(op, Activate) and op.function is Activation.SIGMOID)
        scale, zero = _SHARE if share else (_SCALE, 0)
        self.numbers[name] = self.tensor(name, shape, dtype, 0, [scale], zero)

    def constant(self, node: Node, role: str, shape: Shape, dtype: DType) -> int:
        kernel, number = (type(node.op), shape), len(self.buffers)
        if self.shared and role == "kernel":
            number = self.kernels.setdefault(kernel, number)
        if number == len(self.buffers):
            self.buffers.append(self.buffer(self.values(node, role, shape)))
        name = f"{node.name}/{role}"
        channels = 1 if isinstance(node.op, Dense) else node.output.shape[-1]
        axis = 3 if isinstance(node.op, DepthwiseConv2D) and role == "kernel" else 0
        if role in ("kernel", "bias"):
            scale = _WEIGHT_SCALE if role == "kernel" else _WEIGHT_SCALE * _SCALE
            return self.tensor(name, shape, dtype, number, [scale] * channels, 0, axis)
        return self.tensor(name, shape, dtype, number, None, 0)

    def values(self, node: Node, role: str, shape: Shape) -> Any:
        """Bytes of a constant: a kernel of bell-shaped values, no bias, or the small table that the operator needs."""
        op = node.op
        if role == "kernel":
            drawn = self.rng.standard_normal(math.prod(shape), dtype=np.float32)
            return np.clip(drawn * 30, -127, 127).astype(np.int8).view(np.uint8)
        numbers: Any = np.zeros(math.prod(shape))
        if isinstance(op, GlobalAveragePool):
            numbers = [1, 2]
        elif isinstance(op, Reshape):
            numbers = op.shape
        elif isinstance(op, Pad):
            numbers = [0, 0, *op.height, *op.width, 0, 0]
        return np.array(numbers, dtype="<i4").view(np.uint8)

    def tensor(
        self, name: str, shape: Shape, dtype: DType, buffer: int, scales: list[float] | None, zero: int, axis: int = 0
    ) -> int:
        fields: list[tuple[str, int, Any]] = []
        if scales is not None:
            fields.append(("o", 4, self.quantisation(scales[0], len(scales), zero, axis)))
        dimensions, text = self.integers(shape), self.out.CreateString(name)
        fields += [("o", 0, dimensions), ("b", 1, _TYPES[dtype]), ("I", 2, buffer), ("o", 3, text)]
        self.tensors.append(self.table(fields))
        return len(self.tensors) - 1

    def quantisation(self, scale: float, channels: int, zero: int, axis: int) -> int:
        key = (scale, channels, zero, axis)
        if key not in self.written:
            scales = self.out.CreateNumpyVector(np.full(channels, scale, dtype="<f4"))
            zeros = self.out.CreateNumpyVector(np.full(channels, zero, dtype="<i8"))
            self.written[key] = self.table([("o", 2, scales), ("o", 3, zeros), ("i", 6, axis)])
        return self.written[key]

    def buffer(self, content: Any) -> int:
        if content is None:
            return self.table([])
        self.out.StartVector(1, len(content), 16)
        self.out.head -= len(content)
        self.out.Bytes[self.out.head : self.out.head + len(content)] = content.tobytes()
        return self.table([("o", 0, self.out.EndVector())])

    def table(self, fields: Sequence[tuple[str, int, Any]]) -> int:
        """Write a table of (kind, field number, value); offsets must have been written before."""
        self.out.StartObject(1 + max((number for _, number, _ in fields), default=0))
        for kind, number, value in fields:
            if kind == "o":
                self.out.PrependUOffsetTRelativeSlot(number, value, 0)
            else:
                _SLOTS[kind](self.out, number, value)
        offset: int = self.out.EndObject()
        return offset

    def integers(self, values: Sequence[int]) -> int:
        key = ("integers", *values)
        if key not in self.written:
            self.written[key] = self.out.CreateNumpyVector(np.array(values, dtype="<i4"))
        return self.written[key]

    def offsets(self, offsets: Sequence[int]) -> int:
        self.out.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.out.PrependUOffsetTRelative(offset)
        vector: int = self.out.EndVector()
        return vector


_SLOTS: Mapping[str, Callable[[Any, int, Any], None]] = {
    "b": lambda out, number, value: out.PrependInt8Slot(number, value, None),
    "B": lambda out, number, value: out.PrependUint8Slot(number, value, None),
    "i": lambda out, number, value: out.PrependInt32Slot(number, value, None),
    "I": lambda out, number, value: out.PrependUint32Slot(number, value, None),
    "f": lambda out, number, value: out.PrependFloat32Slot(number, value, None),
}


def _window(op: Any) -> list[tuple[str, int, Any]]:
    return [("b", 0, int(op.padding is Padding.VALID)), ("i", 1, op.stride[1]), ("i", 2, op.stride[0])]


def _pool(op: Any) -> _Options:
    return 5, [*_window(op), ("i", 3, op.size[1]), ("i", 4, op.size[0])]


_OPERATORS: Mapping[type, tuple[int, Callable[[Any], _Options] | None]] = {
    Conv2D: (3, lambda op: (1, [*_window(op), ("b", 3, _FUSED[op.activation]), ("i", 4, 1), ("i", 5, 1)])),
    DepthwiseConv2D: (
        4,
        lambda op: (
            2,
            [*_window(op), ("i", 3, op.multiplier), ("b", 4, _FUSED[op.activation]), ("i", 5, 1), ("i", 6, 1)],
        ),
    ),
    Dense: (9, lambda op: (8, [("b", 0, _FUSED[op.activation])])),
    MaxPool2D: (17, _pool),
    AveragePool2D: (1, _pool),
    GlobalAveragePool: (40, lambda op: (27, [("b", 0, 0)])),
    Add: (0, lambda op: (11, [("b", 0, _FUSED[op.activation])])),
    Multiply: (18, lambda op: (21, [("b", 0, _FUSED[op.activation])])),
    Concat: (2, lambda op: (10, [("i", 0, 3)])),
    Pad: (34, lambda op: (22, [])),
    Reshape: (22, None),
    Activate: (-1, None),
    Softmax: (25, lambda op: (9, [("f", 0, 1.0)])),
}
"""Number of the builtin operator, and how its options are written."""
