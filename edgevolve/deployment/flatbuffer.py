"""Takes a `.tflite` apart and puts it together again, without anything that a device does not read."""

from importlib import import_module
from typing import Any

import numpy as np

from edgevolve.deployment.export_error import ExportError
from edgevolve.deployment.once import Once
from edgevolve.tflite import IDENTIFIER, PLAN_NAME

_ALIGNMENT = 16


def schema() -> Any:
    """The generated classes of TensorFlow Lite's schema, as LiteRT ships them."""
    return import_module("ai_edge_litert.schema_py_generated")


def unpacked(model: bytes) -> Any:
    """The file as a `ModelT`; data after the FlatBuffer are taken inside. Raises `ExportError` for another file."""
    try:
        if model[4:8] != IDENTIFIER:
            raise ValueError("it lacks the file identifier")
        read = schema()
        tables = read.ModelT.InitFromObj(read.Model.GetRootAs(bytearray(model), 0))
        _take_inside(tables, model)
    except Exception as error:  # the generated readers follow offsets without checking them
        raise ExportError(f"not a .tflite file: {' '.join(str(error).split()) or type(error).__name__}") from error
    return tables


def keeps_weights_outside(model: bytes) -> bool:
    """Whether a `.tflite` has data after the FlatBuffer, which TensorFlow Lite Micro does not read."""
    root = schema().Model.GetRootAs(model, 0)
    return any(root.Buffers(i).Offset() > 1 for i in range(root.BuffersLength()))


def _take_inside(model: Any, content: bytes) -> None:
    """Copy the data of buffers and custom options that lie after the FlatBuffer into the `ModelT`."""
    if not model.buffers:
        raise ValueError("it has no list of buffers")
    for buffer in model.buffers:
        if buffer.offset > 1:
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
        buffer.offset = buffer.size = 0
    for subgraph in model.subgraphs:
        for operator in subgraph.operators or ():
            if operator.largeCustomOptionsOffset > 1:
                size, start = operator.largeCustomOptionsSize, operator.largeCustomOptionsOffset
                operator.customOptions = np.frombuffer(content, np.uint8, size, start)
            operator.largeCustomOptionsOffset = operator.largeCustomOptionsSize = 0


def packed(model: Any) -> bytes:
    """The bytes of a `ModelT`, every buffer aligned to 16 bytes as the schema asks. Equal parts are written once."""
    builder = Once()
    builder.Finish(packed_into(builder, model), IDENTIFIER)
    return bytes(builder.Output())


def packed_into(builder: Once, model: Any) -> int:
    """Write a `ModelT`; return its offset."""
    buffers = model.buffers
    model.buffers = [_AlignedBuffer(buffer.data) for buffer in buffers]
    try:
        root: int = model.Pack(builder)
    finally:
        model.buffers = buffers
    return root


def bare(model: Any) -> None:
    """Keep in a `ModelT` only what an interpreter needs, and number its tensors in the order in which they are made.

    Names, descriptions, signatures and metadata are dropped. Inputs come first, then outputs of the operators in their
    order, then constants in the order of their first reader. Equal constants share a buffer; tensors without data have
    the empty buffer 0. Operator codes are sorted by their first use.

    Raises `ExportError` unless there is exactly one subgraph, as in files that edgevolve writes.
    """
    if len(model.subgraphs) != 1:
        raise ExportError(f"a .tflite of one subgraph is needed, this one has {len(model.subgraphs)}")
    (graph,) = model.subgraphs
    made = [int(t) for operator in graph.operators for t in operator.outputs]
    read = [int(t) for operator in graph.operators for t in operator.inputs if t >= 0]
    order = list(dict.fromkeys([*map(int, graph.inputs), *made, *read, *map(int, graph.outputs)]))
    numbers = {old: new for new, old in enumerate(order)}
    buffers = model.buffers
    contents: dict[bytes, int] = {b"": 0}
    tensors = [graph.tensors[old] for old in order]
    for tensor in tensors:
        data = buffers[tensor.buffer].data
        content = b"" if data is None else np.asarray(data, np.uint8).tobytes()
        tensor.buffer = contents.setdefault(content, len(contents))
        tensor.name = tensor.shapeSignature = None
        tensor.hasRank = False
        if tensor.quantization is not None and tensor.quantization.scale is None:
            tensor.quantization = None
    graph.tensors, graph.name = tensors, None
    graph.inputs = [numbers[int(t)] for t in graph.inputs]
    graph.outputs = [numbers[int(t)] for t in graph.outputs]
    for operator in graph.operators:
        operator.inputs = [numbers[int(t)] if t >= 0 else -1 for t in operator.inputs]
        operator.outputs = [numbers[int(t)] for t in operator.outputs]
    codes = list(dict.fromkeys(operator.opcodeIndex for operator in graph.operators))
    model.operatorCodes = [model.operatorCodes[code] for code in codes]
    for operator in graph.operators:
        operator.opcodeIndex = codes.index(operator.opcodeIndex)
    model.buffers = [buffer_of(content) for content in contents]
    model.description = model.metadata = model.metadataBuffer = model.signatureDefs = None


def set_plan(model: Any, offsets: list[int] | None) -> None:
    """Store `offsets`, one a tensor, -1 where the runtime places it, as the file's memory plan; None removes it."""
    entries = [entry for entry in model.metadata or () if entry.name not in (PLAN_NAME, PLAN_NAME.encode())]
    if offsets is not None:
        entry = schema().MetadataT()
        entry.name, entry.buffer = PLAN_NAME, len(model.buffers)
        model.buffers = [*model.buffers, buffer_of(np.array([1, 1, len(offsets), *offsets], "<i4").tobytes())]
        entries.append(entry)
    model.metadata = entries or None


def buffer_of(content: bytes) -> Any:
    """A buffer of the schema."""
    buffer = schema().BufferT()
    buffer.data = np.frombuffer(content, np.uint8) if content else None
    return buffer


class _AlignedBuffer:
    """A buffer that `ModelT.Pack` writes with its data aligned, which the generated `BufferT` does not."""

    def __init__(self, data: Any) -> None:
        self.content = b"" if data is None else np.asarray(data, np.uint8).tobytes()

    def Pack(self, builder: Any) -> int:
        read = schema()
        start = 0
        if self.content:
            builder.StartVector(1, len(self.content), _ALIGNMENT)
            builder.head -= len(self.content)
            builder.Bytes[builder.head : builder.head + len(self.content)] = self.content
            start = builder.EndVector()
        read.BufferStart(builder)
        if self.content:
            read.BufferAddData(builder, start)
        return int(read.BufferEnd(builder))
