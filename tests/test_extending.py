"""The pages on parts of your own: every code block runs as it stands, and the kits try what it makes."""

import json
import re
import shutil
import subprocess
import sys
import wave
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from terminal import ROOT

from edgevolve import CnnSpace, Digits, Features, FrontEndChoices, Inline, Job, Splits, TrainingSettings, search
from edgevolve.data import FRONT_ENDS
from edgevolve.engine import task_of
from edgevolve.testing import check_task
from edgevolve.training.session import configure_tensorflow
from predictors import board

configure_tensorflow(1)

PAGES = ROOT / "docs/extending"
PACKAGES = ("configs", "edgevolve", "predictors", "resource_models", "search_algorithms", "search_space")


def blocks(page, language="python"):
    return re.findall(rf"```{language}\n(.*?)```", (PAGES / f"{page}.md").read_text(encoding="utf-8"), re.S)


def run(page):
    """The names that the Python blocks of a page define, in one file of the current folder."""
    file = Path(f"page_{page}.py")
    file.write_text("\n".join(blocks(page)), encoding="utf-8")
    return vars(import_module(file.stem))


def searched(config, folder, **shorter):
    """A search of two candidates by the configuration of a page, with less training."""
    finished = search(config.with_fields(evaluations=2, **shorter), "page", out=folder, evaluator=Inline)
    assert finished.evaluations == 2 and not finished.failures
    return finished


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for page in PAGES.glob("*.md"):
        monkeypatch.delitem(sys.modules, f"page_{page.stem}", raising=False)
    return tmp_path


def test_every_page_is_tested_here():
    tested = {"board", "front_end", "metric", "operator", "reader", "space", "stage", "strategy", "task"}
    assert {path.stem for path in PAGES.glob("*.md")} == tested | {"index"}


def test_the_strategy_keeps_every_promise_and_searches(folder):
    config = run("strategy")["config"]
    assert searched(config, folder, training=TrainingSettings(epochs=1)).started.config["algorithm"]["type"] == "Climb"


def test_the_space_keeps_every_promise_and_is_searched(folder):
    names = run("space")
    run_of_two = searched(names["config"], folder, training=TrainingSettings(epochs=1))
    assert all("→ 10 logits" in record.description for record in run_of_two.front)


def test_the_board_bounds_the_search_as_the_page_says(folder):
    for text in blocks("board", "yaml"):
        (folder / f"{re.match(r'name: (.*)', text)[1]}.yaml").write_text(text)
    config = run("board")["config"]
    config.check(task_of(config))
    rooms = {metric: room.free_bytes for metric, room in board("my_sensor.yaml").rooms.items()}
    assert rooms == {"arena_bytes@cortex-m-dsp": 77_304, "flash_bytes": 908_576}
    assert config.problem.broken({"flash_bytes": 908_577}) and not config.problem.broken({"flash_bytes": 908_576})


def test_the_front_end_keeps_every_promise_and_is_searched_once_it_is_registered(folder, monkeypatch):
    sounds = np.random.default_rng(0).integers(-9000, 9000, (24, 16_000), np.int16)
    for number, sound in enumerate(sounds):
        file = folder / "commands" / ("no", "yes")[number % 2] / f"{number}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(file), "wb") as to:
            to.setparams((1, 2, 16_000, 0, "NONE", ""))
            to.writeframes(sound.tobytes())
    names = run("front_end")
    data, kind = names["data"], names["Loudness"]
    assert isinstance(data, Features) and data.load().train.x.shape[1:] == data.input_shape == (100, 1, 1)
    with pytest.raises(ValueError, match="Loudness is not a front end of the package"):
        FrontEndChoices(CnnSpace((16_000, 1, 1), 2), kind(16_000, 100), frames=(50, 100))
    monkeypatch.setitem(FRONT_ENDS, "Loudness", kind)
    space = FrontEndChoices(CnnSpace((16_000, 1, 1), 2), kind(16_000, 100), frames=(50, 100))
    drawn = [space.network_shape(space.sample(np.random.default_rng(seed))) for seed in range(20)]
    assert set(drawn) == {(50, 1, 1), (100, 1, 1)}


def test_the_metric_is_an_objective_and_a_bound(folder):
    finished = searched(run("metric")["config"], folder, training=TrainingSettings(epochs=1))
    assert all(record.metrics["depth"] <= 4 for record in finished.front)
    assert finished.metric("depth").unit == "layers"


def test_the_stage_keeps_every_promise_and_follows_the_recipe(folder):
    finished = searched(run("stage")["config"], folder, training=TrainingSettings(epochs=1))
    assert all(record.recipe["clip"] in (2, 3, 4) for record in finished.records.values())


def test_the_reader_keeps_every_promise(folder):
    rng = np.random.default_rng(0)
    lines = [
        {"readings": rng.normal(size=(32, 2)).tolist(), "label": ("rest", "walk")[n % 2], "wearer": f"w{n // 6}"}
        for n in range(60)
    ]
    (folder / "wearers.jsonl").write_text("\n".join(map(json.dumps, lines)))
    run("reader")


def test_the_task_trains_networks_that_can_be_exported(folder):
    config = run("task")["config"].with_fields(evaluations=1)
    finished = search(config, "page", out=folder, evaluator=Inline)
    assert not finished.failures
    assert 0 <= finished.best.metrics["worst_recall"] <= 1 - finished.best.metrics["error"]
    assert finished.weights(finished.best.number)


@pytest.mark.slow
def test_the_task_keeps_every_promise(folder):
    config, splits = run("task")["config"], Digits().load()
    genotype = config.space.sample(np.random.default_rng(0))
    job = Job(0, config.space.to_json(genotype), config.space.graph(genotype), seed=1, metrics={})
    check_task(config.task, job, Splits(splits.train, splits.validation, splits.test.take(np.arange(0))))


def patched(folder):
    """The files that the patches of the page change, in a copy of the packages."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    files = []
    for patch in blocks("operator", "diff"):
        header, *hunks = re.split(r"^@@\n", patch, flags=re.M)
        files.append(re.match(r"--- (\S+)", header)[1])
        text = (folder / files[-1]).read_text(encoding="utf-8")
        for hunk in hunks:
            lines = hunk.splitlines(keepends=True)
            before = "".join(line[1:] for line in lines if line[0] in " -")
            assert text.count(before) == 1, before
            text = text.replace(before, "".join(line[1:] for line in lines if line[0] in " +"))
        (folder / files[-1]).write_text(text, encoding="utf-8")
    return files


NETWORK = """
import sys
from pathlib import Path
from edgevolve import Digits, GraphBuilder, TrainingSettings
from edgevolve.deployment.export import export
from edgevolve.graph import Activation, Conv2D, Dense, GlobalAveragePool, Subtract
from edgevolve.tflite import read_tflite
from edgevolve.training.session import configure_tensorflow
from edgevolve.training.trainer import train
configure_tensorflow(1)
net = GraphBuilder()
x = net.input((1, 8, 8, 1))
sides = (net.add(Conv2D(4, (3, 3), activation=function), x) for function in (Activation.RELU, Activation.NONE))
graph = net.build(net.add(Dense(10), net.add(GlobalAveragePool(), net.add(Subtract(), *sides))))
splits = Digits().load()
trained = train(graph, splits.train, splits.validation, TrainingSettings(epochs=1), 0)
export(Path("out"), graph, trained.weights, splits, {}, ("tflite", "c", "onnx"))
read = [type(node.op) for node in read_tflite(Path("out/model.tflite").read_bytes()).graph.nodes]
assert Subtract in read, read
"""


@pytest.mark.slow
def test_the_operator_takes_six_files_and_reaches_every_runtime(folder):
    assert len(set(patched(folder))) <= 6
    done = subprocess.run([sys.executable, "-c", NETWORK], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((folder / "out/manifest.json").read_text())
    assert manifest["formats"].keys() == {"tflite", "c", "onnx"}


def test_the_patches_of_the_operator_fit(tmp_path):
    assert len(set(patched(tmp_path))) == 6
