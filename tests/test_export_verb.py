"""`driver.py export`, as a user runs it."""

import json
import re

import pytest
from terminal import edgevolve, edgevolve_process


def test_export_writes_a_model_that_was_run_on_the_test_split(tiny_run):
    path, _ = tiny_run
    done = edgevolve("export", path)
    assert done.returncode == 0, done.stderr
    best = json.loads(edgevolve("show", path, "--pick", "best", "--json").stdout)[0]
    folder = path / "export" / str(best["number"])
    assert {p.name for p in folder.iterdir()} == {"README.md", "model.tflite", "model.keras", "manifest.json"}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["genotype"] == best["genotype"]
    assert "int8" in done.stdout


def test_export_writes_the_formats_asked_for(tiny_run, tmp_path):
    for package in ("onnxruntime", "tflite_micro"):
        pytest.importorskip(package)
    path, _ = tiny_run
    done = edgevolve("export", path, "--formats", "c,onnx", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "README.md",
        "c",
        "model.tflite",
        "model.onnx",
        "manifest.json",
    }
    formats = json.loads((tmp_path / "out" / "manifest.json").read_text())["formats"]
    for name in ("c", "onnx"):
        assert re.search(rf"{name} +[\d.e-]+ from Keras at most, 360 examples on ", done.stdout)
        assert formats[name]["examples"] == 360
    assert re.search(r"c main +not compiled: TFLM_DIR names no", done.stdout)


def test_an_export_whose_extra_is_missing_is_one_line_and_exit_status_2(tiny_run, tmp_path):
    path, _ = tiny_run
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No module named torch', name='torch')")
    for formats, message in (
        ("tflite,torch", "--formats torch needs torch: pip install '.[torch]'"),
        ("tflite,mat", "--formats mat: give one or more of tflite,c,onnx,torch"),
    ):
        done = edgevolve_process(
            "export", path, "--formats", formats, "--out", tmp_path / "out", PYTHONPATH=str(tmp_path)
        )
        assert done.returncode == 2
        assert done.stderr == f"edgevolve: {message}\n"
        assert not (tmp_path / "out").exists()


def test_export_of_a_candidate_whose_weights_were_not_kept_says_so(tiny_run):
    path, _ = tiny_run
    front = {row["number"] for row in json.loads(edgevolve("show", path, "--json").stdout)}
    other = next(n for n in range(100) if n not in front)
    done = edgevolve("export", path, "--pick", other)
    assert done.returncode == 2
    assert f"no weights of candidate {other}" in done.stderr
