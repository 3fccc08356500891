"""A simulated Edge TPU of two generations: the test ground of v5e → v6, and no part of the product.

Nobody has a v6, and nothing is published of a v5e, so nothing here is a measurement. The spec sheets give the figures
that the product knows too: array, clock, link, weight memory, overhead, energies. What the sheets do not tell is in
`GENERATIONS`, differs between the two, and is unknown to the product:

- *Lines*: activations lie in SRAM in lines, and a pixel whose channels do not fill whole lines touches one more; the
  array waits where it asks for more than one line a cycle. The newer chip has longer lines, so other channel counts
  suffer.
- *Filling*: each tile begins with the array's rows and columns in cycles until its first result; how much of that hides
  behind the tile before depends on how many vectors a tile has.
- *Spilling*: what is alive at once and exceeds the activation memory goes out to DRAM and comes back.
- *Pages*: DRAM delivers a row of a tensor at a time, and each row begins with a wait that does not get shorter when the
  bandwidth grows.
- *Dispatch*: each operator takes a fixed time, and more for each further reader of its result: the newer chip has
  quicker commands and dearer barriers.
- *Throttling*: above a power budget the clock goes down, in proportion to what exceeds it; leakage grows with the
  square of power.
- *Vector unit*: pools, sums and activations that stand alone take time of their own; no operator is left to the host.

Labels are the truth times log-normal noise.
"""

import math
from dataclasses import dataclass

import numpy as np

from edgevolve.graph import Conv2D, Dense, DepthwiseConv2D, Graph, Node
from predictors import Sheet, sheet
from resource_models.graph_features import live_nodes

NOISE = 0.04
"""Standard deviation of the logarithm of a label: latency and energy, each by itself."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What no sheet tells of a chip."""

    sheet: str
    line_bytes: int
    exposed_overlap: float
    hidden_filling: float
    activation_bytes: int
    page_wait_ns: float
    prefetched: float
    packed_filters: int
    dispatch_us: float
    barrier_us: float
    budget_w: float
    throttle: float
    leakage: float
    idle_multiplier: float
    vector_bytes: int


GENERATIONS = {
    "v5e": Generation(
        sheet="edge_tpu_v5e",
        line_bytes=32,
        exposed_overlap=0.3,
        hidden_filling=0.3,
        activation_bytes=500_000,
        page_wait_ns=35,
        prefetched=0.0,
        packed_filters=64,
        dispatch_us=1.5,
        barrier_us=1.5,
        budget_w=0.42,
        throttle=0.5,
        leakage=0.15,
        idle_multiplier=0.15,
        vector_bytes=64,
    ),
    "v6": Generation(
        sheet="edge_tpu_v6",
        line_bytes=64,
        exposed_overlap=0.4,
        hidden_filling=0.8,
        activation_bytes=900_000,
        page_wait_ns=30,
        prefetched=0.5,
        packed_filters=16,
        dispatch_us=0.8,
        barrier_us=2.5,
        budget_w=0.38,
        throttle=0.8,
        leakage=0.30,
        idle_multiplier=0.10,
        vector_bytes=128,
    ),
}


@dataclass(frozen=True, slots=True)
class Simulated:
    """One inference: milliseconds, microjoules, the share of multipliers at work, and bytes moved by level."""

    latency_ms: float
    energy_uj: float
    utilisation: float
    sram_bytes: float
    dram_bytes: float

    def label(self, rng: np.random.Generator, noise: float = NOISE) -> "Simulated":
        """The same as a meter would show it: latency and energy with log-normal noise, counters exact."""
        factors = np.exp(noise * rng.standard_normal(2))
        latency_ms, energy_uj = self.latency_ms * float(factors[0]), self.energy_uj * float(factors[1])
        return Simulated(latency_ms, energy_uj, self.utilisation, self.sram_bytes, self.dram_bytes)


@dataclass(frozen=True, slots=True)
class _Cost:
    """What a node takes: cycles of the array or vector unit, multiplier slots (used and idle), bytes by level."""

    cycles: float
    slots: float
    sram_bytes: float


def simulate(generation: Generation, graph: Graph) -> Simulated:
    """The noise-free truth."""
    chip = sheet(generation.sheet)
    nodes = live_nodes(graph)
    costs = [_cost(generation, chip, node) for node in nodes]
    compute_s = sum(cost.cycles for cost in costs) / chip["clock_mhz"] / 1e6
    dram_bytes, dram_s = _dram(generation, chip, graph, nodes)
    exposed_s = max(dram_s - generation.prefetched * compute_s, (1 - generation.prefetched) * dram_s)
    fixed_s = chip["overhead_ms"] / 1e3 + _dispatch_s(generation, nodes)
    macs = sum(node.macs for node in nodes)
    slots = sum(cost.slots for cost in costs)
    sram_bytes = sum(cost.sram_bytes for cost in costs)
    picojoules = (macs + generation.idle_multiplier * (slots - macs)) * chip["mac_pj"]
    picojoules += sram_bytes * chip["sram_pj_per_byte"] + dram_bytes * chip["link_pj_per_byte"]
    dynamic_j = picojoules / 1e12
    total_s = compute_s + exposed_s + fixed_s
    strain = (dynamic_j / total_s + chip["static_w"]) / generation.budget_w
    slower = 1 + generation.throttle * _softplus(strain - 1)
    latency_s = compute_s * slower + exposed_s + fixed_s
    static_j = latency_s * chip["static_w"] * (1 + generation.leakage * strain**2)
    peak = chip["rows"] * chip["columns"] * chip["clock_mhz"] * 1e6
    return Simulated(
        latency_ms=1e3 * latency_s,
        energy_uj=1e6 * (dynamic_j + static_j),
        utilisation=macs / (peak * latency_s),
        sram_bytes=sram_bytes,
        dram_bytes=dram_bytes,
    )


def _cost(generation: Generation, chip: Sheet, node: Node) -> _Cost:
    """A node on the array, or on the vector unit where it is no convolution."""
    moved = sum(x.size_bytes for x in (*node.inputs, *node.outputs))
    if isinstance(node.op, Conv2D | Dense):
        return _on_array(generation, chip, node)
    if isinstance(node.op, DepthwiseConv2D):
        lanes, pixels = math.ceil(node.output.shape[3] / chip["columns"]), math.prod(node.output.shape[1:3])
        busy = lanes * pixels * math.prod(node.op.kernel)
        waits = _lines(generation, node.inputs[0].shape[3]) * math.prod(node.inputs[0].shape[1:3])
        return _Cost(_overlapped(generation, busy, waits), busy * chip["columns"], moved)
    return _Cost(moved / generation.vector_bytes, 0.0, moved)


def _on_array(generation: Generation, chip: Sheet, node: Node) -> _Cost:
    """Tiles of rows × columns, each passed by every vector; a vector is read once for each column of tiles."""
    channels = math.prod(node.inputs[0].shape) if isinstance(node.op, Dense) else node.inputs[0].shape[-1]
    if isinstance(node.op, Conv2D):
        area, filters, vectors = math.prod(node.op.kernel), node.op.filters, math.prod(node.output.shape[1:3])
        channels //= node.op.groups
    else:
        assert isinstance(node.op, Dense)
        area, filters, vectors = 1, node.op.units, 1
    columns = math.ceil(filters / chip["columns"])
    tiles = math.ceil(area * channels / chip["rows"]) * columns
    length = chip["rows"] + chip["columns"]
    filling = tiles * length * (1 - generation.hidden_filling * min(1.0, vectors / length))
    busy = tiles * vectors * chip["systolic_slowdown"] + filling
    lines = columns * vectors * area * _lines(generation, channels)
    written = node.output.size_bytes
    return _Cost(
        cycles=_overlapped(generation, busy, lines),
        slots=tiles * vectors * chip["rows"] * chip["columns"],
        sram_bytes=lines * generation.line_bytes + written + sum(weight.size_bytes for weight in node.weights),
    )


def _lines(generation: Generation, channels: int) -> int:
    """Lines that a pixel touches: one more than its size needs where it does not fill them."""
    whole, rest = divmod(channels, generation.line_bytes)
    return whole + (0 if rest == 0 else 2 if whole else 1)


def _overlapped(generation: Generation, one: float, other: float) -> float:
    """The longer, and a share of the shorter that does not hide."""
    return max(one, other) + generation.exposed_overlap * min(one, other)


def _dram(generation: Generation, chip: Sheet, graph: Graph, nodes: list[Node]) -> tuple[float, float]:
    """Bytes over the link and their seconds: input, output, weights that do not fit, activations that spill."""
    per_second, wait_s = chip["link_bytes_per_second"], generation.page_wait_ns / 1e9
    stored = sum(_stored_bytes(generation, chip, node) for node in nodes)
    streamed = max(stored - chip["weight_cache_bytes"], 0)
    ends = sum(x.size_bytes for x in (*graph.inputs, *graph.outputs))
    total, seconds = streamed + ends, (streamed + ends) / per_second + wait_s * streamed / 4096
    last = {x.name: index for index, node in enumerate(nodes) for x in node.inputs}
    alive = {x.name: x.size_bytes for x in graph.inputs}
    for index, node in enumerate(nodes):
        alive |= {y.name: y.size_bytes for y in node.outputs}
        touched = sum(x.size_bytes for x in (*node.inputs, *node.outputs))
        spilled = min(max(sum(alive.values()) - generation.activation_bytes, 0), touched)
        row = math.prod(node.output.shape[-2:])
        total += 2 * spilled
        seconds += 2 * spilled * (1 / per_second + wait_s / row)
        alive = {name: size for name, size in alive.items() if last.get(name, -1) > index}
    return total, seconds


def _stored_bytes(generation: Generation, chip: Sheet, node: Node) -> float:
    """A kernel with its filters packed: to whole tiles on the older chip, finer on the newer one."""
    if not isinstance(node.op, Conv2D):
        return sum(weight.size_bytes for weight in node.weights)
    rows = math.ceil(math.prod(node.op.kernel) * node.inputs[0].shape[3] / chip["rows"]) * chip["rows"]
    return rows * math.ceil(node.op.filters / generation.packed_filters) * generation.packed_filters


def _dispatch_s(generation: Generation, nodes: list[Node]) -> float:
    """Commands for every operator, barriers for every further reader of a result."""
    readers: dict[str, int] = {}
    for node in nodes:
        for x in node.inputs:
            readers[x.name] = readers.get(x.name, 0) + 1
    further = sum(count - 1 for count in readers.values())
    return (generation.dispatch_us * len(nodes) + generation.barrier_us * further) / 1e6


def _softplus(value: float, softness: float = 0.1) -> float:
    """`max(value, 0)` with a rounded corner."""
    return softness * math.log1p(math.exp(min(value / softness, 50.0))) if value < 50 * softness else value
