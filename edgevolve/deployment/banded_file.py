"""Writes a `.tflite` whose operators run in bands; all pieces share the constants and scales of the original."""

from copy import copy
from typing import Any

import numpy as np

from edgevolve.deployment.flatbuffer import buffer_of, schema
from edgevolve.tflite import ROWS, TfliteModel
from resource_models.banded import Banded


def put_in_bands(content: Any, model: TfliteModel, banded: Banded) -> None:
    """Change a `ModelT` into the network in bands; `model` was read from the same file.

    A piece has the type and scales of its whole tensor, and no name. Tensors that nothing reads any more are dropped. A
    batch that the file leaves open becomes 1, since slices have fixed sizes.
    """
    graph = content.subgraphs[0]
    old = {x.name: table for x, table in zip(model.tensors, graph.tensors, strict=True)}
    numbers = {x.name: number for number, x in enumerate(banded.model.tensors)}
    tables = []
    for x in banded.model.tensors:
        if x.name in old:
            tables.append(old[x.name])
        elif x.name in banded.wholes:
            table = copy(old[banded.wholes[x.name]])
            table.name = None
            table.shape, table.buffer = list(x.shape), 0
            tables.append(table)
        else:
            tables.append(_numbers(content, banded.model, x.name))
    listed = []
    for operator, origin in zip(banded.model.operators, banded.origins, strict=True):
        table = (
            copy(graph.operators[origin]) if origin is not None else _added(content, operator.name, operator.options)
        )
        table.inputs = [-1 if x is None else numbers[x.name] for x in operator.inputs]
        table.outputs = [numbers[y.name] for y in operator.outputs]
        listed.append(table)
    graph.inputs = [numbers[model.tensors[int(i)].name] for i in graph.inputs]
    graph.outputs = [numbers[model.tensors[int(i)].name] for i in graph.outputs]
    for table in tables:
        table.shapeSignature = None
    graph.tensors, graph.operators = tables, listed


def _numbers(content: Any, model: TfliteModel, name: str) -> Any:
    """A new int32 constant, with the values that its readers give for the tensor `name`."""
    values = next(
        values
        for operator in model.operators
        for x, values in zip(operator.inputs, operator.values, strict=True)
        if x is not None and x.name == name
    )
    table = schema().TensorT()
    table.shape, table.type = [len(values)], schema().TensorType.INT32
    table.buffer = len(content.buffers)
    content.buffers = [*content.buffers, buffer_of(np.array(values, "<i4").tobytes())]
    return table


def _added(content: Any, name: str, options: Any) -> Any:
    """A new operator, a slice or a concatenation."""
    read = schema()
    table, code = read.OperatorT(), getattr(read.BuiltinOperator, name)
    known = [max(one.builtinCode, one.deprecatedBuiltinCode) for one in content.operatorCodes]
    if code not in known:
        entry = read.OperatorCodeT()
        entry.builtinCode = entry.deprecatedBuiltinCode = code
        entry.version = ROWS[name].version
        content.operatorCodes = [*content.operatorCodes, entry]
        known.append(code)
    table.opcodeIndex = known.index(code)
    if name == "CONCATENATION":
        table.builtinOptionsType, table.builtinOptions = (
            read.BuiltinOptions.ConcatenationOptions,
            read.ConcatenationOptionsT(),
        )
        table.builtinOptions.axis = int(options["axis"])
    return table
