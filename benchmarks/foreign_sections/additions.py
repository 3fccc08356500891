"""What tools add to a file, and what vendors' compilers write."""

import io
import zipfile
from typing import Any

import flatbuffers
import keras
import numpy as np

from benchmarks.foreign_sections.convert import Made, of_keras
from benchmarks.foreign_sections.networks import small
from edgevolve.deployment.flatbuffer import packed, schema, set_plan, unpacked
from tests.tflite.tflite_files import Builtin, TfliteFile, Type, small_network


def outside(content: bytes, least_bytes: int = 64) -> bytes:
    """The same file with its larger buffers after the FlatBuffer."""
    model = unpacked(content)
    moved = []
    for buffer in model.buffers:
        data = b"" if buffer.data is None else np.asarray(buffer.data, np.uint8).tobytes()
        if len(data) >= least_bytes:
            buffer.data, buffer.offset, buffer.size = None, 2, len(data)
            moved.append((buffer, data))
    place = end = -(-len(_written(model)) // 16) * 16
    for buffer, data in moved:
        buffer.offset, place = place, -(-(place + len(data)) // 16) * 16
    return _written(model).ljust(end, b"\0") + b"".join(data + bytes(-len(data) % 16) for _, data in moved)


def _written(model: Any) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def with_archive(content: bytes) -> bytes:
    """Labels at the file's end."""
    whole = io.BytesIO(content)
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("labels.txt", "up\ndown\n")
        archive.writestr("vocabulary/words.txt", "yes\nno\n" * 50)
    return whole.getvalue()


def with_metadata(content: bytes, *entries: tuple[str | None, bytes]) -> bytes:
    """Entries of metadata."""
    model = unpacked(content)
    for name, data in entries:
        entry, buffer = schema().MetadataT(), schema().BufferT()
        entry.name, entry.buffer = name, len(model.buffers)
        buffer.data = np.frombuffer(data, np.uint8) if data else None
        model.buffers.append(buffer)
        model.metadata = [*(model.metadata or []), entry]
    return packed(model)


def with_plan(content: bytes, spread: int) -> bytes:
    """A plan that puts each tensor `spread` bytes after the one before, constants left out."""
    model = unpacked(content)
    graph = model.subgraphs[0]
    made = [*graph.inputs, *(t for operator in graph.operators for t in operator.outputs)]
    offsets = [-1] * len(graph.tensors)
    for place, tensor in enumerate(made):
        offsets[int(tensor)] = place * spread
    set_plan(model, offsets)
    return packed(model)


def _custom(name: str, options: bytes = b"") -> bytes:
    net = TfliteFile()
    x, a, y = net.tensor(1, 8, 8, 2), net.tensor(1, 8, 8, 2), net.tensor(1, 8, 8, 2)
    net.operator(Builtin.CUSTOM, [x], [a], name)
    net.operator(Builtin.RELU, [a], [y])
    net.operators[0].customOptions = np.frombuffer(options, np.uint8) if options else None
    return net.content([x], [y])


def _vela() -> bytes:
    net = TfliteFile()
    x, y = net.tensor(1, 8, 8, 2), net.tensor(1, 5)
    stream = net.constant(np.arange(64))
    scratch = net.tensor(1536, dtype=Type.UINT8, name="scratch")
    net.operator(Builtin.CUSTOM, [stream, scratch, x], [y], "ethos-u")
    return net.content([x], [y])


def _no_buffers() -> bytes:
    net = TfliteFile()
    x, y = net.tensor(1, 16), net.tensor(1, 16)
    net.operator(Builtin.RELU, [x], [y])
    net.buffers = []
    return net.content([x], [y])


def additions() -> Made:
    """What tools add, and what vendors' compilers write."""
    plain = of_keras(small(1), "int8")
    yield "plain", lambda: plain
    yield "without_quantisation", small_network
    yield "appended_archive", lambda: with_archive(plain)
    yield "metadata", lambda: with_metadata(plain, ("TFLITE_METADATA", bytes(100)), ("min_runtime_version", b"1.5.0\0"))
    yield "metadata_and_archive", lambda: with_archive(with_metadata(plain, ("TFLITE_METADATA", b"M001" * 9)))
    yield "metadata_without_a_name", lambda: with_metadata(plain, (None, b"a"), ("empty", b""))
    yield "weights_outside", lambda: outside(plain)
    yield (
        "weights_outside_of_a_mobilenet",
        lambda: outside(
            of_keras(keras.applications.MobileNet((32, 32, 3), alpha=0.25, weights=None, classes=10), "int8")
        ),
    )
    for spread in (16, 4096, 0, -64):
        yield f"plan_of_spread_{spread}", lambda spread=spread: with_plan(plain, spread)
    yield "plan_of_nothing", lambda: with_metadata(plain, ("OfflineMemoryAllocation", b""))
    yield "plan_cut_short", lambda: with_metadata(plain, ("OfflineMemoryAllocation", bytes(10)))
    yield "no_list_of_buffers", _no_buffers
    yield "edge_tpu", lambda: _custom("edgetpu-custom-op", b"\x01" * 40)
    yield "ethos_u", _vela
    yield "custom", lambda: _custom("MyOperator", bytes(range(30)))
    yield "flex_by_name", lambda: _custom("FlexErf", b"\x03Erf\0\x12")
