"""The formats of an export. Each is a module with a function `write`, loaded on request."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import FrontEnd, Target
from edgevolve.deployment.export_error import ExportError
from edgevolve.graph import Graph
from resource_models import Footprint


@dataclass(frozen=True, slots=True)
class Source:
    """The network from which every format is made, and data to check its files.

    `graph` runs in the order of its nodes; `tflite` is its int8 file and `keras` its float model. `images` are examples
    of the test split, (number, height, width, channels) float32, and `outputs` those of the Keras model for them. Where
    a `front_end` made the images, `raw` are the same examples as the device reads them. `target` says what outputs
    mean; None means as many classes as there are outputs. Names in C begin with `name`. `device` is the footprint on
    the target of the export, if one was asked for.
    """

    graph: Graph
    weights: Mapping[str, NDArray[Any]]
    tflite: bytes
    keras: Any
    images: NDArray[np.float32]
    outputs: NDArray[np.float32]
    front_end: FrontEnd | None = None
    raw: NDArray[Any] | None = None
    target: Target | None = None
    name: str = ""
    device: Footprint | None = None


Write = Callable[[Path, Source], dict[str, Any]]
"""Writes a format's files into a directory or a folder in it, runs them, and returns what their check found."""


@dataclass(frozen=True, slots=True)
class Format:
    """`module` defines `write`, a `Write`; it imports `needs`, packages that `pip install {install}` brings."""

    module: str
    needs: tuple[str, ...] = ()
    install: str = ""


FORMATS: dict[str, Format] = {
    "tflite": Format("edgevolve.deployment.tflite"),
    "c": Format("edgevolve.deployment.c_bundle", ("tflite_micro",), "--pre tflite-micro"),
    "onnx": Format("edgevolve.deployment.onnx_model", ("onnx", "onnxruntime"), "'.[onnx]'"),
    "torch": Format("edgevolve.deployment.torch_program", ("torch",), "'.[torch]'"),
}

TOLERANCE = 1e-4
"""The largest difference of two float runtimes, as a fraction of the largest output, or of 1 where that is larger."""

_BATCH = 64


def parse_formats(text: str) -> tuple[str, ...]:
    """Names from a list such as "tflite,onnx", each once. Raises `ExportError` as `check_formats`."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    check_formats(names)
    return names


def check_formats(names: Sequence[str]) -> None:
    """Raise `ExportError` unless all `names` are formats whose packages are installed."""
    for name in names:
        if name not in FORMATS:
            raise ExportError(f"--formats {name}: give one or more of {','.join(FORMATS)}")
    for name in names:
        for package in FORMATS[name].needs:
            try:
                import_module(package)
            except ImportError as error:
                reason = "" if getattr(error, "name", None) == package else f" ({str(error).splitlines()[0]})"
                raise ExportError(
                    f"--formats {name} needs {package}{reason}: pip install {FORMATS[name].install}"
                ) from error


def write_format(name: str, folder: Path, source: Source) -> dict[str, Any]:
    """Write one format's files into `folder`; return the results of their check, for the manifest."""
    write: Write = import_module(FORMATS[name].module).write
    return write(folder, source)


def in_batches(run: Callable[[NDArray[Any]], NDArray[np.float32]], images: NDArray[Any]) -> NDArray[np.float32]:
    """The outputs of a float model, a bounded number of images at a time."""
    return np.concatenate([run(images[i : i + _BATCH]) for i in range(0, len(images), _BATCH)])


def agreement(file: str, runtime: str, outputs: NDArray[np.float32], source: Source) -> dict[str, Any]:
    """How far `outputs` of `runtime` for `source.images` are from Keras'. Raises `ExportError` beyond `TOLERANCE`."""
    difference = distance(runtime, outputs, source)
    largest = difference["largest_difference"]
    if not largest <= TOLERANCE * max(1.0, float(np.abs(source.outputs).max())):
        raise ExportError(f"{file}: on {runtime} outputs are up to {largest:.3g} from those of the Keras model")
    return difference


def distance(runtime: str, outputs: NDArray[np.float32], source: Source) -> dict[str, Any]:
    """How far `outputs` are from those of the Keras model; nothing is refused."""
    largest = float(np.abs(outputs - source.outputs).max())
    return {
        "checked_on": runtime,
        "examples": len(outputs),
        "largest_difference": largest,
        "largest_output": float(np.abs(source.outputs).max()),
    }
