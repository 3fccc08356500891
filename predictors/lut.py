"""A latency table: what each layer takes on a device, measured by itself, and summed for a network."""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from graph import Graph, GraphBuilder, Node, ShapeError, from_json, to_json
from predictors.features import PredictorError, live_nodes, operator_kind

FORMAT = "edgevolve-latency-table-1"


@dataclass(frozen=True, slots=True)
class TableEstimate:
    """A network's latency in milliseconds; `unknown` names the nodes that had to be interpolated."""

    latency_ms: float
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class LatencyTable:
    """Milliseconds of layers by `layer_key`, each an inference of a network of that one layer.

    What an inference costs beside its layers is in every one of them; the least is taken for it and counted once.
    """

    device: str
    entries: Mapping[str, float]

    @classmethod
    def measure(cls, device: str, graphs: Iterable[Graph], measure: Callable[[Graph], float]) -> "LatencyTable":
        """Measure every layer of some networks once; `measure` gives milliseconds, and may raise `PredictorError`."""
        return cls(device, {layer_key(node): measure(single) for single in layers(graphs) for node in single.nodes})

    def estimate(self, graph: Graph) -> TableEstimate:
        """Sum the layers of a network.

        A layer that is not in the table takes what the nearest of its kind takes, scaled by the work: by
        multiply-accumulates, or bytes where there are none. Raises `PredictorError` for an empty table.
        """
        if not self.entries:
            raise PredictorError("the latency table is empty")
        overhead, total, unknown = min(self.entries.values()), 0.0, []
        for node in live_nodes(graph):
            known = self.entries.get(layer_key(node))
            if known is None:
                unknown.append(node.name)
                total += self._interpolated(node, overhead)
            else:
                total += known - overhead
        return TableEstimate(overhead + total, tuple(unknown))

    def _interpolated(self, node: Node, overhead: float) -> float:
        known = self._layers.get(operator_kind(node)) or [entry for group in self._layers.values() for entry in group]
        position = _position(node)
        nearest, latency_ms = min(known, key=lambda entry: float(abs(_position(entry[0]) - position).sum()))
        return (latency_ms - overhead) * _work(node) / _work(nearest)

    @cached_property
    def _layers(self) -> dict[str, list[tuple[Node, float]]]:
        """The layers by kind, rebuilt from their keys."""
        found: dict[str, list[tuple[Node, float]]] = {}
        for key, latency_ms in self.entries.items():
            (node,) = from_json(json.loads(key)).nodes
            found.setdefault(operator_kind(node), []).append((node, latency_ms))
        return found

    def save(self, path: Path | str) -> None:
        """Write JSON."""
        payload = {"format": FORMAT, "device": self.device, "entries": dict(self.entries)}
        Path(path).write_text(json.dumps(payload, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path | str) -> "LatencyTable":
        """Read what `save` wrote. Raises `PredictorError` for any other file, in one line."""
        try:
            payload = json.loads(Path(path).read_text())
        except (OSError, ValueError) as error:
            raise PredictorError(f"{path}: cannot be read as a latency table ({type(error).__name__})") from error
        if not isinstance(payload, dict) or payload.get("format") != FORMAT:
            raise PredictorError(f"{path}: not a latency table of this format ({FORMAT})")
        try:
            entries = {str(key): float(value) for key, value in payload["entries"].items()}
            table = cls(str(payload["device"]), entries)
            _ = table._layers
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PredictorError(f"{path}: damaged: {' '.join(str(error).split())}") from error
        if not all(math.isfinite(value) and value > 0 for value in entries.values()):
            raise PredictorError(f"{path}: damaged: a latency is not positive and finite")
        return table


def layers(graphs: Iterable[Graph]) -> list[Graph]:
    """Every different layer of some networks as a network of its own."""
    found: dict[str, Graph] = {}
    for graph in graphs:
        for node in live_nodes(graph):
            single = _single(node)
            found.setdefault(_key(single), single)
    return list(found.values())


def layer_key(node: Node) -> str:
    """Operator and shapes as one line of JSON; equal keys are equal layers."""
    return _key(_single(node))


def _key(single: Graph) -> str:
    return json.dumps(to_json(single), sort_keys=True, separators=(",", ":"))


def _single(node: Node) -> Graph:
    """A network of the node alone; batch norm is folded on a device and left out."""
    if any(field.name == "batch_norm" for field in fields(node.op)):  # type: ignore[arg-type]
        op: Any = replace(node.op, batch_norm=False)  # type: ignore[type-var]
    else:
        op = node.op
    net = GraphBuilder()
    try:
        return net.build(net.add(op, *(net.input(x.shape, x.dtype) for x in node.inputs)))
    except (ShapeError, AttributeError) as error:
        raise PredictorError(f"{node.name} cannot be measured by itself: {error}") from error


def _work(node: Node) -> int:
    return node.macs or max(sum(x.size_bytes for x in (*node.inputs, *node.outputs)), 1)


def _position(node: Node) -> Any:
    """Where a layer lies among those of its kind: logarithms of channels, pixels, kernel and stride."""
    x, y = node.inputs[0].shape, node.outputs[0].shape
    kernel, stride = getattr(node.op, "kernel", (1, 1)), getattr(node.op, "stride", (1, 1))
    return np.log2([x[-1], y[-1], math.prod(y[1:-1]), math.prod(kernel), math.prod(stride)])
