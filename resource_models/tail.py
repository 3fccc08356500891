"""What TensorFlow Lite Micro keeps in the arena for ever, and what it needs for a moment while it plans.

The runtime's allocations are followed one by one, from the end of the arena down: allocator objects, a record for
each tensor and operator, the parameters and data of kernels, handles of scratch buffers, and the tensors of inputs
and outputs. Source: `micro_allocator.cc`, `micro_interpreter.cc` and `micro_allocation_info.cc` of TensorFlow Lite
Micro.
"""

from collections.abc import Sequence
from typing import NamedTuple

from edgevolve.graph import Graph
from edgevolve.tflite import Needs, Operator, Target


class _Records(NamedTuple):
    """Bytes of the runtime's records.

    `fixed` holds the allocators, the planner and the model's own record; `request` is the runtime's note of a scratch
    buffer, `described` what the planner needs for a tensor or a scratch buffer, and `planned` for one that it places.
    """

    fixed: int
    tensor: int
    operator: int
    interface_tensor: int
    quantisation: int
    request: int
    described: int
    planned: int


_RECORDS = {8: _Records(500, 24, 64, 64, 16, 16, 32, 40), 4: _Records(136, 12, 32, 40, 12, 12, 24, 40)}
_ZERO_POINT_BYTES = 8
_ALIGNMENT = 16
_REQUESTS_IN_RESERVE = 12
"""Scratch buffers that any one kernel may ask for; the runtime keeps room to note them."""


class Tail(NamedTuple):
    """Bytes kept for ever, and bytes of the whole arena without which the runtime could not be set up."""

    kept_bytes: int
    setup_bytes: int


def tail(graph: Graph, kernels: Sequence[tuple[Operator, Needs | None]], target: Target, tensors: int) -> Tail:
    """The tail of a file's operators, each with what its kernel needs; None counts as nothing.

    `tensors` is how many the file holds, constants included.

    On the host it is within 16 bytes of what the recording allocator reports; for 32 bits it is derived.
    """
    records, pointer = _RECORDS[target.pointer_bytes], target.pointer_bytes
    activations = len(graph.inputs) + sum(len(node.outputs) for node in graph.nodes)
    used = _aligned(records.fixed, pointer) + _aligned(records.tensor * tensors, pointer)
    used += records.operator * len(kernels)
    modelled = [(operator, needs) for operator, needs in kernels if needs]
    kept = [needs.kept for _, needs in modelled]
    scratch_buffers = sum(len(needs.scratch) for _, needs in modelled)
    for parameters, alignment, _ in kept:
        used = _aligned(used + parameters, alignment)
    used = _aligned(used, _ALIGNMENT)
    for _, _, data in kept:
        used += _aligned(data, _ALIGNMENT)
    requests = records.request * (scratch_buffers + _REQUESTS_IN_RESERVE)
    setup = 0
    for operator, needs in modelled:
        for table in needs.tables:
            used += _aligned(table, _ALIGNMENT)
        if needs.tables:
            setup = max(setup, used + _described(operator, records))
    used = _aligned(used + pointer * scratch_buffers, pointer)
    described = records.described * (tensors + scratch_buffers) + pointer
    planning = _aligned(requests + described + used, _ALIGNMENT) + records.planned * (activations + scratch_buffers)
    for interface in (graph.inputs, graph.outputs):
        used = _aligned(used + pointer * len(interface), _ALIGNMENT)
        used += len(interface) * (records.interface_tensor + records.quantisation + _ZERO_POINT_BYTES)
    return Tail(_aligned(used, _ALIGNMENT), max(planning, _aligned(setup + requests, _ALIGNMENT)))


def _described(operator: Operator, records: _Records) -> int:
    """Bytes of the records, with zero points by channel, of the tensors that a kernel looks at as it is set up."""
    constants = sum(x is not None and x.constant for x in operator.inputs)
    tensors = sum(x is not None for x in operator.inputs) + len(operator.outputs)
    zero_points = 4 * operator.outputs[0].shape[-1] * constants
    return tensors * (records.interface_tensor + records.quantisation + _ZERO_POINT_BYTES) + zero_points


def _aligned(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
