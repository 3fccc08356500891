"""What a network needs under TensorFlow Lite Micro: arena, flash, operators. A graph's figures precede its file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
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
from resource_models.tail import Part, Tail, tail
from resource_models.timeline import NEVER, Timeline


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory and work of a deployed network on `target`.

    The arena is one block: a head of planned buffers and a tail that the runtime keeps. The head takes
    `planned_head_bytes` under our memory plan and `greedy_head_bytes` under the runtime's own. No plan is lower than
    `peak_bytes`, the most bytes live at once, each buffer rounded up to the alignment. `exact` says that no plan is
    lower than `planned_head_bytes`. `stored_head_bytes` is the head under the plan stored in a file, None without one.
    `setup_bytes` is the whole arena that the runtime needs while it prepares kernels and plans; it decides where
    activations are tiny. `flash_bytes` is the size of the `.tflite`. `operators` are those that the runtime's resolver
    must register. `unmodelled` names operators whose kernels have no model: their own memory counts as 0.
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
        """The smallest arena that works for the file as it is, under its stored plan or the runtime's own."""
        head = self.greedy_head_bytes if self.stored_head_bytes is None else self.stored_head_bytes
        return max(head + self.tail_bytes, self.setup_bytes)

    @property
    def arena_bytes(self) -> int:
        """The smallest arena that works: head and tail, under our plan."""
        return max(self.planned_head_bytes + self.tail_bytes, self.setup_bytes)

    @property
    def greedy_arena_bytes(self) -> int:
        """The smallest arena that works without a plan in the file."""
        return max(self.greedy_head_bytes + self.tail_bytes, self.setup_bytes)


class Placed(NamedTuple):
    """The buffers that the runtime places: tensors by their number in the file, then scratch by operator.

    `names` and `numbers` are those of the tensors.
    """

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    tensors: tuple[Buffer, ...]
    scratch: tuple[Buffer, ...]


def measure(graph: Graph, target: Target = CORTEX_M) -> Footprint:
    """The footprint of the file that `deployment.export` writes: merged operators in the order of least peak memory."""
    merged = deployed(graph).graph
    return footprint(reordered(merged, peak_memory(merged).order), target)


def footprint(graph: Graph, target: Target = CORTEX_M) -> Footprint:
    """The footprint of a graph of file operators (`deployed`), in the graph's order."""
    parts = _parts(graph, target)
    placed = _placed(parts, target)
    plan = _best(parts, placed)
    listed = [operator for operator, _ in parts[0].kernels]
    weights = constants(listed)
    flash = flash_bytes(graph, listed, planned=plan.offsets is not None)
    unplaced = [Tensor(f"constant {number}", (), constant=True) for number in range(len(weights))]
    parts = [parts[0]._replace(tensors=(*parts[0].tensors, *unplaced))]
    return _footprint(parts, target, plan, flash, tail(parts, target, len(placed.tensors)), macs(graph))


def file_footprint(model: TfliteModel, target: Target = CORTEX_M, max_placed: int = MAX_PLACED) -> Footprint:
    """The footprint of a file, in its own order and with its own numbers of tensors.

    `flash_bytes` is the file's size, and its stored plan gives `stored_head_bytes`. Kernels without a model
    (`unmodelled`) count as 0 bytes. Multiply-accumulates are those of `file_macs`. `max_placed` is passed to `packed`.
    """
    return FileArena(model, target).footprint(max_placed)


class FileArena:
    """The arena of a file in its own order: its bounds at once, and its memory plan when it is asked for."""

    def __init__(self, model: TfliteModel, target: Target = CORTEX_M) -> None:
        """No plan is searched yet."""
        self._model, self._target = model, target
        self._parts = _parts(model, target)
        self._placed = _placed(self._parts, target)
        self._ends = tail(self._parts, target, len(self._placed.tensors))
        self.tail_bytes = self._ends.kept_bytes

    @cached_property
    def least(self) -> int:
        """A lower bound of the arena in bytes, under any plan."""
        head = live_peak([*self._placed.tensors, *self._placed.scratch])
        return max(head + self.tail_bytes, self._ends.setup_bytes)

    def footprint(self, max_placed: int = MAX_PLACED) -> Footprint:
        """What `file_footprint` gives."""
        model, best = self._model, _best(self._parts, self._placed, max_placed)
        planned = _footprint(self._parts, self._target, best, model.size_bytes, self._ends, file_macs(model))
        stored = stored_head_bytes(model, self._target) if model.offsets is not None else None
        return planned if stored is None else replace(planned, stored_head_bytes=stored)


def tail_bytes(model: TfliteModel, target: Target = CORTEX_M) -> int:
    """Bytes of a file's arena that the runtime keeps, whatever the plan and the order of the operators."""
    return tail(_parts(model, target), target, 0).kept_bytes


def placed_buffers(network: Graph | TfliteModel, target: Target = CORTEX_M) -> list[PlacedBuffer]:
    """The place of each buffer, scratch included, under the best plan for a file or a graph of file operators.

    A graph of file operators comes from `deployed`. Operator k runs in step k. In a file with several subgraphs, step k
    is step k + 1 of `timeline`. Buffers that are never reached are left out.
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
    """The best plan for a file, or for a graph of file operators (`deployed`); tensors in the order of `buffers`.

    A file with variables in a subgraph other than the first gets no plan, since the runtime would misread it:
    `AllocateVariables` of `micro_allocator.cc` looks variables up by their place in the first subgraph.
    """
    parts = _parts(network, target)
    return _best(parts, _placed(parts, target), max_placed)


def stored_head_bytes(model: TfliteModel, target: Target = CORTEX_M) -> int:
    """Bytes of the head under the file's stored plan, or under the runtime's own plan if no stored plan fits."""
    placed = buffers(model, target)
    stored = model.offsets if model.plan_fits else None
    fixed = [None if stored is None or stored[i] < 0 else stored[i] for i in placed.numbers]
    every = [*placed.tensors, *placed.scratch]
    return height(every, greedy_offsets(every, fixed))


def buffers(network: Graph | TfliteModel, target: Target = CORTEX_M) -> Placed:
    """The buffers that the runtime plans for a file, or for a graph of file operators (`deployed`).

    An input is live from the start to its last reader, a node's output from that node to its last reader, a network
    output to the end. Nothing is computed in place. Tensors of called subgraphs live as `timeline` says. A tensor of 0
    bytes has no buffer. An exported file numbers its inputs, then the outputs of each node. Numbers run through all
    subgraphs of a file. The runtime breaks ties between buffers of equal size by them.
    """
    return _placed(_parts(network, target), target)


def timeline(model: TfliteModel) -> Timeline:
    """The steps of a file in the order in which they run, those of called subgraphs included."""
    return Timeline([(part.graph, part.operators) for part in model.subgraphs])


def file_macs(model: TfliteModel) -> int:
    """Multiply-accumulates of all subgraphs that the first one reaches. Each counts once, even in a loop."""
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
    """The buffers in the order of the tensors' numbers."""
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
    parts: Sequence[Part], target: Target, plan: Plan, flash: int, ends: Tail, multiplications: int
) -> Footprint:
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
