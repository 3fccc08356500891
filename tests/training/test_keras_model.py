import keras
import numpy as np
import pytest
import tensorflow as tf

from edgevolve.graph import OPS, Activate, Activation, Conv2D, Dense, GlobalAveragePool, GraphBuilder, to_json
from edgevolve.training.forward import FORWARD, forward
from edgevolve.training.keras_model import LOWER, assign, keras_model, save_keras, values_of
from edgevolve.training.weights import folded, initial_weights, parameters
from search_space.mixture import Mix
from tests.training.random_graphs import random_graph

SEEDS = range(20)


def busy_weights(graph, seed):
    """Weights in which no part of batch norm is neutral."""
    rng = np.random.default_rng(seed)
    weights = initial_weights(graph, seed)
    for name, value in weights.items():
        if not name.endswith("/kernel"):
            weights[name] = rng.uniform(0.5, 1.5, value.shape).astype(np.float32)
    return weights


def images(graph, number, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (number, *graph.inputs[0].shape[1:])).astype(np.float32)


def test_every_operator_has_a_lowering():
    """In training a mixture has one as well: it is never deployed."""
    assert set(LOWER) == set(FORWARD) - {Mix} == set(OPS.values())


def test_random_graphs_cover_every_operator():
    seen = {entry["op"] for seed in SEEDS for entry in to_json(random_graph(seed))["nodes"]}
    assert seen == set(OPS)


@pytest.mark.parametrize("seed", SEEDS)
def test_shapes_and_parameter_counts_are_those_of_the_graph(seed):
    graph = random_graph(seed)
    model = keras_model(graph)
    for node in graph.nodes:
        kernel_and_bias = sum(
            int(np.prod(weight.shape)) for weight in node.weights if weight.name.endswith(("kernel", "bias"))
        )
        layers = [
            layer for layer in model.layers if layer.name in (node.name, f"{node.name}_bn", f"{node.name}_activation")
        ]
        assert layers[-1].output.shape[1:] == node.output.shape[1:]
        expected = kernel_and_bias
        if getattr(node.op, "batch_norm", False):
            expected += 3 * node.output.shape[-1]
        assert sum(layer.count_params() for layer in layers) == expected
    assert model.count_params() == sum(parameter.size for parameter in parameters(graph))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_training_network_computes_what_the_keras_model_computes(seed):
    graph = random_graph(seed)
    weights = busy_weights(graph, seed)
    x = images(graph, 5)
    model = keras_model(graph, weights)
    deployed, none = forward(graph, folded(graph, weights), tf.constant(x), graph.outputs[0].name)
    assert none == {}
    np.testing.assert_allclose(deployed, model(x, training=False), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("seed", [1, 4])
def test_batch_norm_in_training_uses_the_statistics_of_the_batch(seed):
    graph = random_graph(seed)
    weights = busy_weights(graph, seed)
    values = {name: tf.constant(value) for name, value in weights.items()}
    x = images(graph, 16)
    output, statistics = forward(graph, values, tf.constant(x), graph.outputs[0].name)
    np.testing.assert_allclose(output, keras_model(graph, weights)(x, training=True), rtol=1e-3, atol=1e-4)
    assert {name for name in weights if name.endswith(("/mean", "/variance"))} == set(statistics)


def test_weights_go_into_a_model_and_come_back():
    graph = random_graph(3)
    weights = busy_weights(graph, 5)
    model = keras_model(graph)
    assign(model, graph, weights)
    back = values_of(model, graph)
    assert list(back) == list(weights)
    for name, value in weights.items():
        np.testing.assert_array_equal(back[name], value)


def test_without_weights_the_model_is_the_same_each_time():
    graph = random_graph(2)
    first, second = keras_model(graph), keras_model(graph)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_of_another_network_are_refused():
    with pytest.raises(ValueError, match="do not fit the network"):
        keras_model(random_graph(2), initial_weights(random_graph(3), 0))


def test_a_batch_of_one_is_static():
    graph = random_graph(0)
    assert keras_model(graph, batch_size=1).input_shape == graph.inputs[0].shape


@pytest.mark.parametrize("function", [f for f in Activation if f is not Activation.NONE])
def test_activations_agree_with_keras(function):
    net = GraphBuilder()
    graph = net.build(net.add(Activate(function), net.input((1, 2, 3, 4))))
    x = np.linspace(-8, 8, 24, dtype=np.float32).reshape(1, 2, 3, 4)
    output, _ = forward(graph, {}, tf.constant(x), graph.outputs[0].name)
    np.testing.assert_allclose(output, keras_model(graph)(x), atol=1e-6)


def test_a_strided_convolution_of_single_pixels_is_trained_as_one_of_the_pixels_that_it_sees():
    """Fewer channels than a vector register holds: TensorFlow's own gradient corrupts memory on some processors."""
    net = GraphBuilder()
    graph = net.build(net.add(Conv2D(4, (1, 1), (2, 2)), net.input((1, 8, 8, 4))))
    values, x = busy_weights(graph, 0), tf.constant(images(graph, 64))
    kernel = tf.constant(values[f"{graph.nodes[0].name}/kernel"])

    def gradients(network):
        with tf.GradientTape() as tape:
            tape.watch((x, kernel))
            loss = tf.reduce_sum(network() ** 2)
        return tape.gradient(loss, (x, kernel))

    named = {f"{graph.nodes[0].name}/kernel": kernel}
    strided = gradients(lambda: forward(graph, named, x, graph.outputs[0].name)[0])
    wanted = gradients(lambda: tf.einsum("nhwc,cf->nhwf", x[:, ::2, ::2], kernel[0, 0]))
    for one, other in zip(strided, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)


def test_a_saved_model_loads_with_keras_alone(tmp_path):
    graph = random_graph(6)
    model = keras_model(graph, busy_weights(graph, 1))
    save_keras(model, tmp_path / "model.keras")
    x = images(graph, 3)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))


def test_first_kernels_have_the_deviation_of_he_et_al():
    net = GraphBuilder()
    x = net.add(Conv2D(64, (3, 3), activation=Activation.RELU), net.input((1, 8, 8, 32)))
    graph = net.build(net.add(Dense(100), net.add(GlobalAveragePool(), x)))
    weights = initial_weights(graph, 0)
    conv, dense = weights["conv2d_0/kernel"], weights["dense_2/kernel"]
    assert conv.std() == pytest.approx(np.sqrt(2 / (9 * 32)), rel=0.06)
    assert dense.std() == pytest.approx(np.sqrt(1 / 64), rel=0.06)
    assert not weights["dense_2/bias"].any()
