"""Writes a graph, its constants and its scales as a `.tflite`: int8 with scales by channel, or floats.

Tables are written by field number, as TensorFlow Lite's schema (version 3) numbers them. An operator is written as its
row declares.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np
from numpy.typing import NDArray

from edgevolve.graph import DType, Graph, Node, Shape, ShapeError, Weight
from edgevolve.tflite.graph_operators import options_of
from edgevolve.tflite.operator_rows import row_of
from edgevolve.tflite.reader import IDENTIFIER, PLAN_NAME
from edgevolve.tflite.row import Row

_VERSION = 3
_ALIGNMENT = 16
_LEFT_OUT = -1
_TYPES = {
    DType.FLOAT32: 0,
    DType.FLOAT16: 1,
    DType.INT32: 2,
    DType.UINT8: 3,
    DType.INT64: 4,
    DType.BOOL: 6,
    DType.INT16: 7,
    DType.INT8: 9,
    DType.INT4: 17,
}


@dataclass(frozen=True, slots=True)
class Quantisation:
    """The meaning of a tensor's integers: real = scale · (integer − zero point).

    There is one scale and zero point for the whole tensor, or one for each entry along `axis`.
    """

    scales: Sequence[float] | NDArray[np.floating]
    zero_points: Sequence[int] | NDArray[np.integer]
    axis: int = 0

    def __post_init__(self) -> None:
        if not len(self.scales) == len(self.zero_points) > 0:
            raise ShapeError(f"{len(self.scales)} scales for {len(self.zero_points)} zero points")


def write_tflite(
    graph: Graph,
    constants: Mapping[str, NDArray[Any]],
    quantised: Mapping[str, Quantisation],
    *,
    plan: Sequence[int] | None = None,
) -> bytes:
    """The bytes of a file that runs the graph's nodes in their order.

    Args:
        graph: the network. Element types of activations are those of its tensors.
        constants: `NODE/kernel` and `NODE/bias` as the file stores them: kernels in the shapes that `Op.weights`
            gives, int8 or float32, biases int32 or float32; kernels of 4 bits are int8 arrays from -8 to 7. A missing
            bias is left out of the file. Other operands (axes, amounts, a shape) follow from the graph. Equal arrays
            are stored once only if they are one object.
        quantised: scales by name, of activations (`graph.inputs[0].name`, `node.output.name`) and of constants.
            Scales of a kernel by channel belong to axis 3 of a depthwise kernel and to axis 0 of all others, those of
            a bias to axis 0; a bias has the input's scale times the kernel's. A tensor without an entry is not
            quantised.
        plan: a memory plan, an offset in bytes for each tensor in the order of writing (inputs, outputs of the nodes,
            constants in the order of their first reader), -1 where the runtime places it.

    Raises `ShapeError` for an operator without a row, and for a constant that is missing or does not fit.
    """
    return _Writer(graph, constants, quantised).file(plan)


class _Writer:
    def __init__(
        self, graph: Graph, constants: Mapping[str, NDArray[Any]], quantised: Mapping[str, Quantisation]
    ) -> None:
        self.graph, self.constants, self.quantised = graph, constants, quantised
        self.out = flatbuffers.Builder(1 << 16)
        self.buffers = [self.table([])]
        self.tensors: list[int] = []
        self.numbers: dict[str, int] = {}
        self.codes: dict[str, int] = {}
        self.stored: dict[int, int] = {}
        self.tables: dict[tuple[Shape, bytes], int] = {}
        self.written: dict[Any, int] = {}
        """Offsets of lists and quantisations already written: the file may point to them many times."""

    def file(self, plan: Sequence[int] | None) -> bytes:
        nodes = [(node, row_of(node.op)) for node in self.graph.nodes]
        for x in (*self.graph.inputs, *(node.output for node, _ in nodes)):
            self.tensor(x.name, x.shape, x.dtype, 0)
        operators = [self.operator(node, row) for node, row in nodes]
        rows = {row.name: row for _, row in nodes}
        codes = [
            self.table([("b", 0, min(row.code, 127)), ("i", 2, self.version(row)), ("i", 3, row.code)])
            for row in (rows[name] for name in self.codes)
        ]
        subgraph = self.table(
            [
                ("o", 0, self.offsets(self.tensors)),
                ("o", 1, self.integers([self.numbers[x.name] for x in self.graph.inputs])),
                ("o", 2, self.integers([self.numbers[y.name] for y in self.graph.outputs])),
                ("o", 3, self.offsets(operators)),
            ]
        )
        metadata = [] if plan is None else [("o", 6, self.offsets([self.plan(plan)]))]
        fields = [(1, self.offsets(codes)), (2, self.offsets([subgraph])), (4, self.offsets(self.buffers))]
        model = self.table([("I", 0, _VERSION), *(("o", number, value) for number, value in fields), *metadata])
        self.out.Finish(model, file_identifier=IDENTIFIER)
        return bytes(self.out.Output())

    def version(self, row: Row) -> int:
        """The lowest version that serves all operators of the row."""
        bits = (getattr(node.op, "kernel_bits", 8) for node in self.graph.nodes if row_of(node.op) is row)
        return row.packed_version if row.packed_version and min(bits, default=8) < 8 else row.version

    def operator(self, node: Node, row: Row) -> int:
        number = self.codes.setdefault(row.name, len(self.codes))
        inputs = [self.numbers[x.name] for x in node.inputs]
        for weight in node.op.weights(*(x.shape for x in node.inputs)):
            inputs.append(self.constant(f"{node.name}/{weight.role}", weight, row, node))
        fields: list[tuple[str, int, Any]] = [
            ("I", 0, number),
            ("o", 1, self.integers(inputs)),
            ("o", 2, self.integers([self.numbers[node.output.name]])),
        ]
        if row.options:
            options = options_of(node)
            values = [(option.kind, option.number, options[option.key]) for option in row.fields]
            fields += [("B", 3, row.options), ("o", 4, self.table(values))]
        return self.table(fields)

    def constant(self, name: str, weight: Weight, row: Row, node: Node) -> int:
        role, shape = weight.role, weight.shape
        if name in self.numbers:
            return self.numbers[name]
        if role in row.contents:
            return self.table_of_numbers(name, np.array(row.contents[role](node.op), "<i4").reshape(shape))
        values = self.constants.get(name)
        if values is None and role == "bias":
            return _LEFT_OUT
        if values is None or values.shape != shape:
            raise ShapeError(f"{name} is {'missing' if values is None else values.shape}, it must be {shape}")
        is_packed = weight.dtype is DType.INT4 and values.dtype == np.int8
        if id(values) not in self.stored:
            self.stored[id(values)] = len(self.buffers)
            self.buffers.append(self.buffer(_packed(name, values) if is_packed else values))
        dtype = DType.INT4 if is_packed else DType(values.dtype.name)
        return self.tensor(name, shape, dtype, self.stored[id(values)])

    def table_of_numbers(self, name: str, values: NDArray[np.int32]) -> int:
        """Write a tensor of axes, amounts or a shape; equal ones are one tensor."""
        key = (values.shape, values.tobytes())
        if key not in self.tables:
            self.buffers.append(self.buffer(values))
            self.tables[key] = self.tensor(name, values.shape, DType.INT32, len(self.buffers) - 1)
        return self.tables[key]

    def tensor(self, name: str, shape: Shape, dtype: DType, buffer: int) -> int:
        fields: list[tuple[str, int, Any]] = []
        if name in self.quantised:
            fields.append(("o", 4, self.quantisation(self.quantised[name])))
        dimensions, text = self.integers(shape), self.out.CreateString(name)
        fields += [("o", 0, dimensions), ("b", 1, _TYPES[dtype]), ("I", 2, buffer), ("o", 3, text)]
        self.numbers[name] = len(self.tensors)
        self.tensors.append(self.table(fields))
        return self.numbers[name]

    def quantisation(self, given: Quantisation) -> int:
        scales, zeros = np.asarray(given.scales, "<f4"), np.asarray(given.zero_points, "<i8")
        key = (scales.tobytes(), zeros.tobytes(), given.axis)
        if key not in self.written:
            vectors = self.out.CreateNumpyVector(scales), self.out.CreateNumpyVector(zeros)
            self.written[key] = self.table([("o", 2, vectors[0]), ("o", 3, vectors[1]), ("i", 6, given.axis)])
        return self.written[key]

    def buffer(self, values: NDArray[Any]) -> int:
        content = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
        self.out.StartVector(1, len(content), _ALIGNMENT)
        self.out.head -= len(content)
        self.out.Bytes[self.out.head : self.out.head + len(content)] = content
        return self.table([("o", 0, self.out.EndVector())])

    def plan(self, offsets: Sequence[int]) -> int:
        if len(offsets) != len(self.tensors):
            raise ShapeError(f"a plan of {len(offsets)} offsets for {len(self.tensors)} tensors")
        self.buffers.append(self.buffer(np.array([1, 1, len(offsets), *offsets], "<i4")))
        return self.table([("o", 0, self.out.CreateString(PLAN_NAME)), ("I", 1, len(self.buffers) - 1)])

    def table(self, fields: Sequence[tuple[str, int, Any]]) -> int:
        """Write a table of (kind, field number, value); offsets must have been written before."""
        self.out.StartObject(1 + max((number for _, number, _ in fields), default=0))
        for kind, number, value in fields:
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


def _packed(name: str, values: NDArray[np.int8]) -> NDArray[np.uint8]:
    """4-bit elements packed two to a byte, the first in the lower half."""
    if values.min(initial=0) < -8 or values.max(initial=0) > 7:
        raise ShapeError(f"{name} has values beyond 4 bits")
    halves = (values.ravel() & 15).astype(np.uint8)
    halves = np.append(halves, np.zeros(len(halves) % 2, np.uint8))
    return halves[::2] + halves[1::2] * np.uint8(16)


_SLOTS: Mapping[str, Callable[[Any, int, Any], None]] = {
    "o": lambda out, number, value: out.PrependUOffsetTRelativeSlot(number, value, 0),
    "?": lambda out, number, value: out.PrependBoolSlot(number, bool(value), None),
    "b": lambda out, number, value: out.PrependInt8Slot(number, value, None),
    "B": lambda out, number, value: out.PrependUint8Slot(number, value, None),
    "i": lambda out, number, value: out.PrependInt32Slot(number, value, None),
    "I": lambda out, number, value: out.PrependUint32Slot(number, value, None),
    "f": lambda out, number, value: out.PrependFloat32Slot(number, value, None),
}
