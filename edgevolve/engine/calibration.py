"""Calibration: measures many networks on a device, on one or many nodes, into one CSV that is only appended to.

Each node measures one network at a time, since two would disturb each other. After an interrupt at any moment, the same
command continues where the file ends.
"""

import csv
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import numpy as np

from edgevolve.data import Split, Splits
from edgevolve.engine.cluster import require_cluster
from edgevolve.engine.corpus import Network
from edgevolve.engine.evaluator import Evaluator, Inline, JobResult, results_of
from edgevolve.graph import Graph, graph_hash, to_json
from edgevolve.runs import Job, Task
from edgevolve.runs.disk import lock
from edgevolve.tflite import skeleton
from edgevolve.training import Progress, unreported
from predictors import PredictorError, check_device, layer_key, layers, profile
from resource_models import macs
from search_algorithms import Completed, Failed, Outcome

METRICS = ("latency_ms", "p90_ms", "least_ms", "spread")
COLUMNS = ("file", "device", "threads", *METRICS, "runs", "node", "macs", "hash", "description")
MANIFEST = ("file", "latency_ms", "size_bytes", "macs", "hash", "description")
"""The columns of a corpus; `latency_ms` is empty, for the user to fill in."""


@dataclass(frozen=True, slots=True)
class Measure:
    """The task: profile a job's graph on `device`."""

    device: str = "cpu"
    threads: int = 1
    cores: tuple[int, ...] = ()
    runs: int = 50

    @property
    def metric_names(self) -> Sequence[str]:
        """Milliseconds, and the spread as a fraction; see `predictors.Profile`."""
        return (*METRICS, "runs")

    def prepare(self) -> None:
        """Raise `PredictorError` where the device is missing."""
        check_device(self.device)

    def __call__(self, job: Job, splits: Splits, progress: Progress = unreported) -> Outcome:
        """Measure; a network that the device cannot run is a failure."""
        try:
            timed = profile(job.graph, self.device, threads=self.threads, cores=self.cores, runs=self.runs)
        except PredictorError as error:
            return Failed("refused", str(error))
        measured = asdict(timed)
        return Completed({name: float(measured[name]) for name in self.metric_names})


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The numbers of networks measured now and before (`known`), and why others failed."""

    measured: int
    known: int
    failed: tuple[tuple[str, str], ...]
    """Pairs of description and reason, in the order of the networks."""


def calibrate(
    networks: Sequence[Network],
    path: Path,
    measure: Measure,
    *,
    evaluator: Callable[[Task, Splits], Evaluator] = Inline,
    observe: Callable[[int, int], None] = lambda done, of: None,
) -> Calibrated:
    """Measure the networks that `path` does not hold yet; call `observe(done, of)` as networks are done.

    Graphs are written as JSON to a folder with the CSV's name. Raises `PredictorError`, before anything is written, for
    a missing device, and for a file that is not a calibration or is being written; raises `WorkersLostError`.
    """
    hashes = [graph_hash(network.graph) for network in networks]
    failed: dict[int, Failed] = {}
    known = _known(path, measure)
    numbers = {name: number for number, name in enumerate(hashes) if name not in known}
    waiting = {number: name for name, number in numbers.items()}
    if not waiting:
        return Calibrated(0, len(networks), ())
    pool = evaluator(measure, _nothing())
    try:
        with _appending(path) as file:
            folder = path.with_suffix(".networks")
            folder.mkdir(exist_ok=True)
            jobs = [Job(number, None, networks[number].graph, 0, {}) for number in waiting]
            for done, result in enumerate(results_of(pool, jobs), start=1):
                network, name = networks[result.number], waiting[result.number]
                if isinstance(result.outcome, Failed):
                    failed[result.number] = result.outcome
                else:
                    _write_graph(folder / f"{name}.json", network.graph)
                    _append(file, _row(f"{folder.name}/{name}.json", name, network, measure, result))
                observe(done, len(waiting))
    finally:
        pool.close()
    reasons = tuple((networks[number].description, outcome.reason) for number, outcome in sorted(failed.items()))
    return Calibrated(len(waiting) - len(failed), len(networks) - len(waiting), reasons)


def on_ray(address: str | None) -> Callable[[Task, Splits], Evaluator]:
    """An evaluator factory: one worker on each node of the cluster at `address`, or on this machine alone."""

    def start(task: Task, splits: Splits) -> Evaluator:
        if address:
            require_cluster(address)
        from edgevolve.engine.ray_pool import RayPool

        return RayPool(task, splits, one_a_node=True, gpus_per_worker=0.0, deadline_s=600.0, address=address)

    return start


def with_layers(networks: Sequence[Network]) -> list[Network]:
    """The networks, then each distinct layer of them as a network of its own."""
    singles = layers(network.graph for network in networks)
    return [*networks, *(Network(single, f"layer {layer_key(single.nodes[0])[:200]}") for single in singles)]


def emit(networks: Sequence[Network], folder: Path) -> Path:
    """Write int8 `.tflite` files, and `manifest.csv`, in which the user fills in measured latencies; return its path.

    Raises `PredictorError` for a folder that is not empty.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise PredictorError(f"{folder}: is not empty; choose another folder")
        rows = []
        for index, network in enumerate(networks):
            model, name = skeleton(network.graph), f"{index:04}.tflite"
            (folder / name).write_bytes(model)
            rows.append((name, "", len(model), macs(network.graph), graph_hash(network.graph), network.description))
        manifest = folder / "manifest.csv"
        manifest.write_text(_line(MANIFEST) + "".join(map(_line, rows)), encoding="utf-8")
    except OSError as error:
        raise PredictorError(f"{folder}: {error.strerror or error}") from error
    return manifest


def _row(file: str, name: str, network: Network, measure: Measure, result: JobResult) -> dict[str, object]:
    assert isinstance(result.outcome, Completed)
    metrics = {key: f"{value:.6g}" for key, value in result.outcome.metrics.items()}
    about = {"file": file, "device": measure.device, "threads": measure.threads, "node": result.node}
    return {**about, **metrics, "macs": macs(network.graph), "hash": name, "description": network.description}


def _known(path: Path, measure: Measure) -> set[str]:
    """The hashes of networks measured before in the same way. Raises `PredictorError` for a file of other columns."""
    if not path.exists():
        return set()
    try:
        content = path.read_bytes()
        text = content[: content.rfind(b"\n") + 1].decode()
    except (OSError, UnicodeDecodeError) as error:
        raise PredictorError(f"{path}: cannot be read as a calibration ({type(error).__name__})") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if content and tuple(reader.fieldnames or ()) != COLUMNS:
        raise PredictorError(f"{path}: not a calibration of this version; choose another --out")
    rows = list(reader)
    other = sorted({row["threads"] for row in rows if row["device"] == measure.device} - {str(measure.threads)})
    if other:
        raise PredictorError(
            f"{path}: holds {measure.device} with {other[0]} thread(s), and a predictor is fitted to one number; "
            f"give --threads {other[0]} or another --out"
        )
    return {row["hash"] for row in rows if row["device"] == measure.device}


@contextmanager
def _appending(path: Path) -> Iterator[IO[bytes]]:
    """Open the CSV for appending: locked, with a header, and without a torn last line."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            try:
                lock(file)
            except OSError as error:
                raise PredictorError(f"{path}: another calibration is writing to it") from error
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
            if file.seek(0, os.SEEK_END) == 0:
                file.write(_line(COLUMNS).encode())
            yield file
    except OSError as error:
        raise PredictorError(f"{path}: {error.strerror or error}") from error


def _append(file: IO[bytes], row: dict[str, object]) -> None:
    file.write(_line([row[name] for name in COLUMNS]).encode())
    file.flush()
    os.fsync(file.fileno())


def _write_graph(path: Path, graph: Graph) -> None:
    """Write a graph's file whole or not at all."""
    written = path.with_suffix(".new")
    written.write_text(json.dumps(to_json(graph), separators=(",", ":")) + "\n")
    written.replace(path)


def _line(cells: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _nothing() -> Splits:
    empty = Split(np.empty((0, 1, 1, 1), np.uint8), np.empty(0, np.int64))
    return Splits(empty, empty, empty)
