"""An exported model on new files: what it says is what the int8 file says of the same examples of a split."""

import json
from pathlib import Path

import numpy as np
import pytest
from starting.own_data import write_images, write_recordings, write_sound, write_table

from edgevolve.data import DataError, ImageFolder, load_splits
from edgevolve.deployment import ExportError
from edgevolve.deployment.export import export
from edgevolve.deployment.new_examples import new_examples
from edgevolve.deployment.ready_model import ready_model
from edgevolve.engine import task_of
from edgevolve.quantisation.litert import open_model
from edgevolve.runs.as_json import config_json
from edgevolve.starting import Wishes, looked_at, planned
from edgevolve.training.weights import initial_weights
from tests.test_driver import edgevolve


def exported(path, folder):
    """A network with random weights, exported as a run's is; with the splits that `init` chose."""
    config = planned(looked_at(str(path), "nano33ble", Wishes()), "nano33ble", 1.0, 2).config
    splits = load_splits(config.data)
    graph = config.space.graph(config.space.sample(np.random.default_rng(1)))
    facts = {"data": config_json(config, task_of(config))["data"]}
    export(folder, graph, initial_weights(graph, 0), splits, facts)
    return splits, ready_model(folder)


def probabilities(folder, splits, rows):
    logits = open_model((folder / "model.tflite").read_bytes()).answers(splits.test.x[rows], splits.target)
    positive = 1 / (1 + np.exp(-logits.astype(np.float64)))
    return np.concatenate([1 - positive, positive], axis=1)


def check_files(top, folder):
    """Each file of the test split gives what its examples give."""
    splits, model = exported(top, folder)
    names = np.asarray(splits.test.names if splits.test.names is not None else splits.test.groups)
    for name in np.unique(names.astype(str)):
        rows = np.flatnonzero(names == name)
        files = [top / name] if (top / name).exists() else sorted(top.glob(f"*/{name}_*"))
        answers = [model.answers(one.raw) for file in files for one in new_examples(str(file), model)]
        np.testing.assert_allclose(np.concatenate(answers), probabilities(folder, splits, rows), atol=1e-6)
    return model


def test_images_give_what_the_split_gives_and_bad_files_are_a_line_each(tmp_path):
    top = write_images(tmp_path / "photos", side=20)
    model = check_files(top, tmp_path / "model")
    (tmp_path / "torn.png").write_bytes(b"\x89PNG")
    np.save(tmp_path / "wrong.npy", np.zeros((9, 9), np.uint8))
    np.save(tmp_path / "float.npy", np.zeros((20, 20)))
    for name, line in {
        "torn.png": "torn.png: not a PNG, JPEG or BMP",
        "sound.wav": "sound.wav: no such file",
        "photos": "photos: is a folder; give files",
        "wrong.npy": r"wrong.npy: is \(9, 9\), the model reads \(20, 20, 1\), or several of them",
        "float.npy": "float.npy: holds float64, the model reads uint8",
        "model/manifest.json": "manifest.json: this model reads .npy, .bmp, .jpeg, .jpg, .png",
    }.items():
        with pytest.raises(DataError, match=line):
            new_examples(str(tmp_path / name), model)
    array = ImageFolder(str(top)).load().test.x
    np.save(tmp_path / "all.npy", array)
    several = [model.answers(one.raw)[0] for one in new_examples(str(tmp_path / "all.npy"), model)]
    np.testing.assert_allclose(several, model.answers(array), atol=1e-12)


@pytest.mark.slow
def test_clips_of_sound_go_through_the_front_end(tmp_path):
    model = check_files(write_sound(tmp_path / "words"), tmp_path / "model")
    assert model.front_end.name == "mfcc" and model.read_type == "int16"


@pytest.mark.slow
def test_windows_of_a_recording_are_answered_one_by_one(tmp_path):
    top = write_recordings(tmp_path / "moves", steps=400)
    model = check_files(top, tmp_path / "model")
    (one,) = new_examples(str(top / "rest" / "subject00_1.csv"), model)
    assert one.raw.shape == (1 + (400 - 256) // 128, 256, 1, 3) and model.front_end.name == "standardise"
    (tmp_path / "other.csv").write_text("x,y\n" + "1,2\n" * 300)
    with pytest.raises(DataError, match=r"other.csv: has 2 channels, the model takes 3$"):
        new_examples(str(tmp_path / "other.csv"), model)


@pytest.mark.slow
def test_rows_of_a_table_need_no_label_and_any_order_of_columns(tmp_path):
    path = write_table(tmp_path / "table.csv")
    splits, model = exported(path, tmp_path / "model")
    lines = [line.split(",") for line in path.read_text().split()]
    (tmp_path / "new.csv").write_text("\n".join(f"{height},{width}" for _, width, height, _ in lines) + "\n")
    answers = np.concatenate([model.answers(one.raw) for one in new_examples(str(tmp_path / "new.csv"), model)])
    wanted = probabilities(tmp_path / "model", splits, slice(None))
    assert all(np.abs(answers - row).sum(axis=1).min() < 1e-6 for row in wanted) and len(answers) == 60
    (tmp_path / "new.csv").write_text("width\n1\n")
    with pytest.raises(DataError, match="has no column height; it has width"):
        new_examples(str(tmp_path / "new.csv"), model)


def test_what_is_no_export_is_refused_in_one_line(tmp_path):
    for name, line in {"nothing": "no such folder or file", ".": "has no manifest.json"}.items():
        with pytest.raises(ExportError, match=line):
            ready_model(tmp_path / name)
    (tmp_path / "manifest.json").write_text(json.dumps({"format": "edgevolve-model"}))
    with pytest.raises(ExportError, match=r"model.tflite: No such file"):
        ready_model(tmp_path)


@pytest.mark.slow
def test_the_command_prints_a_row_a_file_and_ends_with_2_where_one_is_bad(tmp_path):
    top = write_images(tmp_path / "photos", side=16)
    exported(top, tmp_path / "model")
    files = [str(Path("photos") / "cat" / f"{number}.png") for number in range(3)]
    done = edgevolve("classify", "model", *files, cwd=tmp_path)
    assert done.returncode == 0 and all(name in done.stdout for name in files) and "probability" in done.stdout
    done = edgevolve("classify", "model/model.tflite", files[0], "gone.png", cwd=tmp_path)
    assert done.returncode == 2 and files[0] in done.stdout
    assert done.stderr.splitlines()[-1] == "edgevolve: gone.png: no such file"
