"""The places of shared arrays in one vector, and of the elements that a path uses: one gather cuts all kernels."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from search_space.shared import Layer, Program

Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Used:
    """The parts of shared arrays that a path uses: indices into the vector, and the shape of each part, (arrays, 4)."""

    places: Ints
    shapes: Ints


@dataclass(frozen=True, slots=True)
class SharedLayout:
    """The arrays of a program, with their `shapes` by name, one behind the other in a vector.

    For each array, `full` is its shape as (height, width, channels, filters); a vector has (1, 1, 1, filters). `read`
    gives for each of the four sizes its index in a path, -1 where the whole axis is used. `centred`: a window is the
    middle of the array's. `deep`: a depthwise kernel, in which the used channels lie side by side.
    """

    shapes: Mapping[str, tuple[int, ...]]
    full: Ints
    read: Ints
    centred: NDArray[np.bool_]
    deep: NDArray[np.bool_]

    @classmethod
    def of(cls, program: Program, shapes: Mapping[str, tuple[int, ...]]) -> "SharedLayout":
        """The layout of arrays of these shapes. Where matrices transform a layer's kernel, its whole window is used."""
        layers, offsets = {layer.name: layer for layer in program.layers}, program.offsets
        full, read, centred, deep = [], [], [], []
        for name, shape in shapes.items():
            owner, _, role = name.rpartition("/")
            layer, first = layers[owner], offsets[owner] + 1
            is_kernel, is_matrix = role == "kernel", len(shape) == 2
            full.append((1,) * (4 - len(shape)) + tuple(shape))
            places = [first + axis if is_kernel or axis == 3 else -1 for axis in range(4)]
            if is_kernel and is_transformed(layer, shapes):
                places[:2] = -1, -1
            if is_kernel and layer.kind == "depthwise":
                places[3] = -1
            read.append([-1] * 4 if is_matrix else places)
            centred.append(is_kernel and layer.kind != "dense")
            deep.append(is_kernel and layer.kind == "depthwise")
        sizes, sources = np.array(full, np.int32), np.array(read, np.int32)
        return cls(dict(shapes), sizes, sources, np.array(centred), np.array(deep))

    @property
    def size(self) -> int:
        """The length of the vector."""
        return sum(map(prod, self.shapes.values()))

    def used(self, row: Ints) -> Used:
        """The part of each array that the path `row` uses; empty for layers that it leaves out."""
        full, sizes = self.full.astype(np.int64), np.where(self.read < 0, self.full, row[self.read])
        top, left = (np.where(self.centred, (full[:, axis] - sizes[:, axis]) // 2, 0) for axis in (0, 1))
        tall, wide, inner = sizes[:, 0], sizes[:, 1], np.where(self.deep, 1, sizes[:, 2])
        pixel, line = full[:, 2] * full[:, 3], np.where(self.deep, sizes[:, 2], sizes[:, 3])
        begin = np.cumsum(full.prod(1)) - full.prod(1) + (top * full[:, 1] + left) * pixel
        which, number = _counted(tall * wide * inner)  # lines of elements that lie side by side
        rest, channel = np.divmod(number, inner[which])
        y, x = np.divmod(rest, wide[which])
        lines = begin[which] + (y * full[which, 1] + x) * pixel[which] + channel * full[which, 3]
        along, place = _counted(line[which])
        return Used((lines[along] + place).astype(np.int32), sizes.astype(np.int32))

    def flat(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """The arrays as one vector, float32."""
        return np.concatenate([np.ravel(arrays[name]) for name in self.shapes]).astype(np.float32, copy=False)

    def arrays(self, vector: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """The arrays in the vector: the inverse of `flat`."""
        ends = np.cumsum([prod(shape) for shape in self.shapes.values()])
        parts = zip(self.shapes.items(), np.split(vector, ends[:-1]), strict=True)
        return {name: part.reshape(shape) for (name, shape), part in parts}

    def tensors(self, numbers: Any, shapes: Any) -> dict[str, Any]:
        """The part of each array as a tensor, from the elements at `Used.places` and the parts' `Used.shapes`."""
        parts, part_shapes = tf.split(numbers, tf.reduce_prod(shapes, 1), num=len(self.shapes)), tf.unstack(shapes)
        each = zip(self.shapes.items(), parts, part_shapes, strict=True)
        return {name: _shaped(part, shape, len(full)) for (name, full), part, shape in each}


def is_transformed(layer: Layer, names: Mapping[str, Any]) -> bool:
    """Whether `names` has matrices that make smaller kernels from the layer's largest one."""
    return f"{layer.name}/{layer.kernel[0] - 2}x{layer.kernel[0] - 2}" in names


def _shaped(part: Any, shape: Any, rank: int) -> Any:
    return part if rank == 1 else tf.reshape(part, shape if rank == 4 else shape[4 - rank :])


def _counted(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For counts 2, 0, 3: the owner of each element, 0 0 2 2 2, and its index there, 0 1 0 1 2."""
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) - (np.cumsum(counts) - counts)[which]
