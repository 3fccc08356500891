"""The manifest of an export, and where an export may be written. TensorFlow is not loaded here."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgevolve.data.target import ERROR
from edgevolve.deployment.arena_report import ArenaReport
from edgevolve.deployment.export_error import ExportError
from edgevolve.quantisation.litert import Quantisation

FORMAT = "edgevolve-model"
VERSION = 1


@dataclass(frozen=True, slots=True)
class ClassScore:
    """The number of examples of a class, and the share of them classified correctly; None where there are none."""

    name: str
    examples: int
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of `manifest.json`.

    `target` says what outputs mean, with every constant. `scores` are the target's metrics by split, "test" or
    "validation", and by form of the network, "float" or "int8": {"test": {"float": {...}, "int8": {...}}, ...}. The
    test split takes no part in search or training. For classes, `classes` are the int8 model's scores on the test
    examples of each class, `confusion` counts these examples by class (row) and answer (column), and the file also has
    the accuracies by split and form.

    `peak_memory_bytes` is that of the file's own order of operators, without alignment and scratch; `arena` is what the
    device needs. `differences` says where the file's operators are not the graph's nodes. `formats` holds, for each
    format written, the runtime on which it ran and how far it was from the Keras model. `files` holds the SHA-256 of
    each file. `facts` are the caller's, such as genotype, metrics, versions, seed and data fingerprint; in the file
    they are entries like the others.
    """

    target: dict[str, Any]
    scores: dict[str, dict[str, dict[str, float]]]
    classes: tuple[ClassScore, ...] | None
    confusion: list[list[int]] | None
    tflite_bytes: int
    peak_memory_bytes: int
    arena: ArenaReport
    input: Quantisation
    output: Quantisation
    differences: tuple[str, ...]
    formats: dict[str, dict[str, Any]]
    files: dict[str, str]
    graph_hash: str
    graph: dict[str, Any]
    facts: dict[str, Any]

    def to_json(self) -> str:
        """The text of `manifest.json`. Raises `ValueError` for facts that JSON cannot hold."""
        payload = {"format": FORMAT, "version": VERSION, **asdict(self)}
        payload = {**payload.pop("facts"), **self._accuracies(), **payload}
        payload |= {"input": self.input._asdict(), "output": self.output._asdict()}
        try:
            return json.dumps(payload, indent=2, allow_nan=False) + "\n"
        except (TypeError, ValueError) as error:
            raise ValueError(f"the facts of an export must be plain JSON values: {error}") from error

    def _accuracies(self) -> dict[str, float]:
        """Accuracies by the names that manifests have always used, such as `int8_test_accuracy`."""
        return {
            f"{form}_{split}_accuracy": 1 - metrics[ERROR.name]
            for split, forms in self.scores.items()
            for form, metrics in forms.items()
            if ERROR.name in metrics
        }


def check_directory(directory: Path) -> None:
    """Raise `ExportError` unless an export may go to `directory`."""
    if not directory.exists():
        return
    if not directory.is_dir():
        raise ExportError(f"{directory}: is a file; give a directory")
    if not any(directory.iterdir()):
        return
    try:
        manifest = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ExportError(f"{directory}: holds other files; give an empty directory, a new one or an earlier export")
