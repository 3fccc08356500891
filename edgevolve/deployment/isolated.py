"""Runs a model in a process of its own, so that a runtime that crashes or hangs on a hostile file is only an error."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TIMEOUT_S = 300


class IsolatedError(ValueError):
    """The process ended without a result. The message is the runtime's own reason, one line."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of the process: an array for each output, (number of examples, *shape without the batch).

    `extra` is the plain JSON that the script also wrote; `log` is what the runtime wrote to stderr.
    """

    outputs: tuple[NDArray[Any], ...]
    extra: Any
    log: str


def run_isolated(script: str, model: bytes, inputs: Sequence[NDArray[Any]], *options: str) -> Answer:
    """Run every example in a script, in a process of its own.

    Args:
        script: the name of a file in this folder. It takes a folder with `model.tflite` and `inputs.npz`, then the
            options; it writes `outputs.npz` there and may write `extra.json`.
        model: the file.
        inputs: for each input of the model the stored values of every example, (number, *shape of the tensor), or
            without its batch of 1.
        options: further arguments.

    Raises `IsolatedError` where the process fails, crashes or does not end within `TIMEOUT_S`.
    """
    with tempfile.TemporaryDirectory(prefix="edgevolve-") as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(model)
        np.savez(folder / "inputs.npz", *inputs)
        command = [sys.executable, "-I", str(Path(__file__).with_name(script)), str(folder), *options]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise IsolatedError(f"no answer within {TIMEOUT_S} s") from None
        if done.returncode:
            raise IsolatedError(_reason(done))
        try:
            with np.load(folder / "outputs.npz") as stored:
                outputs = tuple(stored[key] for key in stored.files)
        except (OSError, ValueError) as error:  # text is stored as objects, which are not read
            raise IsolatedError(f"its outputs cannot be read: {' '.join(str(error).split())}") from None
        answer_file = folder / "extra.json"
        return Answer(outputs, json.loads(answer_file.read_text()) if answer_file.exists() else None, done.stderr)


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"it died of signal {-done.returncode}"
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    reasons = [
        line for line in lines if not line.startswith(("Traceback", "File", "raise", "RuntimeError", "^", "INFO"))
    ]
    return (reasons or lines or ["no reason given"])[0][:200]
