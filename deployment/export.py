"""A trained network as files that one can flash, load and check."""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data import Splits
from deployment.arena_report import ArenaReport, arena_report
from deployment.export_error import ExportError
from deployment.interpreter import int8_accuracy, open_model
from deployment.manifest import Manifest, check_directory
from deployment.optimise import lean
from deployment.tflite import calibration_examples, differences, to_tflite_int8
from graph import Graph, graph_hash, reordered, to_json
from resource_models import deployed, footprint, live_bytes, peak_memory
from training.keras_model import keras_model, save_keras
from training.trainer import evaluate

COMPARED_EXAMPLES = 512
"""Test images on which the rewritten file must give what the converter's gives, on LiteRT and TensorFlow Lite Micro."""


def export(
    directory: Path, graph: Graph, weights: Mapping[str, NDArray[Any]], splits: Splits, facts: Mapping[str, Any]
) -> Manifest:
    """Write `model.tflite` (int8), `model.keras` (float) and `manifest.json` into `directory`.

    The file runs the operators in the order of least peak memory, and holds the memory plan that needs the smallest
    arena where it saves something; it was run beside the converter's own file with the same outputs.

    The directory must be absent, empty, or hold an earlier export, whose three files are then replaced while others
    are left alone. Files are written elsewhere beside it and renamed, the manifest last. Raises `ExportError` for any
    other directory or when the disk refuses, `ValueError` and `ConversionError` as `to_tflite_int8`.
    """
    check_directory(directory)
    merged = deployed(graph)
    order = peak_memory(merged.graph).order
    operators = reordered(merged.graph, order)
    graph = reordered(graph, merged.original_order(order))
    converted = to_tflite_int8(graph, weights, calibration_examples(splits.train))
    model = lean(converted)
    arena = _checked(operators, converted, model, splits.test.x)
    opened = open_model(model)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory, prefix=".partial-") as name:
            folder = Path(name)
            (folder / "model.tflite").write_bytes(model)
            save_keras(keras_model(graph, weights), folder / "model.keras")
            manifest = Manifest(
                float_test_accuracy=1 - evaluate(graph, weights, splits.test).error,
                int8_test_accuracy=int8_accuracy(model, splits.test),
                int8_validation_accuracy=int8_accuracy(model, splits.validation),
                tflite_bytes=len(model),
                peak_memory_bytes=max(live_bytes(operators)),
                arena=arena,
                input=opened.input,
                output=opened.output,
                differences=differences(graph, model),
                files={file.name: _sha256(file) for file in sorted(folder.iterdir())},
                graph_hash=graph_hash(graph),
                graph=to_json(graph),
                facts=dict(facts),
            )
            (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
            for file in (*manifest.files, "manifest.json"):
                os.replace(folder / file, directory / file)
    except OSError as error:
        raise ExportError(f"{directory}: cannot write the export ({error.strerror or error})") from error
    return manifest


def _checked(operators: Graph, converted: bytes, model: bytes, images: NDArray[Any]) -> ArenaReport:
    """Compare the rewritten file with the converter's on both runtimes, on test images evenly spread over the split."""
    chosen = images[np.linspace(0, len(images) - 1, min(len(images), COMPARED_EXAMPLES)).round().astype(int)]
    before, after = open_model(converted), open_model(model)
    if not np.array_equal(before.outputs(chosen), after.outputs(chosen)):
        raise ExportError("the rewritten file computes something else on LiteRT; please report this")
    return arena_report(operators, footprint(operators), converted, model, after.quantised(chosen))


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
