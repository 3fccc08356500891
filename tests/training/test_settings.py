import subprocess
import sys

import pytest

from edgevolve.training import TrainingDiverged, TrainingSettings


def test_importing_training_loads_no_tensorflow():
    code = "import sys, edgevolve.training; sys.exit(any(name in sys.modules for name in ('tensorflow', 'keras')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", 2.5),
        ("epochs", True),
        ("batch_size", -1),
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("learning_rate", "fast"),
        ("weight_decay", -1e-4),
        ("weight_decay", 1),
        ("label_smoothing", 1.0),
        ("optimiser", "adam"),
        ("schedule", "linear"),
        ("augment", ("rotate",)),
        ("augment", ["flip"]),
        ("augment", "flip"),
        ("augment", ("flip=1",)),
        ("augment", ("gain=loud",)),
        ("augment", ("gain=-1",)),
        ("augment", ("crop=0",)),
        ("augment", ("mixup=nan",)),
        ("augment", ("noises",)),
        ("shift_pixels", 0),
        ("average", 1.0),
        ("average", -0.1),
        ("average", None),
        ("clip_norm", 0),
        ("clip_norm", -1.0),
        ("clip_norm", float("inf")),
        ("clip_norm", float("nan")),
        ("clip_norm", True),
        ("clip_norm", "1"),
    ],
)
def test_impossible_values_are_refused_in_one_line(name, value):
    with pytest.raises(ValueError, match=f"training: {name} must be") as caught:
        TrainingSettings(**{name: value})
    assert "\n" not in str(caught.value)


def test_clipping_may_be_switched_off():
    assert TrainingSettings(clip_norm=None).clip_norm is None


def test_divergence_names_its_epoch():
    error = TrainingDiverged(3)
    assert error.epoch == 3
    assert "epoch 3" in str(error)


def test_divergence_crosses_a_process_boundary():
    import copy

    assert copy.copy(TrainingDiverged(3)).epoch == 3
