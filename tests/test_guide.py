"""The complete examples of the guide and the README run as they stand."""

import gzip
import re
import shlex
import shutil
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from terminal import edgevolve_process

from edgevolve import Inline, Run, TrainingSettings, search
from edgevolve.configuration import load_configuration
from edgevolve.engine import task_of
from edgevolve.graph import kernel_bits
from edgevolve.runs.as_json import config_json
from edgevolve.testing import check_data_set
from edgevolve.training.session import configure_tensorflow
from predictors import board, device
from search_algorithms import STRATEGIES

configure_tensorflow(1)

ROOT = Path(__file__).resolve().parent.parent


CHAPTERS = sorted(path.stem for path in (ROOT / "docs/guide").glob("*.md") if path.stem != "index")


def blocks(page, language="python"):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.S)


def example(chapter, words):
    """The one complete Python block of a chapter that holds these words."""
    complete = [block for block in blocks(f"docs/guide/{chapter}.md") if "from edgevolve import" in block]
    (block,) = [block for block in complete if words in block]
    return block


def run(block):
    names = {"__name__": "guide"}
    exec(compile(block, "guide", "exec"), names)
    return names


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 12, 12), dtype=np.uint8)
    for name in ("images.npz", "gestures.npz"):
        np.savez(tmp_path / name, x_train=images, y_train=np.arange(60) % 3)
    np.save(tmp_path / "windows.npy", rng.normal(size=(90, 64, 1, 6)).astype(np.float32))
    np.save(tmp_path / "labels.npy", np.arange(90) % 3)
    np.save(tmp_path / "persons.npy", np.arange(90) // 9)
    for number in range(60):
        photo = tmp_path / "photos" / ("cat", "dog")[number % 2] / f"scene{number // 6}_{number}.png"
        photo.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(photo)
    (tmp_path / "artifacts/demo").mkdir(parents=True)
    shutil.copy(ROOT / "tests/data/journals/0.1.0.jsonl", tmp_path / "artifacts/demo/journal.jsonl")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_first_search_of_the_readme_can_be_run(folder):
    config = run(blocks("README.md")[0])["config"]
    config.check(task_of(config))


@pytest.mark.parametrize("chapter", sorted({*CHAPTERS} - {"clusters", "deployment"}))
def test_every_chapter_begins_with_an_example_that_runs(folder, capsys, chapter):
    names = run(blocks(f"docs/guide/{chapter}.md")[0])
    if "config" in names:
        names["config"].check(task_of(names["config"]))
    else:
        assert capsys.readouterr().out


@pytest.mark.slow
def test_the_first_example_of_clusters_searches_with_two_workers(folder, capsys):
    finished = run(blocks("docs/guide/clusters.md")[0])["run"]
    assert finished.evaluations == 4 and not finished.failures


@pytest.mark.slow
def test_the_first_commands_of_deployment_lead_to_a_model(folder):
    for line in blocks("docs/guide/deployment.md", "sh")[0].splitlines():
        command, *arguments = shlex.split(line, comments=True)
        done = edgevolve_process(*arguments, cwd=folder)
        assert command == "edgevolve" and done.returncode == 0, done.stderr
    assert (folder / "mine/model.tflite").is_file() and (folder / "mine/c/src").is_dir()


def test_the_pruned_search_of_the_guide_makes_smaller_networks(folder):
    """With fewer epochs; the networks that were pruned are on the disk as the smaller ones that they are."""
    block = example("compression", "Prune(")
    config, short = run(block)["config"], TrainingSettings(epochs=1)
    quick = {"training": short, "stages": tuple(replace(stage, training=short) for stage in config.stages)}
    conv = {"type": "conv", "kernel": 3, "filters": 8, "stride": 2, "batch_norm": True, "relu": True, "prepool": False}
    network = {"blocks": [{"branch": False, "layers": [conv]}], "pool": None, "dense": [{"units": 10}]}
    start = tuple({"network": network, "recipe": {"sparsity": share}} for share in (0, 0.5))
    finished = search(config.with_fields(**quick, start=start, evaluations=2), "pruned", out=folder, evaluator=Inline)
    dense, pruned = finished.records[0], finished.records[1]
    assert pruned.reshaped and not dense.reshaped
    assert pruned.metrics["macs"] < dense.metrics["macs"]


def test_the_sheets_and_the_board_of_the_guide_are_read(folder):
    texts = blocks("docs/guide/devices.md", "yaml")
    names = [re.match(r"name: (\w+)", text)[1] for text in texts]
    for name, text in zip(names, texts, strict=True):
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    assert names == ["my_chip", "my_m4", "mine"]
    assert [device(f"{name}.yaml").metric_names for name in names[:2]] == [("latency_ms",)] * 2
    mine = board("mine.yaml")
    assert {metric: room.free_bytes for metric, room in mine.rooms.items()} == {
        "arena_bytes@cortex-m-dsp": 96 * 1024 - 21_000,
        "flash_bytes": 2**20 - 140_000,
    }
    assert mine.device().name == "mine"


def test_the_data_set_of_the_guide_keeps_every_promise(folder):
    block = example("data", "class Motions")
    check_data_set(run(block)["Motions"](str(folder)))


READERS = ("AudioFolder", "ImageFolder", "SensorFolder", "SensorTable", "Table")


def test_the_readers_of_the_guide_take_what_it_gives_them():
    lines = re.findall(
        rf"^data = ((?:{'|'.join(READERS)})\(.*)$", (ROOT / "docs/guide/data.md").read_text("utf-8"), re.M
    )
    made = [run(f"from edgevolve import {', '.join(READERS)}\nmade = {line}")["made"] for line in lines]
    assert {type(data).__name__ for data in made} == set(READERS)


@pytest.mark.slow
def test_the_front_ends_of_the_guide_are_searched_beside_the_network(folder):
    rng, time = np.random.default_rng(0), np.arange(16_000) / 16_000
    for name, hertz in (("no", 300), ("yes", 900)):
        (folder / "commands" / name).mkdir(parents=True)
        for number in range(12):
            sound = 8_000 * np.sin(2 * np.pi * hertz * rng.uniform(0.9, 1.1) * time) + rng.normal(0, 300, 16_000)
            with wave.open(str(folder / "commands" / name / f"{number}.wav"), "wb") as file:
                file.setparams((1, 2, 16_000, 0, "NONE", ""))
                file.writeframes(sound.astype("<i2").tobytes())
    block = example("data", "FrontEndChoices(")
    config = run(block)["config"].with_fields(evaluations=2, training=TrainingSettings(epochs=1))
    finished = search(config, "guide", out=folder, evaluator=Inline)
    assert not finished.failures
    assert all(record.recipe["front_end"]["type"] in ("Mel", "Micro") for record in finished.records.values())
    assert all(
        record.metrics["front_end_ram_bytes"] < record.metrics["arena_bytes"] for record in finished.records.values()
    )


@pytest.mark.slow
def test_the_shared_weights_of_the_guide_are_trained_and_inherited(folder):
    block = example("supernets", "prepare=Supernet")
    config = run(block)["config"]
    one_epoch = replace(config.prepare, minutes=None, training=replace(config.prepare.training, epochs=1))
    finished = search(config.with_fields(prepare=one_epoch, evaluations=3), "guide", out=folder, evaluator=Inline)
    assert not finished.failures and finished.evaluations == 3
    assert all(record.inherits.artefact == "prepared" for record in finished.records.values())


@pytest.mark.slow
def test_the_teacher_and_the_bits_of_the_guide_are_searched(folder):
    block = example("compression", "prepare=Teach")
    config = run(block)["config"]
    prepare = replace(config.prepare, training=replace(config.prepare.training, epochs=2))
    shorter = config.with_fields(prepare=prepare, evaluations=2, training=replace(config.training, epochs=2))
    finished = search(shorter, "guide", out=folder, evaluator=Inline)
    assert not finished.failures and finished.prepared.metrics["error"] < 0.9
    for record in finished.front:
        bits = list(kernel_bits(finished.graph(record.number)).values())
        assert bits == [record.recipe["bits"]] * (len(bits) - 1) + [record.recipe["last_bits"]]
        assert {"error_int8", "quantisation_drop"} <= record.metrics.keys()


@pytest.mark.parametrize("journal", sorted((ROOT / "docs/gallery").glob("*.jsonl.gz")), ids=lambda path: path.name)
def test_every_run_of_the_gallery_opens_and_is_the_one_that_its_command_makes(folder, journal):
    name = journal.name.partition(".")[0]
    (folder / "journal.jsonl").write_bytes(gzip.decompress(journal.read_bytes()))
    run = Run.open(folder / "journal.jsonl")
    page = (ROOT / "docs/gallery/index.md").read_text(encoding="utf-8")
    (packaged, evaluations) = re.search(rf"^edgevolve (\w+) --name {name} --evaluations (\d+)", page, re.M).groups()
    config = load_configuration(packaged).with_fields(evaluations=int(evaluations), workers=1)
    begun = config.as_begun(run.started.config)
    assert config_json(begun, task_of(begun), run.started.config) == run.started.config
    assert run.evaluations == int(evaluations) and run.front


def test_the_guide_names_every_strategy():
    text = (ROOT / "docs/guide/strategies.md").read_text()
    assert [name for name in STRATEGIES if f"`{name}" not in text] == []
