"""A processor as a sum over operators: a roofline and what each operator costs, its few constants fitted.

A convolution takes what its multiply-accumulates take, channels padded to the vector registers, and what writing each
output takes; other operators take what their bytes or outputs take; none is faster than memory gives its bytes
(Williams et al. 2009); each operator and each inference cost something beside. The constants come from measurements,
of whole networks or of single operators, and make a sheet of the kind `host`.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgevolve.graph import (
    Activate,
    Activation,
    Add,
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    Graph,
    MaxPool2D,
    Multiply,
    Node,
    Reshape,
)
from predictors.features import FloatArray, PredictorError, live_nodes
from predictors.sheets import Figure, Kind, Provenance, Sheet

_LANES = 16
"""Filters are computed so many at a time, and channels read `_DEEP` at a time: XNNPACK's int8 kernels."""
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
"""What the time of a node is made of, in picoseconds each, and where a fit begins: an x86-64 core of 2025."""

Work = tuple[FloatArray, FloatArray]
"""What `node_work` tells of nodes."""

_BEGIN_GB_PER_S = 100.0
_BEGIN_INFERENCE_US = 0.4
_ENOUGH = 5
_PRIOR = 0.03
"""How much a constant's natural logarithm weighs against a network's, of its distance from where the fit begins."""
_FARTHEST = 7.0
_MS_PER_PS = 1e-9


def fit(name: str, graphs: Sequence[Graph], measured_ms: Sequence[float] | FloatArray, source: str) -> Sheet:
    """The sheet of a device from latencies in milliseconds of networks, of single operators too; robust to outliers.

    A constant that no network bears on keeps its proportion to the others and is marked assumed. Raises
    `PredictorError` for fewer than five networks.
    """
    from scipy.optimize import least_squares

    values = np.asarray(measured_ms, dtype=np.float64)
    if len(graphs) < _ENOUGH or values.shape != (len(graphs),):
        raise PredictorError(f"{len(graphs)} networks and {values.size} latencies: at least {_ENOUGH} of each")
    nodes = [timed_nodes(graph) for graph in graphs]
    work, moved = node_work([node for group in nodes for node in group])
    network = np.repeat(np.arange(len(graphs)), [len(group) for group in nodes])
    # whole networks count as much as single operators, however many there are of each
    whole = np.array([len(group) > 1 for group in nodes])
    share = np.sqrt(np.where(whole, 1 / max(whole.sum(), 1), 1 / max((~whole).sum(), 1)))

    def predicted(logarithms: FloatArray) -> FloatArray:
        constants = np.exp(logarithms)
        total: FloatArray = constants[-1] + np.bincount(network, _times(constants, work, moved), len(graphs))
        return total

    begin = np.log(np.array([*PARTS.values(), 1 / _BEGIN_GB_PER_S * 1e3, _BEGIN_INFERENCE_US * 1e6]) * _MS_PER_PS)
    begin += np.median(np.log(values / predicted(begin)))

    def errors(logarithms: FloatArray) -> FloatArray:
        relative = share * np.log(predicted(logarithms) / values) * math.sqrt(len(graphs))
        return np.append(relative, _PRIOR * (logarithms - begin))

    bounds = (begin - _FARTHEST, begin + _FARTHEST)
    nearby = least_squares(errors, begin, bounds=bounds).x  # from afar, outliers left out could be whole kinds
    found = least_squares(errors, nearby, bounds=bounds, loss="soft_l1", f_scale=0.05)
    known = work.max(axis=0) > 0
    return _sheet(name, np.exp(found.x) / _MS_PER_PS, known, source)


def _sheet(name: str, constants: FloatArray, known: NDArray[np.bool_], source: str) -> Sheet:
    figures = {}
    for part, value, bears in zip(PARTS, constants.tolist(), known.tolist(), strict=False):
        figures[part] = Figure(
            value=value,
            provenance=Provenance.MEASURED if bears else Provenance.ASSUMED,
            source=f"fitted to {source}" if bears else "in proportion to the others; no measured network has it",
        )
    for part, value in (("gb_per_s", 1e3 / float(constants[-2])), ("inference_us", float(constants[-1]) / 1e6)):
        figures[part] = Figure(value=value, provenance=Provenance.MEASURED, source=f"fitted to {source}")
    return Sheet(name=name, kind=Kind.HOST, description=f"fitted to {source}", figures=figures)


def latency_ms(sheet: Sheet, graph: Graph) -> float:
    """Milliseconds of one inference. Raises `PredictorError` where the sheet has no figures yet."""
    return float(node_ms(sheet, node_work(timed_nodes(graph))).sum()) + sheet["inference_us"] / 1e3


def node_ms(sheet: Sheet, work: Work) -> FloatArray:
    """Milliseconds of each node, without what an inference costs beside. Raises `PredictorError`."""
    if not sheet.figures:
        raise PredictorError(f"{sheet.name} has no figures yet: measure it with calibrate, then fit")
    constants = np.array([*(sheet[part] for part in PARTS), 1e3 / sheet["gb_per_s"]]) * _MS_PER_PS
    return _times(np.append(constants, 0.0), *work)


def timed_nodes(graph: Graph) -> list[Node]:
    """The nodes that take time: those an output needs, but x · sigmoid(x), which XNNPACK makes one look-up of."""
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
    """How much of each of `PARTS` each node has, a row a node, and the bytes that it reads and writes."""
    rows = np.zeros((len(nodes), len(PARTS)))
    places = {part: index for index, part in enumerate(PARTS)}
    for row, node in zip(rows, nodes, strict=True):
        for part, amount in _work(node).items():
            row[places[part]] = amount
    return rows, np.array([_moved(node) for node in nodes], dtype=np.float64)


def _times(constants: FloatArray, work: FloatArray, moved: FloatArray) -> FloatArray:
    """Milliseconds of nodes; constants are those of `PARTS`, then of a byte moved, then of an inference."""
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
        if taps > 25:  # XNNPACK has kernels of up to 25 taps, and beyond them a slow path
            return work | {"ps_per_large_depthwise_mac": node.macs}
        return work | {"ps_per_depthwise_mac": math.prod(y[1:3]) * _up(y[3], _LANES) * (9 if taps <= 9 else 25)}
    if isinstance(op, Dense):
        return work | {"ps_per_dense_mac": _up(math.prod(x), _DEEP) * _up(op.units, _LANES)}
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
    return sum(x.size_bytes for x in (*node.inputs, *node.weights, *node.outputs)) if _computes(node) else 0


def _computes(node: Node) -> bool:
    return not isinstance(node.op, Reshape)


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


def node_features(nodes: Sequence[Node], work: Work) -> FloatArray:
    """A row a node, for a learner: work and sizes as logarithms of base 2, kernel, and how it fits registers."""
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
