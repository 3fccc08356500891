"""Kernels of int8 beside activations of int16: what is trained, predicted and refused is what both runtimes do."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.compression_sections.fake_quant_steps import steps, weights_like_trained
from edgevolve.data import Digits, load_splits
from edgevolve.deployment.export import ExportError, export
from edgevolve.deployment.micro import available, run_on_micro
from edgevolve.deployment.optimise import lean
from edgevolve.graph import (
    Activate,
    Activation,
    Add,
    Conv2D,
    Dense,
    DType,
    GlobalAveragePool,
    GraphBuilder,
    ShapeError,
    activation_bits,
    form_in_words,
    from_json,
    kernel_bits,
    to_json,
    with_activation_bits,
    with_kernel_bits,
)
from edgevolve.quantisation import QuantisationError, Quantise, int8_network, open_model
from edgevolve.runs import ConfigError, SearchConfig
from edgevolve.tflite import read_tflite, runtimes
from edgevolve.training import Fit, TrainingSettings, TrainState, unreported
from resource_models import HOST, deployed, footprint, model_size, peak_memory
from search_algorithms import Problem, minimise
from search_space import MobileSpace
from tests.training.random_graphs import random_graph

SEEDS = [
    seed
    for seed in range(14)
    if not any(
        isinstance(node.op, Activate) and node.op.function is Activation.HARD_SWISH for node in random_graph(seed).nodes
    )
]


def wide(seed):
    return with_activation_bits(random_graph(seed), 16)


def file_of(graph, seed):
    x = np.random.default_rng(seed).uniform(0, 1, (4, *graph.inputs[0].shape[1:])).astype(np.float32)
    return int8_network(graph, weights_like_trained(graph, seed, x), x).tflite(), x


@pytest.mark.skipif(not available(), reason="TensorFlow Lite Micro is not installed")
@pytest.mark.parametrize("seed", SEEDS[:6])
def test_both_runtimes_run_the_file_to_within_a_step_in_the_predicted_arena(seed):
    graph = wide(seed)
    model, x = file_of(graph, seed)
    opened, model = open_model(model), lean(model)
    run = run_on_micro(model, [opened.quantised(x)], least_arena=True)
    assert opened.bits == 16
    assert np.abs(run.outputs[0].reshape(opened.outputs(x).shape).astype(int) - opened.outputs(x)).max() <= 1
    assert run.least_arena_bytes == footprint(deployed(graph).graph, HOST).arena_bytes


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_every_operator_rounds_in_training_as_in_the_file_to_within_a_step(seed):
    each, _ = steps(wide(seed), seed)
    assert each.max() <= 1


@pytest.mark.parametrize("seed", SEEDS[:3])
def test_a_file_reads_back_as_its_network(seed):
    graph = wide(seed)
    read = read_tflite(file_of(graph, seed)[0]).graph
    assert [type(node.op) for node in read.nodes] == [type(node.op) for node in deployed(graph).graph.nodes]
    assert {x.dtype for node in read.nodes for x in node.outputs} == {DType.INT16}


def test_the_edge_tpu_alone_is_said_to_take_no_int16():
    verdicts = {each.runtime: each for each in runtimes(read_tflite(file_of(wide(SEEDS[0]), 0)[0]))}
    assert [name for name, verdict in verdicts.items() if not verdict.runs] == ["Edge TPU"]
    assert all("int16" in reason for reason in verdicts["Edge TPU"].stopped_by)


def test_bits_of_activations_travel_in_json_and_cost_memory():
    graph = random_graph(0)
    wide = with_activation_bits(graph, 16)
    biases = sum(w.size_bytes for node in graph.nodes for w in node.weights if w.name.endswith("/bias"))
    assert activation_bits(from_json(to_json(wide))) == 16
    assert with_activation_bits(wide, 8) == graph
    assert peak_memory(wide).peak_bytes == 2 * peak_memory(graph).peak_bytes
    assert model_size(wide) == model_size(graph) + biases
    assert form_in_words(wide) == "int8 with int16 activations"
    with pytest.raises(ShapeError, match="8 or 16"):
        with_activation_bits(graph, 4)


@pytest.fixture(scope="module")
def splits():
    whole = load_splits(Digits())
    return replace(whole, train=whole.train.take(np.arange(400)))


@pytest.fixture(scope="module")
def trained(splits):
    net = GraphBuilder()
    x = net.add(Conv2D(6, (3, 3), (2, 2), activation=Activation.RELU, batch_norm=True), net.input((1, 8, 8, 1)))
    x = net.add(Add(), x, net.add(Conv2D(6, (3, 3)), x))
    graph = from_json(to_json(net.build(net.add(Dense(10), net.add(GlobalAveragePool(), x)))))
    return Fit(TrainingSettings(epochs=8))(TrainState(graph), splits, np.random.default_rng(0), unreported)


def test_the_stage_makes_a_network_of_int16_activations_that_loses_next_to_nothing(trained, splits):
    done = Quantise(activations=16)(trained, splits, np.random.default_rng(0), unreported)
    assert activation_bits(done.graph) == 16
    assert abs(done.metrics["quantisation_drop"]) < 0.01
    stage = Quantise(activations=16, threshold=0, settings=TrainingSettings(epochs=1))
    assert stage.foreseen(trained.graph) == done.graph
    again = Quantise(8)(done, splits, np.random.default_rng(0), unreported)
    assert again.graph == done.graph


def test_an_export_is_a_file_of_int16_activations_and_has_no_c_sources(trained, splits, tmp_path):
    graph = with_activation_bits(trained.graph, 16)
    manifest = export(tmp_path / "model", graph, trained.weights, splits, {})
    assert open_model((tmp_path / "model" / "model.tflite").read_bytes()).bits == 16
    assert abs(manifest.scores["test"]["int8"]["error"] - manifest.scores["test"]["float"]["error"]) < 0.01
    assert "int8 with int16 activations model" in (tmp_path / "model" / "README.md").read_text()
    with pytest.raises(ExportError, match="read and write int8"):
        export(tmp_path / "c", graph, trained.weights, splits, {}, ("tflite", "c"))


def test_what_no_runtime_runs_is_refused_before_a_search():
    data = Digits()
    space = MobileSpace((8, 8, 1), 10, activations=("hard_swish",))
    problem = Problem([minimise("error"), minimise("peak_memory_bytes")])
    config = SearchConfig(data=data, space=space, problem=problem, stages=(Quantise(activations=16),), evaluations=1)
    with pytest.raises(ConfigError, match="stages: no runtime runs HARD_SWISH with int16 activations"):
        config.check(_Nothing())


class _Nothing:
    metric_names = ("error",)


@pytest.mark.parametrize("given", [{"activations": 4}, {"activations": True}, {"activations": 16, "bits": 4}])
def test_settings_that_cannot_work_are_refused(given):
    with pytest.raises(ValueError, match="activations"):
        Quantise(**given)


def test_kernels_of_four_bits_are_refused_beside_int16_activations(trained, splits):
    names = {node.name: 4 for node in trained.graph.nodes if hasattr(node.op, "kernel_bits")}
    packed = replace(trained, graph=with_kernel_bits(trained.graph, names))
    with pytest.raises(QuantisationError, match="kernels of 4 bits"):
        Quantise(None, activations=16)(packed, splits, np.random.default_rng(0), unreported)
    with pytest.raises(QuantisationError, match="kernels of 4 bits"):
        Quantise(4).foreseen(with_activation_bits(trained.graph, 16))


def test_size_and_memory_are_foreseen_from_the_bits(trained):
    assert set(kernel_bits(Quantise(4).foreseen(trained.graph)).values()) == {4}
    assert list(kernel_bits(Quantise(4, last=8).foreseen(trained.graph)).values())[-1] == 8
    assert Quantise().foreseen(trained.graph) == trained.graph
