"""Run a `.tflite` on TensorFlow Lite Micro itself, in a process of its own: a crash there is an answer, not an end.

The runtime is that of the `tflite-micro` wheel, a 64-bit build with the reference kernels.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ARENA_BYTES = 64 * 1024 * 1024
"""Arena of a run that is not to fail for want of it."""

_TIMEOUT_S = 300
_ALLOCATION = re.compile(r"Arena allocation (head|tail) (\d+) bytes")


class MicroError(ValueError):
    """TensorFlow Lite Micro is not installed, or cannot run the model. The message is one line."""


@dataclass(frozen=True, slots=True)
class MicroRun:
    """Bytes of the arena's head and tail as the runtime reports them, and its outputs.

    `outputs` holds an array for each output, (number of examples, *shape without the batch). `least_arena_bytes` is
    the smallest arena, a multiple of 16, in which the model could be set up, or None where it was not asked for.
    """

    head_bytes: int
    tail_bytes: int
    outputs: tuple[NDArray[Any], ...]
    least_arena_bytes: int | None


def available() -> bool:
    """Whether TensorFlow Lite Micro is installed."""
    return find_spec("tflite_micro") is not None


def run_on_micro(model: bytes, inputs: Sequence[NDArray[Any]], *, least_arena: bool = False) -> MicroRun:
    """Run every example on TensorFlow Lite Micro.

    Args:
        model: the file.
        inputs: for each input of the model the stored values of every example, (number, *shape without the batch).
        least_arena: look for the smallest arena as well, by bisection.

    Raises `MicroError` where the runtime is missing, refuses the model or crashes.
    """
    if not available():
        raise MicroError("TensorFlow Lite Micro is not installed: pip install --pre tflite-micro")
    with tempfile.TemporaryDirectory(prefix="edgevolve-") as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(model)
        np.savez(folder / "inputs.npz", *inputs)
        script = Path(__file__).with_name("micro_host.py")
        command = [sys.executable, "-I", str(script), str(folder), str(ARENA_BYTES), str(int(least_arena))]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise MicroError(f"TensorFlow Lite Micro did not answer within {_TIMEOUT_S} s") from None
        if done.returncode:
            raise MicroError(f"TensorFlow Lite Micro cannot run the model: {_reason(done)}")
        found = dict(_ALLOCATION.findall(done.stderr))
        with np.load(folder / "outputs.npz") as stored:
            outputs = tuple(stored[key] for key in stored.files)
        least = json.loads((folder / "least.json").read_text())
    return MicroRun(int(found["head"]), int(found["tail"]), outputs, least)


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"it died of signal {-done.returncode}"
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Traceback", "File", "raise", "RuntimeError", "^"))]
    return (told or lines or ["no reason given"])[0][:200]
