"""From a folder of sound to C: class names and the meaning of int16 reach the export."""

import shutil
import wave

import numpy as np
import pytest
from pretend import make_config

from edgevolve import AudioFolder, TrainingSettings, minimise, search
from edgevolve.deployment.export import export
from edgevolve.engine import Inline
from edgevolve.runs.provenance import facts, load_data
from search_algorithms import Problem, RandomSearch
from search_space import MlpSpace


def test_a_folder_of_sound_becomes_c_that_reads_int16_and_names_its_classes(tmp_path):
    pytest.importorskip("tflite_micro")
    rng = np.random.default_rng(0)
    for number in range(60):
        path = tmp_path / "sounds" / ("clap", "hum", "quiet")[number % 3] / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 1000, 0, "NONE", ""))
            file.writeframes(rng.normal(0, (9000, 2000, 60)[number % 3], 50).astype("<i2").tobytes())
    data = AudioFolder(str(tmp_path / "sounds"), seconds=0.05)
    run = search(
        make_config(
            data=data,
            space=MlpSpace(data.input_shape, data.classes, max_layers=1, max_units=20),
            problem=Problem([minimise("error", scale=0.5)]),
            algorithm=RandomSearch(),
            training=TrainingSettings(epochs=1, batch_size=32),
            task=None,
            evaluations=1,
        ),
        out=tmp_path,
        evaluator=Inline,
    )
    best = run.best.number
    manifest = export(tmp_path / "out", run.graph(best), run.weights(best), load_data(run), facts(run, best), ("c",))
    assert tuple(manifest.target["names"]) == ("clap", "hum", "quiet")
    assert "at most" in manifest.formats["c"]["front_end"] or not shutil.which("cc")
    assert "const short* raw" in (tmp_path / "out" / "c" / "src" / "front_end.h").read_text()
    assert '{"clap", "hum", "quiet"}' in (tmp_path / "out" / "c" / "src" / "answer.h").read_text()
