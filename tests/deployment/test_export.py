import hashlib
import json

import keras
import numpy as np
import pytest

from edgevolve.data import Split, Splits
from edgevolve.deployment.export import ExportError, export
from edgevolve.graph import Conv2D, Dense, GlobalAveragePool, GraphBuilder, from_json, graph_hash, reordered, to_json
from edgevolve.quantisation.litert import int8_scores, open_model
from edgevolve.training.trainer import evaluate
from edgevolve.training.weights import initial_weights
from resource_models import live_bytes, peak_memory
from search_space import CnnSpace


def int8_accuracy(model, split):
    return 1 - int8_scores(model, split)["error"]


FACTS = {"genotype": {"filters": 4}, "seed": 3}


@pytest.fixture(scope="module")
def graph():
    net = GraphBuilder()
    x = net.add(Conv2D(4, (3, 3), batch_norm=True), net.input((1, 6, 5, 1)))
    return net.build(net.add(Dense(3), net.add(GlobalAveragePool(), x)))


@pytest.fixture(scope="module")
def splits():
    rng = np.random.default_rng(0)

    def part(number):
        return Split(rng.integers(0, 256, (number, 6, 5, 1), np.uint8), rng.integers(0, 3, number))

    return Splits(part(30), part(20), part(25))


def test_an_export_holds_models_and_manifest(tmp_path, graph, splits):
    weights = initial_weights(graph, 1)
    manifest = export(tmp_path / "deep" / "best", graph, weights, splits, FACTS)
    folder = tmp_path / "deep" / "best"
    assert sorted(file.name for file in folder.iterdir()) == [
        "README.md",
        "manifest.json",
        "model.keras",
        "model.tflite",
    ]
    assert "a value is" in (folder / "README.md").read_text()
    stored = json.loads((folder / "manifest.json").read_text())
    assert stored == json.loads(manifest.to_json())
    assert {name: stored[name] for name in FACTS} == FACTS
    model = (folder / "model.tflite").read_bytes()
    assert stored["tflite_bytes"] == len(model)
    assert stored["int8_test_accuracy"] == int8_accuracy(model, splits.test)
    assert stored["int8_validation_accuracy"] == int8_accuracy(model, splits.validation)
    assert stored["float_test_accuracy"] == 1 - evaluate(graph, weights, splits.test).metrics["error"]
    assert stored["input"]["scale"] == pytest.approx(1 / 255, rel=0.02)
    assert stored["input"]["zero_point"] == -128
    assert stored["differences"] == []
    labels = splits.test.y
    answers = open_model(model).outputs(splits.test.x).argmax(axis=1)
    assert stored["confusion"] == [
        [int(np.sum(answers[labels == row] == column)) for column in range(3)] for row in range(3)
    ]
    assert stored["classes"] == [
        {
            "name": str(row),
            "examples": int(np.sum(labels == row)),
            "accuracy": float(np.mean(answers[labels == row] == row)),
        }
        for row in range(3)
    ]
    for name, digest in stored["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    assert graph_hash(from_json(stored["graph"])) == stored["graph_hash"]
    x = splits.test.x.astype(np.float32) / 255
    predicted = keras.models.load_model(folder / "model.keras")(x).numpy().argmax(1)
    assert np.mean(predicted == splits.test.y) == pytest.approx(stored["float_test_accuracy"])


def test_an_earlier_export_is_replaced_and_its_neighbours_stay(tmp_path, graph, splits):
    export(tmp_path, graph, initial_weights(graph, 1), splits, FACTS)
    (tmp_path / "notes.txt").write_text("mine")
    export(tmp_path, graph, initial_weights(graph, 2), splits, {"seed": 4})
    assert json.loads((tmp_path / "manifest.json").read_text())["seed"] == 4
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["thesis.txt", "model.tflite", "manifest.json"])
def test_a_directory_of_other_things_is_left_alone(tmp_path, graph, splits, name):
    (tmp_path / name).write_text('{"format": "something else"}')
    with pytest.raises(ExportError, match="holds other files"):
        export(tmp_path, graph, initial_weights(graph, 1), splits, FACTS)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == '{"format": "something else"}'


def test_a_file_in_the_way_is_an_error(tmp_path, graph, splits):
    (tmp_path / "best").write_text("a file")
    with pytest.raises(ExportError, match="is a file"):
        export(tmp_path / "best", graph, initial_weights(graph, 1), splits, FACTS)
    with pytest.raises(ExportError, match="cannot write"):
        export(tmp_path / "best" / "below", graph, initial_weights(graph, 1), splits, FACTS)


@pytest.mark.parametrize("facts", [{"when": object()}, {"loss": float("nan")}])
def test_facts_that_json_cannot_hold_leave_nothing_behind(tmp_path, graph, splits, facts):
    with pytest.raises(ValueError, match="plain JSON values"):
        export(tmp_path, graph, initial_weights(graph, 1), splits, facts)
    assert list(tmp_path.iterdir()) == []


def test_the_file_runs_its_operators_in_the_order_of_least_peak_memory(tmp_path):
    """A genotype whose canonical order of nodes needs more memory than the best one."""
    space = CnnSpace((12, 12, 1), 3)
    images = np.random.default_rng(0).integers(0, 256, (30, 12, 12, 1), np.uint8)
    data = Splits(*(Split(images[:n], np.arange(n) % 3) for n in (30, 6, 6)))
    checked = 0
    for seed in range(200):
        graph = from_json(to_json(space.graph(space.sample(np.random.default_rng(seed)))))
        least = peak_memory(graph).peak_bytes
        if max(live_bytes(graph)) == least or len(graph.nodes) > 14:
            continue
        manifest = export(tmp_path / str(seed), graph, initial_weights(graph, 0), data, {})
        assert manifest.peak_memory_bytes == least
        assert manifest.differences == ()
        stored = from_json(manifest.graph)
        model = open_model((tmp_path / str(seed) / "model.tflite").read_bytes())
        ordered = reordered(graph, peak_memory(graph).order)
        assert [operator.shape for operator in model.operators] == [node.output.shape for node in ordered.nodes]
        assert graph_hash(stored) == graph_hash(graph)
        checked += 1
        if checked == 4:
            return
    pytest.fail("no genotype needs another order than its own")
