"""A network without some of its channels: smaller, or of the same size with these channels set to 0."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.graph import (
    Channels,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Graph,
    GraphBuilder,
    Node,
    Op,
    Reshape,
    Slice,
    canonical,
    channels_of,
)
from edgevolve.training.weights import Weights, node_parameters

Kept = NDArray[np.bool_]
"""For each group of `Channels`, whether it stays: (groups,)."""


def shrunk(graph: Graph, weights: Mapping[str, NDArray[Any]], channels: Channels, kept: Kept) -> tuple[Graph, Weights]:
    """The network without the groups that are not `kept`, in canonical order, and its weights.

    Raises `ValueError` where a tensor would be left without channels, or a fixed group is not kept.
    """
    smaller, names = _smaller(graph, channels, kept)
    weights_left: Weights = {}
    for node in graph.nodes:
        for role, value in _values(node, weights):
            for axis, ids in channel_axes(node, role, channels):
                value = np.compress(kept[ids], value, axis)
            weights_left[f"{names[node.name]}/{role}"] = value
    return smaller, weights_left


def evenly_shrunk(graph: Graph, share: float) -> Graph:
    """The network without about this share of the free channels of each tensor."""
    channels = channels_of(graph)
    kept = channels.fixed.copy()
    seen = channels.fixed.copy()
    for ids in channels.ids.values():
        new = np.unique(ids[~seen[ids]])
        kept[new[int(share * len(new)) :]] = True
        seen[new] = True
    for ids in channels.ids.values():
        kept[ids[-1]] |= not kept[ids].any()
    return _smaller(graph, channels, kept)[0]


def _smaller(graph: Graph, channels: Channels, kept: Kept) -> tuple[Graph, dict[str, str]]:
    """The network with only the groups that are kept, and the new names of its nodes."""
    if not channels.feasible(kept):
        raise ValueError("these channels cannot be taken out: a tensor needs at least one, an input or output all")
    net = GraphBuilder()
    made = {x.name: net.input(x.shape, x.dtype) for x in graph.inputs}
    for node in graph.nodes:
        stay = {x.name: kept[channels.ids[x.name]] for x in (*node.inputs, node.output)}
        made[node.output.name] = net.add(_op(node, stay), *(made[x.name] for x in node.inputs))
    smaller, names = canonical(net.build(*(made[y.name] for y in graph.outputs)))
    return smaller, {node.name: names[made[node.output.name].name] for node in graph.nodes}


def silenced(graph: Graph, weights: Mapping[str, NDArray[Any]], channels: Channels, kept: Kept) -> Weights:
    """Weights with which the network gives the outputs of `shrunk`: groups that are not `kept` are silenced.

    All parameters of a silenced channel are 0 where it is made, and the kernels where it is read.
    """
    silent: Weights = {}
    for node in graph.nodes:
        for role, value in _values(node, weights):
            value = np.array(value)
            for axis, ids in channel_axes(node, role, channels):
                value[(slice(None),) * axis + (~kept[ids],)] = 0
            silent[f"{node.name}/{role}"] = value
    return silent


def channel_axes(node: Node, role: str, channels: Channels) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Each axis of a parameter (`kernel`, `bias`, `gamma`, ...) that counts channels, and the group of each channel.

    The last axis counts the channels that the node makes, the one before those that it reads. A depthwise kernel counts
    only the channels that it reads.
    """
    read, made = channels.ids[node.inputs[0].name], channels.ids[node.output.name]
    op = node.op
    if role != "kernel":
        yield 0, made
    elif isinstance(op, DepthwiseConv2D):
        yield 2, read
    elif isinstance(op, Dense):
        yield 0, np.tile(read, math.prod(node.inputs[0].shape[:-1]))
        yield 1, made
    elif isinstance(op, Conv2D):
        yield 2, read[: len(read) // op.groups]
        yield 3, made


def _values(node: Node, weights: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, NDArray[Any]]]:
    for parameter in node_parameters(node):
        yield parameter.name.rpartition("/")[2], weights[parameter.name]


def _op(node: Node, stay: Mapping[str, Kept]) -> Op:
    """The operator on the channels that stay."""
    op, channels = node.op, int(stay[node.output.name].sum())
    if isinstance(op, Conv2D):
        return replace(op, filters=channels)
    if isinstance(op, Dense):
        return replace(op, units=channels)
    if isinstance(op, Reshape):
        return replace(op, shape=(*op.shape[:-1], channels))
    if isinstance(op, Slice) and channels == node.output.shape[-1]:
        return op
    if isinstance(op, Slice):
        return replace(op, end=(*op.end[:-1], int(stay[node.inputs[0].name].sum())))
    return op
