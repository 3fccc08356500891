"""What a network really needs on a device that runs TensorFlow Lite Micro, before its file exists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from edgevolve.graph import Graph, Tensor, reordered
from edgevolve.tflite import CORTEX_M, Needs, Operator, Target, TfliteModel, needs, operators
from resource_models.constants import constants
from resource_models.deployed import deployed
from resource_models.flash import flash_bytes
from resource_models.liveness import PlacedBuffer
from resource_models.memory import peak_memory
from resource_models.plan import Plan, plan
from resource_models.planner import Buffer, greedy_offsets, height
from resource_models.size import macs
from resource_models.tail import tail


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


_Kernel = tuple[Operator, Needs | None]


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
    kernels = _kernels(operators(graph), target)
    placed = _placed(graph, kernels, target)
    found = plan(placed.tensors, placed.scratch)
    listed = [operator for operator, _ in kernels]
    weights = constants(listed)
    flash = flash_bytes(graph, listed, weights, planned=found.offsets is not None)
    tensors = len(graph.inputs) + sum(len(node.outputs) for node in graph.nodes) + len(weights)
    return _footprint(graph, kernels, target, found, flash, tensors)


def file_footprint(model: TfliteModel, target: Target = CORTEX_M) -> Footprint:
    """The figures of a file, in its own order and with its own numbers of tensors; flash is its size as it is.

    A plan that the file brings counts as `stored_head_bytes`. Kernels without a model (`unmodelled`) count as nothing.
    """
    best, tensors = memory_plan(model, target), len(model.tensors)
    kernels = _kernels(model.operators, target)
    found = _footprint(model.graph, kernels, target, best, model.size_bytes, tensors, model.variables)
    return found if model.offsets is None else replace(found, stored_head_bytes=stored_head_bytes(model, target))


def placed_buffers(found: Graph | TfliteModel, target: Target = CORTEX_M) -> list[PlacedBuffer]:
    """Where the plan puts each buffer of a file's operators (`deployed`) or of a file, scratch included."""
    placed = buffers(found, target)
    all_buffers = [*placed.tensors, *placed.scratch]
    offsets = greedy_offsets(all_buffers, memory_plan(found, target).offsets or ())
    labels = [*placed.names, *("scratch" for _ in placed.scratch)]
    return [
        PlacedBuffer(label, max(buffer.first - 1, 0), max(buffer.last - 1, 0), offset, buffer.size_bytes)
        for label, buffer, offset in zip(labels, all_buffers, offsets, strict=True)
    ]


def memory_plan(found: Graph | TfliteModel, target: Target = CORTEX_M) -> Plan:
    """The best plan for a file's operators (`deployed`) or for a file, offsets in the order of `buffers`."""
    placed = buffers(found, target)
    return plan(placed.tensors, placed.scratch)


def stored_head_bytes(model: TfliteModel, target: Target = CORTEX_M) -> int:
    """Bytes of the head as the file stands: with the plan that it brings, or the runtime's own where it brings none."""
    placed = buffers(model, target)
    fixed = [None if model.offsets is None or model.offsets[i] < 0 else model.offsets[i] for i in placed.numbers]
    every = [*placed.tensors, *placed.scratch]
    return height(every, greedy_offsets(every, fixed))


def buffers(found: Graph | TfliteModel, target: Target = CORTEX_M) -> Placed:
    """The buffers that the runtime plans for a file's operators (`deployed`) or for a file.

    An exported file numbers the inputs, then what each node makes. An input is live from the start to its last reader,
    what a node makes from that node to its last reader, and what the network gives to the end; nothing is ever
    computed in place. The runtime takes equal buffers by their numbers, and none for a tensor of no bytes.
    """
    if isinstance(found, Graph):
        return _placed(found, _kernels(operators(found), target), target)
    numbers = {tensor.name: number for number, tensor in enumerate(found.tensors)}
    return _placed(found.graph, _kernels(found.operators, target), target, numbers)


def _kernels(listed: Sequence[Operator], target: Target) -> list[_Kernel]:
    return [(operator, needs(operator, target)) for operator in listed]


def _placed(graph: Graph, kernels: Sequence[_Kernel], target: Target, numbers: Mapping[str, int] = {}) -> Placed:
    """The buffers by the tensors' numbers; without numbers they are those of an exported file."""
    end = len(graph.nodes)
    made = [(x, 0) for x in graph.inputs]
    made += [(y, step) for step, node in enumerate(graph.nodes, 1) for y in node.outputs]
    last = {tensor.name: step for tensor, step in made}
    scratch: list[Buffer] = []
    for step, (node, (_, known)) in enumerate(zip(graph.nodes, kernels, strict=True), 1):
        for x in node.inputs:
            last[x.name] = step
        scratch += [Buffer(target.aligned(size), step, step) for size in known.scratch] if known else []
    for y in graph.outputs:
        last[y.name] = end
    numbers = numbers or {tensor.name: number for number, (tensor, _) in enumerate(made)}
    kept = sorted(((tensor, step) for tensor, step in made if tensor.size_bytes), key=lambda t: numbers[t[0].name])
    return Placed(
        names=tuple(tensor.name for tensor, _ in kept),
        numbers=tuple(numbers[tensor.name] for tensor, _ in kept),
        tensors=tuple(Buffer(target.aligned(t.size_bytes), step, last[t.name]) for t, step in kept),
        scratch=tuple(scratch),
    )


def _footprint(
    graph: Graph,
    kernels: Sequence[_Kernel],
    target: Target,
    found: Plan,
    flash: int,
    tensors: int,
    variables: Sequence[Tensor] = (),
) -> Footprint:
    ends = tail(graph, kernels, target, tensors, variables)
    return Footprint(
        target=target,
        peak_bytes=found.peak_bytes,
        planned_head_bytes=found.head_bytes,
        greedy_head_bytes=found.greedy_bytes,
        tail_bytes=ends.kept_bytes,
        setup_bytes=ends.setup_bytes,
        flash_bytes=flash,
        macs=macs(graph),
        operators=tuple(sorted({operator.name for operator, _ in kernels})),
        unmodelled=tuple(dict.fromkeys(operator.name for operator, known in kernels if known is None)),
        exact=found.exact,
    )
