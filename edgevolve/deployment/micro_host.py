"""The process in which `deployment.micro` runs TensorFlow Lite Micro: a script that imports nothing of ours.

It reads `model.tflite` and `inputs.npz` from a folder and writes `outputs.npz` and `extra.json` there; the runtime's
log of its allocations goes to stderr.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

_STEP = 16


def main(folder: Path, arena_bytes: int, wants_least: bool) -> None:
    """Run every example; with `wants_least`, then look for the smallest arena."""
    from tflite_micro import runtime

    model = (folder / "model.tflite").read_bytes()
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=arena_bytes)
    with np.load(folder / "inputs.npz") as stored:
        inputs = [stored[key] for key in stored.files]
    rows: list[list[Any]] = []
    for example in zip(*inputs, strict=True):
        for index, values in enumerate(example):
            whole = values.ndim == len(interpreter.get_input_details(index)["shape"])
            interpreter.set_input(values if whole else values[np.newaxis], index)
        interpreter.invoke()
        rows.append([np.array(values) for values in _outputs(interpreter)])
    interpreter.print_allocations()
    sys.stderr.flush()
    columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
    np.savez(folder / "outputs.npz", *columns)
    least = _least_arena(lambda size: runtime.Interpreter.from_bytes(model, arena_size=size)) if wants_least else None
    (folder / "extra.json").write_text(json.dumps(least))


def _outputs(interpreter: Any) -> list[Any]:
    outputs: list[Any] = []
    while True:
        try:
            outputs.append(interpreter.get_output(len(outputs)))
        except (IndexError, RuntimeError, ValueError):
            return outputs


def _least_arena(start: Any) -> int:
    """The smallest multiple of 16 bytes in which `start` succeeds."""
    low, high = 0, 128
    while not starts(start, high * _STEP):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if starts(start, middle * _STEP) else (middle, high)
    return high * _STEP


def starts(start: Any, size: int) -> bool:
    """Whether `start` succeeds; it runs in a fork, since the runtime may crash when an arena is far too small."""
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            start(size)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1")
