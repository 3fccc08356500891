"""The arena of a network, in words and as plain values, and the runtimes that can run a file."""

from typing import Any

from edgevolve.quantity import size
from edgevolve.tflite import TfliteModel, Verdict, compiled_for
from resource_models import Footprint

Measured = tuple[int, int, int]
"""Bytes that TensorFlow Lite Micro needed for a file on this host: head, tail, and the least arena that starts."""

_MEASURED = ("head_bytes", "tail_bytes", "arena_bytes")


def arena_json(footprint: Footprint, measured: Measured | None) -> dict[str, Any]:
    """The arena in bytes.

    `arena_bytes` is for the plan in the file, or for the best plan where the file has none. `greedy_...` is what the
    runtime's planner needs, which follows a plan in the file. `best_...` is after `optimise`. With operators in
    `unmodelled` all figures are lower bounds, and none is `exact`.
    """
    own = footprint.stored_head_bytes
    return {
        "target": footprint.target.name,
        "provenance": provenance(footprint),
        "arena_bytes": footprint.arena_bytes if own is None else footprint.file_arena_bytes,
        "greedy_arena_bytes": footprint.file_arena_bytes,
        "best_arena_bytes": footprint.arena_bytes,
        "planned_head_bytes": footprint.planned_head_bytes if own is None else own,
        "greedy_head_bytes": footprint.greedy_head_bytes if own is None else own,
        "best_head_bytes": footprint.planned_head_bytes,
        "plan_in_file": own is not None,
        "tail_bytes": footprint.tail_bytes,
        "exact": footprint.exact and not footprint.unmodelled,
        "operators": footprint.operators,
        "unmodelled": list(footprint.unmodelled),
        "lower_bound": bool(footprint.unmodelled),
        "measured_on_this_host": dict(zip(_MEASURED, measured, strict=True)) if measured else None,
    }


def provenance(footprint: Footprint) -> str:
    """Where the figures come from, in words."""
    if footprint.unmodelled:
        return f"lower bounds: what the kernels of {', '.join(footprint.unmodelled)} keep and ask for is not known"
    return footprint.target.provenance


def arena_words(needed: Footprint) -> str:
    """The memory that the runtime allocates, with and without a memory plan in the file."""
    least = "at least " if needed.unmodelled else ""
    if needed.stored_head_bytes is not None:
        words = f"{least}{size(needed.file_arena_bytes)} on {needed.target.name} with the plan that the file brings"
        words += f", {size(needed.greedy_arena_bytes)} without it, {size(needed.arena_bytes)} with the best plan"
        return f"{words}: {size(needed.stored_head_bytes)} of buffers, {size(needed.tail_bytes)} that stay"
    words = f"{least}{size(needed.greedy_arena_bytes)} on {needed.target.name}"
    if needed.planned_head_bytes < needed.greedy_head_bytes:
        planned = size(needed.arena_bytes)
        words += f", {planned} with a memory plan in the file" + ("" if needed.exact else " (a better one may exist)")
    return f"{words}: {size(needed.planned_head_bytes)} of buffers, {size(needed.tail_bytes)} that stay"


def arena_facts(footprint: Footprint | None, measured: Measured | None) -> dict[str, str]:
    """The arena, where it was measured, and where the figures come from."""
    if footprint is None:
        return {}
    facts = {"arena": arena_words(footprint)}
    if measured:
        head, tail, arena = map(size, measured)
        where = "64-bit build of TensorFlow Lite Micro"
        facts["measured on this host"] = f"{arena}: {head} of buffers, {tail} that stay ({where})"
    return facts | {"figures": provenance(footprint)}


def runtime_facts(file: TfliteModel, verdicts: tuple[Verdict, ...]) -> dict[str, str]:
    """The accelerator that the file was compiled for, and a line for each runtime."""
    compiled = compiled_for(file)
    facts = {"compiled for": f"an {compiled}, so TensorFlow Lite has no memory to plan"} if compiled else {}
    return facts | {verdict.runtime: _words(verdict) for verdict in verdicts}


def _words(verdict: Verdict) -> str:
    if verdict.runs:
        return f"has all its operators, {verdict.note}" if verdict.note else "has all its operators"
    what = "lacks" if verdict.note else "cannot run it"
    return f"{what}: {', '.join(verdict.stopped_by)}"
