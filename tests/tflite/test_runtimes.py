"""What stops TensorFlow Lite Micro though it has a file's operators, against the runtime itself."""

import numpy as np
import pytest

from edgevolve.deployment.flatbuffer import packed, schema, set_plan, unpacked
from edgevolve.deployment.micro import MicroError, available, run_on_micro
from edgevolve.tflite import PLAN_NAME, read_tflite, runtimes
from resource_models import HOST, file_footprint
from tests.tflite.operator_files import CASES
from tests.tflite.test_hostile_tflite import outcome
from tests.tflite.tflite_files import Builtin, TfliteFile, Type

DENSE = CASES["FULLY_CONNECTED/i8pc"]
TENSORS = len(read_tflite(DENSE).tensors)


def with_plan(*words: int) -> bytes:
    """The dense layer with metadata of these words as its plan."""
    model = unpacked(DENSE)
    set_plan(model, [])
    model.buffers[model.metadata[0].buffer].data = np.frombuffer(np.array(words, "<i4").tobytes(), np.uint8)
    return packed(model)


def without_buffers() -> bytes:
    net = TfliteFile()
    x, y = net.tensor(1, 16), net.tensor(1, 16)
    net.operator(Builtin.ABS, [x], [y])
    net.buffers = []
    return net.content([x], [y])


STOPPED = {
    "no words": (with_plan(), "damaged or for another number"),
    "two words": (with_plan(1, 1), "damaged or for another number"),
    "fewer tensors": (with_plan(1, 1, 1, -1), "damaged or for another number"),
    "an offset below 0": (with_plan(1, 1, TENSORS, -64, *[-1] * (TENSORS - 1)), "damaged or for another number"),
    "no list of buffers": (without_buffers(), "crashes on a file without a list of buffers"),
}


@pytest.mark.parametrize("name", STOPPED)
def test_what_stops_the_runtime_is_said(name):
    content, reason = STOPPED[name]
    verdict = runtimes(read_tflite(content))[0]
    assert not verdict.runs
    assert reason in " ".join(verdict.stopped_by)
    if available():
        with pytest.raises(MicroError):
            run_on_micro(content, [])


def test_a_good_plan_stops_nobody():
    content = with_plan(1, 1, TENSORS, *[-1] * TENSORS)
    assert runtimes(read_tflite(content))[0].runs
    assert schema().Model.GetRootAs(content, 0).Metadata(0).Name() == PLAN_NAME.encode()
    if available():
        assert run_on_micro(content, []).head_bytes == file_footprint(read_tflite(content), HOST).greedy_head_bytes


def one_operator(builtin: int, inputs: int, custom: str | None = None) -> bytes:
    net = TfliteFile()
    x, y = net.tensor(1, 8, dtype=Type.FLOAT32), net.tensor(1, 8, dtype=Type.FLOAT32)
    net.operator(builtin, [x] * inputs, [y], custom)
    return net.content([x], [y])


@pytest.mark.parametrize(
    "content",
    [
        one_operator(Builtin.STRIDED_SLICE, 3),
        one_operator(Builtin.ASSIGN_VARIABLE, 1),
        one_operator(Builtin.CUSTOM, 1, "VAR_HANDLE"),
        one_operator(Builtin.CUSTOM, 1, "ASSIGN_VARIABLE"),
        one_operator(Builtin.CUSTOM, 1, "TFLite_Detection_PostProcess"),
    ],
)
def test_an_operator_with_too_few_operands_or_another_s_name_is_read_and_inspected(content):
    assert outcome(content) is None
