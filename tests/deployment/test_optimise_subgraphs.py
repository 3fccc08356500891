"""Files of several subgraphs are given a better plan and compute the same, on both runtimes and under each name."""

import json
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

import driver
from edgevolve.deployment import ExportError, optimise
from edgevolve.deployment.file_plan import lay_out
from edgevolve.deployment.flatbuffer import packed, set_plan, unpacked
from edgevolve.deployment.isolated import run_isolated
from edgevolve.deployment.micro import available, run_on_micro
from edgevolve.deployment.optimise import optimised, random_inputs, replanned
from edgevolve.tflite import HOST, TfliteError, read_tflite
from edgevolve.training.session import silenced
from resource_models import file_footprint
from tests.tflite.subgraph_files import CASES, nested_loops, scratch_that_nobody_reaches
from tests.tflite.test_hostile_tflite import mutated

needs_micro = pytest.mark.skipif(not available(), reason="TensorFlow Lite Micro has no wheel here")


def recurrent(*layers: keras.layers.Layer) -> bytes:
    """What the converter makes of a Keras network over 12 steps of 5 values: a loop for each layer."""
    network = keras.Sequential([keras.Input((12, 5), batch_size=1), *layers, keras.layers.Dense(3)])
    with silenced(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert())


@pytest.fixture(scope="module")
def gru():
    return recurrent(keras.layers.GRU(8))


@needs_micro
@pytest.mark.parametrize("name", CASES)
def test_it_needs_no_more_and_gives_the_same_on_both_runtimes(name):
    improved = optimised(CASES[name])
    assert improved.head_bytes[1] <= improved.head_bytes[0]
    assert improved.litert_says == ""
    assert improved.micro_head_bytes in (improved.head_bytes, None)
    assert (improved.micro_head_bytes is None) == (improved.micro_says == "nothing to save")
    assert read_tflite(improved.model).signatures != () or name != "signatures"


@needs_micro
def test_keras_s_gru_and_lstm_in_both_directions_are_promised_exactly(gru):
    for content in (gru, recurrent(keras.layers.Bidirectional(keras.layers.LSTM(8)))):
        footprint = file_footprint(read_tflite(content), HOST)
        run = run_on_micro(content, [], least_arena=True)
        assert (footprint.greedy_head_bytes, footprint.tail_bytes) == (run.head_bytes, run.tail_bytes)
        assert run.least_arena_bytes <= footprint.file_arena_bytes <= 1.02 * run.least_arena_bytes


@needs_micro
def test_a_plan_over_all_subgraphs_is_read_as_it_is_meant():
    improved = optimised(nested_loops(one_condition=True))
    model = read_tflite(improved.model)
    assert len(model.offsets) == sum(len(part.tensors) for part in model.subgraphs)
    assert improved.micro_head_bytes == improved.head_bytes == (464, 448)
    assert "WHILE" in improved.litert_says


@needs_micro
def test_the_body_of_a_loop_is_put_in_a_better_order(gru):
    improved = optimised(gru)
    assert improved.micro_head_bytes == improved.head_bytes
    assert improved.head_bytes[1] < improved.head_bytes[0]


@needs_micro
def test_keras_s_sequences_are_of_sizes_that_tensorflow_lite_micro_cannot_plan():
    """It runs such a file, writes beyond what it planned and gives something else than LiteRT."""
    content = recurrent(keras.layers.LSTM(8, return_sequences=True), keras.layers.LSTM(6))
    improved = optimised(content)
    assert improved.model == content
    inputs = random_inputs(read_tflite(content).graph.inputs)
    (right,), (wrong,) = run_isolated("litert_host.py", content, inputs).outputs, run_on_micro(content, inputs).outputs
    assert not np.allclose(right.reshape(wrong.shape), wrong, atol=1e-3)
    assert improved.micro_says == ("left as it is: no plan holds for what SLICE makes, whose size the file leaves open")


def test_a_plan_beside_variables_of_a_loop_is_not_written_since_it_would_be_misread():
    content = unpacked(CASES["state_in_a_loop"])
    assert lay_out(content).offsets is None
    assert read_tflite(packed(content)).offsets is None


@needs_micro
def test_such_a_plan_would_be_misread():
    """The runtime looks variables of any subgraph up in the first one's offsets, and finds tensor 4 planned there."""
    content = unpacked(CASES["state_in_a_loop"])
    offsets = [-1] * sum(len(part.tensors) for part in content.subgraphs)
    variable = next(i for i, tensor in enumerate(content.subgraphs[2].tensors) if tensor.isVariable)
    offsets[variable] = 0
    set_plan(content, offsets)
    kept = run_on_micro(CASES["state_in_a_loop"], []).tail_bytes
    assert file_footprint(read_tflite(CASES["state_in_a_loop"]), HOST).tail_bytes == kept
    with pytest.raises(Exception, match="TensorFlow Lite Micro cannot run the model"):
        run_on_micro(packed(content), [])


def test_a_second_signature_that_computes_something_else_is_noticed(monkeypatch):
    def changed(model: bytes, *allowed: float):
        content = unpacked(model)
        content.subgraphs[1].operators[0].inputs = [0, 0]
        return replanned(model, *allowed)._replace(model=packed(content)[:-1])

    monkeypatch.setattr(optimise, "replanned", changed)
    with pytest.raises(ExportError, match="the rewritten file gives other outputs on LiteRT"):
        optimised(CASES["signatures"])


@needs_micro
@pytest.mark.parametrize("offsets", [[], [0, 64]])
def test_a_plan_for_another_number_of_tensors_is_replaced(offsets):
    content = unpacked(CASES["nested_loops"])
    set_plan(content, offsets)
    improved = optimised(packed(content))
    assert improved.micro_says.startswith("TensorFlow Lite Micro could not run it as it was: the file's memory plan is")
    assert improved.micro_head_bytes is not None
    after, before, plan, _ = replanned(packed(content))
    assert plan.head_bytes <= before
    assert read_tflite(packed(content)).plan_fits is False
    assert read_tflite(after).plan_fits


def test_scratch_that_no_call_reaches_is_left_to_litert():
    assert optimised(scratch_that_nobody_reaches()).litert_says == ""


def test_the_command_line_inspects_optimises_draws_and_measures_them(tmp_path):
    path = tmp_path / "loops.tflite"
    path.write_bytes(CASES["nested_loops"])
    run = CliRunner()
    for arguments in (
        ["inspect", str(path), "--plot", str(tmp_path / "map.svg")],
        ["optimise", str(path), "-o", str(tmp_path / "out.tflite")],
        ["profile", str(path), "--repeats", "2"],
    ):
        done = run.invoke(driver.app, arguments)
        assert done.exit_code == 0, done.output
    shown = json.loads(run.invoke(driver.app, ["inspect", str(tmp_path / "out.tflite"), "--json"]).stdout)
    assert len(shown["subgraphs"]) == 5
    assert "WHILE  2.2" in (tmp_path / "map.svg").read_text()


@pytest.mark.parametrize("block", range(2))
def test_mutated_files_of_several_subgraphs_are_replanned_or_refused_in_one_line(block):
    rng = np.random.default_rng([11, block])
    sources, refusals, planned = list(CASES.values()), [], 0
    for turn in range(200):
        model = mutated(sources[turn % len(sources)], rng)
        try:
            read_tflite(model)
            after, before, plan, _ = replanned(model)
        except (TfliteError, ExportError) as refusal:
            refusals.append(str(refusal))
            continue
        planned += 1
        assert plan.head_bytes <= before
        read_tflite(after)
    assert all(len(refusal.splitlines()) == 1 for refusal in refusals)
    assert planned > 5
