"""Our int8 files beside those of TensorFlow's converter, on LiteRT and on TensorFlow Lite Micro."""

from itertools import compress
from typing import Any, NamedTuple

import numpy as np
import pytest

from benchmarks.arena_fidelity import network, some_weights
from edgevolve.data import Digits
from edgevolve.deployment.micro import available, run_on_micro
from edgevolve.graph import (
    Activate,
    Activation,
    Add,
    Concat,
    Conv2D,
    Dense,
    GlobalAveragePool,
    GraphBuilder,
    MaxPool2D,
    Multiply,
    Pad,
    Softmax,
)
from edgevolve.quantisation import (
    FloatNetwork,
    Int8Network,
    QuantisationError,
    activation_ranges,
    activation_scales,
    calibrate,
    calibration_examples,
    float_network,
    int8_network,
    open_model,
    quantise,
)
from edgevolve.quantisation.litert import int8_scores, started
from edgevolve.tflite import Quantisation
from edgevolve.training import TrainingSettings
from edgevolve.training.forward import forward
from edgevolve.training.trainer import train
from edgevolve.training.weights import folded, initial_weights
from tests.deployment.converter import to_tflite_int8
from tests.deployment.sources import every_operator
from tests.deployment.test_deployed_operators import CHAINS, stays
from tests.training.random_graphs import random_graph


def int8_accuracy(model, split):
    return 1 - int8_scores(model, split)["error"]


def images(graph, number=16, seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (number, *graph.inputs[0].shape[1:])).astype(np.float32)


def chain(*ops, shape=(1, 6, 6, 2)):
    net = GraphBuilder()
    x = net.input(shape)
    for op in ops:
        x = net.add(op, x)
    return net.build(x)


class Converted(NamedTuple):
    """What TensorFlow's converter made of a network: its file, and by name the scales and constants in it."""

    model: bytes
    activations: dict[str, Quantisation]
    constants: dict[str, Any]
    scales: dict[str, Any]


def converted(graph, weights, examples, network: FloatNetwork) -> Converted:
    model = to_tflite_int8(graph, weights, examples)
    interpreter = started(model)
    interpreter.allocate_tensors()
    tensors = {int(tensor["index"]): tensor["quantization_parameters"] for tensor in interpreter.get_tensor_details()}
    numbers = {network.graph.inputs[0].name: int(interpreter.get_input_details()[0]["index"])}
    constants, scales = {}, {}
    operators = interpreter._get_ops_details()
    operators = compress(operators, stays(operator["op_name"] for operator in operators))
    for node, operator in zip(network.graph.nodes, operators, strict=True):
        numbers[node.output.name] = int(operator["outputs"][0])
        for role, number in zip(("kernel", "bias"), operator["inputs"][1:], strict=False):
            if f"{node.name}/{role}" in network.constants and number >= 0:
                constants[f"{node.name}/{role}"] = interpreter.get_tensor(number)
                scales[f"{node.name}/{role}"] = tensors[int(number)]["scales"]
    activations = {
        name: Quantisation(tensors[number]["scales"], tensors[number]["zero_points"])
        for name, number in numbers.items()
    }
    return Converted(model, activations, constants, scales)


def close(a: Quantisation, b: Quantisation) -> bool:
    return bool(np.allclose(a.scales, b.scales, rtol=1e-5) and abs(a.zero_points[0] - b.zero_points[0]) <= 1)


def overwritten(network: FloatNetwork, ranges):
    """Ranges as TensorFlow's calibration takes them: an Add or Multiply may write its output over an operand before
    that operand's range is read, which is then that of both."""
    later = {}
    for node in network.graph.nodes:
        if isinstance(node.op, Add | Multiply):
            out = ranges[node.output.name]
            for x in node.inputs:
                later[x.name] = (min(ranges[x.name][0], out[0]), max(ranges[x.name][1], out[1]))
    return later


def with_the_converters_scales(graph, seed):
    """Of the same scales of activations everything else is the same: constants, operators, outputs."""
    weights, x = some_weights(graph, seed), images(graph)
    network = float_network(graph, weights)
    theirs = converted(graph, weights, x, network)
    as_theirs = quantise(network, theirs.activations)
    for name, values in theirs.constants.items():
        np.testing.assert_allclose(as_theirs.scales[name].scales, theirs.scales[name], rtol=1e-6, err_msg=name)
        np.testing.assert_allclose(as_theirs.constants[name], values, rtol=1e-6, err_msg=name)
    for name, values in as_theirs.constants.items():
        assert name in theirs.constants or not values.any()
    ours, reference = open_model(as_theirs.tflite()), open_model(theirs.model)
    np.testing.assert_array_equal(ours.outputs(x), reference.outputs(x))
    kept = compress(reference.operators, stays(operator.name for operator in reference.operators))
    assert list(ours.operators) == list(kept)
    return network, x, theirs


def check_against_the_converter(graph, seed):
    network, x, theirs = with_the_converters_scales(graph, seed)
    ranges = activation_ranges(network, x)
    scales = activation_scales(network.graph, ranges)
    written_over = overwritten(network, ranges)
    for name, ours in scales.items():
        assert close(ours, theirs.activations[name]) or name in written_over, name
    return scales, theirs.activations


@pytest.mark.parametrize("seed", range(8))
def test_random_networks_are_quantised_as_the_converter_does(seed):
    check_against_the_converter(random_graph(seed), seed)


def test_every_operator_is_quantised_as_the_converter_does():
    """Here the converter gives a map the scale of its pooling's RELU6, and so cuts it for its other reader."""
    network, x, theirs = with_the_converters_scales(every_operator(), 0)
    ranges = activation_ranges(network, x)
    scales = activation_scales(network.graph, ranges)
    for name, scale in scales.items():
        (step,), (zero,) = scale.scales, scale.zero_points
        least, largest = ranges[name]
        assert (-128.5 - zero) * step <= least <= largest <= (127.5 - zero) * step
    assert sum(close(scale, theirs.activations[name]) for name, scale in scales.items()) > len(scales) / 2


@pytest.mark.parametrize("number", [4, 28, 31, 6, 39])
def test_networks_of_every_space_are_quantised_as_the_converter_does(number):
    check_against_the_converter(network(number)[1], number)


@pytest.mark.parametrize("ops", CHAINS.values(), ids=CHAINS)
def test_merged_operators_are_quantised_as_the_converter_does(ops):
    graph = chain(*ops, shape=(1, 6, 8, 2))
    scales, theirs = check_against_the_converter(graph, 1)
    assert all(close(ours, theirs[name]) for name, ours in scales.items())


def test_an_operand_that_the_converter_takes_for_its_sum_has_its_own_range_here():
    net = GraphBuilder()
    x = net.add(Conv2D(4, (3, 3)), net.input((1, 6, 6, 2)))
    left, right = net.add(Conv2D(4, (3, 3)), x), net.add(Conv2D(4, (1, 1)), x)
    graph = net.build(net.add(GlobalAveragePool(), net.add(Add(), left, right)))
    weights, x = some_weights(graph, 0), images(graph)
    network = float_network(graph, weights)
    ranges = activation_ranges(network, x)
    ours = activation_scales(network.graph, ranges)
    theirs = converted(graph, weights, x, network).activations
    wide = activation_scales(network.graph, ranges | overwritten(network, ranges))
    assert sum(close(ours[name], theirs[name]) for name in ours) == len(ours) - 1
    assert close(wide[left.name], theirs[left.name]) or close(wide[right.name], theirs[right.name])
    assert all(ours[name].scales[0] <= theirs[name].scales[0] * 1.00001 for name in ours)


@pytest.mark.parametrize(
    ("part", "factor", "shift"),
    [("bias", 1, -10), ("kernel", 0, 0), ("kernel", 1e-7, 0), ("kernel", 1e-13, 0)],
    ids=["nothing passes", "no kernel", "a small kernel", "a tiny kernel"],
)
def test_degenerate_channels_are_quantised_as_the_converter_does(part, factor, shift):
    graph = chain(Conv2D(3, (3, 3), activation=Activation.RELU), Conv2D(4, (1, 1)))
    weights, x = some_weights(graph, 2), images(graph)
    weights[f"conv2d_0/{part}"] = weights[f"conv2d_0/{part}"] * np.float32(factor) + np.float32(shift)
    network = float_network(graph, weights)
    theirs = converted(graph, weights, x, network)
    ours = quantise(network, activation_scales(network.graph, activation_ranges(network, x)))
    np.testing.assert_array_equal(open_model(ours.tflite()).outputs(x), open_model(theirs.model).outputs(x))
    for name in theirs.constants:
        np.testing.assert_allclose(ours.scales[name].scales, theirs.scales[name], rtol=1e-5)


def test_ranges_are_those_of_the_network_that_was_trained(monkeypatch):
    graph = random_graph(4)
    weights, x = some_weights(graph, 4), images(graph)
    network = float_network(graph, weights)
    ranges = activation_ranges(network, x)
    assert set(ranges) == {graph.inputs[0].name, *(node.output.name for node in graph.nodes)}
    for name, limits in ranges.items():
        values = forward(graph, folded(graph, weights), x, name)[0]
        np.testing.assert_allclose(limits, (np.min(values), np.max(values)), rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(calibrate, "_BYTES_AT_ONCE", 1)
    for name, limits in activation_ranges(network, x).items():
        np.testing.assert_allclose(limits, ranges[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kernel", [(1, 2), (2, 1), (2, 2)])
def test_a_convolution_that_the_converter_calibrates_wrongly_is_right_here(kernel):
    graph = chain(Conv2D(4, kernel), GlobalAveragePool(), shape=(1, *kernel, 3))
    weights, x = initial_weights(graph, 0), images(graph)
    model = open_model(int8_network(graph, weights, x).tflite())
    wanted = forward(graph, weights, x, graph.outputs[0].name)[0].numpy()
    assert np.abs(model.real(model.outputs(x)) - wanted).max() < 2 * model.output.scale


@pytest.mark.skipif(not available(), reason="TensorFlow Lite Micro is not installed")
@pytest.mark.parametrize("graph", [random_graph(0), random_graph(8), network(31)[1]], ids=["0", "8", "mobile"])
def test_both_runtimes_run_the_file_to_within_a_step_of_rounding(graph):
    x = images(graph)
    model = int8_network(graph, some_weights(graph, 0), x).tflite()
    opened = open_model(model)
    (outputs,) = run_on_micro(model, [opened.quantised(x)]).outputs
    assert np.abs(outputs.astype(int) - opened.outputs(x)).max() <= 1
    assert len(np.unique(outputs)) > 1


def test_digits_are_recognised_as_well_as_by_the_converters_file():
    splits = Digits().load()
    graph = chain(
        Conv2D(8, (3, 3), activation=Activation.RELU, batch_norm=True),
        MaxPool2D((2, 2), (2, 2)),
        Conv2D(12, (3, 3), activation=Activation.RELU, batch_norm=True),
        GlobalAveragePool(),
        Dense(10),
        shape=(1, 8, 8, 1),
    )
    weights = train(graph, splits.train, splits.validation, TrainingSettings(epochs=10), 0).weights
    examples = calibration_examples(splits.train)
    ours = int8_network(graph, weights, examples).tflite()
    theirs = to_tflite_int8(graph, weights, examples)
    np.testing.assert_array_equal(open_model(ours).outputs(splits.test.x), open_model(theirs).outputs(splits.test.x))
    assert int8_accuracy(ours, splits.validation) > 0.8
    assert len(ours) < len(theirs)


def test_the_same_network_gives_the_same_bytes():
    graph = random_graph(1)
    made = [int8_network(graph, initial_weights(graph, 0), images(graph)) for _ in range(2)]
    assert made[0].tflite() == made[1].tflite()
    assert isinstance(made[0], Int8Network)


def test_a_gate_may_be_joined_with_what_fits_its_scale_alone():
    net = GraphBuilder()
    x = net.input((1, 4, 4, 2))
    gates = [net.add(Activate(Activation.SIGMOID), net.add(Conv2D(2, (1, 1)), x)) for _ in range(2)]
    graph = net.build(net.add(GlobalAveragePool(), net.add(Pad((1, 1), (1, 1)), net.add(Concat(), *gates))))
    made = int8_network(graph, initial_weights(graph, 0), images(graph))
    assert {made.scales[x.name].scales for x in (*gates, graph.nodes[-2].output)} == {(1 / 256,)}
    wide = net.build(net.add(Concat(), gates[0], net.add(Conv2D(2, (1, 1)), x)))
    with pytest.raises(QuantisationError, match="must share one scale, and a sigmoid or softmax among them"):
        int8_network(wide, initial_weights(wide, 0), images(wide))


def test_what_does_not_fit_is_refused():
    graph = chain(Conv2D(2, (3, 3)), GlobalAveragePool(), Dense(3), Softmax())
    weights = initial_weights(graph, 0)
    for examples in (images(graph)[:, 1:], images(graph)[:0], images(graph).astype(float)):
        with pytest.raises(ValueError, match="calibration needs float32 examples"):
            int8_network(graph, weights, examples)
    with pytest.raises(ValueError, match="weights do not fit"):
        int8_network(graph, {}, images(graph))
    weights["conv2d_0/kernel"] = weights["conv2d_0/kernel"] * np.float32(np.nan)
    with pytest.raises(ValueError, match="not finite"):
        int8_network(graph, weights, images(graph))
