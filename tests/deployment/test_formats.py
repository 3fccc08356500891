"""What every format of an export keeps, and the two float ones: ONNX and PyTorch."""

import dataclasses
import hashlib
import importlib
import json
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from edgevolve.data import Split, Splits
from edgevolve.deployment import ExportError
from edgevolve.deployment.channels_first import images_of
from edgevolve.deployment.export import export
from edgevolve.deployment.formats import FORMATS, check_formats, parse_formats, write_format
from edgevolve.graph import OPS, Conv2D, Dense, GlobalAveragePool, GraphBuilder
from edgevolve.training.weights import initial_weights
from tests.deployment.sources import every_operator, networks, source_of

EXTRAS = tomllib.loads((Path(__file__).resolve().parents[2] / "pyproject.toml").read_text())["project"][
    "optional-dependencies"
]
TOLERANCE = 1e-5


def small_network():
    net = GraphBuilder()
    x = net.add(Conv2D(4, (3, 3)), net.input((1, 6, 5, 1)))
    return net.build(net.add(Dense(3), net.add(GlobalAveragePool(), x)))


def splits(number=20):
    rng = np.random.default_rng(0)
    return Splits(
        *(Split(rng.integers(0, 256, (number, 6, 5, 1), np.uint8), rng.integers(0, 3, number)) for _ in "abc")
    )


@pytest.fixture(scope="module")
def sources():
    return {name: source_of(graph, int8=False) for name, graph in networks(3)}


def relative(outputs, source):
    return np.abs(outputs - source.outputs).max() / max(1, np.abs(source.outputs).max())


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_is_a_module_with_write_and_what_installs_its_needs(name):
    form = FORMATS[name]
    for package in form.needs:
        pytest.importorskip(package)
    assert callable(importlib.import_module(form.module).write)
    extra = re.fullmatch(r"'\.\[(\w+)\]'", form.install)
    lines = EXTRAS[extra[1]] if extra else form.install.split()[-1:]
    assert set(form.needs) == {re.split(r"[><=;\[ ]", line)[0].replace("-", "_") for line in lines}


@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if form.needs])
def test_a_missing_package_is_an_error_with_its_remedy_before_anything_is_written(tmp_path, monkeypatch, name):
    form = FORMATS[name]
    monkeypatch.setitem(sys.modules, form.needs[-1], None)
    for package in form.needs[:-1]:
        pytest.importorskip(package)
    message = re.escape(f"--formats {name} needs {form.needs[-1]}: pip install {form.install}")
    with pytest.raises(ExportError, match=f"^{message}$"):
        parse_formats(f"tflite,{name}")
    graph = small_network()
    with pytest.raises(ExportError, match=message):
        export(tmp_path / "out", graph, initial_weights(graph, 0), splits(), {}, ["tflite", name])
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_is_there_but_broken_says_why(tmp_path, monkeypatch):
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('libgone.so: no such file')")
    pytest.importorskip("onnx")
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ExportError, match=r"needs onnxruntime \(libgone.so: no such file\): pip install"):
        check_formats(["onnx"])


@pytest.mark.parametrize("text", ["onx", "", "tflite,", "tflite onnx"])
def test_an_unknown_format_is_refused_with_the_known_ones(text):
    with pytest.raises(ExportError, match=r"give one or more of tflite,c,onnx,torch$"):
        parse_formats(text)


def test_formats_are_taken_once_each_in_their_order():
    assert parse_formats("tflite, tflite") == ("tflite",)


def test_an_export_writes_the_chosen_formats_and_lists_how_they_were_checked(tmp_path):
    pytest.importorskip("onnxruntime")
    graph, data = small_network(), splits()
    manifest = export(tmp_path, graph, initial_weights(graph, 1), data, {}, ["tflite", "onnx"])
    assert {file.name for file in tmp_path.iterdir()} == {*manifest.files, "manifest.json"}
    assert set(manifest.files) == {"README.md", "model.tflite", "model.keras", "model.onnx"}
    stored = json.loads((tmp_path / "manifest.json").read_text())["formats"]
    assert stored == manifest.formats
    assert list(stored) == ["tflite", "onnx"]
    assert stored["onnx"]["examples"] == len(data.test)
    assert 0 <= stored["onnx"]["largest_difference"] < TOLERANCE < stored["tflite"]["largest_difference"] < 1


def test_files_of_an_earlier_export_go_unless_somebody_changed_them(tmp_path):
    pytest.importorskip("onnxruntime")
    graph, data = small_network(), splits()
    weights = initial_weights(graph, 1)
    for touched in (False, True):
        export(tmp_path, graph, weights, data, {}, ["tflite", "onnx"])
        (tmp_path / "notes.txt").write_text("mine")
        if touched:
            (tmp_path / "model.keras").write_bytes(b"mine too")
        export(tmp_path, graph, weights, data, {}, ["onnx"])
        left = {file.name for file in tmp_path.iterdir()}
        assert left == {"README.md", "model.onnx", "manifest.json", "notes.txt"} | (
            {"model.keras"} if touched else set()
        )


def test_an_earlier_manifest_removes_nothing_outside_its_folder(tmp_path):
    graph, data = small_network(), splits()
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    folder = tmp_path / "out"
    export(folder, graph, initial_weights(graph, 1), data, {})
    manifest = json.loads((folder / "manifest.json").read_text())
    digest = hashlib.sha256(b"mine").hexdigest()
    manifest["files"] = {"../outside.txt": digest, str(outside): digest}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    export(folder, graph, initial_weights(graph, 1), data, {})
    assert outside.read_text() == "mine"


@pytest.mark.parametrize(("name", "package"), [("onnx", "onnxruntime"), ("torch", "torch")])
def test_a_file_that_does_not_agree_with_keras_is_not_handed_over(tmp_path, monkeypatch, name, package):
    pytest.importorskip(package)
    source = source_of(small_network(), int8=False)
    wrong = dataclasses.replace(source, outputs=source.outputs + 1e-3)
    with pytest.raises(ExportError, match=rf"{package} .* outputs are up to 0.001 from those of the Keras model"):
        write_format(name, tmp_path, wrong)


def test_onnx_agrees_with_keras_on_networks_of_every_space(tmp_path, sources):
    pytest.importorskip("onnxruntime")
    from edgevolve.deployment import onnx_model

    for name, source in sources.items():
        bundle = onnx_model.write(tmp_path, source)
        assert bundle["largest_difference"] <= TOLERANCE * max(1, np.abs(source.outputs).max()), name


def test_onnx_holds_every_operator_and_takes_any_batch(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    from edgevolve.deployment import onnx_model

    assert set(onnx_model.LOWER) == set(OPS.values())
    source = source_of(every_operator(), int8=False)
    assert {type(node.op) for node in source.graph.nodes} == set(OPS.values())
    onnx_model.write(tmp_path, source)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (given,), (asked,) = session.get_inputs(), session.get_outputs()
    assert given.shape == ["batch", 3, 13, 10]
    assert asked.shape == ["batch", 5]
    for number in (1, 7):
        (outputs,) = session.run(None, {given.name: images_of(source.images[:number])})
        np.testing.assert_allclose(outputs, source.outputs[:number], atol=TOLERANCE)


def test_torch_agrees_with_keras_on_networks_of_every_space(sources):
    torch = pytest.importorskip("torch")
    from edgevolve.deployment.torch_program import FORWARD, TorchNetwork

    assert set(FORWARD) == set(OPS.values())
    for name, source in sources.items():
        with torch.no_grad():
            outputs = TorchNetwork(source)(torch.from_numpy(images_of(source.images))).numpy()
        assert relative(outputs, source) <= TOLERANCE, name


def test_the_torch_program_runs_without_edgevolve_on_any_batch(tmp_path):
    torch = pytest.importorskip("torch")
    from edgevolve.deployment import torch_program

    source = source_of(every_operator(), int8=False)
    bundle = torch_program.write(tmp_path, source)
    assert bundle["input"] == ["batch", 3, 13, 10]
    assert b"torch_program.py" not in (tmp_path / "model.pt2").read_bytes()
    network = torch.export.load(tmp_path / "model.pt2").module()
    for number in (1, 7):
        outputs = network(torch.from_numpy(images_of(source.images[:number]))).detach().numpy()
        np.testing.assert_allclose(outputs, source.outputs[:number], atol=TOLERANCE)
