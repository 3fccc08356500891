"""A latency table: what each layer takes on a device, measured by itself, and summed for a network."""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from edgevolve.graph import Conv2D, DepthwiseConv2D, DType, Graph, GraphBuilder, Node, Op, Shape, from_json, to_json
from predictors.features import FloatArray, PredictorError
from predictors.files import read_predictor, write_predictor
from predictors.host import timed_nodes

FORMAT = "edgevolve-latency-table-1"

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
    What LiteRT folds into another layer has no entry (`host.timed_nodes`).
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
        found: dict[str, list[tuple[Node, float]]] = {}
        for key, latency_ms in self.entries.items():
            (node,) = from_json(json.loads(key)).nodes
            for kind in (_kind(node), ""):
                found.setdefault(kind, []).append((node, latency_ms))
        return {
            kind: (
                np.array([_position(node) for node, _ in group]),
                np.array([_work(node) for node, _ in group], dtype=np.float64),
                np.array([latency_ms for _, latency_ms in group]),
            )
            for kind, group in found.items()
        }

    def save(self, path: Path | str) -> None:
        """Write JSON."""
        write_predictor(path, {"format": FORMAT, "device": self.device, "entries": dict(self.entries)})

    @classmethod
    def load(cls, path: Path | str) -> "LatencyTable":
        """Read what `save` wrote. Raises `PredictorError` for any other file, in one line."""
        return read_predictor(path, cls.from_json, "latency table")

    @classmethod
    def from_json(cls, payload: Any) -> "LatencyTable":
        """From plain JSON values. Raises `PredictorError` where they are no latency table."""
        if not isinstance(payload, dict) or payload.get("format") != FORMAT:
            raise PredictorError(f"not a latency table of this format ({FORMAT})")
        try:
            entries = {str(key): float(value) for key, value in payload["entries"].items()}
            table = cls(str(payload["device"]), entries)
            _ = table._known
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PredictorError(f"damaged: {' '.join(str(error).split())}") from error
        if not all(math.isfinite(value) and value > 0 for value in entries.values()):
            raise PredictorError("damaged: a latency is not positive and finite")
        return table


def layers(graphs: Iterable[Graph]) -> list[Graph]:
    """Every different layer of some networks as a network of its own."""
    return list(dict(_layer(*_asked(node)) for graph in graphs for node in timed_nodes(graph)).values())


def layer_key(node: Node) -> str:
    """Operator and shapes as one line of JSON; equal keys are equal layers."""
    return _layer(*_asked(node))[0]


def _asked(node: Node) -> tuple[Any, tuple[tuple[Shape, DType], ...]]:
    """What decides a layer: the operator, and the shapes and types that it takes."""
    return node.op, tuple((x.shape, x.dtype) for x in node.inputs)


@lru_cache(maxsize=1 << 16)
def _layer(op: Op, inputs: tuple[tuple[Shape, DType], ...]) -> tuple[str, Graph]:
    """The key of a layer, and a network of it alone; batch norm is folded on a device and left out."""
    if isinstance(op, Conv2D | DepthwiseConv2D):
        op = replace(op, batch_norm=False)
    net = GraphBuilder()
    single = net.build(net.add(op, *(net.input(shape, dtype) for shape, dtype in inputs)))
    return json.dumps(to_json(single), sort_keys=True, separators=(",", ":")), single


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
