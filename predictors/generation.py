"""What a network asks of a systolic accelerator, in the units of its sheet, and what carries to the next generation.

`workload_table` gives parts of time and energy that any such chip has: full tiles, depthwise lanes, bytes read into the
array, bytes of what stands alone, operators, readers, weights that do not fit, and activations beyond each of several
sizes, since no sheet tells how much memory is left for them. How much each part really takes is learned: weights of
at least zero (`WorkModel`), then a Gaussian process of the *shape* of the network: its parts as shares, free of units.
Weights learned on one sheet are without units too, so a model may be asked with the columns of another sheet: that is
the forecast of a chip that nobody has measured.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.graph import Conv2D, Dense, DepthwiseConv2D, Graph, Node
from predictors.features import FeatureTable, FloatArray, PredictorError, live_nodes
from predictors.gaussian_process import GaussianProcess, PosteriorMean
from predictors.learners import Standard, WorkModel
from predictors.sheets import Kind, Sheet

_KIB = 2**10
_BEYOND = tuple(2**power * _KIB for power in (8, 9, 10, 11, 12))
"""Bytes alive at once beyond which activations may go to DRAM."""

PARTS = (
    "array_ms",
    "lanes_ms",
    "tiles_ms",
    "reads_ms",
    "alone_ms",
    "operators",
    "readers",
    "weights_ms",
    "ends_ms",
    *(f"beyond_{size // _KIB}k_ms" for size in _BEYOND),
    "macs_uj",
)
SHAPES = (*(f"share_{name.removesuffix('_ms')}" for name in PARTS[:-1]), "utilisation", "vectors", "size")
_SMALL = 1e-3
_DIGITS = 3


@dataclass(slots=True)
class _Work:
    """Cycles of the array and the lanes, tiles, bytes."""

    array: float = 0.0
    lanes: float = 0.0
    tiles: float = 0.0
    reads: float = 0.0
    alone: float = 0.0
    stored: float = 0.0
    macs: float = 0.0


def workload_table(sheet: Sheet, graphs: Sequence[Graph]) -> FeatureTable:
    """A row a graph: `PARTS` (additive; milliseconds, thousands, microjoules of `sheet`), then `SHAPES`.

    Raises `PredictorError` for a sheet that is not systolic.
    """
    if sheet.kind is not Kind.SYSTOLIC:
        raise PredictorError(f"{sheet.name}: a {sheet.kind} device has no systolic array")
    names = (*PARTS, *SHAPES)
    rows = np.array([_row(sheet, graph) for graph in graphs], dtype=np.float64).reshape(-1, len(names))
    return FeatureTable(names, tuple(name in PARTS for name in names), rows)


def _row(sheet: Sheet, graph: Graph) -> list[float]:
    nodes = live_nodes(graph)
    sizes = {x.name: x.size_bytes for x in graph.inputs} | {y.name: y.size_bytes for n in nodes for y in n.outputs}
    rows, columns = sheet["rows"], sheet["columns"]
    work = _Work()
    for node in nodes:
        _count(work, node, sizes, rows, columns)
    readers = Counter(x.name for node in nodes for x in node.inputs)
    ends = sum(sizes[x.name] for x in (*graph.inputs, *graph.outputs))
    cycles = (work.array, work.lanes, work.tiles * rows, work.reads / columns, work.alone / columns)
    counts = (len(nodes), sum(readers.values()) - len(readers))
    moved = (max(work.stored - sheet["weight_cache_bytes"], 0), ends, *_beyond(graph, nodes, sizes))
    clock, link = sheet["clock_mhz"] * 1e3, sheet["link_bytes_per_second"] / 1e3
    parts = [*(c / clock for c in cycles), *(n / 1e3 for n in counts), *(b / link for b in moved)]
    busy = max(work.array + work.lanes, 1.0)
    free = (*cycles, *(1e3 * n for n in counts), *(b / columns for b in moved))
    shapes = [math.log(_SMALL + value / busy) for value in free]
    vectors = math.log(max(work.array, 1.0) / max(work.tiles, 1.0))
    used = work.macs / (busy * rows * columns)
    return [*parts, work.macs * sheet["mac_pj"] / 1e6, *shapes, used, vectors, math.log(busy)]


def _count(work: _Work, node: Node, sizes: Mapping[str, int], rows: float, columns: float) -> None:
    """Add a node: a convolution or Dense in tiles, a depthwise one in lanes, another by its bytes."""
    op = node.op
    if isinstance(op, Conv2D | Dense):
        if isinstance(op, Conv2D):
            vectors = math.prod(node.output.shape[1:3])
            high, wide = math.prod(op.kernel) * node.inputs[0].shape[3] // op.groups, op.filters
        else:
            high, wide, vectors = math.prod(node.inputs[0].shape), op.units, 1
        across = math.ceil(wide / columns)
        tiles = math.ceil(high / rows) * across
        work.array += tiles * vectors
        work.tiles += tiles
        work.reads += across * vectors * high
        work.macs += high * wide * vectors
        work.stored += tiles * rows * columns
    elif isinstance(op, DepthwiseConv2D):
        _, height, width, channels = node.output.shape
        area = math.prod(op.kernel)
        work.lanes += math.ceil(channels / columns) * height * width * area
        work.reads += sizes[node.inputs[0].name]
        work.macs += height * width * area * channels
        work.stored += area * channels
    else:
        work.alone += sum(sizes[x.name] for x in (*node.inputs, *node.outputs))
        work.macs += node.macs


def _beyond(graph: Graph, nodes: Sequence[Node], sizes: Mapping[str, int]) -> list[int]:
    """Bytes that each node touches while more than so many are alive, for each of several sizes."""
    last = {x.name: index for index, node in enumerate(nodes) for x in node.inputs}
    dying = [0] * (len(nodes) + 1)
    for x in graph.inputs:
        dying[last.get(x.name, 0)] += sizes[x.name]
    alive = sum(sizes[x.name] for x in graph.inputs)
    totals = [0] * len(_BEYOND)
    for index, node in enumerate(nodes):
        made = sum(sizes[y.name] for y in node.outputs)
        alive += made
        if alive > _BEYOND[0]:
            touched = made + sum(sizes[x.name] for x in node.inputs)
            for place, size in enumerate(_BEYOND):
                if alive <= size:
                    break
                totals[place] += min(alive - size, touched)
        for y in node.outputs:
            dying[last.get(y.name, index)] += sizes[y.name]
        alive -= dying[index]
    return totals


@dataclass(frozen=True, slots=True)
class GenerationModel:
    """A metric of a chip as a function of the workload: a sum of parts times a correction by the network's shape."""

    work: WorkModel
    standard: Standard
    correction: PosteriorMean

    @classmethod
    def fit(cls, table: FeatureTable, values: FloatArray, like: "GenerationModel | None" = None) -> "GenerationModel":
        """Learn from one measurement a row; `like` gives the process's variances and length instead of a search."""
        parts, shapes = _split(table)
        work = WorkModel.fit(parts, values, range(len(PARTS)))
        standard = Standard.fit(shapes)
        points = np.array(np.round(standard(shapes), _DIGITS), dtype=np.float64, order="C")
        targets = np.array(np.round(np.log(values / work(parts)), _DIGITS + 1), dtype=np.float64)
        if like is None:
            process = GaussianProcess.fit(points, targets)
        else:
            old = like.correction.process
            process = GaussianProcess(points, targets, old.amplitude, old.length, old.noise)
        return cls(work, standard, process.predictor())

    def __call__(self, table: FeatureTable) -> FloatArray:
        """Predicted values, in the unit of what was measured."""
        parts, shapes = _split(table)
        value: FloatArray = self.work(parts) * np.exp(self.correction(self.standard(shapes)))
        return value

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, without the points and their scales, which models of the same networks share."""
        process = self.correction.process
        return {
            "columns": self.work.columns,
            "weights": self.work.weights,
            "constant": self.work.constant,
            "floor": self.work.floor,
            "targets": process.targets.tolist(),
            "amplitude": process.amplitude,
            "length": process.length,
            "noise": process.noise,
        }

    @classmethod
    def from_json(cls, payload: Mapping[str, Any], standard: Standard, points: FloatArray) -> "GenerationModel":
        """Read what `to_json` wrote. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        work = WorkModel(
            tuple(map(int, payload["columns"])),
            tuple(map(float, payload["weights"])),
            float(payload["constant"]),
            float(payload["floor"]),
        )
        if len(work.columns) != len(work.weights) or not set(work.columns) <= set(range(len(PARTS))):
            raise ValueError("columns and weights do not fit")
        process = GaussianProcess.from_json({**payload, "points": points})
        return cls(work, standard, process.predictor())


def _split(table: FeatureTable) -> tuple[FloatArray, FloatArray]:
    if table.names != (*PARTS, *SHAPES):
        raise PredictorError("not a workload table of this version")
    return table.rows[:, : len(PARTS)], table.rows[:, len(PARTS) :]


def held_out(table: FeatureTable, values: FloatArray, groups: NDArray[np.int64], like: GenerationModel) -> FloatArray:
    """log(measured / predicted) of each row, by a model that saw none of its group."""
    errors = np.zeros(len(values))
    for group in np.unique(groups):
        seen, unseen = np.flatnonzero(groups != group), np.flatnonzero(groups == group)
        predicted = GenerationModel.fit(table[seen], values[seen], like)(table[unseen])
        errors[unseen] = np.log(values[unseen] / predicted)
    return errors
