"""An Edge TPU from its spec sheet: a systolic array, a small weight memory, and a link to the host.

Weights live in the array's tiles. A convolution is a matrix of kernel area · channels rows and filters columns, cut
into tiles of the array's size. Each output pixel passes each tile once, so a partly filled tile costs as much as a full
one. Depthwise convolutions use one lane a channel. Pools, sums and copies hide behind the rest. Weights, padded to
tiles as the compiler stores them, that do not fit the weight memory are streamed over the link at every inference;
nothing hides that. Operators that cannot be mapped, and all that depend on them, run on the host, as the real compiler
leaves them there.

`breakdown` adds up what the sheet says. `workload_table` gives parts of time and energy that any such chip has, whose
weights a predictor learns: full tiles, depthwise lanes, bytes read into the array, bytes of operators that run alone,
operators, readers, weights that do not fit, and activations beyond each of several sizes, since no sheet says how much
memory is left for them. The parts are in the units of the sheet, so that weights learned on one chip can be applied to
the columns of another.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgevolve.graph import Activate, Activation, Conv2D, Dense, DepthwiseConv2D, Graph, MatMul, Node, Softmax
from predictors.values import FeatureTable
from resource_models import live_bytes
from resource_models.graph_features import live_nodes

if TYPE_CHECKING:
    from predictors.sheets import Sheet

NEEDS = (
    *("rows", "columns", "clock_mhz", "systolic_slowdown", "weight_cache_bytes", "link_bytes_per_second"),
    *("overhead_ms", "host_macs_per_second", "mac_pj", "sram_pj_per_byte", "link_pj_per_byte", "static_w"),
)
"""The figures of a systolic sheet."""

_MOST_SOFTMAX = 16_000
_KIB = 2**10
_BEYOND = tuple(2**power * _KIB for power in (8, 9, 10, 11, 12))
"""Live bytes beyond which activations may go to DRAM."""

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


@dataclass(frozen=True, slots=True)
class Breakdown:
    """The costs of one inference.

    Times are in milliseconds, energy in microjoules. `on_host` gives the reason for each node that the device does not
    run.
    """

    latency_ms: float
    energy_uj: float
    compute_ms: float
    weights_ms: float
    transfer_ms: float
    host_ms: float
    overhead_ms: float
    macs: int
    cached_bytes: int
    streamed_bytes: int
    transfer_bytes: int
    on_host: dict[str, str]

    @property
    def tops_per_watt(self) -> float:
        """10¹² operations a joule; a multiply-accumulate is two operations."""
        return 2 * self.macs / self.energy_uj / 1e6 if self.energy_uj else 0.0


def breakdown(sheet: "Sheet", graph: Graph) -> Breakdown:
    """The costs of one inference on a systolic device."""
    nodes = live_nodes(graph)
    on_host = fallback(nodes)
    mapped = [node for node in nodes if node.name not in on_host]
    stored = sum(_stored_bytes(sheet, node) for node in mapped)
    cached = min(stored, int(sheet["weight_cache_bytes"]))
    streamed = stored - cached
    transfer = _transfer_bytes(graph, nodes, on_host)
    systolic = sum(tiles.cycles for node in mapped if (tiles := _tiles(sheet, node)))
    cycles = systolic * sheet["systolic_slowdown"] + sum(_lane_cycles(sheet, node) for node in mapped)
    compute_ms = cycles / sheet["clock_mhz"] / 1e3
    link = sheet["link_bytes_per_second"] / 1e3
    host_ms = sum(node.macs for node in nodes if node.name in on_host) / sheet["host_macs_per_second"] * 1e3
    overhead_ms = sheet["overhead_ms"] if mapped else 0.0
    weights_ms, transfer_ms = streamed / link, transfer / link
    latency_ms = compute_ms + weights_ms + transfer_ms + host_ms + overhead_ms
    macs = sum(node.macs for node in mapped)
    sram = sum(x.size_bytes for node in mapped for x in (*node.inputs, *node.outputs)) + cached + streamed
    picojoules = macs * sheet["mac_pj"] + sram * sheet["sram_pj_per_byte"]
    picojoules += (streamed + transfer) * sheet["link_pj_per_byte"]
    return Breakdown(
        latency_ms=latency_ms,
        energy_uj=picojoules / 1e6 + latency_ms * sheet["static_w"] * 1e3,
        compute_ms=compute_ms,
        weights_ms=weights_ms,
        transfer_ms=transfer_ms,
        host_ms=host_ms,
        overhead_ms=overhead_ms,
        macs=macs,
        cached_bytes=cached,
        streamed_bytes=streamed,
        transfer_bytes=transfer,
        on_host=on_host,
    )


def predict(sheet: "Sheet", graph: Graph) -> dict[str, float]:
    """The three metrics of `breakdown`."""
    parts = breakdown(sheet, graph)
    return {"latency_ms": parts.latency_ms, "energy_uj": parts.energy_uj, "tops_per_watt": parts.tops_per_watt}


def counters(sheet: "Sheet", graph: Graph) -> dict[str, float]:
    """The columns that a learned predictor may weigh: the parts of the time."""
    parts = breakdown(sheet, graph)
    return {
        "edge_tpu_ms": parts.latency_ms,
        "edge_tpu_compute_ms": parts.compute_ms,
        "edge_tpu_weights_ms": parts.weights_ms,
        "edge_tpu_transfer_ms": parts.transfer_ms,
        "edge_tpu_host_ms": parts.host_ms,
    }


def fallback(nodes: Sequence[Node]) -> dict[str, str]:
    """The nodes that the device does not run, each with the reason: it is unsupported, or depends on one that is.

    The compiler makes one part for the device and leaves the rest to the host (coral.ai, "TensorFlow models on the
    Edge TPU", Compiling).
    """
    on_host: dict[str, str] = {}
    makers: dict[str, str] = {}
    for node in nodes:
        reason = unsupported(node)
        for x in node.inputs:
            if reason is None and x.name in makers:
                reason = f"follows {makers[x.name]}, and only one part of a graph is mapped"
        if reason is not None:
            on_host[node.name] = reason
            makers.update((y.name, node.name) for y in node.outputs)
    return on_host


def unsupported(node: Node) -> str | None:
    """Why the device cannot run a node, or None."""
    op = node.op
    if isinstance(op, Activate) and op.function is Activation.HARD_SWISH:
        return "HARD_SWISH is not supported"
    if isinstance(op, Conv2D) and op.groups > 1:
        return "CONV_2D with groups is not supported"
    if isinstance(op, MatMul):
        return "BATCH_MATMUL is not supported"
    if isinstance(op, Softmax) and math.prod(node.output.shape) > _MOST_SOFTMAX:
        return f"SOFTMAX of more than {_MOST_SOFTMAX} elements is not supported"
    return None


class _Tiles(NamedTuple):
    """A convolution or Dense as a matrix of `high` rows, cut into `down` × `across` tiles.

    `vectors` is the number of output pixels that pass each tile.
    """

    high: int
    vectors: int
    down: int
    across: int

    @property
    def number(self) -> int:
        return self.down * self.across

    @property
    def cycles(self) -> int:
        return self.number * self.vectors


def _tiles(sheet: "Sheet", node: Node) -> _Tiles | None:
    """The tiles of a node; None for an operator that is not a matrix."""
    if isinstance(node.op, Conv2D):
        high = math.prod(node.op.kernel) * node.inputs[0].shape[3] // node.op.groups
        wide, vectors = node.op.filters, math.prod(node.output.shape[1:3])
    elif isinstance(node.op, Dense):
        high, wide, vectors = math.prod(node.inputs[0].shape), node.op.units, 1
    else:
        return None
    return _Tiles(high, vectors, math.ceil(high / sheet["rows"]), math.ceil(wide / sheet["columns"]))


def _lane_cycles(sheet: "Sheet", node: Node) -> int:
    """Kernel area · output elements over the lanes, for depthwise convolutions; other operators hide behind others."""
    if not isinstance(node.op, DepthwiseConv2D):
        return 0
    groups = math.ceil(node.output.shape[3] / sheet["columns"])
    return math.prod(node.output.shape[1:3]) * math.prod(node.op.kernel) * groups


def _stored_bytes(sheet: "Sheet", node: Node) -> int:
    """Bytes of a kernel as compiled: channels and filters padded to whole tiles, for each of its pixels."""
    if isinstance(node.op, Conv2D):
        channels = math.ceil(node.inputs[0].shape[3] / sheet["rows"]) * sheet["rows"]
        filters = math.ceil(node.op.filters / sheet["columns"]) * sheet["columns"]
        return int(math.prod(node.op.kernel) * channels * filters)
    return sum(weight.size_bytes for weight in node.weights)


def _transfer_bytes(graph: Graph, nodes: Sequence[Node], on_host: dict[str, str]) -> int:
    """Bytes that cross the link: the inputs of the part on the device, and its outputs that others read."""
    made_here = {y for node in nodes if node.name not in on_host for y in node.outputs}
    read_here = {x for node in nodes if node.name not in on_host for x in node.inputs}
    read_there = {x for node in nodes if node.name in on_host for x in node.inputs} | set(graph.outputs)
    return sum(x.size_bytes for x in (read_here - made_here) | (made_here & read_there))


class _Work(NamedTuple):
    """The work of nodes: cycles of the array and the lanes, tiles, bytes, and multiply-accumulates."""

    array: float = 0.0
    lanes: float = 0.0
    tiles: float = 0.0
    reads: float = 0.0
    alone: float = 0.0
    stored: float = 0.0
    macs: float = 0.0


def workload_table(sheet: "Sheet", graphs: Sequence[Graph]) -> FeatureTable:
    """One row for each graph: `PARTS` (additive; in milliseconds, thousands, microjoules of `sheet`), then `SHAPES`."""
    names = (*PARTS, *SHAPES)
    rows = np.array([_row(sheet, graph) for graph in graphs], dtype=np.float64).reshape(-1, len(names))
    return FeatureTable(names, tuple(name in PARTS for name in names), rows)


def _row(sheet: "Sheet", graph: Graph) -> list[float]:
    nodes = live_nodes(graph)
    rows, columns = sheet["rows"], sheet["columns"]
    each = [_work(sheet, node) for node in nodes]
    work = _Work(*(sum(amounts) for amounts in zip(*each, strict=True)))
    readers = Counter(x.name for node in nodes for x in node.inputs)
    ends = sum(x.size_bytes for x in (*graph.inputs, *graph.outputs))
    cycles = (work.array, work.lanes, work.tiles * rows, work.reads / columns, work.alone / columns)
    counts = (len(nodes), sum(readers.values()) - len(readers))
    moved = (max(work.stored - sheet["weight_cache_bytes"], 0), ends, *_beyond(graph, nodes))
    clock, link = sheet["clock_mhz"] * 1e3, sheet["link_bytes_per_second"] / 1e3
    parts = [*(c / clock for c in cycles), *(n / 1e3 for n in counts), *(b / link for b in moved)]
    busy = max(work.array + work.lanes, 1.0)
    free = (*cycles, *(1e3 * n for n in counts), *(b / columns for b in moved))
    shapes = [math.log(_SMALL + value / busy) for value in free]
    vectors = math.log(max(work.array, 1.0) / max(work.tiles, 1.0))
    used = work.macs / (busy * rows * columns)
    return [*parts, work.macs * sheet["mac_pj"] / 1e6, *shapes, used, vectors, math.log(busy)]


def _work(sheet: "Sheet", node: Node) -> _Work:
    """A convolution or Dense in tiles, a depthwise convolution in lanes, another operator by its bytes."""
    tiles = _tiles(sheet, node)
    if tiles:
        return _Work(
            array=tiles.cycles,
            tiles=tiles.number,
            reads=tiles.across * tiles.vectors * tiles.high,
            stored=tiles.number * sheet["rows"] * sheet["columns"],
            macs=node.macs,
        )
    if isinstance(node.op, DepthwiseConv2D):
        return _Work(
            lanes=_lane_cycles(sheet, node),
            reads=node.inputs[0].size_bytes,
            stored=math.prod(node.op.kernel) * node.output.shape[3],
            macs=node.macs,
        )
    return _Work(alone=sum(x.size_bytes for x in (*node.inputs, *node.outputs)), macs=node.macs)


def _beyond(graph: Graph, nodes: Sequence[Node]) -> list[int]:
    """Bytes that nodes touch beyond each size of `_BEYOND`: at most a node's excess of live bytes over the size."""
    whole = graph if len(nodes) == len(graph.nodes) else Graph(graph.inputs, tuple(nodes), graph.outputs)
    totals = [0] * len(_BEYOND)
    for node, alive in zip(nodes, live_bytes(whole), strict=True):
        if alive > _BEYOND[0]:
            touched = sum(x.size_bytes for x in (*node.inputs, *node.outputs))
            for place, size in enumerate(_BEYOND):
                totals[place] += min(max(alive - size, 0), touched)
    return totals
