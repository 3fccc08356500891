"""What a network really needs on a device that runs TensorFlow Lite Micro, before its file exists."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from edgevolve.graph import Graph, Tensor, reordered
from edgevolve.tflite import CORTEX_M, Needs, Operator, Target, TfliteModel, needs, operators
from resource_models.arena_plan import Plan, plan, unplanned
from resource_models.constants import constants
from resource_models.deployed import deployed
from resource_models.flash import flash_bytes
from resource_models.liveness import PlacedBuffer
from resource_models.memory import peak_memory
from resource_models.packing import MAX_PLACED
from resource_models.planner import Buffer, greedy_offsets, height, live_peak
from resource_models.size import macs
from resource_models.tail import Part, tail
from resource_models.timeline import NEVER, Timeline


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory and work of a deployed network on `target`.

    The arena is one block: a head of planned buffers and a tail that stays. With the file's memory plan the head is
    `planned_head_bytes`, with the runtime's own `greedy_head_bytes`; no plan is below `peak_bytes`, the most bytes
    live at once, each buffer rounded up to the alignment. `exact` tells that the planned head is the least.
    `stored_head_bytes` is the head with the plan that a file brings, None where it brings none.
    `unmodelled` names the operators whose kernels have no model: what they keep and ask for is left out.
    `flash_bytes` is the size of the `.tflite`, `operators` what the runtime's resolver must register, and
    `setup_bytes` what the runtime needs in all while it prepares kernels and plans: with tiny activations it decides.
    """

    target: Target
    peak_bytes: int
    planned_head_bytes: int
    greedy_head_bytes: int
    tail_bytes: int
    setup_bytes: int
    flash_bytes: int
    macs: int
    operators: tuple[str, ...]
    unmodelled: tuple[str, ...]
    exact: bool
    stored_head_bytes: int | None = None

    @property
    def file_arena_bytes(self) -> int:
        """The smallest arena that works for the file as it is, with the plan that it brings or the runtime's own."""
        head = self.greedy_head_bytes if self.stored_head_bytes is None else self.stored_head_bytes
        return max(head + self.tail_bytes, self.setup_bytes)

    @property
    def arena_bytes(self) -> int:
        """The smallest arena that works: head and tail, with the file's plan."""
        return max(self.planned_head_bytes + self.tail_bytes, self.setup_bytes)

    @property
    def greedy_arena_bytes(self) -> int:
        """The smallest arena that would work without a plan in the file."""
        return max(self.greedy_head_bytes + self.tail_bytes, self.setup_bytes)


class Placed(NamedTuple):
    """What the runtime places: tensors in the order of their numbers, then scratch in its order.

    `numbers` are the tensors' numbers in the file.
    """

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    tensors: tuple[Buffer, ...]
    scratch: tuple[Buffer, ...]


def measure(graph: Graph, target: Target = CORTEX_M) -> Footprint:
    """What `deployment.export` makes of the graph: the file's operators in the order of least peak memory."""
    merged = deployed(graph).graph
    return footprint(reordered(merged, peak_memory(merged).order), target)


def footprint(graph: Graph, target: Target = CORTEX_M) -> Footprint:
    """The figures of the file's own operators (`deployed`), in the order in which they stand."""
    parts = _parts(graph, target)
    placed = _placed(parts, target)
    plan = _best(parts, placed)
    listed = [operator for operator, _ in parts[0].kernels]
    weights = constants(listed)
    flash = flash_bytes(graph, listed, planned=plan.offsets is not None)
    unplaced = [Tensor(f"constant {number}", (), constant=True) for number in range(len(weights))]
    parts = [parts[0]._replace(tensors=(*parts[0].tensors, *unplaced))]
    return _footprint(parts, target, plan, flash, len(placed.tensors), macs(graph))


def file_footprint(model: TfliteModel, target: Target = CORTEX_M, max_placed: int = MAX_PLACED) -> Footprint:
    """The figures of a file, in its own order and with its own numbers of tensors; flash is its size as it is.

    A plan that the file brings counts as `stored_head_bytes`. Kernels without a model (`unmodelled`) count as nothing.
    Multiply-accumulates are those of each subgraph that runs, counted once.
    """
    parts = _parts(model, target)
    placed = _placed(parts, target)
    best = _best(parts, placed, max_placed)
    planned = _footprint(parts, target, best, model.size_bytes, len(placed.tensors), file_macs(model))
    return planned if model.offsets is None else replace(planned, stored_head_bytes=stored_head_bytes(model, target))


class LeastArena(NamedTuple):
    """Bytes of the arena of a file at least, under any plan, and those of its tail."""

    least: int
    tail: int


def least_arena(model: TfliteModel, target: Target = CORTEX_M) -> LeastArena:
    """What is known of the arena of a file before a plan is searched."""
    parts = _parts(model, target)
    placed = _placed(parts, target)
    ends, head = tail(parts, target, len(placed.tensors)), live_peak([*placed.tensors, *placed.scratch])
    return LeastArena(max(head + ends.kept_bytes, ends.setup_bytes), ends.kept_bytes)


def tail_bytes(model: TfliteModel, target: Target = CORTEX_M) -> int:
    """What is kept in the arena of a file for ever, whatever its plan and the order of its operators."""
    return tail(_parts(model, target), target, 0).kept_bytes


def placed_buffers(network: Graph | TfliteModel, target: Target = CORTEX_M) -> list[PlacedBuffer]:
    """Where the plan puts each buffer of a file's operators (`deployed`) or of a file, scratch included.

    Of a file with several subgraphs steps are those of `timeline`, from 1 on; what is never reached is left out.
    """
    placed = buffers(network, target)
    all_buffers = [*placed.tensors, *placed.scratch]
    offsets = greedy_offsets(all_buffers, memory_plan(network, target).offsets or ())
    labels = [*placed.names, *("scratch" for _ in placed.scratch)]
    return [
        PlacedBuffer(label, max(buffer.first - 1, 0), max(buffer.last - 1, 0), offset, buffer.size_bytes)
        for label, buffer, offset in zip(labels, all_buffers, offsets, strict=True)
        if buffer[1:] != NEVER
    ]


def memory_plan(network: Graph | TfliteModel, target: Target = CORTEX_M, max_placed: int = MAX_PLACED) -> Plan:
    """The best plan for a file's operators (`deployed`) or for a file, offsets in the order of `buffers`.

    Beside variables in subgraphs behind the first the runtime misreads a plan (`AllocateVariables` of
    `micro_allocator.cc` looks them up by their place in the first), so that such a file gets none.
    """
    parts = _parts(network, target)
    return _best(parts, _placed(parts, target), max_placed)


def stored_head_bytes(model: TfliteModel, target: Target = CORTEX_M) -> int:
    """Bytes of the head as the file stands: with the plan that it brings, or the runtime's own where it brings none."""
    placed = buffers(model, target)
    stored = model.offsets if model.plan_fits else None
    fixed = [None if stored is None or stored[i] < 0 else stored[i] for i in placed.numbers]
    every = [*placed.tensors, *placed.scratch]
    return height(every, greedy_offsets(every, fixed))


def buffers(network: Graph | TfliteModel, target: Target = CORTEX_M) -> Placed:
    """The buffers that the runtime plans for a file's operators (`deployed`) or for a file.

    An exported file numbers the inputs, then what each node makes; the numbers of a file go through all subgraphs. An
    input is live from the start to its last reader, what a node makes from that node to its last reader, and what the
    network gives to the end; nothing is ever computed in place. What belongs to a subgraph that others run lives as
    `timeline` says. The runtime takes equal buffers by their numbers, and none for a tensor of no bytes.
    """
    return _placed(_parts(network, target), target)


def timeline(model: TfliteModel) -> Timeline:
    """The steps of a file as they run, those of called subgraphs included."""
    return Timeline([(part.graph, part.operators) for part in model.subgraphs])


def file_macs(model: TfliteModel) -> int:
    """Multiply-accumulates of every subgraph that runs when the first one does, each counted once: loops, too."""
    return sum(macs(model.subgraphs[number].graph) for number in model.reached)


def _parts(network: Graph | TfliteModel, target: Target) -> list[Part]:
    if isinstance(network, Graph):
        made = (*network.inputs, *(y for node in network.nodes for y in node.outputs))
        return [Part(network, _kernels(operators(network), target), made, (), network.outputs)]
    return [
        Part(part.graph, _kernels(part.operators, target), part.tensors, part.variables, part.outputs)
        for part in network.subgraphs
    ]


def _kernels(listed: Sequence[Operator], target: Target) -> list[tuple[Operator, Needs | None]]:
    return [(operator, needs(operator, target)) for operator in listed]


def _placed(parts: Sequence[Part], target: Target) -> Placed:
    """The buffers by the tensors' numbers."""
    times = Timeline([(part.graph, [operator for operator, _ in part.kernels]) for part in parts])
    names: list[str] = []
    numbers: list[int] = []
    tensors: list[Buffer] = []
    scratch: list[Buffer] = []
    first = 0
    for part, spans, runs in zip(parts, times.tensors, times.operators, strict=True):
        sizes = part.planned_bytes()
        for number, tensor in enumerate(part.tensors, first):
            if size := sizes.get(tensor.name):
                names.append(tensor.name)
                numbers.append(number)
                tensors.append(Buffer(target.aligned(size), *spans.get(tensor.name, NEVER)))
        for index, (_, known) in enumerate(part.kernels):
            span = runs.get(index, NEVER)
            scratch += [Buffer(target.aligned(size), *span) for size in known.scratch] if known else []
        first += len(part.tensors)
    return Placed(tuple(names), tuple(numbers), tuple(tensors), tuple(scratch))


def _best(parts: Sequence[Part], placed: Placed, max_placed: int = MAX_PLACED) -> Plan:
    if any(part.variables for part in parts[1:]):
        return unplanned([*placed.tensors, *placed.scratch])
    return plan(placed.tensors, placed.scratch, max_placed)


def _footprint(
    parts: Sequence[Part], target: Target, plan: Plan, flash: int, placed: int, multiplications: int
) -> Footprint:
    ends = tail(parts, target, placed)
    kernels = [kernel for part in parts for kernel in part.kernels]
    return Footprint(
        target=target,
        peak_bytes=plan.peak_bytes,
        planned_head_bytes=plan.head_bytes,
        greedy_head_bytes=plan.greedy_bytes,
        tail_bytes=ends.kept_bytes,
        setup_bytes=ends.setup_bytes,
        flash_bytes=flash,
        macs=multiplications,
        operators=tuple(sorted({operator.name for operator, _ in kernels})),
        unmodelled=tuple(dict.fromkeys(operator.name for operator, known in kernels if known is None)),
        exact=plan.exact,
    )
