"""Initial weights of a network from a similar trained one, such as its parent in a search.

Weights that both have are copied. A wider layer gets copies of channels, which share their work (Net2Net; Chen et al.
2016, arXiv 1511.05641, section 2.1). A larger kernel gets zeros around the old one. An added layer starts as the
identity where it can (section 2.2). All other weights are initialised as usual.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edgevolve.graph import (
    Activate,
    Activation,
    Channels,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Graph,
    MaxPool2D,
    Node,
    Padding,
    Reshape,
    Slice,
    Softmax,
    channels_of,
)
from edgevolve.graph.ops import COMMUTATIVE
from edgevolve.training.weights import BATCH_NORM_EPSILON, Weights, check_weights, initial_weights

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Inherited:
    """Initial weights, and how much of the trained network is in them.

    `taken` is the number of nodes whose kernels were taken over or made the identity. `preserves` is True only if both
    networks certainly give the same outputs, apart from rounding.
    """

    weights: Weights
    taken: int
    preserves: bool


def inherited(parent: Graph, weights: Mapping[str, NDArray[Any]], child: Graph, seed: int) -> Inherited:
    """Weights for `child` from those of `parent`; equal seeds give equal weights.

    Raises `ValueError` where `weights` are not those of `parent`.
    """
    check_weights(parent, weights)
    plan = _matched(parent, child)
    where, exact = _places(parent, child, plan, np.random.default_rng([seed, 0]))
    values = initial_weights(child, seed)
    rng = np.random.default_rng([seed, 1])
    shares = {name: _shares(place, rng) for name, place in where.items()}
    taken = 0
    for node in child.nodes:
        match = plan.matches.get(node.name)
        if isinstance(node.op, Softmax):
            exact &= len(where[node.output.name]) == len(set(where[node.output.name].tolist()))
        if match is None or f"{node.name}/kernel" not in values:
            continue
        taken += 1
        x, made = node.inputs[0], where[node.output.name]
        read, share = where[x.name], shares[x.name]
        if isinstance(match, str):
            _pass_on(values, node, read, made, share)
            continue
        if plan.source.get(x.name) != match.inputs[0].name:  # its match reads something else
            place = np.arange(x.shape[-1])
            read, share = np.where(place < match.inputs[0].shape[-1], place, -1), np.ones(len(place), np.float32)
            exact = False
        exact &= _take(values, weights, node, match, read, made, share)
    last = plan.source.get(child.outputs[0].name) == parent.outputs[0].name
    return Inherited(values, taken, exact and plan.faithful and last)


@dataclass(slots=True)
class _Plan:
    """A plan: the nodes of the parent from which nodes of the child take their weights.

    `source` gives for each of the child's activations the parent's that it should equal. `matches` gives for each node
    the parent's node that it copies, or "identity". The plan is `faithful` while each node can do what its match does.
    """

    source: dict[str, str] = field(default_factory=dict)
    matches: dict[str, Node | str] = field(default_factory=dict)
    faithful: bool = True


def _matched(parent: Graph, child: Graph) -> _Plan:
    """Match node by node: the most similar node that reads the same, else the identity, else any similar node left."""
    plan = _Plan({x.name: y.name for x, y in zip(child.inputs, parent.inputs, strict=False) if x.shape == y.shape})
    plan.faithful = len(plan.source) == len(child.inputs) == len(parent.inputs)
    positive = _positive(parent)
    left = list(parent.nodes)
    for node in child.nodes:
        read = [plan.source.get(x.name) for x in node.inputs]
        same_place = [other for other in left if _reads(other, node, read)]
        alike = [other for other in same_place if _is_like(node, other)]
        if alike:
            match: Node | None = min(alike, key=lambda other: _distance(node, other))
        elif _can_pass_on(node, parent, read[0], positive):
            plan.matches[node.name] = "identity"
            plan.source[node.output.name] = str(read[0])
            continue
        else:
            plan.faithful = False
            match = next((other for other in [*same_place, *left] if _is_near(node, other)), None)
        if match:
            left.remove(match)
            plan.matches[node.name] = match
            plan.source[node.output.name] = match.output.name
    return plan


def _reads(other: Node, node: Node, read: list[str | None]) -> bool:
    names: list[str | None] = [x.name for x in other.inputs]
    if type(node.op) in COMMUTATIVE:
        return type(other.op) is type(node.op) and Counter(names) == Counter(read)
    return type(other.op) is type(node.op) and names == read


def _is_like(node: Node, other: Node) -> bool:
    """Whether a node can do what the other does: equal but for widths, or with a kernel that contains the other's."""
    a, b = node.op, other.op
    if node.output.shape[1:-1] != other.output.shape[1:-1] or type(a) is not type(b):
        return False
    if isinstance(a, Conv2D | DepthwiseConv2D) and isinstance(b, Conv2D | DepthwiseConv2D):
        return _settings(node) == _settings(other) and _offset(node, other) is not None
    if isinstance(a, Slice) and isinstance(b, Slice):
        return a == b
    return _settings(node) == _settings(other)


def _is_near(node: Node, other: Node) -> bool:
    """Whether a kernel is worth copying, whatever it reads: equal operators, or all but window and width."""
    return type(other.op) is type(node.op) and _settings(node, windows=False) == _settings(other, windows=False)


def _settings(node: Node, windows: bool = True) -> Any:
    """The operator without its width and kernel size; `windows=False` also drops strides, dilation and padding."""
    op = node.op
    if isinstance(op, Dense):
        return replace(op, units=1, kernel_bits=8)
    if isinstance(op, Reshape):
        return replace(op, shape=(*op.shape[:-1], 1)) if windows else None
    if isinstance(op, Conv2D | DepthwiseConv2D):
        plain = replace(op, kernel=(1, 1), kernel_bits=8)
        plain = replace(plain, filters=plain.groups) if isinstance(plain, Conv2D) else plain
        return plain if windows else replace(plain, stride=(1, 1), dilation=(1, 1), padding=Padding.SAME)
    return op


def _distance(node: Node, other: Node) -> tuple[int, int]:
    kernels = [getattr(x.op, "kernel", (1, 1)) for x in (node, other)]
    grown = sum(abs(a - b) for a, b in zip(*kernels, strict=True))
    return grown, abs(node.output.shape[-1] - other.output.shape[-1])


def _offset(node: Node, other: Node) -> tuple[int, int] | None:
    """The offset of `other`'s kernel in that of `node` such that both see the same pixels; None if it does not fit."""
    starts = []
    for axis in (0, 1):
        before = [_padding_before(x, axis) for x in (node, other)]
        start = before[0] - before[1]
        if not 0 <= start <= node.op.kernel[axis] - other.op.kernel[axis]:  # type: ignore[attr-defined]
            return None
        starts.append(start)
    return starts[0], starts[1]


def _padding_before(node: Node, axis: int) -> int:
    op: Any = node.op
    if op.padding is Padding.VALID:
        return 0
    size, made = node.inputs[0].shape[1 + axis], node.output.shape[1 + axis]
    return int(max((made - 1) * op.stride[axis] + op.window[axis] - size, 0) // 2)


def _positive(graph: Graph) -> dict[str, Activation]:
    """The activations that another ReLU, or ReLU6, would not change, each with its function."""
    functions: dict[str, Activation] = {}
    for node in graph.nodes:
        last = node.op.function if isinstance(node.op, Activate) else getattr(node.op, "activation", Activation.NONE)
        if last in (Activation.RELU, Activation.RELU6):
            functions[node.output.name] = last
        elif isinstance(node.op, MaxPool2D | Reshape) and node.inputs[0].name in functions:
            functions[node.output.name] = functions[node.inputs[0].name]
    return functions


def _can_pass_on(node: Node, parent: Graph, read: str | None, positive: Mapping[str, Activation]) -> bool:
    """Whether a layer can be the identity."""
    op = node.op
    if read is None or not isinstance(op, Conv2D | DepthwiseConv2D | Dense):
        return False
    if op.activation is not Activation.NONE and positive.get(read) not in (op.activation, Activation.RELU6):
        return False
    width = next(x.shape[-1] for x in (*parent.inputs, *(n.output for n in parent.nodes)) if x.name == read)
    if isinstance(op, Dense):
        return op.units >= width and len(node.inputs[0].shape) == 2
    if node.output.shape[1:3] != node.inputs[0].shape[1:3] or max(*op.stride, *op.dilation) > 1:
        return False
    return op.multiplier == 1 if isinstance(op, DepthwiseConv2D) else op.groups == 1 and op.filters >= width


def _places(parent: Graph, child: Graph, plan: _Plan, rng: Generator) -> tuple[dict[str, Ids], bool]:
    """For each of the child's activations, by channel, the channel of the parent's activation, -1 for none.

    Tied channels map to tied channels; new channels copy any. Also whether every channel has its counterpart.
    """
    ours, theirs = channels_of(child), channels_of(parent)
    pairs = [(name, source) for name, source in plan.source.items()]
    group = np.full(ours.number, -1)
    exact = True
    for name, source in pairs:
        a, b = ours.ids[name], theirs.ids[source]
        both = min(len(a), len(b))
        exact &= _assign(group, a[:both], b[:both])
    for name, source in pairs:
        a, b = ours.ids[name], theirs.ids[source]
        new = a[group[a] < 0]
        _assign(group, new, b[rng.integers(len(b), size=len(new))])
    where = {x.name: np.full(x.shape[-1], -1) for x in (*child.inputs, *(node.output for node in child.nodes))}
    for name, source in pairs:
        where[name], same = _counterparts(ours, theirs, group, name, source)
        exact &= same
    return where, exact


def _assign(group: Ids, a: Ids, b: Ids) -> bool:
    """Map each group to its first counterpart; return whether no group has a second one."""
    agree = True
    for first, other in zip(a.tolist(), b.tolist(), strict=True):
        if group[first] < 0:
            group[first] = other
        agree &= bool(group[first] == other)
    return agree


def _counterparts(ours: Channels, theirs: Channels, group: Ids, name: str, source: str) -> tuple[Ids, bool]:
    """The parent's channel of each channel: the n-th of a group maps to the n-th of its counterpart.

    Also whether the map is one to one.
    """
    places: dict[int, list[int]] = {}
    for place, other in enumerate(theirs.ids[source].tolist()):
        places.setdefault(other, []).append(place)
    seen: Counter[int] = Counter()
    sources, exact = [], True
    for place, channel in enumerate(ours.ids[name].tolist()):
        candidates = places.get(int(group[channel]), [])
        fits = seen[channel] < len(candidates)
        sources.append(candidates[seen[channel]] if fits else place % len(theirs.ids[source]))
        exact &= fits
        seen[channel] += 1
    covered = set(sources) == set(range(len(theirs.ids[source])))
    return np.array(sources), exact and covered


def _shares(place: Ids, rng: Generator) -> NDArray[np.float32]:
    """The share of a channel's work that each copy does; shares sum to 1 and are unequal, so that copies diverge."""
    weight = rng.uniform(0.5, 1.5, len(place))
    whole = np.bincount(place + 1, weight, minlength=len(place) + 1)
    _, inverse, counts = np.unique(place, return_inverse=True, return_counts=True)
    share: NDArray[np.float32] = np.where(counts[inverse] == 1, 1.0, weight / whole[place + 1]).astype(np.float32)
    return share


def _take(
    values: Weights,
    weights: Mapping[str, NDArray[Any]],
    node: Node,
    parent: Node,
    read: Ids,
    made: Ids,
    share: NDArray[np.float32],
) -> bool:
    """Copy the parent's parameters to a node; return whether it then does what the parent's node does."""
    old = weights[f"{parent.name}/kernel"]
    target = values[f"{node.name}/kernel"]
    if (made < 0).any():
        return False
    if isinstance(node.op, Dense):
        pixels, channels = math.prod(node.inputs[0].shape[:-1]), parent.inputs[0].shape[-1]
        if pixels * channels != len(old):
            return False
        read = np.concatenate([np.where(read < 0, -1, read + pixel * channels) for pixel in range(pixels)])
        known = read >= 0
        target[known] = old[np.ix_(read[known], made)] * np.tile(share, pixels)[known, None]
        exact = bool(known.all())
    else:
        exact = _take_window(target, old, node, parent, read, made, share)
    for role in ("bias", "gamma", "beta", "mean", "variance"):
        if f"{node.name}/{role}" in values:
            if f"{parent.name}/{role}" not in weights:
                return False
            values[f"{node.name}/{role}"] = np.array(weights[f"{parent.name}/{role}"][made])
    return exact


def _take_window(
    target: NDArray[Any], old: NDArray[Any], node: Node, parent: Node, read: Ids, made: Ids, share: NDArray[np.float32]
) -> bool:
    """Copy a kernel into a window of another size; return whether the node then does what the parent's node does."""
    op: Any = node.op
    exact = _offset(node, parent)
    start = exact or tuple((a - b) // 2 for a, b in zip(target.shape[:2], old.shape[:2], strict=True))
    inside = [slice(max(s, 0), max(s, 0) + min(a, b)) for s, a, b in zip(start, target.shape, old.shape, strict=False)]
    of_old = [
        slice(max(-s, 0), max(-s, 0) + min(a, b)) for s, a, b in zip(start, target.shape, old.shape, strict=False)
    ]
    window = old[tuple(of_old)]
    if isinstance(op, DepthwiseConv2D):
        if (read < 0).any() or old.shape[3] != target.shape[3]:
            return False
        chosen = window[:, :, read]
    elif op.groups > 1:
        if old.shape[2:] != target.shape[2:] or not np.array_equal(read, np.arange(len(read))):
            return False
        chosen = window[..., made]
    else:
        chosen = window[:, :, np.maximum(read, 0)][..., made] * np.where(read < 0, 0, share)[:, None]
    target[...] = 0
    target[tuple(inside)] = chosen
    return exact is not None and not (read < 0).any()


def _pass_on(values: Weights, node: Node, read: Ids, made: Ids, share: NDArray[np.float32]) -> None:
    """Set weights with which a layer is the identity."""
    target = values[f"{node.name}/kernel"]
    target[...] = 0
    taps = () if isinstance(node.op, Dense) else (_padding_before(node, 0), _padding_before(node, 1))
    if isinstance(node.op, DepthwiseConv2D):
        target[taps] = 1
    else:
        target[taps] = (read[:, None] == made) * share[:, None]
    for role, value in (("bias", 0), ("gamma", 1), ("beta", 0), ("mean", 0), ("variance", 1 - BATCH_NORM_EPSILON)):
        if f"{node.name}/{role}" in values:
            values[f"{node.name}/{role}"][...] = value
