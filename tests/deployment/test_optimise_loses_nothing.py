"""What a foreign file holds beside its network survives `optimise`; what only one runtime runs is tried there."""

import io
import zipfile

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgevolve.deployment import ExportError
from edgevolve.deployment.flatbuffer import keeps_weights_outside, packed, unpacked
from edgevolve.deployment.isolated import run_isolated
from edgevolve.deployment.micro import available
from edgevolve.deployment.optimise import optimised
from edgevolve.tflite import read_tflite
from tests.deployment.test_optimise import SAVING, converted, wasteful  # noqa: F401
from tests.tflite.tflite_files import Builtin, TfliteFile


def with_labels(model):
    whole = io.BytesIO(model)
    with zipfile.ZipFile(whole, "a") as archive:
        archive.writestr("labels.txt", "zero\none\n")
    return whole.getvalue()


def scaled(scale):
    made = schema.QuantizationParametersT()
    made.scale, made.zeroPoint = [scale], [0]
    return made


def dense(batch_shape, outputs=4):
    """A dense layer and a ReLU over an input of any shape; a name inside is long enough to be worth leaving out."""
    file = TfliteFile()
    scale = scaled(0.5)
    x = file.tensor(*batch_shape, quantization=scale)
    kernel = file.constant(np.arange(outputs * batch_shape[-1]).reshape(outputs, -1) % 7 - 3)
    bias = file.bias(outputs)
    file.tensors[kernel].quantization, file.tensors[bias].quantization = scale, scaled(0.25)
    inner, y = (file.tensor(*batch_shape[:-1], outputs, quantization=scale, name=name) for name in ("inner" * 50, "y"))
    file.operator(Builtin.FULLY_CONNECTED, [x, kernel, bias], [inner], table="FullyConnectedOptions", keepNumDims=True)
    file.operator(Builtin.RELU, [inner], [y])
    return file, x, y


def moved_outside(model):
    """The same file with the data of its buffers after the FlatBuffer."""
    content = unpacked(model)
    data = [b"" if b.data is None else np.asarray(b.data, np.uint8).tobytes() for b in content.buffers]

    def written(start):
        at, tail = start, b""
        for buffer, own in zip(content.buffers, data, strict=True):
            buffer.data = None
            buffer.offset, buffer.size = (at + len(tail), len(own)) if own else (0, 0)
            tail += own + bytes(-len(own) % 16)
        builder = flatbuffers.Builder(1024)
        builder.Finish(content.Pack(builder), b"TFL3")
        head = bytes(builder.Output())
        return head + bytes(-len(head) % 16), tail

    head, _ = written(2**20)
    head, tail = written(len(head))
    return head + tail


def test_an_archive_at_the_end_stays_there(wasteful):  # noqa: F811
    improved = optimised(with_labels(wasteful))
    assert improved.head_bytes[1] < improved.head_bytes[0]
    with zipfile.ZipFile(io.BytesIO(improved.model)) as archive:
        assert archive.read("labels.txt") == b"zero\none\n"
    assert read_tflite(improved.model).graph.nodes


def test_an_archive_that_unpacks_to_more_than_memory_is_refused(wasteful):  # noqa: F811
    whole = io.BytesIO(wasteful)
    with zipfile.ZipFile(whole, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(300 << 20))
    with pytest.raises(ExportError, match="more than 256 MiB"):
        optimised(whole.getvalue())


def test_weights_after_the_flatbuffer_come_inside_and_outputs_stay(wasteful):  # noqa: F811
    outside = moved_outside(wasteful)
    assert keeps_weights_outside(outside) and not keeps_weights_outside(wasteful)
    improved = optimised(outside)
    assert not keeps_weights_outside(improved.model)
    shape = read_tflite(wasteful).graph.inputs[0].shape
    inputs = [np.random.default_rng(0).integers(-128, 128, (3, *shape)).astype(np.int8)]
    wanted, after = (run_isolated("litert_host.py", model, inputs).outputs for model in (outside, improved.model))
    assert np.array_equal(wanted[0], after[0])
    if available():
        assert "does not read" in improved.micro_says


@pytest.mark.parametrize("shape", [(2, 8), (5, 3, 8), (49, 10)])
def test_a_first_dimension_that_is_no_batch_of_one_is_tried_as_it_is(shape):
    file, x, y = dense(shape)
    improved = optimised(file.content([x], [y]))
    assert improved.litert_says == ""
    assert not available() or improved.micro_head_bytes == improved.head_bytes


def test_a_constant_among_the_outputs_is_left_aside():
    file, x, y = dense((1, 8))
    content = file.content([x], [y, file.constant(np.ones(3))])
    assert [tensor.name for tensor in read_tflite(content).graph.outputs] == [file.tensors[y].name]
    optimised(content)


def test_a_file_without_a_list_of_buffers_is_refused_in_one_line():
    file = TfliteFile()
    x, y = file.tensor(1, 8), file.tensor(1, 8)
    file.operator(Builtin.RELU, [x], [y])
    content = unpacked(file.content([x], [y]))
    content.buffers = []
    with pytest.raises(ExportError, match="it has no list of buffers"):
        optimised(packed(content))
