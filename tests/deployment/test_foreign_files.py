"""Files that nobody here made: Keras applications with random weights, as TensorFlow's converter writes them."""

import warnings
from importlib import import_module
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from edgevolve.deployment.micro import available, run_on_micro
from edgevolve.graph import DType, Graph, Opaque
from edgevolve.tflite import TfliteModel, load_tflite
from edgevolve.training.session import silenced
from resource_models import HOST, file_footprint, live_bytes, peak_memory

APPLICATIONS = keras.applications
KINDS = ("float32", "float16", "weights", "int8", "per tensor", "uint8", "int16")
NARROW = {"int8": tf.int8, "per tensor": tf.int8, "uint8": tf.uint8, "int16": tf.int16}


def converted(model: keras.Model, kind: str) -> bytes:
    """The converter's file: plain, with narrow weights, or quantised with inputs and outputs of that type."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    rng = np.random.default_rng(0)
    images = [rng.uniform(-1, 1, (1, *model.input_shape[1:])).astype(np.float32)]
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind in NARROW:
        sets, wide = tf.lite.OpsSet, "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8"
        converter.target_spec.supported_ops = [getattr(sets, wide) if kind == "int16" else sets.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = lambda: [images]
        converter.inference_input_type = converter.inference_output_type = NARROW[kind]
        converter._experimental_disable_per_channel = kind == "per tensor"
    return bytes(converter.convert())


def written(path: Path, model: keras.Model, kind: str) -> tuple[TfliteModel, Path]:
    with silenced(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path.write_bytes(converted(model, kind))
    return load_tflite(path), path


def macs_of_layers(model: keras.Model) -> int:
    """Multiply-accumulates of convolutions and dense layers, from the Keras layers alone."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            _, height, width, channels = layer.output.shape
            total += height * width * channels * int(np.prod(layer.kernel_size))
        elif isinstance(layer, keras.layers.Conv2D):
            _, height, width, filters = layer.output.shape
            total += height * width * filters * int(np.prod(layer.kernel_size)) * layer.input.shape[-1] // layer.groups
        elif isinstance(layer, keras.layers.Dense):
            total += layer.input.shape[-1] * layer.units
    return total


def macs_of_kernels(graph: Graph) -> int:
    """The same from the file: of the nodes that convolve or multiply with a matrix."""
    names = {"Conv2D", "DepthwiseConv2D", "Dense", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
    named = [(node.op.name if isinstance(node.op, Opaque) else type(node.op).__name__, node) for node in graph.nodes]
    return sum(node.macs for name, node in named if name in names)


def assert_tensors_are_those_of_litert(model: TfliteModel, path: Path) -> None:
    """Index by index: shape, element type, and for constants the bytes that LiteRT holds."""
    runtime = import_module("ai_edge_litert.interpreter")
    interpreter = runtime.Interpreter(
        str(path), experimental_op_resolver_type=runtime.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    details = interpreter.get_tensor_details()
    assert [detail["index"] for detail in details] == list(range(len(model.tensors)))
    for tensor, detail in zip(model.tensors, details, strict=True):
        assert tensor.shape == tuple(detail["shape"])
        assert tensor.dtype is DType(np.dtype(detail["dtype"]).name)
        if tensor.constant:
            assert tensor.size_bytes == interpreter.get_tensor(detail["index"]).nbytes
    operators = interpreter._get_ops_details()
    assert len(operators) == len(model.graph.nodes)
    for node, operator in zip(model.graph.nodes, operators, strict=True):
        assert node.name.rpartition("_")[0] == operator["op_name"].lower()
        assert node.outputs == tuple(model.tensors[i] for i in operator["outputs"])
        read = [model.tensors[i] for i in operator["inputs"] if i >= 0]
        assert sorted(map(id, node.inputs + node.weights)) == sorted(map(id, read))


def with_lively_weights(model: keras.Model) -> keras.Model:
    """Weights that keep activations from dying out, which leaves scales that no integer kernel takes."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D | keras.layers.Conv2D | keras.layers.Dense):
            kernel, *rest = layer.get_weights()
            fan = np.prod(kernel.shape[:2] if isinstance(layer, keras.layers.DepthwiseConv2D) else kernel.shape[:-1])
            layer.set_weights([rng.normal(0, np.sqrt(2 / fan), kernel.shape), *rest])
    return model


def assert_arena_is_that_of_the_runtime(model: TfliteModel, path: Path) -> None:
    """The runtime's own plan to the byte, what stays within half a per cent."""
    predicted = file_footprint(model, HOST)
    image = np.zeros(model.graph.inputs[0].shape, np.int8)
    run = run_on_micro(path.read_bytes(), [image])
    assert run.head_bytes == predicted.greedy_head_bytes >= predicted.planned_head_bytes >= predicted.peak_bytes
    assert run.tail_bytes == pytest.approx(predicted.tail_bytes, rel=0.005)


@pytest.fixture(scope="module")
def mobilenet():
    keras.utils.set_random_seed(0)
    return APPLICATIONS.MobileNet((96, 96, 3), alpha=0.25, weights=None, classes=10)


@pytest.mark.parametrize(
    "kind", [kind if kind in ("float32", "int8") else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
)
def test_mobilenet_of_every_element_type_is_read_as_litert_reads_it(mobilenet, kind, tmp_path):
    model, path = written(tmp_path / "model.tflite", mobilenet, kind)
    assert_tensors_are_those_of_litert(model, path)
    assert macs_of_kernels(model.graph) == macs_of_layers(mobilenet) > 7_000_000
    assert model.dynamic_batch
    assert model.size_bytes == path.stat().st_size
    wide = {"float32": 4, "float16": 4, "weights": 4, "int16": 2}.get(kind, 1)
    assert peak_memory(model.graph).peak_bytes >= 54 * 1024 * wide
    if kind != "float16":  # there, kernels are widened to float32 in memory
        assert max(live_bytes(model.graph)) == 54 * 1024 * wide


@pytest.mark.skipif(not available(), reason="TensorFlow Lite Micro has no wheel here")
def test_mobilenet_needs_the_arena_that_was_predicted(mobilenet, tmp_path):
    model, path = written(tmp_path / "model.tflite", with_lively_weights(mobilenet), "int8")
    assert_arena_is_that_of_the_runtime(model, path)


@pytest.mark.slow
def test_a_fixed_batch_of_1_is_not_called_open(mobilenet, tmp_path):
    entry = keras.Input(batch_shape=(1, 96, 96, 3))
    model, path = written(tmp_path / "model.tflite", keras.Model(entry, mobilenet(entry)), "int8")
    assert_tensors_are_those_of_litert(model, path)
    assert not model.dynamic_batch
    assert {node.op.name for node in model.graph.nodes if isinstance(node.op, Opaque)} == {"MEAN"}


SLOW = [
    ("MobileNetV2", {"input_shape": (96, 96, 3), "alpha": 0.35}, set()),
    ("ResNet50V2", {"input_shape": (32, 32, 3)}, {"MUL"}),
    ("DenseNet121", {"input_shape": (32, 32, 3)}, {"MUL"}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "settings", "unknown"), SLOW)
def test_a_keras_application_is_read_as_litert_reads_it(name, settings, unknown, tmp_path):
    keras.utils.set_random_seed(0)
    source = with_lively_weights(getattr(APPLICATIONS, name)(**settings, weights=None, classes=10))
    model, path = written(tmp_path / "model.tflite", source, "int8")
    assert_tensors_are_those_of_litert(model, path)
    assert macs_of_kernels(model.graph) == macs_of_layers(source)
    assert {node.op.name for node in model.graph.nodes if isinstance(node.op, Opaque)} == unknown
    assert peak_memory(model.graph).exact
    if available():
        assert_arena_is_that_of_the_runtime(model, path)
