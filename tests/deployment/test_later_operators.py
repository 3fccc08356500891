"""Operators and attributes that came after the first release: trained, exported, run everywhere, and read back."""

import numpy as np
import pytest
import tensorflow as tf

from edgevolve.deployment import onnx_model
from edgevolve.deployment.micro import available, run_on_micro
from edgevolve.deployment.optimise import lean
from edgevolve.graph import (
    Activation,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    GraphBuilder,
    Padding,
    ShapeError,
    Slice,
    from_json,
    to_json,
)
from edgevolve.tflite import read_tflite, skeleton
from edgevolve.training.forward import forward
from resource_models import HOST, deployed, footprint
from tests.deployment.sizes import size_of
from tests.deployment.sources import source_of


def dilated():
    net = GraphBuilder()
    x = net.input((1, 12, 9, 3))
    x = net.add(Conv2D(4, (3, 3), dilation=(2, 2), activation=Activation.RELU, batch_norm=True), x)
    x = net.add(DepthwiseConv2D((3, 2), dilation=(2, 2), multiplier=2), x)
    x = net.add(Conv2D(5, (2, 2), padding=Padding.VALID, dilation=(2, 3)), x)
    return net.build(net.add(GlobalAveragePool(), x))


def sliced():
    net = GraphBuilder()
    x = net.add(Conv2D(6, (3, 3), activation=Activation.RELU), net.input((1, 12, 9, 3)))
    a = net.add(Slice((1, 0, 2), (11, 9, 6), (2, 1, 1)), x)
    b = net.add(Slice((0, 1, 0), (5, 9, 4), (1, 1, 2)), x)
    x = net.add(Slice((1,), (9,), (2,)), net.add(Dense(10), net.add(Conv2D(4, (3, 3)), b)))
    return net.build(net.add(Concat(), x, net.add(GlobalAveragePool(), a)))


GRAPHS = {"dilated": dilated, "sliced": sliced}


@pytest.fixture(scope="module", params=GRAPHS)
def source(request):
    return source_of(GRAPHS[request.param]())


def test_it_trains(source):
    graph = source.graph
    with tf.GradientTape() as tape:
        values = {name: tf.Variable(value) for name, value in source.weights.items()}
        y, _ = forward(graph, values, tf.constant(source.images), graph.outputs[0].name)
        loss = tf.reduce_sum(tf.square(y))
    gradients = tape.gradient(loss, [value for name, value in values.items() if name.endswith("/kernel")])
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


def test_onnx_agrees(source, tmp_path):
    pytest.importorskip("onnxruntime")
    assert onnx_model.write(tmp_path, source)["largest_difference"] <= 1e-4 * max(1, np.abs(source.outputs).max())


def test_torch_agrees(source):
    torch = pytest.importorskip("torch")
    from edgevolve.deployment.channels_first import images_of
    from edgevolve.deployment.torch_program import TorchNetwork

    with torch.no_grad():
        outputs = TorchNetwork(source)(torch.from_numpy(images_of(source.images))).numpy()
    assert np.abs(outputs - source.outputs).max() <= 1e-4 * max(1, np.abs(source.outputs).max())


def test_the_file_holds_it_and_it_is_read_back(source):
    for content in (lean(source.tflite), skeleton(source.graph)):
        read = read_tflite(content).graph
        kinds = [type(node.op) for node in read.nodes]
        assert kinds == [type(node.op) for node in source.graph.nodes]
        for mine, other in zip(source.graph.nodes, read.nodes, strict=True):
            for name in ("kernel", "dilation", "begin", "end", "stride"):
                assert getattr(mine.op, name, None) == getattr(other.op, name, None)


@pytest.mark.skipif(not available(), reason="TensorFlow Lite Micro has no wheel here")
def test_memory_and_flash_are_those_of_the_runtime(source):
    graph = deployed(source.graph).graph
    model, predicted = lean(source.tflite), footprint(graph, HOST)
    stored = np.random.default_rng(0).integers(-128, 128, (2, *graph.inputs[0].shape[1:]), np.int8)
    run = run_on_micro(model, [stored], least_arena=True)
    assert run.head_bytes == predicted.planned_head_bytes
    assert abs(run.tail_bytes - predicted.tail_bytes) <= 16
    assert run.least_arena_bytes == -(-predicted.arena_bytes // 16) * 16
    assert len(model) == size_of(graph, model) <= predicted.flash_bytes <= 1.02 * len(model)


def test_it_has_a_canonical_form(source):
    assert to_json(from_json(to_json(source.graph))) == to_json(source.graph)


def test_a_convolution_without_dilation_has_the_form_that_it_had():
    net = GraphBuilder()
    graph = net.build(net.add(Conv2D(2, (3, 3)), net.input((1, 4, 4, 1))))
    assert "dilation" not in to_json(graph)["nodes"][0]
    with pytest.raises(ShapeError, match="stride and dilation cannot both be above 1"):
        Conv2D(2, (3, 3), stride=(2, 2), dilation=(2, 2))
