"""A latency table: what each layer takes on a device, measured by itself, and summed for a network."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgevolve.graph import Graph, Node, from_json
from predictors import PredictorError, layer_key, layers
from predictors.models.cpu import timed_nodes
from predictors.values import FloatArray

_WEIGHTS = np.array([0.5, 1.0, 1.0, 2.0, 4.0])


@dataclass(frozen=True, slots=True)
class TableEstimate:
    """A network's latency in milliseconds; `unknown` names the nodes that had to be interpolated."""

    latency_ms: float
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class LatencyTable:
    """Milliseconds of layers by `layer_key`, each an inference of a network of that one layer.

    What an inference costs beside its layers is in every one of them; the least is taken for it and counted once.
    What LiteRT folds into another layer has no entry (`models.cpu.timed_nodes`).
    """

    device: str
    entries: Mapping[str, float]

    @classmethod
    def measure(cls, device: str, graphs: Iterable[Graph], measure: Callable[[Graph], float]) -> "LatencyTable":
        """Measure every layer of some networks once; `measure` gives milliseconds, and may raise `PredictorError`."""
        singles = layers(graphs)
        return cls.of(device, singles, [measure(single) for single in singles])

    @classmethod
    def of(cls, device: str, singles: Sequence[Graph], latencies_ms: Sequence[float]) -> "LatencyTable":
        """From networks of one layer that were measured already, such as those of a calibration."""
        keys = [layer_key(single.nodes[0]) for single in singles]
        return cls(device, dict(zip(keys, latencies_ms, strict=True)))

    def estimate(self, graph: Graph) -> TableEstimate:
        """Sum the layers of a network.

        A layer that is not in the table takes what the nearest of its kind takes, scaled by the work: by
        multiply-accumulates, or bytes where there are none. Raises `PredictorError` for an empty table, and
        `ShapeError` for an operator that edgevolve does not know.
        """
        if not self.entries:
            raise PredictorError("the latency table is empty")
        overhead, total, unknown = min(self.entries.values()), 0.0, []
        for node in timed_nodes(graph):
            known = self.entries.get(layer_key(node))
            if known is None:
                unknown.append(node.name)
                total += self._interpolated(node, overhead)
            else:
                total += known - overhead
        return TableEstimate(overhead + total, tuple(unknown))

    def _interpolated(self, node: Node, overhead: float) -> float:
        positions, work, latencies_ms = self._known.get(_kind(node), self._known[""])
        nearest = int(abs(positions - _position(node)).sum(axis=1).argmin())
        return float((latencies_ms[nearest] - overhead) * _work(node) / work[nearest])

    @cached_property
    def _known(self) -> dict[str, tuple[FloatArray, FloatArray, FloatArray]]:
        """Positions, work and milliseconds of the layers by kind, of all under "", rebuilt from their keys."""
        by_kind: dict[str, list[tuple[Node, float]]] = {}
        for key, latency_ms in self.entries.items():
            (node,) = from_json(json.loads(key)).nodes
            for kind in (_kind(node), ""):
                by_kind.setdefault(kind, []).append((node, latency_ms))
        return {
            kind: (
                np.array([_position(node) for node, _ in group]),
                np.array([_work(node) for node, _ in group], dtype=np.float64),
                np.array([latency_ms for _, latency_ms in group]),
            )
            for kind, group in by_kind.items()
        }


def _work(node: Node) -> int:
    return node.macs or max(sum(x.size_bytes for x in (*node.inputs, *node.outputs)), 1)


def _kind(node: Node) -> str:
    """Layers that one kernel computes: the operator, and which function an activation is."""
    return f"{type(node.op).__name__} {getattr(node.op, 'function', '')}"


def _position(node: Node) -> FloatArray:
    """Where a layer lies among those of its kind: logarithms of channels, pixels, kernel and stride.

    Time is nearly proportional to pixels, less to channels, and least to the kernel, so these weigh more and more.
    """
    x, y = node.inputs[0].shape, node.outputs[0].shape
    kernel, stride = getattr(node.op, "kernel", (1, 1)), getattr(node.op, "stride", (1, 1))
    sizes = np.log2([math.prod(y[1:-1]), x[-1], y[-1], math.prod(stride), math.prod(kernel)])
    position: FloatArray = sizes * _WEIGHTS
    return position
