"""Runs a `.tflite` on TensorFlow Lite Micro itself, in a process of its own, so that a crash is only an error.

The runtime is that of the `tflite-micro` wheel, a 64-bit build with the reference kernels.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from numpy.typing import NDArray

from edgevolve.deployment.isolated import IsolatedError, run_isolated

ARENA_BYTES = 64 * 1024 * 1024
"""An arena large enough for any model that is run."""

_ALLOCATION = re.compile(r"Arena allocation (head|tail) (\d+) bytes")


class MicroError(ValueError):
    """TensorFlow Lite Micro is not installed, or cannot run the model. The message is one line."""


@dataclass(frozen=True, slots=True)
class MicroRun:
    """Bytes of the arena's head and tail as the runtime reports them, and the outputs.

    `outputs` holds an array for each output, (number of examples, *shape without the batch). `least_arena_bytes` is
    the smallest arena, a multiple of 16, in which the model could be set up; None where it was not asked for.
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
        inputs: for each input of the model the stored values of every example, (number, *shape of the tensor), or
            without its batch of 1.
        least_arena: look for the smallest arena as well, by bisection.

    Raises `MicroError` where the runtime is missing, refuses the model or crashes.
    """
    if not available():
        raise MicroError("TensorFlow Lite Micro is not installed: pip install --pre tflite-micro")
    try:
        answer = run_isolated("micro_host.py", model, inputs, str(ARENA_BYTES), str(int(least_arena)))
    except IsolatedError as error:
        raise MicroError(f"TensorFlow Lite Micro cannot run the model: {error}") from None
    return MicroRun(*allocations(answer.log), answer.outputs, answer.extra)


def allocations(log: str) -> tuple[int, int]:
    """Bytes of head and tail, read from the runtime's log of its allocations."""
    bytes_of = dict(_ALLOCATION.findall(log))
    return int(bytes_of["head"]), int(bytes_of["tail"])


def arena_needed(model: bytes) -> tuple[int, int, int] | None:
    """Bytes of head, tail and the smallest arena of a file that is set up but not run; None where that fails."""
    try:
        run = run_on_micro(model, [], least_arena=True)
    except MicroError:
        return None
    assert run.least_arena_bytes is not None
    return run.head_bytes, run.tail_bytes, run.least_arena_bytes
