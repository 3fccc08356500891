"""What a network really needs on a device that runs TensorFlow Lite Micro, before its file exists."""

from dataclasses import dataclass

from graph import Graph, reordered
from resource_models.deployed import deployed
from resource_models.flash import flash_bytes
from resource_models.kernels import scratch, tflite_name
from resource_models.memory import peak_memory
from resource_models.plan import Plan, plan
from resource_models.planner import Buffer
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
    tensors, temporary = buffers(graph, target)
    found = plan(tensors, temporary)
    ends = tail(graph, target, len(temporary))
    return Footprint(
        target=target,
        peak_bytes=found.peak_bytes,
        planned_head_bytes=found.head_bytes,
        greedy_head_bytes=found.greedy_bytes,
        tail_bytes=ends.kept_bytes,
        setup_bytes=ends.setup_bytes,
        flash_bytes=flash_bytes(graph, planned=found.offsets is not None),
        macs=macs(graph),
        operators=tuple(sorted({tflite_name(node) for node in graph.nodes})),
        exact=found.exact,
    )


def memory_plan(graph: Graph, target: Target = CORTEX_M) -> Plan:
    """The plan of the file's operators, offsets for the inputs and then for the output of each operator."""
    return plan(*buffers(graph, target))


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
