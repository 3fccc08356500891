"""Reads any `.tflite` into a `Graph`: its operators in the file's order, its tensors with their exact bytes.

Nothing of the file is trusted: it may be cut short, damaged or malicious. Field numbers are those of TensorFlow
Lite's schema.fbs, version 3; the names of operators and element types come with LiteRT.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgevolve.graph import Graph, Node, ShapeError
from edgevolve.printable import printable
from edgevolve.tflite.c_array import C_SUFFIXES, MAX_TEXT_BYTES, array_of
from edgevolve.tflite.calls import check_calls
from edgevolve.tflite.custom_rows import CUSTOM_ROWS
from edgevolve.tflite.file_tensors import FileTensors, check_index, names_of, outside
from edgevolve.tflite.flexbuffer import numbers
from edgevolve.tflite.model import Signature, Subgraph, TfliteError, TfliteModel
from edgevolve.tflite.operator_rows import ROWS, read_op
from edgevolve.tflite.row import Field, Operator
from edgevolve.tflite.tables import Flatbuffer, FlatbufferError, Table

MAX_FILE_BYTES = 2**31
"""Offsets of a FlatBuffer have 31 bits."""

_MAX_OPERATORS = 10_000
_MAX_SUBGRAPHS = 1_000
_MAX_COMPUTED = 20_000
_CUSTOM = "CUSTOM"
_NPU = "ethos-u"
"""The custom operator that Arm's compiler for NPUs writes."""

_LEFT_OUT = -1
"""The index of an optional input that is left out."""

_MOST_OPTION_BYTES = 4_096
"""Options of a custom operator are read up to this many bytes."""

IDENTIFIER = b"TFL3"
"""Bytes 4 to 7 of every `.tflite`."""

PLAN_NAME = "OfflineMemoryAllocation"
"""The name of the metadata in which TensorFlow Lite Micro looks for offsets of its tensors."""


def load_tflite(path: Path) -> TfliteModel:
    """Read the file at `path`. Raises `TfliteError`, which names it."""
    content = model_bytes(path)
    try:
        return read_tflite(content)
    except TfliteError as error:
        raise TfliteError(f"{path}: {error}") from error


def model_bytes(path: Path) -> bytes:
    """The bytes of the `.tflite` at `path`, or of the model in a C file there. Raises `TfliteError`, which names it."""
    in_c = path.suffix.lower() in C_SUFFIXES
    most = MAX_TEXT_BYTES if in_c else MAX_FILE_BYTES
    try:
        if not path.is_file():
            raise TfliteError(f"{path}: no such file")
        if path.stat().st_size > most:
            raise TfliteError(f"{path}: larger than {f'{most >> 20} MiB' if in_c else '2 GiB'}")
        content = path.read_bytes()
    except OSError as error:
        raise TfliteError(f"{path}: cannot be read ({error.strerror or error})") from error
    if not in_c or _is_model(content):
        return content
    try:
        return array_of(content.decode(errors="replace"), _is_model)
    except ValueError as error:
        raise TfliteError(f"{path}: {error}") from error


def _is_model(content: bytes) -> bool:
    return content[4:8] == IDENTIFIER


def read_tflite(content: bytes) -> TfliteModel:
    """Read a file's content.

    An operator that the graph has becomes that operator, with its fused activation; batch norm is folded in files.
    Every other operator becomes `Opaque`. A node's weights are its constant inputs as they are stored.

    Raises `TfliteError` for content that is not a `.tflite`, is damaged, has recursive subgraphs, or has tensors of no
    fixed size or of a type that `DType` does not name.
    """
    if not _is_model(content):
        raise TfliteError(f"not a TensorFlow Lite file: it has no {IDENTIFIER.decode()} mark" if content else "empty")
    try:
        return _model(content)
    except FlatbufferError as error:
        raise TfliteError(f"damaged: {error}") from error
    except ShapeError as error:
        raise TfliteError(f"not a network that can run: {error}") from error


def _model(content: bytes) -> TfliteModel:
    root = Flatbuffer(content).root()
    if not 1 <= root.length(2, 4) <= _MAX_SUBGRAPHS:
        raise TfliteError(f"{root.length(2, 4)} subgraphs; edgevolve reads 1 to {_MAX_SUBGRAPHS}")
    tables = root.tables(2)
    operators = sum(table.length(3, 4) for table in tables)
    if operators > _MAX_OPERATORS:
        raise TfliteError(f"{operators} operators; edgevolve reads up to {_MAX_OPERATORS}")
    file = _File(root.tables(4), [_operator_code(code) for code in root.tables(1)], {}, {})
    subgraphs = tuple(_numbered(number, table, file) for number, table in enumerate(tables))
    computed = sum(not tensor.constant for subgraph in subgraphs for tensor in subgraph.tensors)
    if computed > _MAX_COMPUTED:
        raise TfliteError(f"{computed} tensors beside constants; edgevolve reads up to {_MAX_COMPUTED}")
    check_calls(subgraphs)
    return TfliteModel(
        subgraphs=subgraphs,
        offsets=_stored_offsets(root, file.buffers),
        size_bytes=len(content),
        constant_bytes=sum(file.constants.values()),
        signatures=tuple(_signatures(root.tables(7), subgraphs)),
        weights_outside=any(outside(buffer) for buffer in file.buffers),
        without_buffers=not file.buffers,
    )


class _File(NamedTuple):
    """The shared parts of subgraphs: `constants` holds the bytes of each constant's buffer, `texts` a number a text."""

    buffers: Sequence[Table]
    codes: Sequence["_Code"]
    constants: dict[int, int]
    texts: dict[str, int]


def _numbered(number: int, table: Table, file: _File) -> Subgraph:
    """A subgraph; errors in one behind the first name its number."""
    try:
        return _subgraph(table, file, first=number == 0)
    except (TfliteError, ShapeError, FlatbufferError) as error:
        if number == 0:
            raise
        raise type(error)(f"subgraph {number}: {error}") from error


def _subgraph(subgraph: Table, file: _File, first: bool) -> Subgraph:
    tables, entries, exits = subgraph.tables(0), subgraph.integers(1), subgraph.integers(2)
    if first and not (entries and exits):
        raise ShapeError("a network needs inputs and outputs")
    listed = subgraph.tables(3)
    made = {*entries, *(i for operator in listed for i in operator.integers(2))}
    for i in (*made, *exits):
        check_index(i, len(tables), "tensor")
    tensors = FileTensors(tables, file.buffers, made)
    file.constants.update(tensors.stored)
    operators = tuple(_operator(i, operator, file, tensors) for i, operator in enumerate(listed))
    variables = tuple(tensors.all[i] for i in sorted(tensors.variables))
    outputs = tuple(tensors.all[i] for i in exits if not tensors.all[i].constant)  # a graph makes no constants
    if first and exits and not outputs:
        raise TfliteError("all its outputs are constants")
    if any(operator.custom and operator.name == _NPU for operator in operators) and _unmade(operators, made, tensors):
        raise TfliteError("compiled for an Ethos-U: it computes in memory that the device's driver gives it")
    nodes = tuple(_node(i, operator, {x.name for x in variables}) for i, operator in enumerate(operators))
    return Subgraph(
        graph=Graph(tuple(tensors.all[i] for i in entries), nodes, outputs),
        operators=operators,
        tensors=tensors.all,
        variables=variables,
        outputs=tuple(tensors.all[i] for i in exits),
        dynamic_batch=_dynamic_batch([tables[i] for i in entries], first),
    )


def _unmade(operators: Sequence[Operator], made: set[int], tensors: FileTensors) -> bool:
    """Whether an operator reads a tensor that is not constant, not given and not made."""
    known = {tensors.all[i].name for i in (*made, *tensors.variables)}
    return any(x is not None and not x.constant and x.name not in known for op in operators for x in op.inputs)


def _operator(index: int, table: Table, file: _File, tensors: FileTensors) -> Operator:
    number = table.integer(0, "I")
    check_index(number, len(file.codes), "operator code")
    code = file.codes[number]
    numbers = table.integers(1)
    for i in numbers:
        if i != _LEFT_OUT:
            check_index(i, len(tensors.all), f"tensor, read by {code.name.lower()}_{index},")
    options, row = _options(table, code, file.texts), None if code.custom else ROWS.get(code.name)
    return Operator(
        name=code.name,
        inputs=tuple(None if i == _LEFT_OUT else tensors.all[i] for i in numbers),
        outputs=tuple(tensors.all[i] for i in table.integers(2)),
        options=options,
        scales=tuple(0 if i == _LEFT_OUT else tensors.scales(i) for i in numbers),
        output_scales=tuple(tensors.scales(i) for i in table.integers(2)),
        values=tuple(() if i == _LEFT_OUT else tensors.integers(i) for i in numbers),
        custom=code.custom,
        calls=tuple(map(int, options.values())) if row and row.calls else (),
        unsized=any(tensors.open(i) for i in table.integers(2)),
    )


def _options(table: Table, code: "_Code", texts: dict[str, int]) -> dict[str, float]:
    if code.custom:
        return numbers(table.data(5)) if code.name in CUSTOM_ROWS and table.length(5) <= _MOST_OPTION_BYTES else {}
    options, fields = table.table(4) or table.without_fields(), ROWS[code.name].fields if code.name in ROWS else ()
    return {option.key: _option(options, option, texts) for option in fields}


def _option(options: Table, option: Field, texts: dict[str, int]) -> float:
    if option.kind == "s":
        return texts.setdefault(options.text(option.number), len(texts)) if options.has(option.number) else -1
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
    """An operator's name, and whether it is a custom one, which the schema does not number."""

    name: str
    custom: bool


def _operator_code(code: Table) -> _Code:
    """Read an operator code: the larger of its two numbers, since the older field has only 8 bits."""
    number = max(code.integer(0, "b"), code.integer(3, "i"))
    name = names_of("BuiltinOperator").get(number)
    if name is None:
        raise TfliteError(f"operator code {number} is not known")
    return _Code(printable(code.text(1)) or _CUSTOM, True) if name == _CUSTOM else _Code(name, False)


def _signatures(tables: Sequence[Table], subgraphs: Sequence[Subgraph]) -> Iterator[Signature]:
    """The signatures whose subgraph and tensors are in the file."""
    for table in tables:
        number = table.integer(4, "I")
        pairs = [(printable(entry.text(0)), entry.integer(1, "I")) for entry in table.tables(0)]
        tensors = subgraphs[number].tensors if number < len(subgraphs) else ()
        if number < len(subgraphs) and all(i < len(tensors) for _, i in pairs):
            yield Signature(printable(table.text(2)), number, tuple((name, tensors[i]) for name, i in pairs))


def _stored_offsets(root: Table, buffers: Sequence[Table]) -> tuple[int, ...] | None:
    """The memory plan in the file's metadata: two numbers, the number of tensors, and their offsets.

    () stands for a damaged plan; it fits no file.
    """
    for entry in root.tables(6):
        if entry.text(0) == PLAN_NAME:
            number = entry.integer(1, "I")
            check_index(number, len(buffers), "buffer, that of the memory plan,")
            content = buffers[number].data(0)
            numbers = np.frombuffer(content, "<i4", len(content) // 4).tolist()
            offsets = tuple(numbers[3 : 3 + max(numbers[2], 0)]) if len(numbers) >= 3 else ()
            return offsets if len(numbers) >= 3 and len(offsets) == numbers[2] else ()
    return None


def _dynamic_batch(inputs: Sequence[Table], first: bool) -> bool:
    """Whether an input's first dimension is open. Raises `TfliteError` if another one of the first subgraph's is."""
    openings = [(table.integers(7) or table.integers(0), table) for table in inputs]
    for signature, table in openings:
        if first and -1 in signature[1:]:
            raise TfliteError(f"input {printable(table.text(3))} has no fixed shape: {signature}")
    return any(signature[:1] == (-1,) for signature, _ in openings)
