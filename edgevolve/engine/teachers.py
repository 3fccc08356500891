"""Loads teachers by name before the jobs begin, so that workers need no files."""

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Rows, Splits, Target, as_float, chunks, fingerprint
from edgevolve.engine.train_task import OnTensorFlow, Train
from edgevolve.graph import Graph, to_json
from edgevolve.runs import PICKS, ConfigError, Job, Run, Task
from edgevolve.runs.task import Needs
from edgevolve.training import Distil, Fit, Progress, TrainingDiverged, TrainingSettings, TrainState, unreported
from edgevolve.training.distil import PREPARED, Network, Teacher, prepared_arrays, with_teaching
from edgevolve.training.session import release_memory
from search_algorithms import Completed, Failed, Outcome

_MOST_BYTES = 2**28
_MOST_CONFIG_BYTES = 2**24
_LEAST = 1e-7
"""The least probability of which a logarithm is taken."""


@dataclass(frozen=True, slots=True)
class Teach(OnTensorFlow):
    """Train a teacher before the search: `SearchConfig(prepare=Teach(graph))`, for `Distil("prepared")`.

    It writes no checkpoint: an interrupted training of the teacher starts again.
    """

    graph: Graph
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(epochs=30))
    needs: Needs = field(default_factory=Needs)

    @property
    def metric_names(self) -> Sequence[str]:
        """None of its own: its scores are journaled by the target's names."""
        return ()

    @property
    def teaches(self) -> bool:
        """True: its weights are a teacher's, so no candidate starts from them."""
        return True

    def __call__(self, job: Job, splits: Splits, progress: Progress = unreported) -> Outcome:
        """Train; the outcome's weights are the teacher's, with its network (`distil.prepared_arrays`)."""
        try:
            state = Fit(self.training)(TrainState(self.graph), splits, np.random.default_rng(job.seed), progress)
        except TrainingDiverged as error:
            return Failed("diverged", str(error))
        finally:
            release_memory()
        return Completed(state.metrics, state.curves, prepared_arrays(to_json(self.graph), state.weights or {}))


@dataclass(frozen=True, slots=True, eq=False)
class KerasFile:
    """A `Teacher` from the bytes of a `.keras` file that contains only Keras' own layers."""

    content: bytes

    def outputs(self, x: Rows, target: Target) -> NDArray[np.float32]:
        """The model's outputs, (number, outputs); probabilities become logits."""
        import tempfile

        import keras

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "teacher.keras"
            path.write_bytes(self.content)
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
        given = np.concatenate([model.predict_on_batch(part) for rows in chunks(x) for part in _parts(as_float(rows))])
        given = given.reshape(len(given), -1).astype(np.float32)
        ends = _ends_in(model.layers[-1]) if target.loss == "cross-entropy" else ""
        logits: NDArray[np.float32] = np.log(given.clip(_LEAST, None)) if ends else given
        return logits - np.log((1 - given).clip(_LEAST, None)) if ends == "sigmoid" else logits


def with_teachers(task: Task, splits: Splits) -> Task:
    """The task with every teacher loaded that it names by file or run.

    Raises `ConfigError`, in one line, for a teacher that is missing, does not say what it was trained on, or was
    trained on other data than this training split, which may include the validation split.
    """
    if not isinstance(task, Train):
        return task

    def at_hand(distil: Distil) -> Distil:
        if not isinstance(distil.teacher, str) or distil.teacher == PREPARED:
            return distil
        return replace(distil, teacher=_teacher(distil.teacher, distil.elsewhere, splits))

    stages = tuple(with_teaching(stage, at_hand) for stage in task.stages)
    return replace(task, stages=stages, distil=at_hand(task.distil) if task.distil else None)


def _teacher(name: str, elsewhere: bool, splits: Splits) -> Teacher:
    if name.endswith(".keras"):
        return _of_file(Path(name), elsewhere, splits)
    path, _, pick = name.rpartition(":")
    run = Run.open(path)
    if run.started.data.get("fingerprint") != fingerprint(splits):
        raise ConfigError(
            f"{name}: learned from other data, which may hold these validation examples; train it on these"
        )
    record = PICKS[pick](run) if pick in PICKS else None
    if record is None and not (pick.isdecimal() and len(pick) < 10):
        words = ", ".join(f"RUN:{word}" for word in PICKS)
        raise ConfigError(f"{name}: give {words} or RUN:NUMBER of a run that has completed candidates")
    number = record.number if record else int(pick)
    return Network(run.final_graph(number), run.final_weights(number))


def _of_file(path: Path, elsewhere: bool, splits: Splits) -> Teacher:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{path}: larger than {_MOST_BYTES >> 20} MiB")
        content = path.read_bytes()
        with zipfile.ZipFile(path) as stored:
            if stored.getinfo("config.json").file_size > _MOST_CONFIG_BYTES:
                raise zipfile.BadZipFile
            config = stored.read("config.json")
        layers = json.loads(config)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or 'cannot be read'}") from error
    except (zipfile.BadZipFile, LookupError, ValueError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{path}: not a .keras file") from error
    _check_layers(path, layers)
    if not elsewhere and _trained_on(path) != fingerprint(splits):
        raise ConfigError(
            f"{path}: no manifest.json beside it says that it was trained on this training split; "
            "export the teacher from a run on these data, or write Distil(..., elsewhere=True) if it never saw them"
        )
    return KerasFile(content)


def _trained_on(path: Path) -> str | None:
    """The data's fingerprint in the manifest of the export to which the file belongs."""
    try:
        manifest = json.loads((path.parent / "manifest.json").read_text(encoding="utf-8"))
        return str(manifest["data"]["fingerprint"]) if path.name in manifest["files"] else None
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _check_layers(path: Path, config: Any) -> None:
    """Raise `ConfigError` for a layer that Keras would import from elsewhere, or that would run code."""
    waiting = [config]
    while waiting:
        layer = waiting.pop()
        if isinstance(layer, dict):
            module = layer.get("module")
            outside = isinstance(module, str) and module.partition(".")[0] != "keras"
            if outside or layer.get("class_name") == "Lambda":
                what = layer.get("class_name")
                raise ConfigError(f"{path}: holds {what!r}, which is not a plain Keras layer; it is not loaded")
            waiting += layer.values()
        elif isinstance(layer, list):
            waiting += layer


def _ends_in(layer: Any) -> str:
    """The name of the last activation, by which outputs may be probabilities."""
    activation = getattr(layer, "activation", None)
    name = getattr(activation, "__name__", "softmax" if type(layer).__name__ == "Softmax" else "")
    return name if name in ("softmax", "sigmoid") else ""


def _parts(x: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    return [x[i : i + 256] for i in range(0, len(x), 256)]
