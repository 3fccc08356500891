import numpy as np
import pytest
import tensorflow as tf

from edgevolve.data import Digits, Split
from edgevolve.deployment.tflite import differences
from edgevolve.graph import (
    Activate,
    Activation,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    GraphBuilder,
    MaxPool2D,
    Pad,
    Padding,
    Reshape,
    reordered,
)
from edgevolve.quantisation import int8_network
from edgevolve.quantisation.calibrate import CALIBRATION_EXAMPLES, calibration_examples
from edgevolve.quantisation.litert import int8_scores, open_model
from edgevolve.tflite import tflite_name
from edgevolve.training import TrainingSettings
from edgevolve.training.keras_model import keras_model
from edgevolve.training.trainer import evaluate, train
from edgevolve.training.weights import initial_weights
from search_space import CnnSpace
from tests.training.random_graphs import random_graph


def int8_accuracy(model, split):
    return 1 - int8_scores(model, split)["error"]


def images(graph, number=32, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (number, *graph.inputs[0].shape[1:])).astype(np.float32)


def int8_file(graph, weights, examples):
    return int8_network(graph, weights, examples).tflite()


def digits_network(classes=10, *ends):
    net = GraphBuilder()
    x = net.add(Conv2D(12, (3, 3), activation=Activation.RELU, batch_norm=True), net.input((1, 8, 8, 1)))
    x = net.add(MaxPool2D((2, 2), (2, 2)), x)
    x = net.add(Conv2D(16, (3, 3), activation=Activation.RELU, batch_norm=True), x)
    x = net.add(Dense(classes), net.flatten(x))
    for op in ends:
        x = net.add(op, x)
    return net.build(x)


@pytest.mark.parametrize("seed", range(40))
def test_the_file_holds_the_nodes_of_the_graph_in_their_order(seed):
    graph = random_graph(seed)
    model = int8_file(graph, initial_weights(graph, seed), images(graph))
    assert differences(graph, model) == ()


def test_the_file_follows_whatever_order_the_graph_gives():
    """Two branches, run one after the other or in turns."""
    net = GraphBuilder()
    x = net.input((1, 6, 6, 2))
    left, right = x, x
    for _ in range(3):
        left = net.add(Conv2D(4, (3, 3)), left)
    for _ in range(3):
        right = net.add(DepthwiseConv2D((3, 3), multiplier=1), right)
    graph = net.build(net.add(Concat(), left, right))
    for order in ((0, 1, 2, 3, 4, 5, 6), (3, 4, 5, 0, 1, 2, 6), (3, 0, 4, 1, 5, 2, 6), (0, 3, 4, 1, 2, 5, 6)):
        turned = reordered(graph, order)
        model = int8_file(turned, initial_weights(turned, 0), images(turned))
        assert differences(turned, model) == ()
        assert [operator.name for operator in open_model(model).operators][:6] == [
            "CONV_2D" if number < 3 else "DEPTHWISE_CONV_2D" for number in order[:6]
        ]


@pytest.mark.parametrize("seed", range(12))
def test_networks_of_the_cnn_space_run_in_the_order_of_the_graph(seed):
    """Of their nodes the file lacks the Reshape before Dense and the second of two equal pools, and no other."""
    space = CnnSpace((20, 20, 1), 10)
    graph = space.graph(space.sample(np.random.default_rng(seed)))
    model = int8_file(graph, initial_weights(graph, seed), images(graph, 4))
    left = list(open_model(model).operators)
    dropped = []
    for node in graph.nodes:
        if left and left[0] == (tflite_name(node.op), node.output.shape):
            left.pop(0)
        else:
            dropped.append(tflite_name(node.op))
    assert not left
    assert set(dropped) <= {"RESHAPE", "MAX_POOL_2D"}


@pytest.mark.parametrize("seed", range(6))
def test_int8_outputs_are_close_to_those_of_the_keras_model(seed):
    graph = random_graph(seed)
    weights, x = initial_weights(graph, seed), images(graph)
    model = open_model(int8_file(graph, weights, x))
    values = model.output.scale * (model.outputs(x).astype(np.float32) - model.output.zero_point)
    wanted = keras_model(graph, weights)(x).numpy()
    assert np.abs(values - wanted).mean() < 0.1 * wanted.std() + 2 * model.output.scale


@pytest.mark.parametrize(
    ("ops", "operators"),
    [
        ((Conv2D(4, (3, 3)), Activate(Activation.RELU)), ["CONV_2D"]),
        ((Pad((1, 1), (1, 1)), Conv2D(4, (3, 3), padding=Padding.VALID)), ["CONV_2D"]),
        ((Reshape((1, 8, 6, 2)), Reshape((1, 96))), ["RESHAPE"]),
        ((MaxPool2D((6, 8), (6, 8)), Reshape((1, 2)), Dense(3)), ["MAX_POOL_2D", "FULLY_CONNECTED"]),
        ((MaxPool2D((2, 2), (2, 2)), Reshape((1, 24)), Dense(3)), ["MAX_POOL_2D", "FULLY_CONNECTED"]),
    ],
)
def test_merged_operators_are_listed(ops, operators):
    net = GraphBuilder()
    x = net.input((1, 6, 8, 2))
    for op in ops:
        x = net.add(op, x)
    graph = net.build(x)
    model = int8_file(graph, initial_weights(graph, 0), images(graph))
    assert [operator.name for operator in open_model(model).operators] == operators
    assert f"{len(operators)} operators in the file, {len(ops)} in the graph" in differences(graph, model)


def test_int8_accuracy_is_close_to_float_accuracy():
    splits = Digits().load()
    graph = digits_network()
    trained = train(graph, splits.train, splits.validation, TrainingSettings(epochs=10), 0)
    model = int8_file(graph, trained.weights, calibration_examples(splits.train))
    assert int8_accuracy(model, splits.test) == pytest.approx(
        1 - evaluate(graph, trained.weights, splits.test).metrics["error"], abs=0.02
    )
    as_bytes = Split((splits.test.x * 255).round().astype(np.uint8), splits.test.y)
    assert int8_accuracy(model, as_bytes) == pytest.approx(int8_accuracy(model, splits.test), abs=0.02)


@pytest.mark.parametrize("ends", [(), (Activate(Activation.SIGMOID),)])
def test_int8_accuracy_of_one_output(ends):
    splits = Digits().load()
    train_part, held, test = (
        Split(part.x, (part.y >= 5).astype(np.int64)) for part in (splits.train, splits.validation, splits.test)
    )
    graph = digits_network(1, *ends)
    trained = train(graph, train_part, held, TrainingSettings(epochs=10), 0)
    model = int8_file(graph, trained.weights, calibration_examples(train_part))
    accuracy = 1 - evaluate(graph, trained.weights, test).metrics["error"]
    assert accuracy > 0.85
    assert int8_accuracy(model, test) == pytest.approx(accuracy, abs=0.03)


def test_conversion_is_silent(capfd):
    graph = random_graph(0)
    int8_file(graph, initial_weights(graph, 0), images(graph))
    assert capfd.readouterr() == ("", "")


def test_the_same_network_gives_the_same_bytes():
    graph = random_graph(1)
    first, second = (int8_file(graph, initial_weights(graph, 0), images(graph)) for _ in range(2))
    assert first == second


def test_what_does_not_fit_is_refused():
    graph = random_graph(0)
    weights = initial_weights(graph, 0)
    with pytest.raises(ValueError, match="calibration needs float32 examples"):
        int8_file(graph, weights, images(graph)[:, 1:])
    with pytest.raises(ValueError, match="calibration needs float32 examples"):
        int8_file(graph, weights, images(graph)[:0])
    with pytest.raises(ValueError, match="weights do not fit"):
        int8_file(graph, {}, images(graph))
    model = int8_file(graph, weights, images(graph))
    with pytest.raises(ValueError, match="do not fit a model"):
        int8_accuracy(model, Split(np.zeros((1, 3, 3, 1), np.uint8), np.zeros(1, np.int64)))
    with pytest.raises(ValueError, match="not a model"):
        open_model(b"nothing of the kind")


def test_a_float_model_is_refused():
    net = GraphBuilder()
    graph = net.build(net.add(Dense(2), net.add(GlobalAveragePool(), net.input((1, 4, 4, 1)))))
    model = keras_model(graph, batch_size=1)
    function = tf.function(lambda x: tf.reduce_sum(x), input_signature=[tf.TensorSpec(model.input_shape, tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    with pytest.raises(ValueError, match="one input and one output"):
        open_model(converter.convert())


def test_calibration_takes_examples_from_all_over_the_split():
    split = Split(np.arange(1000, dtype=np.uint8).reshape(1000, 1, 1, 1), np.arange(1000))
    chosen = calibration_examples(split)
    assert len(chosen) == CALIBRATION_EXAMPLES
    assert chosen.dtype == np.float32
    assert chosen.max() <= 1
    few = Split(split.x[:5], split.y[:5])
    np.testing.assert_array_equal(calibration_examples(few)[:, 0, 0, 0], np.arange(5, dtype=np.float32) / 255)
