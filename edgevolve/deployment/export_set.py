"""Exports several networks in one bundle, switched at run time; equal parts are stored once."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Splits, classes_of
from edgevolve.data.target import ERROR
from edgevolve.deployment.c_bundle import write_bundle
from edgevolve.deployment.c_networks import Cost, networks_header
from edgevolve.deployment.export import export, source_of
from edgevolve.deployment.export_error import ExportError
from edgevolve.deployment.formats import Source, check_formats
from edgevolve.deployment.manifest import Manifest
from edgevolve.deployment.micro import MicroError, run_on_micro
from edgevolve.deployment.together import BEGINNING_BYTES, together
from edgevolve.graph import Graph
from edgevolve.quantisation.litert import open_model
from edgevolve.tflite import read_tflite
from edgevolve.tflite.targets import Target as Device
from resource_models import CORTEX_M, Footprint, file_footprint, macs

COMPARED = 64
"""Test examples on which each network of the array must give the outputs of its own file."""


@dataclass(frozen=True, slots=True)
class Member:
    """A network of the set with its weights; `facts` go into its manifest, `latency_ms` and `energy_uj` into C."""

    graph: Graph
    weights: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any]
    latency_ms: float = 0.0
    energy_uj: float = 0.0


@dataclass(frozen=True, slots=True)
class SetManifest:
    """The exported set: for each network its costs, a description in words and the bytes of its own file.

    `flash_bytes` is the size of the common array, `arena_bytes` the largest arena of all networks on `target`. `checks`
    says what was compiled and run.
    """

    networks: tuple[Cost, ...]
    words: tuple[str, ...]
    single_bytes: tuple[int, ...]
    flash_bytes: int
    arena_bytes: int
    target: str
    checks: dict[str, Any]


def export_set(
    directory: Path, members: Sequence[Member], splits: Splits, name: str, device: Device | None = None
) -> SetManifest:
    """Write an export of each network (`networks/0`, ...), the bundle of all (`c`) and `set.json`.

    Networks are sorted from the smallest int8 error on validation to the largest. Each runs on TensorFlow Lite Micro
    and LiteRT from the common array and from its own file, and must give the same outputs. Names in C begin with
    `name`. `device` is the target of the arenas, by default a Cortex-M. The directory must be absent or empty. Raises
    `ExportError` for any other directory and where something does not agree; else as `export`.
    """
    check_formats(("c",))
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise ExportError(f"{directory}: is there already; a set goes to a new folder: --out FOLDER")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".partial-") as partial:
        folder = Path(partial) / "set"
        result = _written(folder, members, splits, name, device or CORTEX_M)
        (folder / "set.json").write_text(json.dumps(asdict(result), indent=2) + "\n", encoding="utf-8")
        if directory.exists():
            directory.rmdir()
        folder.rename(directory)
    return result


def _written(folder: Path, members: Sequence[Member], splits: Splits, name: str, device: Device) -> SetManifest:
    singles = []
    for number, member in enumerate(members):
        place = folder / f"as asked {number}"
        made = export(
            place, member.graph, member.weights, splits, member.facts, ("tflite",), f"{name}_{number}", device
        )
        content = (place / "model.tflite").read_bytes()
        singles.append((_error(made), file_footprint(read_tflite(content), device), content, member, place))
    singles.sort(key=lambda single: (single[0], single[1].arena_bytes))
    sources, costs = [], []
    (folder / "networks").mkdir()
    for number, (error, memory, content, member, place) in enumerate(singles):
        place.rename(folder / "networks" / str(number))
        costs.append(Cost(error, memory.arena_bytes, macs(member.graph), member.latency_ms, member.energy_uj))
        sources.append(_source(member, content, splits, name, memory))
    models = [source.tflite for source in sources]
    array = together(models)
    _check_alike(array, models, sources[0])
    words = f"Errors are those of the int8 files on validation, arenas predicted for {device.name}."
    checks = write_bundle(folder, sources, array, networks_header(costs, words))
    arena = max(cost.arena_bytes for cost in costs)
    described = tuple(str(member.facts.get("network", "")) for *_, member, _ in singles)
    return SetManifest(tuple(costs), described, tuple(map(len, models)), len(array), arena, device.name, checks)


def _error(manifest: Manifest) -> float:
    """The score by which networks are sorted: the int8 error on validation, or the target's first score without one."""
    scores = manifest.scores["validation"]["int8"]
    return scores.get(ERROR.name, next(iter(scores.values())))


def _source(member: Member, content: bytes, splits: Splits, name: str, memory: Footprint) -> Source:
    target = splits.target or classes_of(member.graph.outputs[0].shape[-1])
    return replace(source_of(member.graph, member.weights, content, splits, target), name=name, device=memory)


def _check_alike(array: bytes, models: Sequence[bytes], source: Source) -> None:
    """Compare each network in the array with its own file, on TensorFlow Lite Micro and on LiteRT."""
    images = source.images[:COMPARED]
    for number, model in enumerate(models):
        part, alone = array[BEGINNING_BYTES * number :], open_model(model)
        stored = [alone.quantised(images)]
        try:
            micro, micro_alone = (run_on_micro(each, stored).outputs[0] for each in (part, model))
        except MicroError as error:
            raise ExportError(str(error)) from error
        same = np.array_equal(micro, micro_alone)
        if not same or not np.array_equal(open_model(part).outputs(images), alone.outputs(images)):
            raise ExportError(
                f"network {number} of the set gives other outputs than its own file; please report this bug"
            )
