"""An exported model ready to run: the int8 file with the front end, target and names of its manifest."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import FRONT_ENDS, Classes, DataError, FrontEnd, Itself, Target, Values, as_float
from edgevolve.data.unreadable import shown
from edgevolve.deployment.export_error import ExportError
from edgevolve.deployment.manifest import FORMAT
from edgevolve.quantisation.litert import Int8Model, open_model

_FRONT_ENDS = {"mfcc": "Mel", "log mel": "Mel"}
"""Classes of front ends whose names in a manifest differ from the class's."""
_TARGETS = {"Classes": Classes, "Values": Values, "Itself": Itself}


@dataclass(frozen=True, slots=True)
class ReadyModel:
    """An exported model. `read_shape` and `read_type` are those of an example as the device reads it.

    `data` is what the manifest says of the data set and how it was read.
    """

    model: Int8Model
    front_end: FrontEnd | None
    target: Target
    data: Mapping[str, Any]
    read_shape: tuple[int, ...]
    read_type: str

    @property
    def units(self) -> dict[str, str]:
        """The unit of each value by the value's name."""
        if isinstance(self.target, Values):
            return dict(zip(self.target.names, self.target.units or ("",) * self.target.outputs, strict=True))
        return {"mean squared error": ""}

    def answers(self, raw: NDArray[Any]) -> NDArray[np.float64]:
        """The answers for raw examples (number, *read_shape): probabilities of classes, values, or errors."""
        x = as_float(raw) if self.front_end is None else self.front_end.apply(raw)
        x = x.reshape(len(raw), *self.model.input_shape[1:])
        outputs = self.model.answers(x, self.target).astype(np.float64)
        if isinstance(self.target, Values):
            return self.target.real(outputs)
        if isinstance(self.target, Itself):
            error: NDArray[np.float64] = ((outputs - x.reshape(len(x), -1)) ** 2).mean(axis=1, keepdims=True)
            return error
        if outputs.shape[1] == 1:
            outputs = np.concatenate([np.zeros_like(outputs), outputs], axis=1)
        powers = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        probabilities: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return probabilities


def ready_model(path: Path) -> ReadyModel:
    """The model in a folder that `export` wrote, or in a `.tflite` of it. Raises `ExportError` for anything else."""
    folder = path if path.is_dir() else path.parent
    file = folder / "model.tflite" if path.is_dir() else path
    manifest = _manifest(folder, path)
    try:
        model = open_model(file.read_bytes())
    except OSError as error:
        raise ExportError(f"{shown(file)}: {error.strerror or 'cannot be read'}") from error
    except ValueError as error:
        raise ExportError(f"{shown(file)}: {' '.join(str(error).split())[:200]}") from None
    try:
        return _ready(model, manifest)
    except (DataError, KeyError, TypeError, ValueError, AttributeError) as error:
        reason = str(error) if isinstance(error, DataError) else f"{type(error).__name__}: {str(error)[:100]}"
        raise ExportError(f"{shown(folder / 'manifest.json')}: does not say how the model is used ({reason})") from None


def _manifest(folder: Path, path: Path) -> dict[str, Any]:
    place = folder / "manifest.json"
    if not path.exists():
        raise ExportError(f"{shown(path)}: no such folder or file; give the folder that `edgevolve export` wrote")
    try:
        manifest = json.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ExportError(
            f"{shown(folder)}: has no manifest.json; give the folder that `edgevolve export` wrote"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ExportError(f"{shown(place)}: cannot be read ({type(error).__name__})") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ExportError(f"{shown(place)}: is not the manifest of an export")
    return manifest


def _ready(model: Int8Model, manifest: Mapping[str, Any]) -> ReadyModel:
    data: Mapping[str, Any] = manifest.get("data") or {}
    inner: Mapping[str, Any] = data["data"] if data.get("type") == "Features" else data
    target = _made(_TARGETS[manifest["target"]["type"]], manifest["target"])
    said = manifest.get("front_end") or data.get("front_end")
    front_end: Any = None
    if said:
        name = str(said["name"])
        front_end = _made(FRONT_ENDS[_FRONT_ENDS.get(name, name.capitalize())], said["parameters"])
    if front_end is None:
        kinds = {"ImageFolder": "uint8", "AudioFolder": "int16"}
        return ReadyModel(
            model, None, target, inner, tuple(model.input_shape[1:]), kinds.get(inner.get("type", ""), "float32")
        )
    return ReadyModel(model, front_end, target, inner, _read_shape(front_end), front_end.raw_type)


def _read_shape(front_end: Any) -> tuple[int, ...]:
    if hasattr(front_end, "samples"):
        return (front_end.samples, 1, 1)
    if hasattr(front_end, "steps"):
        return (front_end.steps, 1, front_end.channels)
    return tuple(getattr(front_end, "read", front_end.shape))


def _made(kind: Any, said: Mapping[str, Any]) -> Any:
    """The object of the class `kind` from its JSON form."""
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in said.items() if name != "type"})
