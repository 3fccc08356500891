"""What TensorFlow Lite Micro keeps in the arena for good, and what it needs only while it plans.

The runtime's allocations are followed one by one, from the end of the arena down: allocator objects, a record for
each tensor and operator, the parameters and data of kernels, handles of scratch buffers, and the tensors of inputs
and outputs. Source: `micro_allocator.cc`, `micro_interpreter.cc` and `micro_allocation_info.cc` of TensorFlow Lite
Micro.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from edgevolve.graph import DType, Graph, Tensor
from edgevolve.tflite import Needs, Operator, Target


class _Records(NamedTuple):
    """Bytes of the runtime's records.

    `fixed` holds the allocators and the planner, `subgraph` is the record of a subgraph; `request` is the runtime's
    note of a scratch buffer, `described` what the planner needs for a tensor or a scratch buffer, and `planned` for one
    that it places.
    """

    fixed: int
    subgraph: int
    tensor: int
    operator: int
    interface_tensor: int
    quantisation: int
    request: int
    described: int
    planned: int


_RECORDS = {8: _Records(464, 24, 24, 64, 64, 24, 16, 32, 40), 4: _Records(128, 8, 12, 32, 40, 12, 12, 24, 40)}
_ALIGNMENT = 16
_REQUESTS_IN_RESERVE = 12
"""Scratch buffers that any one kernel may ask for; the runtime keeps room to note them."""


_HANDLE, _ASSIGN = "VAR_HANDLE", "ASSIGN_VARIABLE"

_Kernel = tuple[Operator, Needs | None]


class Part(NamedTuple):
    """A subgraph as the runtime sets it up.

    `kernels` are its operators, each with what its kernel needs; None counts as nothing. `tensors` are all tensors by
    number, constants included. `variables` keep their values and lie in the tail. `outputs` are the file's outputs,
    constants included.
    """

    graph: Graph
    kernels: Sequence[_Kernel]
    tensors: Sequence[Tensor]
    variables: Sequence[Tensor]
    outputs: Sequence[Tensor]

    def planned_bytes(self) -> dict[str, int]:
        """Bytes of each tensor that the planner places, by name.

        A variable's handle takes 4 where it is passed on; where it is made, it points into its kernel's data.
        """
        elsewhere = {x.name for x in self.variables}
        elsewhere |= self.handles().keys()
        return {
            x.name: 4 * math.prod(x.shape) if x.dtype is DType.RESOURCE else x.size_bytes
            for x in self.tensors
            if not x.constant and x.name not in elsewhere
        }

    def handles(self) -> dict[str, float]:
        """The handles of variables that this subgraph makes, by name, each with the number of its variable's name."""
        makers = [operator for operator, _ in self.kernels if _is(operator, _HANDLE)]
        return {y.name: operator.options["shared_name"] for operator in makers for y in operator.outputs}


class Tail(NamedTuple):
    """Bytes kept for good, and bytes of the whole arena that the runtime needs to be set up."""

    kept_bytes: int
    setup_bytes: int


def tail(parts: Sequence[Part], target: Target, placed: int) -> Tail:
    """The tail of a file. The runtime sets up all subgraphs; only the first has records of inputs and outputs.

    `placed` is the number of tensors that the planner places. On the host the tail is what the recording allocator
    reports; for 32 bits it is derived.
    """
    records, pointer = _RECORDS[target.pointer_bytes], target.pointer_bytes
    kernels = [kernel for part in parts for kernel in part.kernels]
    tensors = sum(len(part.tensors) for part in parts)
    used = records.fixed
    if shared := {name for part in parts for name in part.handles().values()}:
        used += _aligned(2 * pointer, _ALIGNMENT) + _aligned(5 * pointer * len(shared), _ALIGNMENT)
    used = _aligned(used + records.subgraph * len(parts) + records.tensor * tensors, pointer)
    used += records.operator * len(kernels)
    known = [needs for _, needs in kernels if needs]
    for needs in known:
        used = _aligned(used + needs.kept.parameters, needs.kept.alignment)
    for needs in known:
        used = _aligned(used + needs.kept.data, _ALIGNMENT) if needs.kept.data else used
    setup = scratch_buffers = 0
    for needs, variables in zip(known, _assigned(parts), strict=True):
        requests = records.request * (scratch_buffers + _REQUESTS_IN_RESERVE)  # room for its own is in reserve
        described = requests + _described_bytes(needs.described, records, pointer)
        setup = max(setup, used + described)
        for table in (*needs.tables, *variables):
            used = _aligned(used + table, _ALIGNMENT)
        covered = _unread_bytes(needs.described[-1], pointer) if needs.tables_last and needs.described else 0
        setup = max(setup, used + described - covered)
        scratch_buffers += len(needs.scratch)
    if scratch_buffers:
        used = _aligned(used + pointer * scratch_buffers, pointer)
    for variable in (variable for part in parts for variable in part.variables):
        used = _aligned(used + variable.size_bytes, _ALIGNMENT)
    requests = records.request * (scratch_buffers + _REQUESTS_IN_RESERVE)
    described = records.described * (tensors + scratch_buffers) + pointer * len(parts)
    plan = records.planned * (placed + scratch_buffers)
    planning = sum(_aligned(part, _ALIGNMENT) for part in (used, requests + described, plan))
    first = parts[0]
    scales = {x.name: n for operator, _ in first.kernels for x, n in _scaled(operator)}
    for interface in (first.graph.inputs, first.outputs):
        used = _aligned(used + pointer * len(interface), _ALIGNMENT)
        for tensor in interface:
            used += records.interface_tensor
            if scales.get(tensor.name):
                used += records.quantisation + 4 * (1 + scales[tensor.name])
    return Tail(_aligned(used, _ALIGNMENT), max(planning, _aligned(setup, _ALIGNMENT)))


def operator_bytes(operator: Operator, known: Needs | None, target: Target) -> int:
    """Bytes that one more operator of this kind keeps, with a tensor for each output; constants are counted apart.

    `known` is what its kernel needs.
    """
    records = _RECORDS[target.pointer_bytes]
    used = records.operator + records.tensor * len(operator.outputs)
    if known is None:
        return used
    used += _aligned(known.kept.parameters, known.kept.alignment) + _aligned(known.kept.data, _ALIGNMENT)
    return used + sum(_aligned(table, _ALIGNMENT) for table in known.tables) + target.pointer_bytes * len(known.scratch)


def constant_bytes(target: Target) -> int:
    """Bytes that the runtime keeps of one more constant."""
    return _RECORDS[target.pointer_bytes].tensor


def _assigned(parts: Sequence[Part]) -> Iterator[tuple[int, ...]]:
    """For each kernel with a model, the bytes of the variable that the runtime makes as it sets the kernel up.

    A name has one variable, made at the first assignment in a subgraph that makes a handle of this name.
    """
    made: set[float] = set()
    for part in parts:
        handles = part.handles()
        for operator, _ in (kernel for kernel in part.kernels if kernel[1]):
            given = operator.inputs if _is(operator, _ASSIGN) else ()
            variable, value = given if len(given) == 2 else (None, None)
            name = handles.get(variable.name) if variable else None
            yield (value.size_bytes,) if value and name is not None and name not in made else ()
            made |= {name} if name is not None else set()


def _is(operator: Operator, name: str) -> bool:
    """Whether the operator is the schema's of this name, not a custom operator with the same name."""
    return operator.name == name and not operator.custom


def _scaled(operator: Operator) -> Iterator[tuple[Tensor, int]]:
    """The operator's tensors, each with its number of scales."""
    for tensor, scales in zip(operator.inputs, operator.scales, strict=True):
        if tensor is not None:
            yield tensor, scales
    yield from zip(operator.outputs, operator.output_scales, strict=True)


def _described_bytes(scales: Sequence[int], records: _Records, pointer: int) -> int:
    """Bytes of the records of tensors while a kernel is set up, one behind the other.

    A tensor with scales has a record of them and a zero point for each. No record is freed before the kernel is set up.
    """
    end = 0
    for number in scales:
        end = _aligned(end, pointer) + records.interface_tensor
        end += records.quantisation + 4 * (1 + number) if number else 0
    return end


def _unread_bytes(scales: int, pointer: int) -> int:
    """Bytes at the end of a tensor's record that nothing reads once all tensors of a kernel are described.

    What a kernel keeps must not reach the requests for scratch, but it may cover records of tensors: the runtime does
    not look (`AllocatePersistentBuffer` of `single_arena_buffer_allocator.cc`). At the end lie the axis of the scales
    and the zero points, or without scales whether it is a variable. What lies before is read or written again: the
    address of the zero points, by which the record is freed, or the tensor's type.
    """
    return pointer + (4 * (1 + scales) if scales else 0)


def _aligned(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment
