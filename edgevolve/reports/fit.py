"""Whether a network fits a board, and what its latency is there, in words and as plain values."""

from collections.abc import Mapping
from typing import Any

from edgevolve.graph import DType, Graph
from edgevolve.quantity import size
from edgevolve.tflite import TfliteModel
from predictors import Board, PredictorError, Room
from resource_models import Footprint


def fit_json(board: Board, graph: Graph, footprint: Footprint | None, file: TfliteModel | None) -> dict[str, Any]:
    """The memory needed and free, in bytes, and the latency of an int8 network with one graph.

    `fits` is None if the arena is not known, or if it would fit but is only a lower bound. `fits_optimised` is the same
    for the best memory plan.
    """
    about: dict[str, Any] = {"name": board.name, "target": board.target.name, "words": list(board.words)}
    about |= {"arena_free_bytes": board.arena.free_bytes, "flash_free_bytes": board.flash.free_bytes}
    about["latency_ms"], about["latency"] = (None, None) if file and len(file.subgraphs) > 1 else _latency(board, graph)
    if footprint is None:
        return about | {"arena_bytes": None, "flash_bytes": None, "fits": None, "fits_optimised": None}
    arena = footprint.arena_bytes if file is None else footprint.file_arena_bytes
    flash = footprint.flash_bytes if file is None else file.size_bytes
    least = board.lower_bound or bool(footprint.unmodelled)
    verdicts = [_verdict(board, need, flash, least) for need in (arena, footprint.arena_bytes)]
    return about | {
        "arena_bytes": arena,
        "flash_bytes": flash,
        "fits": verdicts[0],
        "fits_optimised": verdicts[1],
    }


def fit_facts(board: Board, graph: Graph, footprint: Footprint | None, file: TfliteModel | None) -> dict[str, str]:
    """Lines in words: whether the network fits, its latency, and remarks on the board."""
    fit = fit_json(board, graph, footprint, file)
    facts = {f"on {board.name}": _fit_words(board, fit)}
    if fit["latency"]:
        value = "not known" if fit["latency_ms"] is None else f"{fit['latency_ms']:.4g} ms"
        facts["latency"] = f"{value}, {fit['latency']}"
    return facts | {"remarks": "; ".join(board.remarks)}


def _verdict(board: Board, arena: int, flash: int, least: bool) -> bool | None:
    """Whether arena and flash fit; None if the arena fits but is only a lower bound."""
    within = arena <= board.arena.free_bytes and flash <= board.flash.free_bytes
    return None if within and least else within


def _fit_words(board: Board, fit: Mapping[str, Any]) -> str:
    if fit["arena_bytes"] is None:
        return "not known whether it fits: there is no arena to compare"
    needs = (("arena", fit["arena_bytes"], board.arena), ("model", fit["flash_bytes"], board.flash))
    parts = ", ".join(_part(*need) for need in needs)
    if fit["fits"] is None:
        return f"may fit, as the arena is at least: {parts}"
    if not fit["fits"] and fit["fits_optimised"]:
        return f"fits after optimise only: {parts}"
    return f"{'fits' if fit['fits'] else 'does not fit'}: {parts}"


def _part(what: str, needed: int, room: Room) -> str:
    over = f", {size(needed - room.free_bytes)} too much" if needed > room.free_bytes else ""
    return f"{what} {size(needed)} of {size(room.free_bytes)} free in {room.region}{over}"


def _latency(board: Board, graph: Graph) -> tuple[float | None, str | None]:
    """Milliseconds and their provenance, or None and the reason; (None, None) unless the network is all int8."""
    made = {tensor.dtype for node in graph.nodes for tensor in node.outputs}
    if board.sheet.latency is None or not made <= {DType.INT8}:
        return None, None
    try:
        device = board.device()
        assert device
        return device.predict(graph)["latency_ms"].value, device.provenance
    except PredictorError as error:
        return None, str(error)
