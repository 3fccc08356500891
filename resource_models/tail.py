"""What TensorFlow Lite Micro keeps in the arena for ever, and what it needs for a moment while it plans.

The runtime's allocations are followed one by one, from the end of the arena down: allocator objects, a record for
each tensor and operator, the parameters and data of kernels, handles of scratch buffers, and the tensors of inputs
and outputs. Source: `micro_allocator.cc`, `micro_interpreter.cc` and `micro_allocation_info.cc` of TensorFlow Lite
Micro.
"""

from typing import NamedTuple

from graph import Graph
from resource_models.constants import constants
from resource_models.kernels import kept, persistent_tables, tflite_name
from resource_models.target import Target


class _Records(NamedTuple):
    """Bytes of the runtime's records.

    `fixed` holds the allocators, the planner and the model's own record; `planned` is what the planner needs for a
    buffer and `described` what it needs for a tensor or a scratch buffer.
    """

    fixed: int
    tensor: int
    operator: int
    interface_tensor: int
    quantisation: int
    described: int
    planned: int


_RECORDS = {8: _Records(500, 24, 64, 64, 16, 32, 40), 4: _Records(136, 12, 32, 40, 12, 24, 40)}
_ZERO_POINT_BYTES = 8
_ALIGNMENT = 16


class Tail(NamedTuple):
    """Bytes kept for ever, and bytes of the whole arena without which the runtime could not plan."""

    kept_bytes: int
    planning_bytes: int


def tail(graph: Graph, target: Target, scratch_buffers: int) -> Tail:
    """The tail of the file's operators, of which the kernels ask for `scratch_buffers` buffers in all.

    On the host it is within 16 bytes of what the recording allocator reports; for 32 bits it is derived.
    """
    records, pointer = _RECORDS[target.pointer_bytes], target.pointer_bytes
    activations = len(graph.inputs) + sum(len(node.outputs) for node in graph.nodes)
    tensors = activations + len(constants(graph))
    used = _aligned(records.fixed, pointer) + _aligned(records.tensor * tensors, pointer)
    used += records.operator * len(graph.nodes)
    kernels = [kept(tflite_name(node), target) for node in graph.nodes]
    for parameters, alignment, _ in kernels:
        used = _aligned(used + parameters, alignment)
    used = _aligned(used, _ALIGNMENT)
    for kernel in kernels:
        used += _aligned(kernel.data, _ALIGNMENT)
    for node in graph.nodes:
        for table in persistent_tables(node, target):
            used += _aligned(table, _ALIGNMENT)
    used = _aligned(used + pointer * scratch_buffers, pointer)
    described = records.described * (tensors + scratch_buffers) + pointer
    planning = _aligned(described + used, _ALIGNMENT) + records.planned * (activations + scratch_buffers)
    for interface in (graph.inputs, graph.outputs):
        used = _aligned(used + pointer * len(interface), _ALIGNMENT)
        used += len(interface) * (records.interface_tensor + records.quantisation + _ZERO_POINT_BYTES)
    return Tail(_aligned(used, _ALIGNMENT), planning)


def _aligned(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
