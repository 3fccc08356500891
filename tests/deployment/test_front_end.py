"""A front end does the same in C as in Python, and its constants are where a firmware finds them."""

import json
import shutil

import numpy as np
import pytest
from pretend import make_config

from edgevolve import NpzImages, TrainingSettings, minimise, search
from edgevolve.data import FrontEnd, Pixels, Standardise, Unchanged
from edgevolve.deployment import ExportError
from edgevolve.deployment.c_front_end import steps_from_python
from edgevolve.deployment.export import export
from edgevolve.engine import Inline
from edgevolve.quantisation.litert import Quantisation
from edgevolve.runs.provenance import facts, load_data
from search_algorithms import Problem, RandomSearch
from search_space import MlpSpace

needs_compiler = pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")


@pytest.fixture
def raw():
    """Windows of three axes of very different scale, one of them constant."""
    rng = np.random.default_rng(0)
    axes = rng.normal((9.8, -200, 0.001), (0.4, 90, 0.0004), (90, 20, 1, 3))
    return np.concatenate([axes, np.full((90, 20, 1, 1), 7.0)], axis=-1).astype(np.float32)


def test_standardised_channels_have_mean_0_and_deviation_1(raw):
    front_end = Standardise.fit(raw)
    assert isinstance(front_end, FrontEnd)
    features = front_end.apply(raw)
    assert features.dtype == np.float32
    assert np.abs(features.mean(axis=(0, 1, 2))).max() < 1e-3
    assert features.std(axis=(0, 1, 2)) == pytest.approx([1, 1, 1, 0], abs=1e-3)
    assert json.loads(json.dumps(front_end.parameters))["mean"] == pytest.approx([9.8, -200, 0.001, 7], rel=0.05)


@needs_compiler
@pytest.mark.parametrize("stored", [Quantisation(0.03, -3), Quantisation(1 / 255, -128), Quantisation(0.0001, 100)])
def test_features_in_c_are_within_one_step_of_those_in_python(raw, stored):
    steps = steps_from_python(Standardise.fit(raw), raw, stored)
    assert steps is not None and steps <= 1


@needs_compiler
@pytest.mark.parametrize("stored", [Quantisation(1 / 255, -128), Quantisation(0.02, 5)])
def test_bytes_and_plain_floats_in_c_are_within_one_step_too(stored):
    pixels = np.arange(512, dtype=np.uint16).astype(np.uint8).reshape(8, 8, 8, 1)
    for front_end, raw in ((Pixels((8, 8, 1)), pixels), (Unchanged((8, 8, 1)), pixels / np.float32(100))):
        assert isinstance(front_end, FrontEnd)
        steps = steps_from_python(front_end, raw, stored)
        assert steps is not None and steps <= 1


@needs_compiler
def test_another_front_end_in_c_is_noticed(raw):
    class Wrong:
        name, raw_type = "wrong", "float32"
        right = Standardise.fit(raw)
        parameters = right.parameters

        def apply(self, raw):
            return self.right.apply(raw)

        def c_source(self):
            return self.right.c_source().replace("value - 0.5f", "value + 9.5f")

    class Torn(Wrong):
        def c_source(self):
            return "not C"

    assert steps_from_python(Wrong(), raw, Quantisation(0.03, -3)) > 1
    with pytest.raises(ExportError, match=r"front_end\.h: cc failed: .*error"):
        steps_from_python(Torn(), raw, Quantisation(0.03, -3))


@needs_compiler
def test_constants_reach_journal_manifest_and_c(tmp_path, raw):
    pytest.importorskip("tflite_micro")
    np.savez(tmp_path / "windows.npz", x_train=raw, y_train=np.arange(90) % 3)
    data = NpzImages(str(tmp_path / "windows.npz"))
    run = search(
        make_config(
            data=data,
            space=MlpSpace(data.input_shape, data.classes, max_layers=1, max_units=20),
            problem=Problem([minimise("error", scale=0.5)]),
            algorithm=RandomSearch(),
            training=TrainingSettings(epochs=1, batch_size=32, learning_rate=0.01),
            task=None,
            evaluations=1,
        ),
        out=tmp_path,
        evaluator=Inline,
    )
    splits = load_data(run)
    parameters = {"name": "standardise", "parameters": splits.front_end.parameters}
    assert run.started.data["front_end"] == json.loads(json.dumps(parameters))
    assert any("standardised" in note for note in run.started.data["notes"])
    best = run.best.number
    manifest = export(tmp_path / "out", run.graph(best), run.weights(best), splits, facts(run, best), ("c",))
    assert manifest.facts["data"]["front_end"]["name"] == "standardise"
    assert "at most" in manifest.formats["c"]["front_end"]
    assert "kFrontEndMean[4]" in (tmp_path / "out" / "c" / "src" / "front_end.h").read_text()
