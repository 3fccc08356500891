"""Networks trained on while they are rounded: what training sees is what the file does."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.compression_sections.fake_quant_steps import SPACES, networks_of, steps
from edgevolve.data import Digits, load_splits
from edgevolve.engine.train_task import Train
from edgevolve.graph import Activation, Dense, GraphBuilder, kernel_bits, with_bits
from edgevolve.metric import metric
from edgevolve.quantisation import (
    Quantise,
    activation_ranges,
    activation_scales,
    calibration_examples,
    float_network,
    int8_network,
    int8_scores,
)
from edgevolve.quantisation.fake_quant import FakeQuantised
from edgevolve.quantisation.quantise import with_rounded_kernels
from edgevolve.runs import Job
from edgevolve.training import Fit, TrainingSettings, TrainState, unreported
from edgevolve.training.weights import initial_weights
from search_algorithms import Completed


@pytest.fixture(scope="module")
def splits():
    whole = load_splits(Digits())
    return replace(whole, train=whole.train.take(np.arange(600)))


@pytest.fixture(scope="module")
def trained(splits):
    """A narrow network of dense layers, which loses several points in four bits."""
    net = GraphBuilder()
    x = net.flatten(net.input((1, 8, 8, 1)))
    for units in (24, 16, 12):
        x = net.add(Dense(units, Activation.RELU), x)
    graph = net.build(net.add(Dense(10), x))
    fit = Fit(TrainingSettings(epochs=20))
    return fit(TrainState(graph), splits, np.random.default_rng(0), unreported)


def quantised(stage, state, splits):
    return stage(state, splits, np.random.default_rng(1), unreported)


def quick(**given):
    return Quantise(**{"threshold": 0, "settings": TrainingSettings(epochs=6, learning_rate=0.01), **given})


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("space", SPACES)
def test_a_network_answers_as_its_file_does_to_the_bit(space, bits):
    """One network of each space here, 200 in `benchmarks/compression.py`; sigmoids are a step off now and then."""
    (graph,) = networks_of(space, 1, bits)
    by_operator, whole = steps(graph, 0)
    assert by_operator.max() <= 1 and (by_operator == 0).mean() > 0.99999
    assert whole.max() == 0


def test_ranges_are_those_that_the_converter_writes(trained, splits):
    for graph in (trained.graph, quantised(quick(bits=4), trained, splits).graph):
        weights, examples = initial_weights(graph, 3), calibration_examples(splits.train)
        lowering = FakeQuantised(graph, graph.outputs[0].name, examples)
        network = float_network(graph, weights)
        written = activation_scales(network.graph, activation_ranges(with_rounded_kernels(network), examples))
        for name, (scale, zero_point) in lowering.scales(lowering.constants(weights)).items():
            assert float(scale) == pytest.approx(float(written[name].scales[0]), rel=1e-5)
            assert float(zero_point) == written[name].zero_points[0]


def test_a_network_of_four_bits_recovers_most_of_what_it_lost(trained, splits):
    examples = calibration_examples(splits.train)
    state = quantised(quick(bits=4), trained, splits)
    untrained = int8_scores(int8_network(state.graph, trained.weights, examples).tflite(), splits.validation)
    assert set(kernel_bits(state.graph).values()) == {4}
    lost = untrained["error"] - trained.metrics["error"]
    assert lost > 0.01
    assert state.metrics["quantisation_drop"] < lost / 2
    assert len(state.curves["loss"]) == 20 + 6
    written = int8_scores(int8_network(state.graph, state.weights, examples).tflite(), splits.validation)
    assert state.metrics["error_int8"] == written["error"]


def test_a_network_that_loses_less_than_the_threshold_is_not_trained_on(trained, splits):
    state = quantised(quick(threshold=0.5), trained, splits)
    assert state.graph == trained.graph and state.curves == trained.curves
    assert all(np.array_equal(value, trained.weights[name]) for name, value in state.weights.items())
    assert state.metrics["quantisation_drop"] == state.metrics["error_int8"] - trained.metrics["error"]


def test_first_and_last_layer_may_have_bits_of_their_own(trained, splits):
    state = quantised(quick(bits=4, first=8, last=8, threshold=1), trained, splits)
    assert list(kernel_bits(state.graph).values()) == [8, 4, 4, 8]


def test_a_recipe_sets_the_bits_and_the_changed_network_comes_back(trained, splits):
    task = Train(TrainingSettings(epochs=1), (metric("error"), metric("quantisation_drop")), (quick(threshold=1),))
    recipe = {"bits": 4, "last_bits": 8}
    task.check_recipe(recipe)
    outcome = task(Job(0, None, trained.graph, 0, {}, recipe=recipe), splits)
    assert isinstance(outcome, Completed)
    assert list(kernel_bits(outcome.graph).values()) == [4, 4, 4, 8]
    assert set(outcome.metrics) == {"error", "quantisation_drop"}


def test_bits_of_each_layer_of_a_recipe_stay_those_of_the_network(trained, splits):
    task = Train(TrainingSettings(epochs=1), (metric("error"),), (quick(threshold=1),))
    recipe = {"bits_2": 4, "bits_3": 4}
    task.check_recipe(recipe)
    graph = with_bits(trained.graph, each=(None, 4, 4))
    outcome = task(Job(0, None, graph, 0, {}, recipe=recipe), splits)
    assert isinstance(outcome, Completed)
    assert list(kernel_bits(outcome.graph or graph).values()) == [8, 4, 4, 8]


@pytest.mark.parametrize("given", [{"bits": 3}, {"bits": True}, {"first": 16}, {"threshold": -1}])
def test_settings_that_cannot_work_are_refused(given):
    with pytest.raises(ValueError, match=f"Quantise: {next(iter(given))} must be"):
        Quantise(**given)


def test_a_network_without_weights_is_not_quantised(trained, splits):
    with pytest.raises(ValueError, match="after it was trained"):
        quantised(quick(), TrainState(trained.graph), splits)
