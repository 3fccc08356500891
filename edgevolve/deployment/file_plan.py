"""A `.tflite` as the runtime's memory planner sees it, and a better plan and order for it."""

import math
from typing import Any, NamedTuple

import numpy as np

from edgevolve.deployment.export_error import ExportError
from edgevolve.deployment.flatbuffer import PLAN_NAME, schema, set_plan
from resource_models import CORTEX_M, Plan
from resource_models.blocks import Program
from resource_models.memory import least_peak
from resource_models.plan import plan
from resource_models.planner import Buffer, greedy_offsets, height

_ELEMENT_BYTES = {
    "FLOAT32": 4,
    "FLOAT16": 2,
    "INT32": 4,
    "UINT8": 1,
    "INT64": 8,
    "BOOL": 1,
    "INT16": 2,
    "INT8": 1,
    "FLOAT64": 8,
    "COMPLEX64": 8,
    "COMPLEX128": 16,
    "UINT64": 8,
    "UINT32": 4,
    "UINT16": 2,
}
_MEAN = "MEAN"
_HAVE_A_PLACE_IN_TIME = frozenset(
    {"CUSTOM", "CALL_ONCE", "IF", "WHILE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL"}
)
"""Operators that may do more than give their outputs; a file that has one keeps its order."""


class FileBuffers(NamedTuple):
    """The tensors that the runtime places, by number, with their buffers, and the scratch of the reference kernels."""

    numbers: list[int]
    tensors: list[Buffer]
    scratch: list[Buffer]


def operator_names(model: Any) -> list[str]:
    """TFLite's name of each operator's code, in the order of the operators."""
    codes = schema().BuiltinOperator
    by_code = {value: name for name, value in vars(codes).items() if isinstance(value, int)}
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    return [by_code.get(codes[operator.opcodeIndex], "CUSTOM") for operator in model.subgraphs[0].operators]


def file_buffers(model: Any) -> FileBuffers:
    """What the runtime plans for a `ModelT`. Raises `ExportError` for element types without a fixed size."""
    graph = model.subgraphs[0]
    first: dict[int, int] = {int(t): 0 for t in graph.inputs}
    last = dict(first)
    scratch = []
    for step, (name, operator) in enumerate(zip(operator_names(model), graph.operators, strict=True), 1):
        for t in map(int, operator.outputs):
            first[t] = last[t] = step
        for t in map(int, operator.inputs):
            if t in last:
                last[t] = step
        if name == _MEAN:
            scratch += _mean_scratch(model, operator, step)
    for t in map(int, graph.outputs):
        first.setdefault(t, 0)
        last[t] = len(graph.operators)
    placed = [t for t in sorted(first) if not graph.tensors[t].isVariable and not _has_data(model, t)]
    buffers = {t: Buffer(CORTEX_M.aligned(_bytes(graph.tensors[t])), first[t], last[t]) for t in placed}
    numbers = [t for t in placed if buffers[t].size_bytes]
    return FileBuffers(numbers, [buffers[t] for t in numbers], scratch)


def current_head(model: Any, found: FileBuffers) -> int:
    """Bytes of the head as the file stands, with the plan that it may hold."""
    offsets = _stored_offsets(model)
    fixed = [None if offsets is None or offsets[t] < 0 else offsets[t] for t in found.numbers]
    buffers = [*found.tensors, *found.scratch]
    return height(buffers, greedy_offsets(buffers, fixed))


def lay_out(model: Any) -> Plan:
    """Give the `ModelT` the best plan for the order in which its operators stand, or none where none saves anything."""
    found = file_buffers(model)
    best = plan(found.tensors, found.scratch)
    offsets = None
    if best.offsets is not None:
        offsets = [-1] * len(model.subgraphs[0].tensors)
        for t, offset in zip(found.numbers, best.offsets, strict=True):
            offsets[t] = offset
    set_plan(model, offsets)
    return best


def put_in_best_order(model: Any) -> None:
    """Put the operators of the `ModelT` in the order of least peak memory, unless one may do more than compute."""
    graph = model.subgraphs[0]
    if set(operator_names(model)) & _HAVE_A_PLACE_IN_TIME or any(t.isVariable for t in graph.tensors):
        return
    program = _program(model)
    if program is not None:
        graph.operators = [graph.operators[i] for i in least_peak(program, len(graph.inputs)).order]


def _program(model: Any) -> Program | None:
    """The file as numbers; None where an operator reads nothing that is computed, or a tensor is made twice."""
    graph = model.subgraphs[0]
    numbers = {int(t): i for i, t in enumerate(graph.inputs)}
    sizes = [CORTEX_M.aligned(_bytes(graph.tensors[t])) for t in numbers]
    reads, makes = [], []
    last_read = [-1] * len(sizes)
    for index, operator in enumerate(graph.operators):
        read = tuple({numbers[int(t)] for t in operator.inputs if int(t) in numbers})
        made = [int(t) for t in operator.outputs]
        if not read or not made or any(t in numbers for t in made):
            return None
        for t in read:
            last_read[t] = index
        reads.append(read)
        makes.append(tuple(range(len(sizes), len(sizes) + len(made))))
        for t in made:
            numbers[t] = len(sizes)
            sizes.append(CORTEX_M.aligned(_bytes(graph.tensors[t])))
            last_read.append(-1)
    for t in map(int, graph.outputs):
        if t in numbers:
            last_read[numbers[t]] = len(reads)
    return Program(sizes, last_read, reads, makes, {})


def _mean_scratch(model: Any, operator: Any, step: int) -> list[Buffer]:
    """What the reference kernel of an integer MEAN asks for; a float one asks for the last two alone."""
    tensors = model.subgraphs[0].tensors
    x, axes, y = (tensors[int(t)] for t in (*operator.inputs, *operator.outputs))
    rank, axis_count = 4 * len(_shape(x)), 4 * math.prod(_shape(axes))
    sums = [] if _type_name(x) == "FLOAT32" else [4 * math.prod(_shape(y))]
    return [Buffer(CORTEX_M.aligned(size), step, step) for size in (*sums, rank, axis_count)]


def _stored_offsets(model: Any) -> list[int] | None:
    for entry in model.metadata or ():
        if entry.name in (PLAN_NAME, PLAN_NAME.encode()):
            values = np.frombuffer(np.asarray(model.buffers[entry.buffer].data, np.uint8).tobytes(), "<i4")
            if len(values) == 3 + len(model.subgraphs[0].tensors):
                return [int(value) for value in values[3:]]
    return None


def _has_data(model: Any, tensor: int) -> bool:
    data = model.buffers[model.subgraphs[0].tensors[tensor].buffer].data
    return data is not None and len(data) > 0


def _shape(tensor: Any) -> tuple[int, ...]:
    return () if tensor.shape is None else tuple(int(size) for size in tensor.shape)


def _bytes(tensor: Any) -> int:
    name = _type_name(tensor)
    if name not in _ELEMENT_BYTES:
        raise ExportError(f"tensors of {name.lower()} have no fixed size and cannot be planned")
    return math.prod(_shape(tensor)) * _ELEMENT_BYTES[name]


def _type_name(tensor: Any) -> str:
    types = {value: name for name, value in vars(schema().TensorType).items() if isinstance(value, int)}
    return types.get(tensor.type, f"type {tensor.type}")
