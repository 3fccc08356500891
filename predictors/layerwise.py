"""From one accelerator generation to the next, node by node.

Whole-network counters do not carry from one family of networks to another; operators do. A node on the target takes
what it computed on the source, by the ratio of the multipliers, and what it moves over a bus of 16 bytes a cycle; how
far that is off is learned by XGBoost from the source's counters of the node, and the nodes are summed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graph import Add, Conv2D, Dense, Graph, Node
from predictors.features import FloatArray, PredictorError
from predictors.vela import Compiled, Layer

_BUS_BYTES = 16
"""A cycle: the 128-bit AXI ports of Ethos-U."""

_SRAM_BYTES = 384 * 2**10
_TREES = {"max_depth": 6, "eta": 0.05, "subsample": 0.7, "colsample_bytree": 0.5, "min_child_weight": 0, "nthread": 1}
_ROUNDS = 300
_ENSEMBLE = 3
_NOTHING = Layer()


@dataclass(frozen=True, slots=True)
class LayerwiseTransfer:
    """A fitted transfer; `speedup` is the target's multipliers over the source's."""

    speedup: float
    boosters: tuple[Any, ...]

    @classmethod
    def fit(
        cls,
        graphs: Sequence[Graph],
        source: Sequence[Compiled],
        target: Sequence[Compiled],
        speedup: float,
        rng: np.random.Generator,
    ) -> "LayerwiseTransfer":
        """Learn from networks that both devices' compilers have seen. Raises `PredictorError` for other lengths."""
        import xgboost

        if not len(graphs) == len(source) == len(target) > 0:
            raise PredictorError(f"{len(graphs)} networks, {len(source)} sources and {len(target)} targets do not fit")
        if not (math.isfinite(speedup) and speedup > 0):
            raise PredictorError(f"speedup must be positive, not {speedup}")
        rows, ratios, weights = [], [], []
        for graph, before, after in zip(graphs, source, target, strict=True):
            expected = _expected(graph, before, speedup)
            cycles = np.array([after.layers.get(node.name, _NOTHING).cycles for node in graph.nodes])
            rows.append(node_features(graph, before))
            ratios.append(cycles / expected)
            weights.append(1000 * expected / expected.sum())
        data = xgboost.DMatrix(np.vstack(rows), label=np.concatenate(ratios), weight=np.concatenate(weights))
        seeds = rng.integers(2**31, size=_ENSEMBLE).tolist()
        boosters = [xgboost.train({**_TREES, "seed": seed}, data, num_boost_round=_ROUNDS) for seed in seeds]
        return cls(speedup, tuple(boosters))

    def predict(self, graph: Graph, source: Compiled) -> float:
        """Cycles of the whole network on the target."""
        rows = node_features(graph, source)
        ratio = np.mean([booster.inplace_predict(rows) for booster in self.boosters], axis=0)
        return float(_expected(graph, source, self.speedup) @ np.maximum(ratio, 0))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; the trees are XGBoost's own text."""
        texts = [booster.save_raw("json").decode() for booster in self.boosters]
        return {"format": "edgevolve-layerwise-1", "speedup": self.speedup, "boosters": texts}

    @classmethod
    def from_json(cls, payload: Mapping[str, Any]) -> "LayerwiseTransfer":
        """Read what `to_json` wrote. Raises `PredictorError` for anything else."""
        import xgboost

        if not isinstance(payload, Mapping) or payload.get("format") != "edgevolve-layerwise-1":
            raise PredictorError("not a layer-wise predictor of this format")
        boosters = []
        try:
            for text in payload["boosters"]:
                booster = xgboost.Booster({"nthread": 1})
                booster.load_model(bytearray(str(text).encode()))
                boosters.append(booster)
            return cls(float(payload["speedup"]), tuple(boosters))
        except (KeyError, TypeError, ValueError) as error:
            raise PredictorError(f"not a layer-wise predictor: {type(error).__name__}") from error


def _expected(graph: Graph, source: Compiled, speedup: float) -> FloatArray:
    """Cycles of each node by physics alone: computing, then moving; at least one."""
    swallowed = _swallowed_bytes(graph)
    cycles = []
    for node, extra in zip(graph.nodes, swallowed, strict=True):
        layer = source.layers.get(node.name, _NOTHING)
        cycles.append(layer.npu_cycles / speedup + (sum(_sizes(node)) + extra) / _BUS_BYTES)
    return np.maximum(np.array(cycles, dtype=np.float64), 1.0)


def node_features(graph: Graph, source: Compiled) -> FloatArray:
    """A row a node: the source's counters, sizes and shapes in logarithms of base 2, and ratios of them.

    No column names the operator, so that one which was never seen is known by what it does.
    """
    rows = []
    live = _live_bytes(graph)
    for node, alive, extra in zip(graph.nodes, live, _swallowed_bytes(graph), strict=True):
        layer = source.layers.get(node.name, _NOTHING)
        read, written, weights = _sizes(node)
        moved = read + written + weights
        x, y = node.inputs[0].shape, node.output.shape
        pixels = [math.prod(shape[1:3]) if len(shape) == 4 else 1 for shape in (x, y)]
        kernel, stride = getattr(node.op, "kernel", (1, 1))[0], getattr(node.op, "stride", (1, 1))[0]
        busy = max(layer.npu_cycles, 1.0)
        logarithms = (
            *(busy, layer.memory_cycles, layer.mac_cycles, layer.read_bytes, layer.written_bytes, layer.weight_bytes),
            *(read, written, weights, moved, alive / _SRAM_BYTES * 2**20, (moved + extra) / _SRAM_BYTES * 2**20),
            *(x[-1], y[-1], *pixels, kernel),
        )
        ratios = (
            *(256 * busy / max(node.macs, 1), busy / moved, layer.memory_cycles / moved, layer.mac_cycles / busy),
            *(read / moved, weights / moved, extra / moved, stride, isinstance(node.op, Conv2D | Dense)),
            *(layer.read_bytes / read, layer.written_bytes / written, layer.weight_bytes / max(weights, 1)),
            *(min(-(-size // lanes) * lanes / size, 4) for size, lanes in ((x[-1], 32), (y[-1], 16), (y[-1], 32))),
        )
        rows.append([*np.log2(np.maximum(np.array(logarithms, dtype=np.float64), 1)), *map(float, ratios)])
    return np.array(rows)


def _sizes(node: Node) -> tuple[int, int, int]:
    """Bytes that are read, written and constant."""
    read = sum(x.size_bytes for x in node.inputs)
    return read, sum(y.size_bytes for y in node.outputs), sum(w.size_bytes for w in node.weights)


def _swallowed_bytes(graph: Graph) -> list[int]:
    """For each node, the other operand of the sum that may be chained to it: its last maker, read by nobody else."""
    maker = {node.output.name: index for index, node in enumerate(graph.nodes)}
    readers = graph.consumers
    extra = [0] * len(graph.nodes)
    for node in graph.nodes:
        if isinstance(node.op, Add):
            last = max(maker.get(x.name, -1) for x in node.inputs)
            if last >= 0 and len(readers[graph.nodes[last].output.name]) == 1:
                extra[last] = node.output.size_bytes
    return extra


def _live_bytes(graph: Graph) -> list[int]:
    """Bytes of all activations that are live while each node runs, in the graph's order."""
    last = {x.name: index for index, node in enumerate(graph.nodes) for x in node.inputs}
    kept = {y.name for y in graph.outputs}
    alive = {x.name: x.size_bytes for x in graph.inputs}
    totals = []
    for index, node in enumerate(graph.nodes):
        alive |= {y.name: y.size_bytes for y in node.outputs}
        totals.append(sum(alive.values()))
        alive = {name: size for name, size in alive.items() if name in kept or last.get(name, -1) > index}
    return totals
