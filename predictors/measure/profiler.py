"""Measures latency on a device: this machine's processor through LiteRT, or an Edge TPU through libedgetpu.

LiteRT runs with its default XNNPACK kernels. Inputs are random and outputs mean nothing, so that a graph is measured
by its skeleton (`edgevolve.tflite.skeleton`) before it is trained.
"""

import ctypes
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from edgevolve.graph import Graph
from edgevolve.process import redirected
from edgevolve.spelling import suggestion
from edgevolve.tflite import read_tflite, skeleton
from predictors.values import PredictorError

_EDGE_TPU = re.compile(r"(usb|pci):\d+")
_LIBRARY = "libedgetpu.so.1"
_COMPILER = "edgetpu_compiler"
_COMPILED = "edgetpu-custom-op"
_LEAST_MS = 10.0
_WARM_UP_MS = 2.0
_MOST_RUNS = 5_000


@dataclass(frozen=True, slots=True)
class Profile:
    """The latency of one inference in milliseconds: median (`latency_ms`), 90th percentile and least of `runs`.

    `spread` is the distance from the 10th to the 90th percentile over the median; above 0.1 something else was running.
    """

    device: str
    threads: int
    runs: int
    latency_ms: float
    p90_ms: float
    least_ms: float
    spread: float


def profile(
    network: bytes | Graph,
    device: str = "cpu",
    *,
    threads: int = 1,
    cores: Sequence[int] = (),
    runs: int = 50,
) -> Profile:
    """Measure a `.tflite`, or the skeleton of a graph, on `cpu`, `usb:0` or `pci:0`.

    It times at least `runs` inferences, and at least 10 ms, after a warm-up of 2 ms, on `cores` where they are given. A
    file is measured in a process of its own, since it may crash it. Raises `PredictorError` for a device that is
    unknown, not installed, or cannot run the network.
    """
    check_device(device)
    if threads < 1 or runs < 1:
        raise PredictorError(f"threads and runs must be at least 1, not {threads} and {runs}")
    if isinstance(network, Graph):
        return _profile(skeleton(network), device, threads, cores, runs)
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_mute) as process:
        try:
            return process.submit(_profile, network, device, threads, cores, runs).result()
        except BrokenProcessPool:
            raise PredictorError(f"{device} cannot run the network: the runtime crashed") from None


def _mute() -> None:
    """Close the standard error of this process: nobody needs what a runtime prints when it crashes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _profile(model: bytes, device: str, threads: int, cores: Sequence[int], runs: int) -> Profile:
    with _held_to(cores):
        interpreter = _interpreter(model, device, threads)
        _timed(interpreter, 1, _WARM_UP_MS)
        times = _timed(interpreter, runs, _LEAST_MS)
    low, median, high = np.quantile(times, (0.1, 0.5, 0.9)).tolist()
    return Profile(device, threads, len(times), median, high, min(times), (high - low) / median)


def check_device(device: str) -> None:
    """Raise `PredictorError` unless `device` can measure, as far as that shows without a network."""
    if device == "cpu":
        return
    if not _EDGE_TPU.fullmatch(device):
        near = suggestion(device, ("cpu", "usb:0", "pci:0"))
        raise PredictorError(f"unknown device {device!r}: what can be measured is cpu, usb:0 or pci:0{near}")
    _edge_tpu(device)


def _interpreter(model: bytes, device: str, threads: int) -> Any:
    """A LiteRT interpreter with allocated tensors and random inputs."""
    litert = _runtime()
    delegates = []
    if device != "cpu":
        delegates, model = [_edge_tpu(device)], _compiled(model, device)
    rng = np.random.default_rng(0)
    try:
        with open(os.devnull, "wb") as nothing, redirected(2, nothing.fileno()):  # LiteRT also raises what it writes
            interpreter = litert.Interpreter(
                model_content=model, num_threads=threads, experimental_delegates=delegates or None
            )
            interpreter.allocate_tensors()
        for entry in interpreter.get_input_details():
            open_shape = tuple(int(size) for size in entry["shape_signature"])
            if -1 in open_shape[1:]:
                raise PredictorError(f"input {entry['name']} has no fixed shape: {open_shape}")
            drawn = rng.integers(0, 2 if np.dtype(entry["dtype"]).kind == "b" else 100, entry["shape"])
            interpreter.set_tensor(entry["index"], drawn.astype(entry["dtype"]))
        interpreter.invoke()
    except (ValueError, RuntimeError) as error:
        raise PredictorError(f"{device} cannot run the network: {' '.join(str(error).split())}") from error
    return interpreter


def _timed(interpreter: Any, runs: int, least_ms: float) -> list[float]:
    """The milliseconds of each of at least `runs` inferences, which take at least `least_ms` together."""
    times: list[float] = []
    total_ms = 0.0
    while len(times) < runs or (total_ms < least_ms and len(times) < _MOST_RUNS):
        begun = time.perf_counter_ns()
        interpreter.invoke()
        times.append((time.perf_counter_ns() - begun) / 1e6)
        total_ms += times[-1]
    return times


@contextmanager
def _held_to(cores: Sequence[int]) -> Iterator[None]:
    """Pin this thread, and those that it starts, to some cores. Raises `PredictorError` for missing cores."""
    if not cores:
        yield
        return
    if not hasattr(os, "sched_setaffinity"):
        raise PredictorError("this system cannot bind a process to cores; leave --cores out")
    before = os.sched_getaffinity(0)
    if not set(cores) <= before:
        raise PredictorError(f"there is no core {min(set(cores) - before)}; there are {sorted(before)}")
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _edge_tpu(device: str) -> Any:
    """The delegate of an Edge TPU."""
    try:
        ctypes.CDLL(_LIBRARY)  # LiteRT's own loader leaves a traceback where there is none
    except OSError as error:
        raise PredictorError(f"{device} needs libedgetpu: install libedgetpu1-std (coral.ai/software)") from error
    try:
        return _runtime().load_delegate(_LIBRARY, {"device": device})
    except ValueError as error:
        raise PredictorError(
            f"{device}: no Edge TPU answers; check that it is plugged in and that you may access it"
        ) from error


def _compiled(model: bytes, device: str) -> bytes:
    """The model after Coral's compiler; one that is compiled already is returned unchanged."""
    if any(getattr(node.op, "name", "") == _COMPILED for node in read_tflite(model).graph.nodes):
        return model
    if shutil.which(_COMPILER) is None:
        raise PredictorError(f"{device} runs compiled models: install {_COMPILER} (coral.ai/docs/edgetpu/compiler)")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(model)
        done = subprocess.run([_COMPILER, "-o", folder, str(path)], capture_output=True, text=True)
        written = Path(folder) / "model_edgetpu.tflite"
        if done.returncode or not written.is_file():
            raise PredictorError(f"{_COMPILER} refuses the network: {' '.join((done.stderr or done.stdout).split())}")
        return written.read_bytes()


def _runtime() -> Any:
    return import_module("ai_edge_litert.interpreter")
