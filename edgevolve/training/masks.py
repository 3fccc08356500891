"""Masks that follow the weights while a network is pruned: Dynamic Pruning with Feedback (Lin et al. 2020).

arXiv 2006.07253, algorithm 1: the gradient is that of the masked network, and moves all weights, masked ones as well.
Weights that were pruned too early can therefore come back when the masks are computed anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from edgevolve.graph import Channels, Graph, Node
from edgevolve.training.descent import Layout
from edgevolve.training.shrink import channel_axes

Ids = NDArray[np.int32]

_MEMORY = 0.9
"""The share of the running mean of squared first-order terms that stays at each step."""

_TINY = 1e-30


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Groups of weights that are pruned together, from 0 to `number` - 1; the index `number` stands for no group.

    For each trained weight, `read` is the group that it multiplies, `made` the group that it adds to, and `kernel` the
    index of its kernel, -1 for none; the shares are its weights in the mean over either group. `member` and `row` are
    pairs of a group and a tensor that it is in; one group of each tensor must stay. `layer` is the first tensor of each
    group.
    """

    number: int
    read: Ids
    made: Ids
    kernel: Ids
    share_read: NDArray[np.float32]
    share_made: NDArray[np.float32]
    member: Ids
    row: Ids
    layer: Ids


def channel_groups(graph: Graph, channels: Channels, layout: Layout) -> Groups:
    """The groups of tied channels, without those that are fixed."""
    free = np.cumsum(~channels.fixed) - 1
    number = int((~channels.fixed).sum())
    short = np.where(channels.fixed, number, free).astype(np.int32)
    nodes = {node.name: node for node in graph.nodes}
    read, made, kernel = [], [], []
    for place, parameter in enumerate(layout.trainable):
        name, _, role = parameter.name.rpartition("/")
        one, other = _of_weights(nodes[name], role, parameter.shape, channels, short, number)
        read.append(one)
        made.append(other)
        kernel.append(np.full(parameter.size, place if parameter.is_kernel else -1, np.int32))
    rows = [np.unique(short[ids]) for ids in channels.ids.values() if (short[ids] < number).all()]
    member = np.concatenate([np.zeros(0, np.int32), *rows]).astype(np.int32)
    row = np.repeat(np.arange(len(rows)), [len(ids) for ids in rows]).astype(np.int32)
    layer = np.zeros(number, np.int32)
    for place, ids in reversed(list(enumerate(channels.ids.values()))):
        inside = short[ids]
        layer[inside[inside < number]] = place
    return _groups(number, np.concatenate(read), np.concatenate(made), np.concatenate(kernel), member, row, layer)


def weight_groups(layout: Layout) -> Groups:
    """A group for each weight of each kernel but the last; all kernels count as one, so that magnitudes compare."""
    kernels = [parameter for parameter in layout.trainable if parameter.is_kernel][:-1]
    chosen = {parameter.name for parameter in kernels}
    number = sum(parameter.size for parameter in kernels)
    read, kernel, layer, begin = [], [], [], 0
    for place, parameter in enumerate(layout.trainable):
        if parameter.name in chosen:
            read.append(np.arange(begin, begin + parameter.size))
            layer.append(np.full(parameter.size, place))
            begin += parameter.size
        else:
            read.append(np.full(parameter.size, number))
        kernel.append(np.full(parameter.size, 0 if parameter.name in chosen else -1))
    each = np.concatenate([np.zeros(0, np.int32), *layer]).astype(np.int32)
    members = np.arange(number, dtype=np.int32)
    nothing = np.full(sum(parameter.size for parameter in layout.trainable), number)
    return _groups(number, np.concatenate(read), nothing, np.concatenate(kernel), members, each, each)


@dataclass(frozen=True, slots=True, eq=False)
class Masking:
    """A `Regime`: masks over groups, computed anew every `every` steps during the first `end` of the training.

    The masked share of groups rises to `sparsity` as 1 - (1 - t)³, with t from 0 to 1 meanwhile (Zhu and Gupta 2017,
    arXiv 1710.01878). `by` ranks groups: "magnitude" by the mean square of their weights relative to that of their
    kernels, "taylor" by a running mean of the squared sum of weight times gradient over the weights that read the group
    (Molchanov et al. 2019, arXiv 1906.10771).
    """

    groups: Groups
    sparsity: float
    by: Literal["magnitude", "taylor"]
    each_layer: bool
    every: int
    end: float

    @property
    def sizes(self) -> tuple[int, ...]:
        """The lengths of the mask and of the running mean."""
        return self.groups.number, self.groups.number

    def start(self) -> tuple[NDArray[np.float32], ...]:
        """The mask, all ones at first, and the running mean."""
        number = self.groups.number
        return np.ones(number, np.float32), np.zeros(number, np.float32)

    def seen(self, trainable: Any, own: Sequence[Any]) -> Any:
        """The weights, with 0 for those that read a masked group."""
        return trainable * tf.gather(tf.concat([own[0], tf.ones(1)], 0), self.groups.read)

    def after(self, trainable: Any, gradient: Any, own: Sequence[Any], done: Any, whole: int) -> Sequence[Any]:
        """The mask, computed anew in every `every`-th step until `end`, and the running mean."""
        mask, mean = own
        if self.by == "taylor":
            term = self._sum(trainable * gradient, self.groups.read)
            mean = _MEMORY * mean + (1 - _MEMORY) * tf.square(term)
        last = max(1, int(self.end * whole))
        every = min(self.every, last)
        last -= last % every
        t = tf.minimum(tf.cast(done, tf.float32) / last, 1.0)
        share = self.sparsity * (1 - (1 - t) ** 3)
        drawn = tf.logical_and(tf.equal(done % every, 0), done <= last)
        importance = (lambda: mean) if self.by == "taylor" else (lambda: self._magnitude(trainable))
        mask = tf.cond(drawn, lambda: self._mask(importance(), share), lambda: mask)
        return mask, mean

    def is_settled(self, done: int, epochs: int) -> bool:
        """Whether masks no longer change."""
        return done >= self.end * epochs

    def _sum(self, of_weights: Any, groups: Ids) -> Any:
        number = self.groups.number
        return tf.math.unsorted_segment_sum(of_weights, groups, number + 1)[:number]

    def _magnitude(self, trainable: Any) -> Any:
        groups, squares = self.groups, tf.square(trainable)
        means = tf.math.unsorted_segment_mean(squares, groups.kernel, int(groups.kernel.max()) + 1)
        relative = squares / (tf.gather(means, np.maximum(groups.kernel, 0)) + _TINY)
        reads = self._sum(relative * groups.share_read, groups.read)
        return reads + self._sum(relative * groups.share_made, groups.made)

    def _mask(self, importance: Any, share: Any) -> Any:
        """Mask a share of all groups, or of each layer's, the least important first. Each tensor's best group stays."""
        groups, number = self.groups, self.groups.number
        scores = tf.gather(importance, groups.member)
        rows = int(groups.row.max(initial=-1)) + 1
        best = tf.gather(tf.math.unsorted_segment_max(scores, groups.row, rows), groups.row)
        stays = tf.math.unsorted_segment_max(tf.cast(tf.equal(scores, best), tf.int32), groups.member, number) > 0
        rank = _places(tf.where(stays, tf.float32.max, importance))
        layer = groups.layer if self.each_layer else np.zeros(number, np.int32)
        size = np.bincount(layer, minlength=layer.max() + 1)
        first = (np.cumsum(size) - size)[layer]
        place = _places(tf.cast(layer, tf.int64) * number + tf.cast(rank, tf.int64)) - first.astype(np.int32)
        goes = tf.cast(place, tf.float32) < tf.floor(share * size[layer].astype(np.float32) + 1e-4)
        return 1 - tf.cast(tf.logical_and(goes, tf.logical_not(stays)), tf.float32)


def _places(values: Any) -> Any:
    """The rank of each value."""
    order = tf.argsort(values, stable=True)
    return tf.math.invert_permutation(order)


def _of_weights(
    node: Node, role: str, shape: tuple[int, ...], channels: Channels, short: Ids, number: int
) -> tuple[Ids, Ids]:
    """For each element of a parameter, the channel group that it reads and the one that it makes.

    A depthwise kernel makes the group that it reads; it is given as made alone.
    """
    masks = {}
    for axis, ids in channel_axes(node, role, channels):
        view = [1] * len(shape)
        view[axis] = shape[axis]
        masks[axis] = np.broadcast_to(short[ids].reshape(view), shape).ravel()
    nothing = np.full(int(np.prod(shape)), number, np.int32)
    if role != "kernel":
        return nothing, masks[0]
    if len(masks) == 1:
        return nothing, masks[2]
    read, made = (masks[axis] for axis in sorted(masks))
    return read, made


def _groups(number: int, read: Ids, made: Ids, kernel: Ids, member: Ids, row: Ids, layer: Ids) -> Groups:
    """`Groups` with each weight's share in the mean over its group: all slices of kernels count the same."""
    slices = [np.where((kernel < 0) | (ids == number), -1, kernel * np.int64(number) + ids) for ids in (read, made)]
    of_group = np.concatenate([np.unique(part[part >= 0]) % max(number, 1) for part in slices])
    how_many = np.maximum(np.bincount(of_group, minlength=number + 1), 1)
    shares = []
    for part, ids in zip(slices, (read, made), strict=True):
        _, place, sizes = np.unique(part, return_inverse=True, return_counts=True)
        shares.append(np.where(part < 0, 0, 1 / (sizes[place] * how_many[ids])).astype(np.float32))
    read, made, kernel = (array.astype(np.int32) for array in (read, made, kernel))
    return Groups(number, read, made, kernel, shares[0], shares[1], member, row, layer)
