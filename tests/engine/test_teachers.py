"""Teachers by name: a file, a run's candidate, or what was prepared; none that may have seen the validation split."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from edgevolve.data import Digits, fingerprint, load_splits
from edgevolve.engine import Inline, final_task, how_trained, search, train_again
from edgevolve.engine.teachers import Teach, with_teachers
from edgevolve.engine.train_task import Train
from edgevolve.graph import Activation, Dense, GraphBuilder, Softmax, kernel_bits
from edgevolve.runs import ConfigError, Run, SearchConfig
from edgevolve.runs.provenance import load_data
from edgevolve.training import Distil, TrainingSettings
from edgevolve.training.distil import Network
from edgevolve.training.keras_model import keras_model, save_keras
from edgevolve.training.weights import initial_weights
from search_algorithms import Completed, Problem, RandomSearch, minimise
from search_space import CnnSpace, MlpSpace

SHORT = TrainingSettings(epochs=2)


@pytest.fixture(scope="module")
def splits():
    return load_splits(Digits())


@pytest.fixture(scope="module")
def large():
    net = GraphBuilder()
    x = net.add(Dense(32, Activation.RELU), net.flatten(net.input((1, 8, 8, 1))))
    return net.build(net.add(Softmax(), net.add(Dense(10), x)))


def config(**more):
    given = {
        "data": Digits(),
        "space": MlpSpace((8, 8, 1), 10, max_layers=1, max_units=16),
        "problem": Problem([minimise("error", scale=0.1)]),
        "algorithm": RandomSearch(),
        "training": SHORT,
        "evaluations": 2,
    }
    return SearchConfig(**(given | more))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    search(config(), "digits", out=folder, evaluator=Inline)
    return Run.open(folder / "digits")


def saved(folder, graph, splits, data=None):
    """A `.keras` file with the manifest of an export, unless `data` is given."""
    save_keras(keras_model(graph, initial_weights(graph, 0)), folder / "model.keras")
    manifest = {"files": {"model.keras": ""}, "data": {"fingerprint": data or fingerprint(splits)}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return str(folder / "model.keras")


def at_hand(distil, splits):
    return with_teachers(Train(SHORT, distil=distil), splits).distil.teacher


def test_a_keras_file_answers_as_its_network(tmp_path, large, splits):
    loaded = at_hand(Distil(saved(tmp_path, large, splits)), splits)
    ours = Network(large, initial_weights(large, 0)).outputs(splits.train.x[:50], splits.target)
    given = loaded.outputs(splits.train.x[:50], splits.target)
    centred = [one - one.mean(axis=1, keepdims=True) for one in (ours, given)]
    assert np.allclose(*centred, atol=1e-4)


def test_a_file_that_does_not_say_what_it_was_trained_on_is_refused_unless_you_know(tmp_path, large, splits):
    other = saved(tmp_path, large, splits, data="0" * 32)
    with pytest.raises(ConfigError, match="no manifest.json beside it says that it was trained on this training split"):
        at_hand(Distil(other), splits)
    assert at_hand(Distil(other, elsewhere=True), splits).content


def test_a_file_with_code_is_not_loaded(tmp_path, large, splits):
    path = saved(tmp_path, large, splits)
    with zipfile.ZipFile(path) as stored:
        parts = {name: stored.read(name) for name in stored.namelist()}
    held = json.loads(parts["config.json"])
    held["config"]["layers"][0] |= {"module": "os", "class_name": "system"}
    with zipfile.ZipFile(path, "w") as written:
        for name, content in (parts | {"config.json": json.dumps(held)}).items():
            written.writestr(name, content)
    with pytest.raises(ConfigError, match="holds 'system', which is not a plain Keras layer"):
        at_hand(Distil(path), splits)


def test_what_is_no_file_of_keras_is_one_line(tmp_path, splits):
    (tmp_path / "model.keras").write_bytes(b"no archive")
    with pytest.raises(ConfigError, match="not a .keras file"):
        at_hand(Distil(str(tmp_path / "model.keras")), splits)
    with pytest.raises(ConfigError, match="No such file"):
        at_hand(Distil(str(tmp_path / "absent.keras")), splits)


def test_a_candidate_of_a_run_teaches_on_the_same_data_alone(run, splits):
    loaded = at_hand(Distil(f"{run.folder}:best"), splits)
    assert loaded.graph == run.graph(run.best.number)
    fewer = replace(splits, train=splits.train.take(np.arange(100)))
    with pytest.raises(ConfigError, match="learned from other data"):
        at_hand(Distil(f"{run.folder}:best"), fewer)
    with pytest.raises(ConfigError, match="give RUN:best"):
        at_hand(Distil(f"{run.folder}:fastest"), splits)


def test_a_search_learns_from_a_teacher_that_it_prepared(tmp_path, large):
    chosen = config(prepare=Teach(large, SHORT), stages=(Distil("prepared", settings=SHORT),))
    run = search(chosen, "taught", out=tmp_path, evaluator=Inline)
    assert run.prepared.metrics["error"] < 0.9
    assert all(len(record.outcome.curves["loss"]) == 4 for record in run.front)


def test_networks_that_could_share_weights_do_not_begin_with_their_teachers(tmp_path, large):
    space = CnnSpace((8, 8, 1), 10, max_blocks=1, max_filters=16, max_units=16)
    chosen = config(space=space, prepare=Teach(large, SHORT), stages=(Distil("prepared", settings=SHORT),))
    run = search(chosen, "elastic", out=tmp_path, evaluator=Inline)
    assert [(type(record.outcome), record.inherits) for record in run.records.values()] == [(Completed, None)] * 2


@pytest.mark.slow
def test_a_final_training_in_four_bits_by_a_teacher_is_what_is_exported(tmp_path, run):
    own, data = search(config(), "own", out=tmp_path, evaluator=Inline), load_data(run)
    number, teacher = own.best.number, f"{run.folder}:best"
    train_again(own, number, final_task(own, data, 3), data, 1, evaluator=Inline)
    task = final_task(own, data, 3, bits=4, distil=teacher)
    train_again(own, number, task, data, 2, how_trained(4, teacher), evaluator=Inline)
    opened = Run.open(own.path)
    assert [one.how for one in opened.retrained[number]] == [{}, *[{"quantise": 4, "distil": teacher}] * 2]
    assert opened.final(number).how["quantise"] == 4
    assert set(kernel_bits(opened.final_graph(number)).values()) == {4}
    assert {"error", "error_int8", "quantisation_drop"} <= opened.final(number).metrics.keys()
    assert opened.tested[-1].artefact == opened.final(number).artefact
    assert set(kernel_bits(opened.graph(number)).values()) == {8}


def test_bits_that_no_kernel_has_are_one_line(run):
    with pytest.raises(ConfigError, match="--quantise 5: kernels must have 8 or 4 bits"):
        final_task(run, load_data(run), 1, bits=5)
    with pytest.raises(ConfigError, match="--distil teacher.h5: give FILE.keras"):
        final_task(run, load_data(run), 1, distil="teacher.h5")
