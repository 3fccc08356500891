"""The size of the `.tflite` before it exists: the exporter's file written without its contents.

A FlatBuffer grows from its end. Every object is aligned to its own size, and a table points to a list of its fields
(a vtable) that equal tables share; both are followed here to the byte. Equal contents are stored once. Contents that
are known are therefore followed as well: numbers of tensors, shapes, options, scales that several tensors share. The
zero point of a tensor that may be negative is unknown, and counts as unlike all others. `deployment.flatbuffer` says
what an exported file holds. Source: the FlatBuffers internals document and TensorFlow Lite's schema.
"""

from collections.abc import Hashable, Mapping, Sequence
from functools import cache

from edgevolve.graph import Activation, DType, Graph, Opaque, Tensor
from edgevolve.tflite import PLAN_NAME, ROWS, Operator, Row, of_one_scale, row_of
from resource_models.constants import Constant, constant_key, constants

_Fields = tuple[tuple[int, int], ...]
"""The (number, bytes) of each field of a table, in the order of writing."""

_Scales = Mapping[str, tuple[Hashable, Hashable]]
"""Scale and zero point of activations by name."""

_QUANTISATION = (2, 4), (3, 4)
_QUANTISATION_OF_AXIS = *_QUANTISATION, (6, 4)
_PLAN_NAME_CHARACTERS = len(PLAN_NAME)
_FROM_ZERO = (Activation.RELU, Activation.RELU6)
_LEFT_OUT = -1
_LEAST = -128


class _Layout:
    """Counts the bytes written so far, and keeps where each content was first written.

    A position is the number of bytes written when the content ended.
    """

    def __init__(self) -> None:
        self.used = 0
        self.vtables: set[tuple[int, ...]] = set()
        self.known: dict[Hashable, int] = {}

    def vector(self, number: int, element_bytes: int = 4) -> int:
        """Write a vector of `number` elements; return its position."""
        payload = number * element_bytes
        self.used += -(self.used + payload) % max(4, element_bytes) + payload + 4
        return self.used

    def once(self, content: Sequence[Hashable], element_bytes: int = 4) -> int:
        """Write a vector of numbers unless an equal one was written; return its position."""
        key = (element_bytes, *content)
        if key not in self.known:
            self.known[key] = self.vector(len(content), element_bytes)
        return self.known[key]

    def data(self, size_bytes: int) -> None:
        """Write a buffer: aligned bytes and the table that points to them."""
        if size_bytes:
            self.used += -(self.used + size_bytes) % 16 + size_bytes + 4
            self.new_table(((0, 4),))
        else:
            self.table((), ())

    def table(self, fields: _Fields, contents: Sequence[Hashable]) -> int:
        """Write a table of these contents and its vtable, unless written before; return its position."""
        key = (fields, *contents)
        if key not in self.known:
            self.known[key] = self.new_table(fields)
        return self.known[key]

    def new_table(self, fields: _Fields) -> int:
        """Write a table that no other one equals, and its vtable unless written before; return its position."""
        advance, vtable = _table(fields, self.used % 8)
        self.used += advance
        position = self.used
        if vtable not in self.vtables:
            self.vtables.add(vtable)
            self.used += 2 * (len(vtable) + 1)
        return position


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


def flash_bytes(graph: Graph, listed: Sequence[Operator], *, planned: bool, scales: _Scales | None = None) -> int:
    """Bytes of the exported `.tflite`: exact with its `scales`, otherwise an upper bound.

    Args:
        graph: the file's operators, from `deployed`; every weight is int8, with a bias.
        listed: the same as the file has them.
        planned: whether the file holds a memory plan.
        scales: scale and zero point of each activation by name; without them, what follows from the graph.
    """
    layout, weights = _Layout(), constants(listed)
    codes = list(dict.fromkeys(operator.name for operator in listed))
    for name in codes:
        layout.new_table(_code_fields(ROWS[name]))
    layout.vector(len(codes))
    tensors = [*graph.inputs, *(y for node in graph.nodes for y in node.outputs)]
    numbers = {key: i for i, key in enumerate((*(x.name for x in tensors), *(weight.key for weight in weights)))}
    _write_tensors(layout, scales or _known_scales(graph), of_one_scale(graph), tensors, weights)
    layout.vector(len(numbers))
    layout.once([numbers[x.name] for x in graph.inputs])
    layout.once([numbers[y.name] for y in graph.outputs])
    for operator in listed:
        _write_operator(layout, operator, codes.index(operator.name), numbers)
    layout.vector(len(graph.nodes))
    layout.new_table(tuple((number, 4) for number in range(4)))
    layout.vector(1)
    sizes = [0, *(weight.size_bytes for weight in weights)]
    if planned:
        sizes.append(4 * (3 + len(numbers)))
    for size in sizes:
        layout.data(size)
    layout.vector(len(sizes))
    if planned:
        layout.used += -(layout.used + _PLAN_NAME_CHARACTERS + 1) % 4 + _PLAN_NAME_CHARACTERS + 1 + 4
        layout.new_table(((0, 4), (1, 4)))
        layout.vector(1)
    layout.new_table(tuple((number, 4) for number in ((0, 1, 2, 4, 6) if planned else (0, 1, 2, 4))))
    return layout.used + 8 + -(layout.used + 8) % 16


def _write_tensors(
    layout: _Layout,
    known: _Scales,
    groups: Sequence[set[str]],
    tensors: Sequence[Tensor],
    weights: Sequence[Constant],
) -> None:
    """Shapes, scales, zero points and the tables around them. Several scales have as many zero points, all 0."""
    of_name: dict[str, list[Hashable]] = {}
    for group in groups:
        own = f"of {min(group)}"
        scales, zeros = zip(*(known.get(name, (own, own)) for name in group), strict=True)
        shared = [each[0] if each.count(each[0]) == len(each) else own for each in (scales, zeros)]
        of_name.update(dict.fromkeys(group, shared))
    for tensor in tensors:
        scale_of_it, zero_of_it = of_name[tensor.name]
        shape, scale, zero = layout.once(tensor.shape), layout.once([scale_of_it]), layout.once([zero_of_it], 8)
        quantisation = layout.table(_QUANTISATION, (scale, zero))
        layout.table(((0, 4), (1, 1), (4, 4)), (shape, tensor.dtype, quantisation))
    for weight in weights:
        layout.once(weight.shape)
        if weight.scales:
            layout.vector(weight.scales)
            layout.once((0,) * weight.scales, 8)
            layout.new_table(_QUANTISATION_OF_AXIS if weight.axis else _QUANTISATION)
        layout.new_table(((0, 4), (1, 1), (2, 4), (4, 4)) if weight.scales else ((0, 4), (1, 1), (2, 4)))


def _known_scales(graph: Graph) -> _Scales:
    """Scales and zero points of activations by name, as far as the graph determines them; a text is a unique scale.

    An activation that is never below 0 has the least integer as its zero point, and an int16 activation has 0.
    """
    scales: dict[str, tuple[Hashable, Hashable]] = {}
    for node in graph.nodes:
        name = node.output.name
        fixed = None if isinstance(node.op, Opaque) else row_of(node.op).output_scale
        scale = fixed or f"of {name}"
        last = getattr(node.op, "activation", getattr(node.op, "function", None))
        has_kernel = hasattr(node.op, "kernel_bits")
        never_below = not has_kernel and all(scales.get(x.name, (0, 0))[1] == _LEAST for x in node.inputs)
        if node.output.dtype is DType.INT16:
            scales[name] = (scale, 0)
        elif fixed or last in _FROM_ZERO or never_below:
            scales[name] = (scale, _LEAST)
    return scales


def _write_operator(
    layout: _Layout, operator: Operator, code: int, numbers: Mapping[str | tuple[int, ...], int]
) -> None:
    row = ROWS[operator.name]
    read = [
        _LEFT_OUT if x is None else numbers[constant_key(x.name, values) if x.constant else x.name]
        for x, values in zip(operator.inputs, operator.values, strict=True)
    ]
    layout.once([*read, *[_LEFT_OUT] * (row.operands - len(read))])
    layout.once([numbers[y.name] for y in operator.outputs])
    fields: _Fields = ((0, 4), (1, 4), (2, 4)) if code else ((1, 4), (2, 4))
    if row.options:
        values = [(option, operator.options[option.key]) for option in row.fields]
        changed = [(option, value) for option, value in values if value != option.default]
        of_options = tuple((option.number, option.size_bytes) for option, _ in changed)
        layout.table(of_options, [(option.kind, value) for option, value in changed])
        fields += ((3, 1), (4, 4))
    layout.new_table(fields)


def _code_fields(row: Row) -> _Fields:
    """Fields of an operator's code that differ from the schema's defaults: number, version and number again."""
    number = row.code != 0
    return (*(((0, 1),) if number else ()), *(((2, 4),) if row.version != 1 else ()), *(((3, 4),) if number else ()))
