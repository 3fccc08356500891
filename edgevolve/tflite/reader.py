"""Read any `.tflite` into a `Graph`: its operators in the file's order, its tensors with their exact bytes.

Nothing of the file is trusted: it may be cut short, damaged or made to do harm. Field numbers are those of TensorFlow
Lite's schema.fbs, version 3; the names of operators and element types come with LiteRT.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgevolve.graph import DType, Graph, Node, Shape, ShapeError, Tensor
from edgevolve.tflite.custom_rows import CUSTOM_ROWS
from edgevolve.tflite.flexbuffer import numbers
from edgevolve.tflite.row import Field, Operator
from edgevolve.tflite.rows import ROWS, read_op
from edgevolve.tflite.tables import Flatbuffer, FlatbufferError, Table

MAX_FILE_BYTES = 2**31
"""Offsets of a FlatBuffer have 31 bits."""

_MAX_OPERATORS = 10_000
_MAX_RANK = 8
_MAX_TENSOR_BYTES = 2**40
_MARK = b"TFL3"
_CUSTOM = "CUSTOM"
_NPU = "ethos-u"
"""The custom operator that Arm's compiler writes."""

_LEFT_OUT = -1
"""Index of an optional input that is not given."""

_MOST_OPTION_BYTES = 4_096
"""Of a custom operator that is known."""

_MOST_VALUES = 64
"""Elements of a constant that are read; axes, shapes and amounts have fewer."""

PLAN_NAME = "OfflineMemoryAllocation"
"""The metadata under which TensorFlow Lite Micro looks for offsets of its tensors."""


class TfliteError(ValueError):
    """Not a `.tflite`, a damaged one, or one that edgevolve does not read. The message is one line."""


@dataclass(frozen=True, slots=True)
class Subgraph:
    """One network of a file.

    `operators` are those of the graph's nodes as the file has them, one for each. `tensors` are all of the subgraph's,
    at their index there, also those that no operator uses. `variables`, which keep their values from one inference
    to the next, belong to no node. `dynamic_batch` tells that the file leaves the batch open; shapes are those of a
    batch of 1.
    """

    graph: Graph
    operators: tuple[Operator, ...]
    tensors: tuple[Tensor, ...]
    variables: tuple[Tensor, ...]
    dynamic_batch: bool


@dataclass(frozen=True, slots=True)
class TfliteModel:
    """What a `.tflite` holds: its subgraphs, of which the first is the one that runs.

    `offsets` are those of the memory plan that the file brings, in bytes, one for each tensor and -1 for what the
    runtime shall place; None where it brings none. `weights_outside` tells that constants lie behind the FlatBuffer.
    """

    subgraphs: tuple[Subgraph, ...]
    offsets: tuple[int, ...] | None
    size_bytes: int
    weights_outside: bool = False

    @property
    def graph(self) -> Graph:
        """The first subgraph's."""
        return self.subgraphs[0].graph

    @property
    def operators(self) -> tuple[Operator, ...]:
        """The first subgraph's."""
        return self.subgraphs[0].operators

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The first subgraph's."""
        return self.subgraphs[0].tensors

    @property
    def variables(self) -> tuple[Tensor, ...]:
        """The first subgraph's."""
        return self.subgraphs[0].variables

    @property
    def dynamic_batch(self) -> bool:
        """The first subgraph's."""
        return self.subgraphs[0].dynamic_batch


def load_tflite(path: Path) -> TfliteModel:
    """Read the file at `path`. Raises `TfliteError`, which names it."""
    try:
        if not path.is_file():
            raise TfliteError("no such file")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise TfliteError("larger than 2 GiB")
        return read_tflite(path.read_bytes())
    except OSError as error:
        raise TfliteError(f"{path}: cannot be read ({error.strerror or error})") from error
    except TfliteError as error:
        raise TfliteError(f"{path}: {error}") from error


def read_tflite(content: bytes) -> TfliteModel:
    """Read a file's content.

    An operator that the IR knows becomes its op, fused activation and all, but without batch norm, which is folded.
    Every other one becomes `Opaque`. A node's weights are its constant inputs as they are stored. Raises `TfliteError`
    for what is no `.tflite`, is damaged, has several subgraphs, or has tensors of no fixed size or of a type that
    `DType` does not name.
    """
    if content[4:8] != _MARK:
        raise TfliteError(f"not a TensorFlow Lite file: it has no {_MARK.decode()} mark" if content else "empty")
    try:
        return _model(content)
    except FlatbufferError as error:
        raise TfliteError(f"damaged: {error}") from error
    except ShapeError as error:
        raise TfliteError(f"not a network that can run: {error}") from error


def _model(content: bytes) -> TfliteModel:
    root = Flatbuffer(content).root()
    subgraphs = root.length(2, 4)
    if subgraphs != 1:
        raise TfliteError(f"{subgraphs} subgraphs; edgevolve reads models of one")
    buffers = root.tables(4)
    codes = [_operator_code(code) for code in root.tables(1)]
    return TfliteModel(
        subgraphs=tuple(_subgraph(table, buffers, codes) for table in root.tables(2)),
        offsets=_stored_offsets(root, buffers),
        size_bytes=len(content),
        weights_outside=any(_outside(buffer) for buffer in buffers),
    )


def _subgraph(subgraph: Table, buffers: Sequence[Table], codes: Sequence["_Code"]) -> Subgraph:
    if subgraph.length(3, 4) > _MAX_OPERATORS:
        raise TfliteError(f"{subgraph.length(3, 4)} operators; edgevolve reads up to {_MAX_OPERATORS}")
    tables, entries, exits = subgraph.tables(0), subgraph.integers(1), subgraph.integers(2)
    listed = subgraph.tables(3)
    made = {*entries, *(i for operator in listed for i in operator.integers(2))}
    for i in (*made, *exits):
        _check_index(i, len(tables), "tensor")
    tensors = _Tensors(tables, buffers, made)
    operators = tuple(_operator(i, operator, codes, tensors) for i, operator in enumerate(listed))
    variables = tuple(tensors.all[i] for i in sorted(tensors.variables))
    outputs = tuple(tensors.all[i] for i in exits if not tensors.all[i].constant)  # a constant is not computed
    if exits and not outputs:
        raise TfliteError("all its outputs are constants")
    if any(operator.custom and operator.name == _NPU for operator in operators) and _unmade(operators, made, tensors):
        raise TfliteError("compiled for an Ethos-U: it computes in memory that the device's driver gives it")
    nodes = tuple(_node(i, operator, {x.name for x in variables}) for i, operator in enumerate(operators))
    return Subgraph(
        graph=Graph(tuple(tensors.all[i] for i in entries), nodes, outputs),
        operators=operators,
        tensors=tensors.all,
        variables=variables,
        dynamic_batch=_dynamic_batch([tables[i] for i in entries]),
    )


class _Tensors:
    """The file's tensors, and what their constants hold."""

    def __init__(self, tables: Sequence[Table], buffers: Sequence[Table], made: set[int]) -> None:
        self._tables, self._buffers = tables, buffers
        self.variables = {i for i, table in enumerate(tables) if table.integer(5, "?") and i not in made}
        names = _unique([_printable(table.text(3)) for table in tables])
        self.all = tuple(self._tensor(i, name, i in made) for i, name in enumerate(names))

    def integers(self, index: int) -> tuple[int, ...]:
        """Values of a small constant of int32 or int64, nothing else and none outside the FlatBuffer."""
        tensor, table = self.all[index], self._tables[index]
        dtype = {DType.INT32: "<i4", DType.INT64: "<i8"}.get(tensor.dtype)
        if dtype is None or not tensor.constant or math.prod(tensor.shape) > _MOST_VALUES or table.has(6):
            return ()
        buffer = self._buffers[table.integer(2, "I")]
        if _outside(buffer):
            return ()
        return tuple(np.frombuffer(buffer.data(0), dtype).tolist())

    def scales(self, index: int) -> int:
        """How many quantisation scales a tensor has."""
        quantisation = self._tables[index].table(4)
        return quantisation.length(2, 4) if quantisation else 0

    def _tensor(self, index: int, name: str, made: bool) -> Tensor:
        table = self._tables[index]
        if table.integer(10, "I"):
            raise TfliteError(f"tensor {name} is kept in another file")
        tensor = Tensor(name, _shape(table, name), _dtype(table.integer(1, "b"), name))
        stored_bytes = self._stored_bytes(table, name)
        if made and stored_bytes:
            raise TfliteError(f"tensor {name} is a constant and is written to")
        if stored_bytes and not table.has(6) and stored_bytes != tensor.size_bytes:
            raise TfliteError(f"tensor {name} has {stored_bytes} bytes in the file, its shape {tensor.size_bytes}")
        if tensor.size_bytes > _MAX_TENSOR_BYTES:
            raise TfliteError(f"tensor {name} has {tensor.size_bytes} bytes")
        constant = not made and index not in self.variables and (stored_bytes > 0 or tensor.size_bytes == 0)
        return Tensor(name, tensor.shape, tensor.dtype, constant)

    def _stored_bytes(self, table: Table, name: str) -> int:
        """Bytes that the file holds for a tensor: in its buffer, or after the FlatBuffer."""
        number = table.integer(2, "I")
        if number == 0 and not self._buffers:
            return 0
        _check_index(number, len(self._buffers), f"buffer, that of tensor {name},")
        buffer = self._buffers[number]
        if not _outside(buffer):
            return buffer.length(0)
        start, size_bytes = buffer.integer(1, "Q"), buffer.integer(2, "Q")
        buffer.file.check(start, size_bytes)
        return size_bytes


def _unmade(operators: Sequence[Operator], made: set[int], tensors: "_Tensors") -> bool:
    """Whether an operator reads what is no constant, and nobody gives or makes."""
    known = {tensors.all[i].name for i in (*made, *tensors.variables)}
    return any(x is not None and not x.constant and x.name not in known for op in operators for x in op.inputs)


def _operator(index: int, table: Table, codes: Sequence["_Code"], tensors: _Tensors) -> Operator:
    number = table.integer(0, "I")
    _check_index(number, len(codes), "operator code")
    code = codes[number]
    numbers = table.integers(1)
    for i in numbers:
        if i != _LEFT_OUT:
            _check_index(i, len(tensors.all), f"tensor, read by {code.name.lower()}_{index},")
    return Operator(
        name=code.name,
        inputs=tuple(None if i == _LEFT_OUT else tensors.all[i] for i in numbers),
        outputs=tuple(tensors.all[i] for i in table.integers(2)),
        options=_options(table, code),
        scales=tuple(0 if i == _LEFT_OUT else tensors.scales(i) for i in numbers),
        output_scales=tuple(tensors.scales(i) for i in table.integers(2)),
        values=tuple(() if i == _LEFT_OUT else tensors.integers(i) for i in numbers),
        custom=code.custom,
    )


def _options(table: Table, code: "_Code") -> dict[str, float]:
    if code.custom:
        return numbers(table.data(5)) if code.name in CUSTOM_ROWS and table.length(5) <= _MOST_OPTION_BYTES else {}
    options = table.table(4) or table.without_fields()
    return {option.key: _option(options, option) for option in ROWS[code.name].fields} if code.name in ROWS else {}


def _option(options: Table, option: Field) -> float:
    if option.kind == "f":
        return options.real(option.number, option.default)
    return options.integer(option.number, option.kind, int(option.default))


def _node(index: int, operator: Operator, variables: Collection[str]) -> Node:
    given = [x for x in operator.inputs if x and x.name not in variables]
    return Node(
        name=f"{operator.name.lower()}_{index}",
        op=read_op(operator),
        inputs=tuple(x for x in given if not x.constant),
        weights=tuple(x for x in given if x.constant),
        outputs=operator.outputs,
    )


class _Code(NamedTuple):
    """An operator's name, and whether it is one that the schema does not number."""

    name: str
    custom: bool


def _operator_code(code: Table) -> _Code:
    """The larger of the two numbers counts: the older has 8 bits."""
    number = max(code.integer(0, "b"), code.integer(3, "i"))
    name = _names("BuiltinOperator").get(number)
    if name is None:
        raise TfliteError(f"operator code {number} is not known")
    return _Code(_printable(code.text(1)) or _CUSTOM, True) if name == _CUSTOM else _Code(name, False)


def _stored_offsets(root: Table, buffers: Sequence[Table]) -> tuple[int, ...] | None:
    """The memory plan in the file's metadata: two numbers, how many tensors it is for, and their offsets."""
    for entry in root.tables(6):
        if entry.text(0) == PLAN_NAME:
            number = entry.integer(1, "I")
            _check_index(number, len(buffers), "buffer, that of the memory plan,")
            content = buffers[number].data(0)
            numbers = np.frombuffer(content, "<i4", len(content) // 4).tolist()
            return tuple(numbers[3:]) if len(numbers) >= 3 and len(numbers) == 3 + numbers[2] else None
    return None


def _dtype(number: int, tensor: str) -> DType:
    name = _names("TensorType").get(number, f"type {number}")
    try:
        return DType(name.lower())
    except ValueError:
        raise TfliteError(f"tensor {tensor} is of {name}, which edgevolve does not read") from None


def _shape(table: Table, name: str) -> Shape:
    """The shape with an open batch as 1."""
    shape = table.integers(0)
    if len(shape) > _MAX_RANK:
        raise TfliteError(f"tensor {name} has {len(shape)} dimensions")
    if shape[:1] == (-1,):
        shape = (1, *shape[1:])
    if min(shape, default=0) < 0:
        raise TfliteError(f"tensor {name} has no fixed shape: {shape}")
    return shape


def _dynamic_batch(inputs: Sequence[Table]) -> bool:
    """Whether an input's first dimension is open. Raises `TfliteError` if another one is."""
    openings = [(table.integers(7) or table.integers(0), table) for table in inputs]
    for signature, table in openings:
        if -1 in signature[1:]:
            raise TfliteError(f"input {_printable(table.text(3))} has no fixed shape: {signature}")
    return any(signature[:1] == (-1,) for signature, _ in openings)


def _outside(buffer: Table) -> bool:
    """Whether a buffer's bytes come after the FlatBuffer; offsets of 0 and 1 stand for none."""
    return buffer.integer(1, "Q") > 1


def _check_index(index: int, count: int, kind: str) -> None:
    if not 0 <= index < count:
        raise TfliteError(f"damaged: it names {kind} {index} of {count}")


def _unique(names: Sequence[str]) -> list[str]:
    """The names, with their index where they are empty or taken."""
    taken: dict[str, None] = {}
    for i, name in enumerate(names):
        unique = name or f"#{i}"
        while unique in taken:
            unique += f"#{i}"
        taken[unique] = None
    return list(taken)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)


@cache
def _names(enumeration: str) -> Mapping[int, str]:
    """Names of the schema's enumeration by their numbers."""
    schema = import_module("ai_edge_litert.schema_py_generated")
    return {number: name for name, number in vars(getattr(schema, enumeration)).items() if isinstance(number, int)}
