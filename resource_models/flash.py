"""The size of the `.tflite` before it exists: the exporter's file written without its contents.

A FlatBuffer grows from its end. Every object is aligned to its own size, and a table points to a list of its fields
(a vtable) that equal tables share; both are followed here to the byte. What an exported file holds is said in
`deployment.flatbuffer`. Source: the FlatBuffers internals document and TensorFlow Lite's schema.
"""

from collections.abc import Sequence
from functools import cache

from edgevolve.graph import Graph
from edgevolve.tflite import ROWS, Operator, Row
from resource_models.constants import Constant

_Fields = tuple[tuple[int, int], ...]
"""The (number, bytes) of each field of a table, in the order of writing."""

_PLAN_NAME_CHARACTERS = len("OfflineMemoryAllocation")


class _Layout:
    """Bytes written so far, and the vtables among them."""

    def __init__(self) -> None:
        self.used = 0
        self.vtables: set[tuple[int, ...]] = set()
        self.integers: set[tuple[int, ...]] = set()

    def vector(self, number: int, element_bytes: int = 4) -> None:
        """A vector of scalars or offsets."""
        payload = number * element_bytes
        self.used += -(self.used + payload) % max(4, element_bytes) + payload + 4

    def shared(self, values: tuple[int, ...], element_bytes: int) -> None:
        """A vector of integers that the file points to again where several equal ones are longer than one."""
        key = (element_bytes, *values)
        if len(values) == 1 or key not in self.integers:
            self.integers.add(key)
            self.vector(len(values), element_bytes)

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


def flash_bytes(graph: Graph, listed: Sequence[Operator], weights: Sequence[Constant], *, planned: bool) -> int:
    """Bytes of the exported `.tflite`.

    Args:
        graph: the file's operators, from `deployed`; every weight is int8, with a bias.
        listed: the same as the file has them.
        weights: their constants.
        planned: whether the file holds a memory plan.
    """
    layout = _Layout()
    codes = list(dict.fromkeys(operator.name for operator in listed))
    for name in codes:
        layout.table(_code_fields(ROWS[name]))
    layout.vector(len(codes))
    tensors = [*graph.inputs, *(y for node in graph.nodes for y in node.outputs)]
    for tensor in tensors:
        _write_tensor(layout, tuple(tensor.shape), 1, constant=False, last_axis=False)
    for weight in weights:
        _write_tensor(layout, weight.shape, weight.scales, constant=True, last_axis=weight.last_axis)
    layout.vector(len(tensors) + len(weights))
    layout.vector(len(graph.inputs))
    layout.vector(len(graph.outputs))
    for operator in listed:
        _write_operator(layout, operator, first=operator.name == codes[0])
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


def _write_tensor(layout: _Layout, shape: tuple[int, ...], scales: int, *, constant: bool, last_axis: bool) -> None:
    """Shape, scales, zero points and the tables around them; `scales` is 0 for a table of numbers.

    Several scales have as many zero points, all 0.
    """
    layout.shared(shape, 4)
    if scales:
        layout.vector(scales)
        layout.shared((0,) * scales, 8)
        layout.table(((2, 4), (3, 4), (6, 4)) if last_axis else ((2, 4), (3, 4)))
    buffer: _Fields = ((2, 4),) if constant else ()
    layout.table(((0, 4), (1, 1), *buffer, *(((4, 4),) if scales else ())))


def _write_operator(layout: _Layout, operator: Operator, *, first: bool) -> None:
    row = ROWS[operator.name]
    layout.vector(max(len(operator.inputs), row.operands))
    layout.vector(len(operator.outputs))
    fields: _Fields = ((1, 4), (2, 4)) if first else ((0, 4), (1, 4), (2, 4))
    if row.options:
        changed = (option for option in row.fields if operator.options[option.key] != option.default)
        layout.table(tuple((option.number, option.size_bytes) for option in changed))
        fields = (*fields, (3, 1), (4, 4))
    layout.table(fields)


def _code_fields(row: Row) -> _Fields:
    """Fields of an operator's code that differ from the schema's defaults: number, version and number again."""
    number, version = row.code != 0, row.version != 1
    return (*(((0, 1),) if number else ()), *(((2, 4),) if version else ()), *(((3, 4),) if number else ()))
