"""Run an int8 model on TensorFlow Lite Micro, built for this machine, in a process of its own.

The runtime is the one of microcontrollers with its reference kernels, from the `tflite-micro` package. It may end the
whole process when an arena is too small, so this file is also the program of a child process, and each try is a fork
of that.
"""

import io
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGNMENT_BYTES = 16
"""Of every buffer in an arena (`MicroArenaBufferAlignment`)."""

_FIRST_ARENA_BYTES, _LARGEST_ARENA_BYTES = 1 << 20, 1 << 28
_REFUSED = "TensorFlow Lite Micro cannot run the model"


class TflmError(RuntimeError):
    """The runtime refused the model or crashed. The message is one line."""


@dataclass(frozen=True, slots=True)
class HostArena:
    """What a model takes of the arena on this machine, in bytes.

    The head holds activations and scratch, the tail what stays: tensor and operator tables, quantisation. Pointers of
    64 bits make the tail larger than that of a 32-bit device. `minimum_bytes` is the smallest arena, in steps of 16
    bytes, in which an inference was seen to succeed; it can exceed head and tail, since planning needs memory too.
    """

    head_bytes: int
    tail_bytes: int
    minimum_bytes: int


def host_arena(model: bytes) -> HostArena:
    """Measure the arena of a `.tflite`. Raises `TflmError`."""
    answer = _child("arena", model=np.frombuffer(model, np.uint8))
    return HostArena(*(int(value) for value in answer["arena"]))


def tflm_outputs(model: bytes, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    """Run each of `inputs`, (number, ...) as the model stores them; gives (number, outputs). Raises `TflmError`."""
    answer = _child("outputs", model=np.frombuffer(model, np.uint8), inputs=inputs)
    return np.asarray(answer["outputs"], np.int8)


def _child(task: str, **arrays: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """What the child process answers."""
    question = io.BytesIO()
    np.savez(question, allow_pickle=False, **arrays)
    command = [sys.executable, "-P", __file__, task]
    done = subprocess.run(command, input=question.getvalue(), capture_output=True, check=False)
    if done.returncode < 0:
        raise TflmError(f"{_REFUSED}: it ends with {signal.Signals(-done.returncode).name}")
    if done.returncode:
        raise TflmError((done.stderr.decode(errors="replace").strip().splitlines() or [_REFUSED])[-1])
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as answer:
        return dict(answer)


def _main() -> None:
    """The child: arrays from standard input, arrays to standard output."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as question:
        model = question["model"].tobytes()
        arena_bytes = _FIRST_ARENA_BYTES
        while not _runs(model, arena_bytes):
            arena_bytes *= 4
            if arena_bytes > _LARGEST_ARENA_BYTES:
                sys.exit(_reason(model))
        if sys.argv[1] == "arena":
            head, tail = _used(model, arena_bytes)
            smallest = _minimum(lambda size: _runs(model, size), head + tail)
            np.savez(answer, arena=np.array([head, tail, smallest]))
        else:
            np.savez(answer, outputs=_outputs(_interpreter(model, arena_bytes), question["inputs"]))
    answer.close()


def _interpreter(model: bytes, arena_bytes: int) -> Any:
    from tflite_micro import runtime

    return runtime.Interpreter.from_bytes(model, arena_size=arena_bytes)


def _outputs(interpreter: Any, inputs: NDArray[np.int8]) -> NDArray[np.int8]:
    outputs = []
    for x in inputs:
        interpreter.set_input(x[np.newaxis], 0)
        interpreter.invoke()
        outputs.append(np.array(interpreter.get_output(0)[0]))
    return np.stack(outputs)


def _invoked(model: bytes, arena_bytes: int) -> Any:
    """An interpreter after one inference."""
    interpreter = _interpreter(model, arena_bytes)
    shape = interpreter.get_input_details(0)["shape"]
    _outputs(interpreter, np.zeros(shape, np.int8))
    return interpreter


def _runs(model: bytes, arena_bytes: int) -> bool:
    """Whether one inference succeeds in this arena; tried in a fork, for the runtime may crash."""
    process = os.fork()
    if process == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            _invoked(model, arena_bytes)
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def _used(model: bytes, arena_bytes: int) -> tuple[int, int]:
    """Head and tail in bytes, from what the runtime's recorder prints to standard error."""
    interpreter = _invoked(model, arena_bytes)
    with tempfile.TemporaryFile() as sink:
        saved = os.dup(2)
        os.dup2(sink.fileno(), 2)
        interpreter.print_allocations()
        os.dup2(saved, 2)
        os.close(saved)
        said = os.pread(sink.fileno(), 100_000, 0).decode(errors="replace")
    head, tail = (int(re.findall(rf"Arena allocation {part} (\d+) bytes", said)[-1]) for part in ("head", "tail"))
    return head, tail


def _minimum(runs: Callable[[int], bool], used_bytes: int) -> int:
    """The smallest arena that runs: steps that double, down or up from the bytes used, then bisection."""
    step = ALIGNMENT_BYTES
    runs_in = -(-used_bytes // step) * step
    fails_in = runs_in - step
    if runs(runs_in):
        while fails_in > 0 and runs(fails_in):
            step *= 2
            runs_in, fails_in = fails_in, max(fails_in - step, 0)
    else:
        fails_in, runs_in = runs_in, runs_in + step
        while not runs(runs_in):
            step *= 2
            fails_in, runs_in = runs_in, runs_in + step
    while runs_in - fails_in > ALIGNMENT_BYTES:
        middle = (runs_in + fails_in) // (2 * ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        runs_in, fails_in = (middle, fails_in) if runs(middle) else (runs_in, middle)
    return runs_in


def _reason(model: bytes) -> str:
    try:
        _invoked(model, _LARGEST_ARENA_BYTES)
    except Exception as error:
        return f"{_REFUSED}: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    return _REFUSED


if __name__ == "__main__":
    _main()
