"""Describes a network by named numeric features, the same for isomorphic graphs.

Every feature is a sum, a maximum or a ratio over nodes or paths, so neither names nor the order of the nodes enter.
Nodes that no output needs are left out first.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from edgevolve.graph import Activation, Conv2D, DType, Graph, Node, Opaque
from edgevolve.tflite import row_of

KINDS = (
    "conv_1x1",
    "conv_3x3",
    "conv_large",
    "depthwise",
    "dense",
    "max_pool",
    "average_pool",
    "mean",
    "add",
    "concat",
    "activate",
    "other",
)
"""Classes of operators that a device runs alike; `conv_3x3` is any kernel of 2 to 3 pixels a side, `add` any
sum or product of two tensors."""

ADDITIVE = (
    *(f"count_{kind}" for kind in KINDS),
    *(f"macs_{kind}" for kind in KINDS),
    "weight_bytes",
    "bytes_written",
    "bytes_read",
    "bytes_held",
    "depth",
    "critical_macs",
)
"""Features that grow with the work: time is, to first order, a sum of them with weights of at least zero."""

RATIOS = (
    "max_channels",
    "max_tensor_bytes",
    "max_kernel_bytes",
    "width",
    "mean_width",
    "forks",
    "critical_convolutions",
    "critical_share",
    "fused_share",
    "dense_macs_share",
    "pointwise_macs_share",
    "depthwise_macs_share",
    "elementwise_share",
    "int8_share",
    "per_channel_share",
    "macs_per_byte",
)
"""Features of the arrangement of the work."""

COUNTS = (*(f"count_{kind}" for kind in KINDS), "depth", "width", "mean_width", "forks", "critical_convolutions")
"""Numbers of operators by class and features of their arrangement: features without sizes."""

FEATURES = (*ADDITIVE, *RATIOS)
"""All features of a graph, in the order of a table's columns."""


def graph_features(graph: Graph) -> tuple[float, ...]:
    """`FEATURES` of one graph: counts, multiply-accumulates, bytes, operators along a path, shares from 0 to 1."""
    nodes = live_nodes(graph)
    kinds = [operator_kind(node) for node in nodes]
    macs = [node.macs for node in nodes]
    work: Counter[str] = Counter()
    for kind, count in zip(kinds, macs, strict=True):
        work[f"count_{kind}"] += 1
        work[f"macs_{kind}"] += count
    values = {**work, **_bytes(nodes), **_paths(graph, nodes, kinds, macs), **_shares(nodes, kinds, work, sum(macs))}
    traffic = values["bytes_read"] + values["bytes_written"] + values["weight_bytes"]
    values["macs_per_byte"] = sum(macs) / max(traffic, 1)
    values["critical_share"] = values["critical_macs"] / max(sum(macs), 1)
    return tuple(float(values.get(name, 0)) for name in FEATURES)


def operator_kind(node: Node) -> str:
    """Which of `KINDS` a node is."""
    if isinstance(node.op, Conv2D):
        largest = max(node.op.kernel)
        return "conv_1x1" if largest == 1 else "conv_3x3" if largest <= 3 else "conv_large"
    return "other" if isinstance(node.op, Opaque) else row_of(node.op).kind


def live_nodes(graph: Graph) -> list[Node]:
    """The nodes that an output needs, in the graph's order."""
    needed = {y.name for y in graph.outputs}
    nodes = []
    for node in reversed(graph.nodes):
        if any(y.name in needed for y in node.outputs):
            needed.update(x.name for x in node.inputs)
            nodes.append(node)
    return nodes[::-1]


def _bytes(nodes: Sequence[Node]) -> dict[str, float]:
    """Bytes stored, written and read, with the element types that the graph declares."""
    weights = [weight.size_bytes for node in nodes for weight in node.weights]
    return {
        "weight_bytes": sum(weights),
        "max_kernel_bytes": max(weights, default=0),
        "bytes_written": sum(y.size_bytes for node in nodes for y in node.outputs),
        "bytes_read": sum(x.size_bytes for node in nodes for x in node.inputs),
        "max_tensor_bytes": max((x.size_bytes for node in nodes for x in (*node.inputs, *node.outputs)), default=0),
        "max_channels": max((y.shape[-1] for node in nodes for y in node.outputs if y.shape), default=0),
    }


def _paths(graph: Graph, nodes: Sequence[Node], kinds: Sequence[str], macs: Sequence[int]) -> dict[str, float]:
    """The most operators, convolutions and Dense, and multiply-accumulates on a path; and features of branches.

    `width` is the most nodes of one depth. `bytes_held` counts a tensor's bytes for each level between its maker and
    its last reader, less one: what skip connections keep in memory.
    """
    level = dict.fromkeys((x.name for x in graph.inputs), 0)
    convolutions, critical = dict(level), dict(level)
    last, readers = dict(level), Counter[str]()
    sizes = {x.name: x.size_bytes for x in graph.inputs}
    for node, kind, count in zip(nodes, kinds, macs, strict=True):
        names = {x.name for x in node.inputs}
        depth = 1 + max((level[name] for name in names), default=0)  # of constants alone: at the start
        for name in names:
            last[name] = max(last[name], depth)
            readers[name] += 1
        made = kind.startswith("conv") or kind in ("depthwise", "dense")
        longest = made + max((convolutions[name] for name in names), default=0)
        heaviest = count + max((critical[name] for name in names), default=0)
        for y in node.outputs:
            level[y.name], last[y.name], sizes[y.name] = depth, depth + 1, y.size_bytes
            convolutions[y.name], critical[y.name] = longest, heaviest
    levels = Counter(level[node.outputs[0].name] for node in nodes)
    depth = max(levels, default=0)
    return {
        "depth": depth,
        "critical_convolutions": max(convolutions.values(), default=0),
        "critical_macs": max(critical.values(), default=0),
        "width": max(levels.values(), default=0),
        "mean_width": len(nodes) / max(depth, 1),
        "forks": sum(count > 1 for count in readers.values()),
        "bytes_held": sum(max(last[name] - level[name] - 1, 0) * size for name, size in sizes.items()),
    }


def _shares(nodes: Sequence[Node], kinds: Sequence[str], work: Mapping[str, int], macs: int) -> dict[str, float]:
    fusing = [node for node, kind in zip(nodes, kinds, strict=True) if kind.startswith(("conv", "dep", "dense", "add"))]
    fused = sum(getattr(node.op, "activation", Activation.NONE) is not Activation.NONE for node in fusing)
    tensors = [y for node in nodes for y in node.outputs]
    small = sum(y.size_bytes for y in tensors if y.dtype is DType.INT8)
    kernels = [(math.prod(w.shape), kind) for node, kind in zip(nodes, kinds, strict=True) for w in node.weights[:1]]
    scaled = sum(size for size, kind in kernels if kind.startswith("conv") or kind == "depthwise")
    return {
        "fused_share": fused / max(len(fusing), 1),
        "dense_macs_share": work.get("macs_dense", 0) / max(macs, 1),
        "pointwise_macs_share": work.get("macs_conv_1x1", 0) / max(macs, 1),
        "depthwise_macs_share": work.get("macs_depthwise", 0) / max(macs, 1),
        "elementwise_share": sum(kind in ("add", "activate", "concat") for kind in kinds) / max(len(nodes), 1),
        "int8_share": small / max(sum(y.size_bytes for y in tensors), 1),
        "per_channel_share": scaled / max(sum(size for size, _ in kernels), 1),
    }
