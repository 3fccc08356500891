"""A processor as a sum over operators: a roofline and a cost for each operator, with few fitted constants.

A convolution costs its multiply-accumulates, with channels padded to the vector registers, and the writing of each
output. Other operators cost their bytes or outputs. None is faster than memory delivers its bytes (Williams et al.
2009). Each operator and each inference has a fixed cost. The constants are fitted to measurements of whole networks or
single operators (`learned/physics.py`), and make a sheet of the kind `host`.

A layer is a node that LiteRT runs as one kernel; `layers` gives each as a network of its own, to be measured alone.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from edgevolve.graph import (
    Activate,
    Activation,
    Add,
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    DType,
    GlobalAveragePool,
    Graph,
    GraphBuilder,
    MatMul,
    MaxPool2D,
    Multiply,
    Node,
    Op,
    Reshape,
    Shape,
    to_json,
)
from predictors.values import FloatArray, PredictorError
from resource_models.graph_features import live_nodes

if TYPE_CHECKING:
    from predictors.sheets import Sheet

_LANES = 16
"""XNNPACK's int8 kernels compute `_LANES` filters at a time, and read `_DEEP` channels at a time."""
_DEEP = 8

PARTS = {
    "ps_per_conv_mac": 2.2,
    "ps_per_pointwise_mac": 2.2,
    "ps_per_conv_output": 76.0,
    "ps_per_depthwise_mac": 25.0,
    "ps_per_large_depthwise_mac": 350.0,
    "ps_per_dense_mac": 3.1,
    "ps_per_add_output": 89.0,
    "ps_per_multiply_output": 169.0,
    "ps_per_hard_swish_output": 3150.0,
    "ps_per_activation_output": 40.0,
    "ps_per_max_pool_byte": 27.0,
    "ps_per_average_pool_output": 3200.0,
    "ps_per_average_pool_input": 60.0,
    "ps_per_mean_byte": 40.0,
    "ps_per_other_byte": 60.0,
    "ps_per_operator": 120_000.0,
}
"""The parts of a node's time, in picoseconds each; a fit starts from these, an x86-64 core of 2025."""

Work = tuple[FloatArray, FloatArray]
"""The result of `node_work`: the parts of each node, and the bytes that it moves."""

MS_PER_PS = 1e-9
"""Milliseconds in a picosecond."""


def check(sheet: "Sheet") -> None:
    """Raise `PredictorError` where the sheet has no fitted figures yet."""
    if not sheet.figures:
        raise PredictorError(
            f"{sheet.name} is known by measurements alone: fit a predictor, and give device({sheet.name!r}, "
            "predictor='FILE.json')"
        )


def predict(sheet: "Sheet", graph: Graph) -> dict[str, float]:
    """`latency_ms` of one inference. Raises `PredictorError` where the sheet has no fitted figures yet."""
    return {"latency_ms": float(node_ms(sheet, node_work(timed_nodes(graph))).sum()) + inference_ms(sheet)}


def inference_ms(sheet: "Sheet") -> float:
    """The fixed cost of an inference, in milliseconds."""
    return sheet["inference_us"] / 1e3


def node_ms(sheet: "Sheet", work: Work) -> FloatArray:
    """Milliseconds of each node, without the fixed cost of an inference. Raises `PredictorError` as `check`."""
    check(sheet)
    constants = np.array([*(sheet[part] for part in PARTS), 1e3 / sheet["gb_per_s"]]) * MS_PER_PS
    return work_ms(np.append(constants, 0.0), *work)


def timed_nodes(graph: Graph) -> list[Node]:
    """The nodes that an output needs and that take time. XNNPACK folds x · sigmoid(x) into the sigmoid's look-up."""
    nodes = live_nodes(graph)
    sigmoids = {
        (node.inputs[0].name, node.output.name)
        for node in nodes
        if isinstance(node.op, Activate) and node.op.function is Activation.SIGMOID
    }
    folded = {pair for a, b in sigmoids for pair in ((a, b), (b, a))}
    return [
        node
        for node in nodes
        if not (isinstance(node.op, Multiply) and (node.inputs[0].name, node.inputs[-1].name) in folded)
    ]


def node_work(nodes: Sequence[Node]) -> Work:
    """The amount of each of `PARTS` in each node, (nodes, parts), and the bytes that it reads and writes, (nodes,)."""
    rows = np.zeros((len(nodes), len(PARTS)))
    places = {part: index for index, part in enumerate(PARTS)}
    for row, node in zip(rows, nodes, strict=True):
        for part, amount in _work(node).items():
            row[places[part]] = amount
    return rows, np.array([_moved(node) for node in nodes], dtype=np.float64)


def work_ms(constants: FloatArray, work: FloatArray, moved: FloatArray) -> FloatArray:
    """Milliseconds of nodes; `constants` are those of `PARTS`, then of a moved byte, then of an inference."""
    times: FloatArray = np.maximum(work @ constants[: len(PARTS)], moved * constants[len(PARTS)])
    return times


def _work(node: Node) -> dict[str, float]:
    op, x, y = node.op, node.inputs[0].shape if node.inputs else (), node.outputs[0].shape
    work: dict[str, float] = {"ps_per_operator": 1.0}
    if isinstance(op, Conv2D):
        taps = math.prod(op.kernel)
        outputs = math.prod(y[1:3]) * _up(op.filters, _LANES)
        part = "ps_per_pointwise_mac" if taps == 1 else "ps_per_conv_mac"
        return work | {part: outputs * taps * _up(x[3] // op.groups, _DEEP), "ps_per_conv_output": outputs}
    if isinstance(op, DepthwiseConv2D):
        taps = math.prod(op.kernel)
        if taps > 25:  # XNNPACK has kernels of up to 25 taps, else a slow path
            return work | {"ps_per_large_depthwise_mac": node.macs}
        return work | {"ps_per_depthwise_mac": math.prod(y[1:3]) * _up(y[3], _LANES) * (9 if taps <= 9 else 25)}
    if isinstance(op, Dense):
        return work | {"ps_per_dense_mac": _up(math.prod(x), _DEEP) * _up(op.units, _LANES)}
    if isinstance(op, MatMul):
        return work | {"ps_per_dense_mac": node.macs}
    if isinstance(op, Reshape):
        return {}
    outputs = math.prod(y)
    if isinstance(op, AveragePool2D):
        return work | {"ps_per_average_pool_output": outputs, "ps_per_average_pool_input": node.macs}
    if isinstance(op, Add):
        return work | {"ps_per_add_output": outputs}
    if isinstance(op, Multiply):
        return work | {"ps_per_multiply_output": outputs}
    if isinstance(op, Activate):
        slow = op.function is Activation.HARD_SWISH  # XNNPACK has no int8 kernel for it
        return work | {"ps_per_hard_swish_output" if slow else "ps_per_activation_output": outputs}
    kinds = {MaxPool2D: "ps_per_max_pool_byte", GlobalAveragePool: "ps_per_mean_byte"}
    return work | {kinds.get(type(op), "ps_per_other_byte"): _moved(node)}


def _moved(node: Node) -> int:
    if isinstance(node.op, Reshape):
        return 0
    return sum(x.size_bytes for x in (*node.inputs, *node.weights, *node.outputs))


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


def node_features(nodes: Sequence[Node], work: Work) -> FloatArray:
    """Features of nodes for a learner, one row each: log2 of work and sizes, kernel, and how it fits the registers."""
    parts, moved = work
    rows = []
    for node in nodes:
        x, y = node.inputs[0], node.outputs[0]
        kernel = getattr(node.op, "kernel", (1, 1))
        stride = getattr(node.op, "stride", (1, 1)) if hasattr(node.op, "kernel") else (1, 1)
        pixels = math.prod(y.shape[1:-1])
        sizes = (pixels, x.shape[-1], y.shape[-1], x.size_bytes, y.size_bytes, sum(w.size_bytes for w in node.weights))
        rest = (x.shape[-1] % _DEEP, x.shape[-1] % _LANES, y.shape[-1] % _LANES, pixels % 4, pixels % 7)
        rows.append([*np.log2(np.maximum(sizes, 0.5)), *kernel, *stride, *rest, len(node.inputs)])
    return np.hstack([np.log2(np.maximum(parts, 0.5)), np.log2(np.maximum(moved, 0.5))[:, None], np.array(rows)])


def layers(graphs: Iterable[Graph]) -> list[Graph]:
    """Each distinct layer of some networks, as a network of its own."""
    return list(dict(_layer(node) for graph in graphs for node in timed_nodes(graph)).values())


def layer_key(node: Node) -> str:
    """Operator and shapes as one line of JSON; equal layers have equal keys."""
    return _layer(node)[0]


def _layer(node: Node) -> tuple[str, Graph]:
    return _alone(node.op, tuple((x.shape, x.dtype) for x in node.inputs))


@lru_cache(maxsize=1 << 16)
def _alone(op: Op, inputs: tuple[tuple[Shape, DType], ...]) -> tuple[str, Graph]:
    """The key of a layer, and a network of it alone, without batch norm, which a device folds."""
    if isinstance(op, Conv2D | DepthwiseConv2D):
        op = replace(op, batch_norm=False)
    net = GraphBuilder()
    single = net.build(net.add(op, *(net.input(shape, dtype) for shape, dtype in inputs)))
    return json.dumps(to_json(single), sort_keys=True, separators=(",", ":")), single
