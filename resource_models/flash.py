"""The size of the `.tflite` before it exists: the exporter's file written without its contents.

A FlatBuffer grows from its end. Every object is aligned to its own size, and a table points to a list of its fields
(a vtable) that equal tables share; both are followed here to the byte. What an exported file holds is said in
`deployment.flatbuffer`. Source: the FlatBuffers internals document and TensorFlow Lite's schema.
"""

from collections.abc import Iterator
from functools import cache

from edgevolve.graph import (
    Activate,
    Activation,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Graph,
    MaxPool2D,
    Multiply,
    Node,
    Padding,
    Reshape,
    Softmax,
)
from resource_models.constants import constants
from resource_models.kernels import tflite_name

_Fields = tuple[tuple[int, int], ...]
"""The (number, bytes) of each field of a table, in the order of writing."""

_PLAN_NAME_CHARACTERS = len("OfflineMemoryAllocation")


class _Layout:
    """Bytes written so far, and the vtables among them."""

    def __init__(self) -> None:
        self.used = 0
        self.vtables: set[tuple[int, ...]] = set()

    def vector(self, number: int, element_bytes: int = 4) -> None:
        """A vector of scalars or offsets."""
        payload = number * element_bytes
        self.used += -(self.used + payload) % max(4, element_bytes) + payload + 4

    def data(self, size_bytes: int) -> None:
        """A buffer: aligned bytes and the table that points to them."""
        if size_bytes:
            self.used += -(self.used + size_bytes) % 16 + size_bytes + 4
        self.table(((0, 4),) if size_bytes else ())

    def table(self, fields: _Fields) -> None:
        """A table, and its vtable unless an equal one was written before."""
        advance, vtable = _table(fields, self.used % 8)
        self.used += advance
        if vtable not in self.vtables:
            self.vtables.add(vtable)
            self.used += 2 * (len(vtable) + 1)


@cache
def _table(fields: _Fields, phase: int) -> tuple[int, tuple[int, ...]]:
    """Bytes of a table that starts `phase` bytes past a multiple of eight, and its vtable: size, then offsets."""
    position = phase
    ends: dict[int, int] = {}
    for number, size in fields:
        position += -position % size + size
        ends[number] = position
    position += -position % 4 + 4
    offsets = [position - ends[number] if number in ends else 0 for number in range(max(ends, default=-1) + 1)]
    return position - phase, (position - phase, *offsets)


def flash_bytes(graph: Graph, *, planned: bool) -> int:
    """Bytes of the exported `.tflite`.

    Args:
        graph: the file's operators, from `deployed`; every weight is int8, with a bias.
        planned: whether the file holds a memory plan.
    """
    layout = _Layout()
    codes = list(dict.fromkeys(tflite_name(node) for node in graph.nodes))
    for name in codes:
        layout.table(_CODE_FIELDS.get(name, _USUAL_CODE_FIELDS))
    layout.vector(len(codes))
    weights = constants(graph)
    tensors = [*graph.inputs, *(y for node in graph.nodes for y in node.outputs)]
    for tensor in tensors:
        _write_tensor(layout, len(tensor.shape), 1, constant=False, last_axis=False)
    for weight in weights:
        _write_tensor(layout, weight.rank, weight.scales, constant=True, last_axis=weight.last_axis)
    layout.vector(len(tensors) + len(weights))
    layout.vector(len(graph.inputs))
    layout.vector(len(graph.outputs))
    for node in graph.nodes:
        _write_operator(layout, node, first=tflite_name(node) == codes[0])
    layout.vector(len(graph.nodes))
    layout.table(tuple((number, 4) for number in range(4)))
    layout.vector(1)
    sizes = [0, *(weight.size_bytes for weight in weights)]
    if planned:
        sizes.append(4 * (3 + len(tensors) + len(weights)))
    for size in sizes:
        layout.data(size)
    layout.vector(len(sizes))
    if planned:
        layout.used += -(layout.used + _PLAN_NAME_CHARACTERS + 1) % 4 + _PLAN_NAME_CHARACTERS + 1 + 4
        layout.table(((0, 4), (1, 4)))
        layout.vector(1)
    layout.table(tuple((number, 4) for number in ((0, 1, 2, 4, 6) if planned else (0, 1, 2, 4))))
    return layout.used + 8 + -(layout.used + 8) % 16


def _write_tensor(layout: _Layout, rank: int, scales: int, *, constant: bool, last_axis: bool) -> None:
    """Shape, scales, zero points and the tables around them; `scales` is 0 for a table of numbers."""
    layout.vector(rank)
    if scales:
        layout.vector(scales)
        layout.vector(scales, 8)
        layout.table(((2, 4), (3, 4), (6, 4)) if last_axis else ((2, 4), (3, 4)))
    buffer: _Fields = ((2, 4),) if constant else ()
    layout.table(((0, 4), (1, 1), *buffer, *(((4, 4),) if scales else ())))


def _write_operator(layout: _Layout, node: Node, *, first: bool) -> None:
    layout.vector(3 if isinstance(node.op, Dense) else len(node.inputs) + len(node.weights))
    layout.vector(len(node.outputs))
    fields: _Fields = ((1, 4), (2, 4)) if first else ((0, 4), (1, 4), (2, 4))
    if not isinstance(node.op, Activate | Reshape):
        layout.table(tuple(_options(node)))
        fields = (*fields, (3, 1), (4, 4))
    layout.table(fields)


def _options(node: Node) -> Iterator[tuple[int, int]]:
    """The fields of the operator's options that differ from the schema's defaults."""
    op = node.op
    fused = getattr(op, "activation", Activation.NONE) is not Activation.NONE
    if isinstance(op, Conv2D | DepthwiseConv2D | MaxPool2D | AveragePool2D):
        if op.padding is Padding.VALID:
            yield 0, 1
        yield from ((1, 4), (2, 4))
    if isinstance(op, DepthwiseConv2D):
        yield 3, 4
    if isinstance(op, MaxPool2D | AveragePool2D):
        yield from ((3, 4), (4, 4))
    if isinstance(op, Concat | Softmax):
        yield 0, 4
    if fused:
        yield _ACTIVATION_FIELD[type(op)], 1


_USUAL_CODE_FIELDS: _Fields = ((0, 1), (2, 4), (3, 4))
_CODE_FIELDS: dict[str, _Fields] = {
    "ADD": ((2, 4),),
    "HARD_SWISH": ((0, 1), (3, 4)),
    "RESHAPE": ((0, 1), (3, 4)),
}
"""Fields of an operator's code that differ from the schema's defaults: number, version and number again."""

_ACTIVATION_FIELD: dict[type, int] = {Conv2D: 3, DepthwiseConv2D: 4, Dense: 0, Add: 0, Multiply: 0}
