import os

import numpy as np
import pytest

from edgevolve.graph import Conv2D, Dense, GraphBuilder
from edgevolve.tflite import skeleton
from predictors import PredictorError, profile
from predictors.measure.profiler import _compiled
from tests.tflite.tflite_files import Builtin, TfliteFile
from tests.training.random_graphs import random_graph


def convolution(filters, side=32):
    net = GraphBuilder()
    return net.build(net.add(Conv2D(filters, (3, 3)), net.input((1, side, side, 16))))


def test_a_graph_is_measured_like_its_skeleton_and_figures_are_in_order():
    for seed in range(5):
        graph = random_graph(seed)
        for network in (graph, skeleton(graph)):
            measured = profile(network, runs=3)
            assert 0 < measured.least_ms <= measured.latency_ms <= measured.p90_ms
            assert measured.runs >= 3 and measured.spread >= 0


def test_a_thousand_times_the_work_takes_longer():
    assert profile(convolution(4, side=4)).latency_ms < profile(convolution(64, side=64)).least_ms


def test_runs_are_at_least_as_many_as_asked_for():
    assert profile(convolution(4), runs=4000).runs >= 4000


def test_the_process_is_held_to_a_core_while_it_measures_and_free_again_after():
    before = os.sched_getaffinity(0)
    profile(convolution(8), cores=(max(before),), runs=1)
    assert os.sched_getaffinity(0) == before
    with pytest.raises(PredictorError, match="there is no core 4096"):
        profile(convolution(8), cores=(4096,))
    assert os.sched_getaffinity(0) == before


def test_a_model_goes_through_corals_compiler_where_there_is_one(tmp_path, monkeypatch):
    model = skeleton(convolution(8))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PredictorError, match="usb:0 runs compiled models: install edgetpu_compiler"):
        _compiled(model, "usb:0")
    compiler = tmp_path / "edgetpu_compiler"
    compiler.write_text('#!/bin/sh\n[ "$1" = -o ] || exit 1\necho compiled > "$2/model_edgetpu.tflite"\n')
    compiler.chmod(0o755)
    assert _compiled(model, "usb:0") == b"compiled\n"
    compiler.write_text("#!/bin/sh\necho too\necho large >&2\nexit 1\n")
    with pytest.raises(PredictorError, match="edgetpu_compiler refuses the network: large"):
        _compiled(model, "usb:0")


def test_a_vector_needs_no_image():
    net = GraphBuilder()
    assert profile(net.build(net.add(Dense(5), net.input((1, 7)))), runs=1).latency_ms > 0


def test_a_file_that_brings_the_runtime_down_is_refused():
    with pytest.raises(PredictorError, match="the runtime crashed"):
        profile(svdf_with_int8_state(), runs=1)


def svdf_with_int8_state():
    """TensorFlow Lite Micro runs it; LiteRT writes 32 kB beyond its heap, since it takes a state of 16 bits."""
    from ai_edge_litert import schema_py_generated as schema

    file = TfliteFile()

    def scaled(scale):
        made = schema.QuantizationParametersT()
        made.scale, made.zeroPoint = [scale], [0]
        return made

    units, memory, features, rank = 16, 1000, 40, 2
    x = file.tensor(1, features, quantization=scaled(0.05))
    by_feature = file.constant(np.ones((units * rank, features)))
    by_time = file.constant(np.ones((units * rank, memory)))
    bias = file.bias(units)
    state = file.tensor(1, units * rank * memory, isVariable=True, quantization=scaled(0.05))
    y = file.tensor(1, units, quantization=scaled(0.05))
    for number, scale in ((by_feature, 0.01), (by_time, 0.01), (bias, 0.0005)):
        file.tensors[number].quantization = scaled(scale)
    file.operator(
        Builtin.SVDF,
        [x, by_feature, by_time, bias, state],
        [y],
        table="SVDFOptions",
        rank=rank,
        fusedActivationFunction=1,
    )
    return file.content([x], [y])


def test_a_file_that_leaves_more_than_the_batch_open_is_refused():
    file = TfliteFile()
    x, y = (file.tensor(1, 1, 1, 3, shapeSignature=[1, -1, -1, 3]) for _ in range(2))
    file.operator(Builtin.RELU, [x], [y])
    with pytest.raises(PredictorError, match="no fixed shape"):
        profile(file.content([x], [y]), runs=1)
