"""A graph's nodes as the operators of its file."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from edgevolve.graph import DType, Graph, Node, Opaque
from edgevolve.tflite.operator_rows import row_of
from edgevolve.tflite.row import Operator, Row


def operators(graph: Graph) -> tuple[Operator, ...]:
    """Each node as an exported int8 file holds it, with the graph's constants and a scale for each channel.

    An `Opaque` node gets only its name and tensors.
    """
    return tuple(_operator(node) for node in graph.nodes)


def _operator(node: Node) -> Operator:
    inputs = (*node.inputs, *node.weights)
    if isinstance(node.op, Opaque):
        scales = (0,) * len(inputs), (0,) * len(node.outputs)
        return Operator(node.op.name, inputs, node.outputs, {}, *scales, ((),) * len(inputs))
    row, _, contents = _written(node.op)
    tables = contents[: len(node.weights)] if contents else ((),) * len(node.weights)
    channels = 1 if row.one_scale(node.op) else node.output.shape[-1]
    return Operator(
        name=row.name,
        inputs=inputs,
        outputs=node.outputs,
        options=options_of(node),
        scales=(*(1,) * len(node.inputs), *(0 if table else channels for table in tables)),
        output_scales=(1,),
        values=(*((),) * len(node.inputs), *tables),
    )


def options_of(node: Node) -> Mapping[str, float]:
    """The options of a graph's node in its file, by `Field.key`."""
    row, options, _ = _written(node.op)
    return {**options, **row.wide_options} if node.inputs[0].dtype is DType.INT16 else options


@lru_cache(maxsize=4096)
def _written(op: Any) -> tuple[Row, dict[str, float], tuple[tuple[int, ...], ...]]:
    """The row of an operator, its options, and the contents of its int32 operands in their order."""
    row = row_of(op)
    return row, row.encoded(op), tuple(table(op) for table in row.contents.values())
