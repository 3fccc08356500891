"""The arena predicted for an exported file on a device, and the arena that TensorFlow Lite Micro reports."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgevolve.deployment.export_error import ExportError
from edgevolve.deployment.micro import MicroError, available, run_on_micro
from resource_models import Footprint


@dataclass(frozen=True, slots=True)
class HostArena:
    """Bytes on the 64-bit host, as predicted and as the runtime reports them.

    `least_arena_bytes` is the smallest arena in which the runtime could set up the model, found by bisection.
    """

    predicted_head_bytes: int
    predicted_tail_bytes: int
    predicted_arena_bytes: int
    head_bytes: int
    tail_bytes: int
    least_arena_bytes: int


@dataclass(frozen=True, slots=True)
class ArenaReport:
    """The arena predicted for `target`, in bytes, and the check of the prediction on the host.

    `arena_bytes` is the smallest arena that works. Its head follows the file's memory plan where that saves something
    (`planned`); `greedy_head_bytes` is the head without a plan. `exact` says that no plan needs less. `operators` are
    those that a resolver must register. `host` is None where TensorFlow Lite Micro is not installed.
    """

    target: str
    provenance: str
    arena_bytes: int
    head_bytes: int
    greedy_head_bytes: int
    tail_bytes: int
    planned: bool
    exact: bool
    operators: tuple[str, ...]
    host: HostArena | None


def arena_report(
    footprint: Footprint, footprint_on_host: Footprint, before: bytes, after: bytes, stored: NDArray[np.int8]
) -> ArenaReport:
    """Check the exported file `after` against `before`, which holds no plan, on TensorFlow Lite Micro.

    Args:
        footprint: what the file needs on the target.
        footprint_on_host: what it needs on the 64-bit host.
        before: the file without a plan.
        after: the file as it is handed over.
        stored: examples as the model's integers, (number, height, width, channels).

    Raises `ExportError` if the outputs of the two differ.
    """
    host = _on_host(footprint_on_host, before, after, stored) if available() else None
    return ArenaReport(
        target=footprint.target.name,
        provenance=footprint.target.provenance,
        arena_bytes=footprint.arena_bytes,
        head_bytes=footprint.planned_head_bytes,
        greedy_head_bytes=footprint.greedy_head_bytes,
        tail_bytes=footprint.tail_bytes,
        planned=footprint.planned_head_bytes < footprint.greedy_head_bytes,
        exact=footprint.exact,
        operators=footprint.operators,
        host=host,
    )


def _on_host(predicted: Footprint, before: bytes, after: bytes, stored: NDArray[np.int8]) -> HostArena | None:
    try:
        wanted = run_on_micro(before, [stored])
    except MicroError:
        return None
    run = run_on_micro(after, [stored], least_arena=True)
    if any(not np.array_equal(a, b) for a, b in zip(wanted.outputs, run.outputs, strict=True)):
        raise ExportError("the rewritten file gives other outputs on TensorFlow Lite Micro; please report this")
    assert run.least_arena_bytes is not None
    return HostArena(
        predicted_head_bytes=predicted.planned_head_bytes,
        predicted_tail_bytes=predicted.tail_bytes,
        predicted_arena_bytes=predicted.arena_bytes,
        head_bytes=run.head_bytes,
        tail_bytes=run.tail_bytes,
        least_arena_bytes=run.least_arena_bytes,
    )
