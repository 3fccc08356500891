"""What TensorFlow Lite Micro keeps in the arena for ever, and what it needs for a moment while it plans.

The runtime's allocations are followed one by one, from the end of the arena down: allocator objects, a record for
each tensor and operator, the parameters and data of kernels, handles of scratch buffers, and the tensors of inputs
and outputs. Source: `micro_allocator.cc`, `micro_interpreter.cc` and `micro_allocation_info.cc` of TensorFlow Lite
Micro.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from edgevolve.graph import Graph, Tensor
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


_RECORDS = {8: _Records(488, 24, 64, 64, 24, 16, 32, 40), 4: _Records(136, 12, 32, 40, 12, 12, 24, 40)}
_ALIGNMENT = 16
_REQUESTS_IN_RESERVE = 12
"""Scratch buffers that any one kernel may ask for; the runtime keeps room to note them."""


_HANDLE = "VAR_HANDLE"
"""The operator for each of which the runtime keeps a record of a variable."""


class Tail(NamedTuple):
    """Bytes kept for ever, and bytes of the whole arena without which the runtime could not be set up."""

    kept_bytes: int
    setup_bytes: int


def tail(
    graph: Graph,
    kernels: Sequence[tuple[Operator, Needs | None]],
    target: Target,
    tensors: int,
    variables: Sequence[Tensor] = (),
) -> Tail:
    """The tail of a file's operators, each with what its kernel needs; None counts as nothing.

    `tensors` is how many the file holds, constants included; `variables` keep their values and lie in the tail.

    On the host it is what the recording allocator reports; for 32 bits it is derived.
    """
    records, pointer = _RECORDS[target.pointer_bytes], target.pointer_bytes
    handles = sum(operator.name == _HANDLE for operator, _ in kernels)
    used = records.fixed
    if handles:
        used += _aligned(2 * pointer, _ALIGNMENT) + _aligned(5 * pointer * handles, _ALIGNMENT)
    used = _aligned(used + records.tensor * tensors, pointer) + records.operator * len(kernels)
    known = [(operator, needs) for operator, needs in kernels if needs]
    for _, needs in known:
        used = _aligned(used + needs.kept.parameters, needs.kept.alignment)
    for _, needs in known:
        used = _aligned(used + needs.kept.data, _ALIGNMENT) if needs.kept.data else used
    setup = scratch_buffers = 0
    for _, needs in known:
        for table in needs.tables:
            used = _aligned(used + table, _ALIGNMENT)
        scratch_buffers += len(needs.scratch)
        requests = records.request * (scratch_buffers + _REQUESTS_IN_RESERVE)
        setup = max(setup, used + requests + sum(_described_bytes(scales, records) for scales in needs.described))
    if scratch_buffers:
        used = _aligned(used + pointer * scratch_buffers, pointer)
    for variable in variables:
        used = _aligned(used + variable.size_bytes, _ALIGNMENT)
    requests = records.request * (scratch_buffers + _REQUESTS_IN_RESERVE)
    described = records.described * (tensors + scratch_buffers) + pointer
    placed = sum(x.size_bytes > 0 for x in (*graph.inputs, *(y for node in graph.nodes for y in node.outputs)))
    plan = records.planned * (placed + scratch_buffers)
    planning = sum(_aligned(part, _ALIGNMENT) for part in (used, requests + described, plan))
    scales = {x.name: n for operator, _ in kernels for x, n in _scaled(operator)}
    for interface in (graph.inputs, graph.outputs):
        used = _aligned(used + pointer * len(interface), _ALIGNMENT)
        for tensor in interface:
            used += records.interface_tensor
            if scales.get(tensor.name):
                used += records.quantisation + 4 * (1 + scales[tensor.name])
    return Tail(_aligned(used, _ALIGNMENT), max(planning, _aligned(setup, _ALIGNMENT)))


def _scaled(operator: Operator) -> Iterator[tuple[Tensor, int]]:
    """The operator's tensors, each with its number of scales."""
    for tensor, scales in zip(operator.inputs, operator.scales, strict=True):
        if tensor is not None:
            yield tensor, scales
    yield from zip(operator.outputs, operator.output_scales, strict=True)


def _described_bytes(scales: int, records: _Records) -> int:
    """Bytes of a tensor's record while a kernel is set up, with a zero point for each of its scales."""
    return records.interface_tensor + (records.quantisation + _aligned(4 * (1 + scales), 8) if scales else 0)


def _aligned(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
