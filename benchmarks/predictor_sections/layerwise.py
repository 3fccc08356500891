"""From one accelerator generation to the next, step by step and bound by bound.

Whole-network counters do not carry from one family of networks to another; operators do, and what bounds them. A step
on the target takes what the slowest of five takes: computing, SRAM, and the feature maps, weights and scales that are
fetched from the memory behind it. Four of these XGBoost learns from the source's counters of the step, each relative
to what physics expects of it (`expected_cycles`). Scales are physics alone, as they are what another family of networks
has most of: they are fetched again for each 16 channels of each block of the output (`ethos_blocks.py`), and one rate
is fitted. The steps are summed. The constants were chosen on the families and on random networks of other seeds than
those that `benchmarks/predictor_accuracy.py` judges by.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from predictor_sections.ethos_blocks import scale_fetches
from predictor_sections.ethos_layers import Compiled, Layer

from edgevolve.graph import Activate, Add, Conv2D, Dense, Graph, Node
from predictors import PredictorError
from predictors.values import FloatArray
from resource_models import live_bytes

FORMAT = "edgevolve-layerwise-3"

_BUS_BYTES = 16
"""A cycle: the 128-bit AXI ports of Ethos-U."""

_SRAM_BYTES = 384 * 2**10

_LEAST_CYCLES = {"npu_cycles": 300, "sram_cycles": 100, "feature_cycles": 100, "weight_cycles": 100}
"""Added to what physics expects of each bound, so that steps of hardly any work have no extreme ratios."""

_BURST = 4
"""Times its bytes: what is fetched of a network's input, which lies behind SRAM, for its few channels."""

_WAITING = 0.4
"""Of these fetches, the share that computing waits for."""

_WINDOW_CYCLES = 550
"""A pool of a longer stride than `_LONGEST_STRIDE` is one operation a window, and waits for the input of each."""
_LONGEST_STRIDE = 3

_LEARNED = tuple(_LEAST_CYCLES)
_TREES = {"max_depth": 6, "eta": 0.08, "subsample": 0.7, "colsample_bytree": 0.5, "min_child_weight": 0}
_FAST = {"tree_method": "hist", "max_bin": 64, "nthread": 1}
_ROUNDS = 120
_ENSEMBLE = 2
_NOTHING = Layer()


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the compiler runs: the node that computes and its counters on the source, by the name `name`.

    `alive` are the bytes of all activations that are live meanwhile, `chained` those of the other operand of a sum
    that the target may chain to it; `outer` says whether it reads the network's input.
    """

    node: Node
    name: str
    layer: Layer
    alive: int
    chained: int
    outer: bool


def steps_of(graph: Graph, source: Compiled) -> list[Step]:
    """What the compiler runs, in the graph's order.

    A function that it looks up in a table is one with what it follows, by the name of the function.
    """
    maker = {node.output.name: node for node in graph.nodes}
    inputs = {x.name for x in graph.inputs}
    steps = []
    for node, alive, chained in zip(graph.nodes, live_bytes(graph), _chained_bytes(graph), strict=True):
        if node.name in source.layers:
            before = maker.get(node.inputs[0].name, node)
            fused = isinstance(node.op, Activate) and before.name not in source.layers
            first = before if fused else node
            outer = any(x.name in inputs for x in first.inputs)
            steps.append(Step(first, node.name, source.layers[node.name], alive, chained, outer))
    return steps


@dataclass(frozen=True, slots=True)
class LayerwiseTransfer:
    """A fitted transfer.

    `speedup` is the target's multipliers over the source's, `scale_cycles` what one fetch of scales takes there,
    `boosters` the trees of each learned bound.
    """

    speedup: float
    scale_cycles: float
    boosters: tuple[tuple[Any, ...], ...]

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
        if not len(graphs) == len(source) == len(target) > 0:
            raise PredictorError(f"{len(graphs)} networks, {len(source)} sources and {len(target)} targets do not fit")
        if not (math.isfinite(speedup) and speedup > 0):
            raise PredictorError(f"speedup must be positive, not {speedup}")
        networks = [steps_of(graph, before) for graph, before in zip(graphs, source, strict=True)]
        steps = [step for network in networks for step in network]
        wanted = [
            after.layers.get(step.name, _NOTHING)
            for network, after in zip(networks, target, strict=True)
            for step in network
        ]
        rows, units = features_of(steps), expected_cycles(steps, speedup)
        totals = np.concatenate(
            [np.full(len(network), expected_cycles(network, speedup).max(axis=1).sum()) for network in networks]
        )
        boosters = tuple(
            _boosters(rows, _bound(wanted, name) / unit, 1000 * unit / totals, rng)
            for name, unit in zip(_LEARNED, units.T, strict=True)
        )
        return cls(speedup, _rate(_bound(wanted, "scale_cycles"), _fetches(steps)), boosters)

    def predict(self, graph: Graph, source: Compiled) -> float:
        """Cycles of the whole network on the target."""
        steps = steps_of(graph, source)
        rows = features_of(steps)
        ratios = [np.mean([trees.inplace_predict(rows) for trees in bound], axis=0) for bound in self.boosters]
        learned = np.max(expected_cycles(steps, self.speedup).T * np.array(ratios), axis=0)
        return float(np.sum(np.maximum(learned, self.scale_cycles * _fetches(steps))))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; the trees are XGBoost's own text."""
        return {
            "format": FORMAT,
            "speedup": self.speedup,
            "scale_cycles": self.scale_cycles,
            "boosters": [[trees.save_raw("json").decode() for trees in bound] for bound in self.boosters],
        }

    @classmethod
    def from_json(cls, payload: Mapping[str, Any]) -> "LayerwiseTransfer":
        """Read what `to_json` wrote. Raises `PredictorError` for anything else."""
        if not isinstance(payload, Mapping) or payload.get("format") != FORMAT:
            raise PredictorError("not a layer-wise predictor of this format")
        try:
            boosters = tuple(tuple(_read(str(text)) for text in bound) for bound in payload["boosters"])
            if len(boosters) != len(_LEARNED):
                raise ValueError(f"{len(boosters)} bounds")
            return cls(float(payload["speedup"]), float(payload["scale_cycles"]), boosters)
        except (KeyError, TypeError, ValueError) as error:
            raise PredictorError(f"not a layer-wise predictor: {type(error).__name__}") from error


def _boosters(rows: FloatArray, ratios: FloatArray, weights: FloatArray, rng: np.random.Generator) -> tuple[Any, ...]:
    import xgboost

    data = xgboost.DMatrix(rows, label=ratios, weight=weights)
    seeds = rng.integers(2**31, size=_ENSEMBLE).tolist()
    return tuple(xgboost.train({**_TREES, **_FAST, "seed": seed}, data, num_boost_round=_ROUNDS) for seed in seeds)


def _read(text: str) -> Any:
    import xgboost

    trees = xgboost.Booster({"nthread": 1})
    trees.load_model(bytearray(text.encode()))
    return trees


def _bound(layers: Sequence[Layer], name: str) -> FloatArray:
    """One of the bounds of each layer."""
    return np.array([getattr(layer, name) for layer in layers], dtype=np.float64)


def _rate(cycles: FloatArray, fetches: FloatArray) -> float:
    """The median of cycles a fetch, each node counting as much as it fetches."""
    some = fetches > 0
    rates, weights = cycles[some] / fetches[some], fetches[some]
    if not len(rates):
        return 0.0
    order = np.argsort(rates)
    return float(rates[order][np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)])


def _fetches(steps: Sequence[Step]) -> FloatArray:
    return np.array([scale_fetches(step.node) for step in steps], dtype=np.float64)


def expected_cycles(steps: Sequence[Step], speedup: float) -> FloatArray:
    """Cycles of each step by physics alone, a column a learned bound."""
    least = np.array(list(_LEAST_CYCLES.values()))
    cycles = []
    for step in steps:
        layer = step.layer
        moved = (layer.read_bytes + layer.written_bytes + step.chained) / _BUS_BYTES
        fetched = _BURST * layer.read_bytes / _BUS_BYTES if step.outer else 0.0
        computed = layer.npu_cycles / speedup + _WAITING * fetched + _WINDOW_CYCLES * _outer_windows(step)
        cycles.append((computed, layer.sram_cycles, max(moved, fetched), layer.weight_bytes / _BUS_BYTES))
    units: FloatArray = np.array(cycles, dtype=np.float64).reshape(-1, len(least)) + least
    return units


def _outer_windows(step: Step) -> int:
    """Windows of the network's input that are fetched one by one."""
    cut = step.outer and max(getattr(step.node.op, "stride", (1,))) > _LONGEST_STRIDE
    return math.prod(step.node.output.shape[1:3]) if cut else 0


def features_of(steps: Sequence[Step]) -> FloatArray:
    """A row a step; see `_features`."""
    return np.array([_features(step) for step in steps]).reshape(len(steps), -1)


def _features(step: Step) -> list[float]:
    """The source's counters, sizes and shapes in logarithms of base 2, and ratios of them.

    No column names the operator, so that one which was never seen is known by what it does.
    """
    node, layer = step.node, step.layer
    read, written, weights = _sizes(node)
    moved = read + written + weights
    x, y = node.inputs[0].shape, node.output.shape
    pixels = [math.prod(shape[1:3]) if len(shape) == 4 else 1 for shape in (x, y)]
    kernel, stride = getattr(node.op, "kernel", (1, 1))[0], getattr(node.op, "stride", (1, 1))[0]
    busy = max(layer.npu_cycles, 1.0)
    logarithms = (
        *(busy, layer.memory_cycles, layer.mac_cycles, layer.read_bytes, layer.written_bytes, layer.weight_bytes),
        *(read, written, weights, moved),
        *(size / _SRAM_BYTES * 2**20 for size in (step.alive, moved + step.chained)),
        *(x[-1], y[-1], *pixels, kernel),
    )
    ratios = (
        *(256 * busy / max(node.macs, 1), busy / moved, layer.memory_cycles / moved, layer.mac_cycles / busy),
        *(read / moved, weights / moved, step.chained / moved, stride, isinstance(node.op, Conv2D | Dense), step.outer),
        *(layer.read_bytes / read, layer.written_bytes / written, layer.weight_bytes / max(weights, 1)),
        *(min(-(-size // lanes) * lanes / size, 4) for size, lanes in ((x[-1], 32), (y[-1], 16), (y[-1], 32))),
    )
    return [*np.log2(np.maximum(np.array(logarithms, dtype=np.float64), 1)).tolist(), *map(float, ratios)]


def _sizes(node: Node) -> tuple[int, int, int]:
    """Bytes that are read, written and constant."""
    read = sum(x.size_bytes for x in node.inputs)
    return read, sum(y.size_bytes for y in node.outputs), sum(w.size_bytes for w in node.weights)


def _chained_bytes(graph: Graph) -> list[int]:
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
