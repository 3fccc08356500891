"""The microcontrollers' runtime on this machine, beside LiteRT."""

import subprocess
import sys

import numpy as np
import pytest

from edgevolve.deployment.micro import MicroError, run_on_micro
from edgevolve.graph import (
    Activate,
    Activation,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    GraphBuilder,
    MaxPool2D,
    Multiply,
    Pad,
    Padding,
    Reshape,
    Softmax,
)
from edgevolve.quantisation.litert import open_model
from tests.deployment.sources import networks, source_of

pytest.importorskip("tflite_micro")


def micro_outputs(model, inputs):
    return run_on_micro(model, [inputs]).outputs[0]


def reference_outputs(model, inputs):
    """LiteRT with its reference kernels."""
    from ai_edge_litert import interpreter as litert

    interpreter = litert.Interpreter(
        model_content=model, experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    outputs = []
    for x in inputs:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x[np.newaxis])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0])
    return np.stack(outputs)


def chain(*ops):
    net = GraphBuilder()
    x = net.input((1, 9, 7, 8))
    for op in ops:
        x = net.add(op, x)
    return net.build(x)


def joined(op):
    net = GraphBuilder()
    x = net.input((1, 9, 7, 8))
    return net.build(net.add(op, net.add(Conv2D(8, (1, 1)), x), x))


@pytest.mark.parametrize(
    "graph",
    [
        chain(Conv2D(7, (3, 4), (2, 1), activation=Activation.RELU6), DepthwiseConv2D((3, 3), multiplier=2)),
        chain(Conv2D(8, (3, 3), groups=2), MaxPool2D((2, 3), (2, 2), Padding.SAME), GlobalAveragePool()),
        chain(Pad((1, 2), (0, 1)), AveragePool2D((3, 2), (2, 2), Padding.SAME), Activate(Activation.HARD_SWISH)),
        chain(Activate(Activation.SIGMOID), Reshape((1, 504)), Softmax()),
        joined(Add(Activation.RELU)),
        joined(Multiply(Activation.RELU)),
        joined(Concat()),
    ],
)
def test_outputs_are_those_of_the_reference_kernels_of_litert_bit_by_bit(graph):
    source = source_of(graph, 32)
    inputs = open_model(source.tflite).quantised(source.images)
    np.testing.assert_array_equal(micro_outputs(source.tflite, inputs), reference_outputs(source.tflite, inputs))


def test_a_dense_layer_is_within_one_step_of_litert():
    """Its rounding of ties differs, between TFLM and LiteRT and among LiteRT's own kernels."""
    source = source_of(chain(Reshape((1, 504)), Dense(40)), 32)
    inputs = open_model(source.tflite).quantised(source.images)
    steps = np.abs(micro_outputs(source.tflite, inputs).astype(int) - reference_outputs(source.tflite, inputs))
    assert steps.max() <= 1
    assert steps.mean() < 0.05


def test_whole_networks_stay_close_to_litert_and_need_the_arena_they_use():
    for name, graph in networks(1):
        source = source_of(graph)
        model = open_model(source.tflite)
        inputs = model.quantised(source.images)
        run = run_on_micro(source.tflite, [inputs], least_arena=True)
        steps = np.abs(run.outputs[0].astype(int) - model.outputs(source.images))
        assert steps.mean() < 2, name
        kernels = [node for node in graph.nodes if isinstance(node.op, Conv2D | Dense)]
        assert run.head_bytes >= max(node.inputs[0].size_bytes + node.output.size_bytes for node in kernels), name
        assert run.least_arena_bytes >= run.head_bytes + run.tail_bytes, name


TRY = """
import sys
from tflite_micro import runtime
runtime.Interpreter.from_bytes(open(sys.argv[1], "rb").read(), arena_size=int(sys.argv[2])).invoke()
"""


def test_the_minimum_arena_runs_and_sixteen_bytes_less_do_not(tmp_path):
    source = source_of(chain(Conv2D(4, (3, 3)), GlobalAveragePool(), Dense(3)), 2)
    (tmp_path / "model.tflite").write_bytes(source.tflite)
    inputs = open_model(source.tflite).quantised(source.images)
    smallest = run_on_micro(source.tflite, [inputs], least_arena=True).least_arena_bytes
    for arena_bytes, works in ((smallest, True), (smallest - 16, False), (64, False)):
        command = [sys.executable, "-c", TRY, str(tmp_path / "model.tflite"), str(arena_bytes)]
        assert (subprocess.run(command, capture_output=True, check=False).returncode == 0) == works


@pytest.mark.parametrize("model", [b"", b"no model at all", bytes(5000)])
def test_what_the_runtime_cannot_run_is_one_line(model):
    with pytest.raises(MicroError, match=r"^TensorFlow Lite Micro cannot run the model: [^\n]+$"):
        run_on_micro(model, [np.zeros((1, 4), np.int8)])
