"""Writes a trained network as files that can be flashed, loaded and checked."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Classes, Pixels, Rows, Samples, Splits, Target, as_float, classes_of
from edgevolve.data.cost import cost_of
from edgevolve.data.split import FULL_SCALE
from edgevolve.deployment.arena_report import ArenaReport, arena_report
from edgevolve.deployment.export_error import ExportError
from edgevolve.deployment.formats import Source, check_formats, in_batches, write_format
from edgevolve.deployment.manifest import ClassScore, Manifest, check_directory
from edgevolve.deployment.optimise import lean
from edgevolve.deployment.readme import NAME as README
from edgevolve.deployment.readme import readme
from edgevolve.deployment.tflite import differences
from edgevolve.graph import Graph, activation_bits, form_in_words, graph_hash, reordered, to_json
from edgevolve.quantisation import calibration_examples, int8_network
from edgevolve.quantisation.litert import int8_scores, open_model
from edgevolve.tflite import read_tflite
from edgevolve.tflite.targets import Target as Device
from edgevolve.training.keras_model import keras_model
from edgevolve.training.trainer import evaluate
from resource_models import CORTEX_M, HOST, Footprint, deployed, file_footprint, footprint, live_bytes, peak_memory

CHECKED_EXAMPLES = 1000
"""The most examples of the test split on which the files of each format are run."""

COMPARED_EXAMPLES = 512
"""Test examples on which the file must give the same outputs with and without a memory plan, on LiteRT and TFLM."""

_MOST_CONFUSED = 100
"""Up to this many classes the manifest has a confusion matrix."""


def export(
    directory: Path,
    graph: Graph,
    weights: Mapping[str, NDArray[Any]],
    splits: Splits,
    facts: Mapping[str, Any],
    formats: Sequence[str] = ("tflite",),
    name: str = "",
    device: Device | None = None,
    slower: float = 0.0,
    most_arena_bytes: int = 0,
) -> Manifest:
    """Write the files of `formats` (names in `deployment.formats.FORMATS`), a README and `manifest.json`.

    Names in C begin with the model's `name`. The manifest and the C code give the arena for `device`. Without one, the
    manifest gives it for a Cortex-M with reference kernels, and the C code for this computer. With `slower` above 0
    parts run in bands, for at most this share of extra multiply-accumulates, exactly as a search with the same share
    and `most_arena_bytes` measured it (`lean`).

    The int8 file is made and scored whatever the formats. It runs the operators in the order of least peak memory. It
    holds a memory plan where that saves something; with and without the plan its outputs are compared. Its kernels,
    scales and operators are those of `int8_network`, which the search scores.

    The directory must be absent, empty, or hold an earlier export. Files of the earlier export are replaced; those that
    are no longer made are removed unless somebody changed them; other files stay. Files are written to a temporary
    folder inside and renamed, the manifest last.

    Raises `ExportError` for any other directory, for an unknown format or one whose packages are missing, when a file
    does not agree with the network, or when the disk refuses; `ValueError` as `int8_network`.
    """
    check_formats(formats)
    if "c" in formats and activation_bits(graph) == 16:
        raise ExportError("c: its sources read and write int8; export a network of int16 activations as tflite")
    check_directory(directory)
    merged = deployed(graph)
    order = peak_memory(merged.graph).order
    operators = reordered(merged.graph, order)
    graph = reordered(graph, merged.original_order(order))
    written = int8_network(graph, weights, calibration_examples(splits.train)).tflite()
    whole = lean(written)
    model = lean(written, slower, most_arena_bytes) if slower > 0 else whole
    if model == whole:
        footprints = {target: footprint(operators, target) for target in (device or CORTEX_M, HOST)}
    else:
        footprints = {target: file_footprint(read_tflite(model), target) for target in (device or CORTEX_M, HOST)}
    arena = _checked(footprints, device or CORTEX_M, written, model, splits.test.x)
    opened = open_model(model)
    target = splits.target or classes_of(graph.outputs[0].shape[-1])
    answers = opened.answers(splits.test.x, target)
    confusion = target.confusion(answers, splits.test) if isinstance(target, Classes) else None
    classes = _class_scores(target, confusion) if isinstance(target, Classes) and confusion is not None else None
    source = replace(
        source_of(graph, weights, model, splits, target), name=name, device=footprints[device] if device else None
    )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory, prefix=".partial-") as partial:
            folder = Path(partial)
            checks = {format_name: write_format(format_name, folder, source) for format_name in formats}
            text = readme(name, list(_digests(folder)), opened, form_in_words(graph), target, arena)
            (folder / README).write_text(text, encoding="utf-8")
            manifest = Manifest(
                target={"type": type(target).__name__, **target.constants()},
                scores={
                    "test": {
                        "float": evaluate(graph, weights, splits.test, target).metrics,
                        "int8": target.score(answers, splits.test),
                    },
                    "validation": {
                        "float": evaluate(graph, weights, splits.validation, target).metrics,
                        "int8": int8_scores(model, splits.validation, target),
                    },
                },
                classes=classes,
                confusion=confusion.tolist() if confusion is not None and len(confusion) <= _MOST_CONFUSED else None,
                tflite_bytes=len(model),
                peak_memory_bytes=max(live_bytes(operators if model == whole else read_tflite(model).graph)),
                arena=arena,
                input=opened.input,
                output=opened.output,
                differences=differences(graph, whole),
                formats=checks,
                files=_digests(folder),
                graph_hash=graph_hash(graph),
                graph=to_json(graph),
                facts={**facts, **_front_end(splits)},
            )
            (folder / "manifest.json").write_text(manifest.to_json(), encoding="utf-8")
            earlier = _earlier_files(directory)
            for file in (*manifest.files, "manifest.json"):
                (directory / file).parent.mkdir(parents=True, exist_ok=True)
                os.replace(folder / file, directory / file)
            _remove(directory, {file: digest for file, digest in earlier.items() if file not in manifest.files})
    except OSError as error:
        raise ExportError(f"{directory}: cannot write the export ({error.strerror or error})") from error
    return manifest


def source_of(
    graph: Graph, weights: Mapping[str, NDArray[Any]], model: bytes, splits: Splits, target: Target
) -> Source:
    """The `Source` of a network; the caller adds the name for C and the device's footprint."""
    images = as_float(_spread(splits.test.x, CHECKED_EXAMPLES))
    front_end, read = splits.front_end, splits.raw
    shape, integers = tuple(splits.test.x.shape[1:]), splits.test.x.dtype.name
    if front_end is None and integers in FULL_SCALE:
        front_end, read = Pixels(shape) if integers == "uint8" else Samples(shape), splits.test.x
    raw = None if read is None else _spread(read, CHECKED_EXAMPLES)
    keras = keras_model(graph, weights)
    outputs = in_batches(lambda x: keras(x).numpy(), images)
    return Source(graph, weights, model, keras, images, outputs, front_end, raw, target)


def _front_end(splits: Splits) -> dict[str, Any]:
    """The manifest's entry on the front end: its parameters, working memory and flash; empty without one."""
    if splits.front_end is None:
        return {}
    cost = cost_of(splits.front_end)
    sizes = {"work_bytes": cost.work_bytes, "flash_bytes": cost.flash_bytes}
    return {"front_end": {"name": splits.front_end.name, "parameters": dict(splits.front_end.parameters), **sizes}}


def _class_scores(target: Classes, confusion: NDArray[np.int64]) -> tuple[ClassScore, ...]:
    rows = zip(target.labels, confusion.sum(axis=1).tolist(), confusion.diagonal().tolist(), strict=True)
    return tuple(ClassScore(name, examples, right / examples if examples else None) for name, examples, right in rows)


def _spread(images: Rows, number: int) -> NDArray[Any]:
    """At most `number` of the examples, evenly spread over the split."""
    spread: NDArray[Any] = images[np.linspace(0, len(images) - 1, min(len(images), number)).round().astype(int)]
    return spread


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file below `folder`, by its path relative to `folder`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in files}


def _earlier_files(directory: Path) -> dict[str, str]:
    """The files, with digests, that the manifest of an earlier export lists; empty where there is none."""
    try:
        files = json.loads((directory / "manifest.json").read_text(encoding="utf-8")).get("files")
    except (OSError, ValueError):
        return {}
    return {str(name): str(digest) for name, digest in files.items()} if isinstance(files, dict) else {}


def _remove(directory: Path, files: Mapping[str, str]) -> None:
    """Remove those of `files`, digests by path, that are unchanged since, and folders left empty."""
    for name, digest in files.items():
        file = directory / name
        if file.resolve().is_relative_to(directory.resolve()) and file.is_file() and _sha256(file) == digest:
            file.unlink()
            for above in file.relative_to(directory).parents[:-1]:
                if any((directory / above).iterdir()):
                    break
                (directory / above).rmdir()


def _checked(
    footprints: Mapping[Device, Footprint], device: Device, written: bytes, model: bytes, images: Rows
) -> ArenaReport:
    """Compare the outputs of `model` with those of `written`, the file without a plan, on both runtimes."""
    chosen = _spread(images, COMPARED_EXAMPLES)
    before, after = open_model(written), open_model(model)
    if not np.array_equal(before.outputs(chosen), after.outputs(chosen)):
        raise ExportError("the rewritten file gives other outputs on LiteRT; please report this")
    return arena_report(footprints[device], footprints[HOST], written, model, after.quantised(chosen))


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
