"""Finds the channels of a network that can only be removed together.

A channel can be removed from a network only with all channels tied to it: those it is added to or multiplied by, those
that depthwise convolutions make of it, its places in a concatenation and behind a flattening.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgevolve.graph.graph import Graph, Node
from edgevolve.graph.ops import (
    Activate,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    MatMul,
    MaxPool2D,
    Multiply,
    Pad,
    Reshape,
    Slice,
    Softmax,
)

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Channels:
    """The groups of tied channels, numbered from 0 in the order in which the network makes them.

    `ids` gives, by the activation's name, the group of each of its channels (elements along the last axis). A `fixed`
    group cannot be removed: it belongs to an input or an output, or to an operator that needs all channels.
    """

    ids: Mapping[str, Ids]
    fixed: NDArray[np.bool_]

    @property
    def number(self) -> int:
        """The number of groups."""
        return len(self.fixed)

    def feasible(self, kept: NDArray[np.bool_]) -> bool:
        """Whether a network with only these groups is valid: all fixed ones stay, and each tensor keeps a channel."""
        return bool(kept[self.fixed].all()) and all(kept[ids].any() for ids in self.ids.values())


def channels_of(graph: Graph) -> Channels:
    """The tied channels of a network. Operators without a rule fix all channels that they touch."""
    ties = _Ties()
    for x in graph.inputs:
        ties.ids[x.name] = ties.new(x.shape[-1])
        ties.fix(ties.ids[x.name])
    for node in graph.nodes:
        rule = _RULES.get(type(node.op))
        if rule:
            ties.ids[node.output.name] = rule(ties, node, [ties.ids[x.name] for x in node.inputs])
            continue
        for x in node.inputs:
            ties.fix(ties.ids[x.name])
        for y in node.outputs:
            ties.ids[y.name] = ties.new(y.shape[-1] if y.shape else 1)
            ties.fix(ties.ids[y.name])
    for y in graph.outputs:
        ties.fix(ties.ids[y.name])
    return ties.groups()


class _Ties:
    """Groups of tied channels, as a forest in which tied channels have one root."""

    def __init__(self) -> None:
        self.ids: dict[str, Ids] = {}
        self._above: list[int] = []
        self._fixed: set[int] = set()

    def new(self, count: int) -> Ids:
        begin = len(self._above)
        self._above.extend(range(begin, begin + count))
        return np.arange(begin, begin + count)

    def fix(self, ids: Ids) -> None:
        self._fixed.update(ids.tolist())

    def tie(self, a: Ids, b: Ids) -> None:
        for first, other in zip(a.tolist(), b.tolist(), strict=True):
            low, high = sorted((self._root(first), self._root(other)))
            self._above[high] = low

    def groups(self) -> Channels:
        roots = np.array([self._root(i) for i in range(len(self._above))], np.int64)
        _, number = np.unique(roots, return_inverse=True)
        fixed = np.zeros(number.max(initial=-1) + 1, np.bool_)
        fixed[number[sorted(self._fixed)]] = True
        return Channels({name: number[ids] for name, ids in self.ids.items()}, fixed)

    def _root(self, i: int) -> int:
        while self._above[i] != i:
            self._above[i] = self._above[self._above[i]]
            i = self._above[i]
        return i


def _conv(ties: _Ties, node: Node, inputs: list[Ids]) -> Ids:
    """New channels. In a grouped convolution the same places of each group are tied, so that groups stay equal."""
    op = node.op
    assert isinstance(op, Conv2D)
    if op.groups == 1:
        return ties.new(op.filters)
    places = inputs[0].reshape(op.groups, -1)
    for other in places[1:]:
        ties.tie(places[0], other)
    return np.tile(ties.new(op.filters // op.groups), op.groups)


def _depthwise(ties: _Ties, node: Node, inputs: list[Ids]) -> Ids:
    op = node.op
    assert isinstance(op, DepthwiseConv2D)
    return np.repeat(inputs[0], op.multiplier)


def _dense(ties: _Ties, node: Node, inputs: list[Ids]) -> Ids:
    return ties.new(node.output.shape[-1])


def _same(ties: _Ties, node: Node, inputs: list[Ids]) -> Ids:
    return inputs[0]


def _softmax(ties: _Ties, node: Node, inputs: list[Ids]) -> Ids:
    """Fixed channels: a channel of zeros would still count in the sum of exponentials."""
    ties.fix(inputs[0])
    return inputs[0]


def _tied(ties: _Ties, node: Node, inputs: list[Ids]) -> Ids:
    ties.tie(inputs[0], inputs[1])
    return inputs[0]


def _matmul(ties: _Ties, node: Node, inputs: list[Ids]) -> Ids:
    """Channels that are multiplied with each other are tied; pixels that are channels of a map are fixed."""
    op, (first, second) = node.op, inputs
    assert isinstance(op, MatMul)
    if not op.transposed:
        ties.fix(first)
        return second
    ties.tie(first, second)
    made = ties.new(node.output.shape[-1])
    ties.fix(made)
    return made


def _concat(ties: _Ties, node: Node, inputs: list[Ids]) -> Ids:
    return np.concatenate(inputs)


def _reshape(ties: _Ties, node: Node, inputs: list[Ids]) -> Ids:
    """Tie each element's channel before to its channel after; pairs recur with the common multiple of both numbers."""
    before, after = len(inputs[0]), node.output.shape[-1]
    elements = np.arange(math.lcm(before, after))
    made = inputs[0][elements[:after] % before]
    ties.tie(inputs[0][elements % before], made[elements % after])
    return made


def _slice(ties: _Ties, node: Node, inputs: list[Ids]) -> Ids:
    """A slice of the channels fixes all of them, one of height and width fixes none."""
    op = node.op
    assert isinstance(op, Slice)
    begin, end, stride = op.begin[-1], op.end[-1], op.stride[-1]
    if (begin, end, stride) != (0, len(inputs[0]), 1):
        ties.fix(inputs[0])
    return inputs[0][begin:end:stride]


_RULES: dict[type, Callable[[_Ties, Node, list[Ids]], Ids]] = {
    Conv2D: _conv,
    DepthwiseConv2D: _depthwise,
    Dense: _dense,
    MaxPool2D: _same,
    AveragePool2D: _same,
    GlobalAveragePool: _same,
    Activate: _same,
    Pad: _same,
    Add: _tied,
    Multiply: _tied,
    MatMul: _matmul,
    Concat: _concat,
    Reshape: _reshape,
    Slice: _slice,
    Softmax: _softmax,
}
"""For each operator: the groups of its output's channels, from those of its inputs."""
