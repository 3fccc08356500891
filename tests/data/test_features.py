"""Features of sound from a folder of WAV files: searched, loaded again from the journal, and the same in C."""

import json
import wave
from dataclasses import replace

import numpy as np
import pytest

from edgevolve import (
    AudioFolder,
    Diabetes,
    Features,
    Mel,
    MlpSpace,
    Problem,
    RandomSearch,
    SearchConfig,
    minimise,
    search,
)
from edgevolve.data import DataError, load_splits, with_front_end
from edgevolve.data.front_end import Samples
from edgevolve.deployment.export import export
from edgevolve.engine import Inline
from edgevolve.runs import Run
from edgevolve.runs.provenance import facts, has_packaged_data, load_data
from edgevolve.testing import check_data_set
from edgevolve.training import TrainingSettings

RATE = 4_000


@pytest.fixture
def folder(tmp_path):
    rng, time = np.random.default_rng(0), np.arange(RATE // 4) / RATE
    for name, hertz in (("high", 1_200), ("low", 300)):
        (tmp_path / "sound" / name).mkdir(parents=True)
        for i in range(20):
            tone = 8_000 * np.sin(2 * np.pi * hertz * rng.uniform(0.8, 1.2) * time) + rng.normal(0, 300, len(time))
            with wave.open(str(tmp_path / "sound" / name / f"{i}.wav"), "wb") as file:
                file.setparams((1, 2, RATE, 0, "NONE", ""))
                file.writeframes(tone.astype("<i2").tobytes())
    return tmp_path / "sound"


def features(folder):
    return Features(AudioFolder(str(folder), seconds=0.25), Mel(RATE, RATE // 4, bands=12, high_hz=1_900))


def test_they_keep_every_promise_of_a_data_set(folder):
    check_data_set(features(folder))
    splits = load_splits(features(folder))
    assert splits.train.x.shape[1:] == features(folder).input_shape
    assert features(folder).target.names == ("high", "low")
    columns = np.asarray(splits.train.x[:]).reshape(-1, 12)
    assert columns.mean(axis=0) == pytest.approx(0, abs=1e-3)


def test_a_run_on_them_is_exported_without_its_configuration_with_its_front_end_in_c(folder, tmp_path):
    data = features(folder)
    config = SearchConfig(
        data=data,
        space=MlpSpace(data.input_shape, 2, max_layers=1, max_units=16),
        problem=Problem([minimise("error", scale=0.1)]),
        algorithm=RandomSearch(),
        training=TrainingSettings(epochs=8),
        evaluations=2,
    )
    search(config, "tones", out=tmp_path, evaluator=Inline)
    run = Run.open(tmp_path / "tones")
    assert run.best.metrics["error"] == 0
    assert has_packaged_data(run)
    number, splits = run.best.number, load_data(run)
    export(tmp_path / "out", run.graph(number), run.weights(number), splits, facts(run, number), ("tflite", "c"))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["target"]["names"] == ["high", "low"]
    assert "steps of int8 from Python's" in manifest["formats"]["c"]["front_end"]
    assert "log mel" in (tmp_path / "out" / "c" / "src" / "front_end.h").read_text()


def test_their_classes_are_those_of_the_data_set(folder):
    assert features(folder).classes == 2
    values = Features(Diabetes(), Mel(RATE, RATE // 4, bands=12, high_hz=1_900))
    with pytest.raises(DataError, match="has no classes: give a space outputs=data.target.outputs"):
        assert values.classes


def test_a_second_front_end_is_refused(folder):
    class Prepared(AudioFolder):
        def load(self):
            splits = AudioFolder.load(self)
            return with_front_end(splits, Samples(tuple(splits.train.x.shape[1:])))

    data = features(folder)
    with pytest.raises(DataError, match="a front end of its own"):
        replace(data, data=Prepared(str(folder), seconds=0.25)).load()
