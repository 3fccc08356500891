"""What a network really needs on a device that runs TensorFlow Lite Micro, before its file exists."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgevolve.graph import Graph, TfliteModel, reordered
from resource_models.deployed import deployed
from resource_models.flash import flash_bytes
from resource_models.kernels import scratch, tflite_name
from resource_models.liveness import PlacedBuffer
from resource_models.memory import peak_memory
from resource_models.plan import Plan, plan
from resource_models.planner import Buffer, greedy_offsets
from resource_models.size import macs
from resource_models.tail import tail
from resource_models.target import CORTEX_M, Target


@dataclass(frozen=True, slots=True)
class Footprint:
    """Memory and work of a deployed network on `target`.

    The arena is one block: a head of planned buffers and a tail that stays. With the file's memory plan the head is
    `planned_head_bytes`, with the runtime's own `greedy_head_bytes`; no plan is below `peak_bytes`, the most bytes
    live at once, each buffer rounded up to the alignment. `exact` tells that the planned head is the least.
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
    exact: bool

    @property
    def arena_bytes(self) -> int:
        """The smallest arena that works: head and tail, with the file's plan."""
        return max(self.planned_head_bytes + self.tail_bytes, self.setup_bytes)

    @property
    def greedy_arena_bytes(self) -> int:
        """The smallest arena that would work without a plan in the file."""
        return max(self.greedy_head_bytes + self.tail_bytes, self.setup_bytes)


def measure(graph: Graph, target: Target = CORTEX_M) -> Footprint:
    """What `deployment.export` makes of the graph: the converter's operators in the order of least peak memory."""
    operators = deployed(graph).graph
    return footprint(reordered(operators, peak_memory(operators).order), target)


def footprint(graph: Graph, target: Target = CORTEX_M) -> Footprint:
    """The figures of the file's own operators (`deployed`), in the order in which they stand."""
    found = memory_plan(graph, target)
    return _footprint(graph, target, found, flash_bytes(graph, planned=found.offsets is not None))


def file_footprint(model: TfliteModel, target: Target = CORTEX_M) -> Footprint:
    """The figures of a file, in its own order and with its own numbers of tensors; flash is its size as it is.

    A plan that the file may hold is not looked at. Kernels that edgevolve has no model of count with the parameters
    and data of a usual one, and without scratch but for MEAN.
    """
    found = memory_plan(model.graph, target, _numbers(model))
    return _footprint(model.graph, target, found, model.size_bytes, len(model.tensors))


def placed_buffers(found: Graph | TfliteModel, target: Target = CORTEX_M) -> list[PlacedBuffer]:
    """Where the plan puts each buffer of a file's operators (`deployed`) or of a file, scratch included."""
    graph, numbers = (found, {}) if isinstance(found, Graph) else (found.graph, _numbers(found))
    tensors, temporary = buffers(graph, target)
    order = _numbered(graph, numbers)
    numbered = [*(tensors[i] for i in order), *temporary]
    offsets = greedy_offsets(numbered, memory_plan(graph, target, numbers).offsets or ())
    names = _made(graph)
    labels = [*(names[i] for i in order), *("scratch" for _ in temporary)]
    return [
        PlacedBuffer(label, max(buffer.first - 1, 0), max(buffer.last - 1, 0), offset, buffer.size_bytes)
        for label, buffer, offset in zip(labels, numbered, offsets, strict=True)
    ]


def _footprint(graph: Graph, target: Target, found: Plan, flash: int, tensors: int | None = None) -> Footprint:
    requests = sum(len(scratch(node, target)) for node in graph.nodes)
    ends = tail(graph, target, requests, tensors)
    return Footprint(
        target=target,
        peak_bytes=found.peak_bytes,
        planned_head_bytes=found.head_bytes,
        greedy_head_bytes=found.greedy_bytes,
        tail_bytes=ends.kept_bytes,
        setup_bytes=ends.setup_bytes,
        flash_bytes=flash,
        macs=macs(graph),
        operators=tuple(sorted({tflite_name(node) for node in graph.nodes})),
        exact=found.exact,
    )


def memory_plan(graph: Graph, target: Target = CORTEX_M, numbers: Mapping[str, int] = {}) -> Plan:
    """The plan of the file's operators, offsets for the inputs and then for the output of each operator.

    `numbers` are those of the tensors in a file, by name: the runtime takes equal buffers by them, and the offsets
    then stand in their order.
    """
    tensors, temporary = buffers(graph, target)
    return plan([tensors[i] for i in _numbered(graph, numbers)], temporary)


def _numbers(model: TfliteModel) -> dict[str, int]:
    return {tensor.name: number for number, tensor in enumerate(model.tensors)}


def _made(graph: Graph) -> list[str]:
    """Names of the tensors in the order of `buffers`."""
    return [x.name for x in graph.inputs] + [y.name for node in graph.nodes for y in node.outputs]


def _numbered(graph: Graph, numbers: Mapping[str, int]) -> list[int]:
    """Places in the order of `buffers`, by the tensors' numbers; as they are where there are no numbers."""
    names = _made(graph)
    return sorted(range(len(names)), key=lambda i: numbers[names[i]] if numbers else i)


def buffers(graph: Graph, target: Target) -> tuple[list[Buffer], list[Buffer]]:
    """The buffers that the runtime plans: inputs and outputs of nodes in their order, then scratch in its order.

    An input is live from the start to its last reader, what a node makes from that node to its last reader, and what
    the network gives to the end; nothing is ever computed in place.
    """
    end = len(graph.nodes)
    last = {x.name: 0 for x in graph.inputs}
    temporary = []
    for step, node in enumerate(graph.nodes, 1):
        for x in node.inputs:
            last[x.name] = step
        for y in node.outputs:
            last[y.name] = step
        temporary += [Buffer(target.aligned(size), step, step) for size in scratch(node, target)]
    for y in graph.outputs:
        last[y.name] = end
    tensors = [Buffer(target.aligned(x.size_bytes), 0, last[x.name]) for x in graph.inputs]
    for step, node in enumerate(graph.nodes, 1):
        tensors += [Buffer(target.aligned(y.size_bytes), step, last[y.name]) for y in node.outputs]
    return tensors, temporary
