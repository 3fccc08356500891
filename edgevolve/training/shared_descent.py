"""Gradient descent on shared weights: each network of a step adds its gradient, then the weights take one step.

One compiled function adds the gradient of any network, whatever its path; a second one takes the step. Both touch only
the parts of the arrays that the step's networks use: all others keep their values and their momentum.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from edgevolve.data import Target
from edgevolve.training.augment import as_float, augmented
from edgevolve.training.descent import OPTIMISE, SLOTS, gradients
from edgevolve.training.losses import batch_loss, soft_loss
from edgevolve.training.settings import MIXUP, TrainingSettings, augmentation
from edgevolve.training.shared_forward import shared_forward
from edgevolve.training.shared_layout import SharedLayout
from search_space.shared import Program

Arrays = Mapping[str, NDArray[Any]]


def first_arrays(
    program: Program, seed: int, matrices: Mapping[str, tuple[int, ...]]
) -> dict[str, NDArray[np.float32]]:
    """Initial shared weights: kernels as in He et al. (2015) for the largest network; `matrices` are the identity."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, NDArray[np.float32]] = {}
    for layer in program.layers:
        window = layer.kernel[:2] if layer.kind == "depthwise" else layer.kernel[:3]
        linear = layer.kind == "dense" and layer.functions == ("none",)
        deviation = np.float32(np.sqrt((1 if linear else 2) / np.prod(window)))
        arrays[f"{layer.name}/kernel"] = rng.standard_normal(layer.kernel, np.float32).clip(-2, 2) * deviation
    for name, shape in program.shapes.items():
        begins_at_one = name.endswith(("/gamma", "/variance"))
        arrays.setdefault(name, np.full(shape, float(begins_at_one), np.float32))
    return arrays | {name: np.eye(shape[0], dtype=np.float32) for name, shape in matrices.items()}


@dataclass(frozen=True, slots=True)
class Turn:
    """A network's part in a step: its path `row`, the weight of the labels and that of a teacher's outputs."""

    row: NDArray[np.int32]
    labels: float
    taught: float


class SharedDescent:
    """Shared weights in training: their values, the slots of the optimiser, and the sum of a step's gradients."""

    def __init__(self, program: Program, settings: TrainingSettings, target: Target, arrays: Arrays) -> None:
        """Start from `arrays`; statistics of batch norm stay as they are. Raises `ValueError` for mixup."""
        if any(augmentation(entry)[0] == MIXUP for entry in settings.augment):
            raise ValueError("shared weights do not learn from mixtures: leave mixup out of training.augment")
        self.program, self.settings, self.target = program, settings, target
        self.fixed = {name: value for name, value in arrays.items() if name.endswith(("/mean", "/variance"))}
        self.layout = SharedLayout.of(program, {n: a.shape for n, a in arrays.items() if n not in self.fixed})
        self._values = tf.Variable(self.layout.flat(arrays))
        self._slots = [tf.Variable(tf.zeros_like(self._values)) for _ in range(SLOTS[settings.optimiser])]
        self._sum = tf.Variable(tf.zeros_like(self._values))
        kernels = {name: np.full(shape, name.endswith("/kernel")) for name, shape in self.layout.shapes.items()}
        self._decay = tf.constant(self.layout.flat(kernels) * np.float32(settings.weight_decay))
        self.traces = 0
        number, places = tf.TensorSpec((), tf.float32), tf.TensorSpec((None,), tf.int32)
        self._path = tf.TensorSpec((program.width,), tf.int32), places, tf.TensorSpec((len(kernels), 4), tf.int32)
        self._learn: Any = None
        self._taught: Any = None
        likes = (number, tf.TensorSpec((), tf.int32), places)
        self._step = tf.function(self._descend, autograph=False, input_signature=likes)

    def learn(self, turn: Turn, x: Any, y: Any, taught: Any, seed: Any) -> tuple[Any, Any]:
        """Add the gradient of a turn; return its loss and its outputs, with batch norm by the batch.

        `taught` are a teacher's outputs, of any value if `turn.taught` is 0. Augmentation follows from `seed`, two
        int64.
        """
        if self._learn is None:
            pair, number = tf.TensorSpec((2,), tf.int64), tf.TensorSpec((), tf.float32)
            likes = (self._path, number, number, _like(x), _like(y), _like(taught), pair)
            self._learn = tf.function(self._gradient, autograph=False, input_signature=likes)
        used = self.layout.used(turn.row)
        path = tf.constant(turn.row), tf.constant(used.places), tf.constant(used.shapes)
        labels, weight = tf.constant(turn.labels, tf.float32), tf.constant(turn.taught, tf.float32)
        given: tuple[Any, Any] = self._learn(path, labels, weight, x, y, taught, seed)
        return given

    def step(self, rate: float, done: int, rows: Sequence[NDArray[np.int32]]) -> Any:
        """Take one step along the sum of gradients of the networks with the paths `rows`; `done` were made before.

        Returns the Euclidean length of the sum before clipping.
        """
        places = self.layout.used(np.max(rows, axis=0)).places
        return self._step(tf.constant(rate, tf.float32), tf.constant(done), tf.constant(places))

    def outputs(self, arrays: Arrays, row: NDArray[np.int32], x: Any, seed: Any) -> Any:
        """The outputs of a network with other shared weights, with batch norm by the batch."""
        if self._taught is None:
            self._taught = tf.function(self._forward, autograph=False, reduce_retracing=True)
        used = self.layout.used(row)
        numbers = self.layout.flat(arrays)[used.places]
        return self._taught(tf.constant(numbers), tf.constant(used.shapes), tf.constant(row), x, seed)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The shared weights by name."""
        return {**self.layout.arrays(self._values.numpy()), **self.fixed}

    def put(self, arrays: Arrays) -> None:
        """Replace the shared weights, and set the optimiser's slots to 0."""
        self._values.assign(self.layout.flat(arrays))
        for slot in self._slots:
            slot.assign(tf.zeros_like(slot))

    def slots(self) -> dict[str, NDArray[np.float32]]:
        """The slots of the optimiser, as `NUMBER/NAME`."""
        every = ((i, self.layout.arrays(slot.numpy())) for i, slot in enumerate(self._slots))
        return {f"{i}/{name}": value for i, slot in every for name, value in slot.items()}

    def put_slots(self, arrays: Arrays) -> None:
        """Restore what `slots` gave."""
        for i, slot in enumerate(self._slots):
            slot.assign(self.layout.flat({name: arrays[f"{i}/{name}"] for name in self.layout.shapes}))

    def _forward(self, numbers: Any, shapes: Any, row: Any, x: Any, seed: Any) -> Any:
        parts = self.layout.tensors(numbers, shapes)
        return shared_forward(self.program, parts, row, self._images(x, seed), training=True)

    def _images(self, x: Any, seed: Any) -> Any:
        images = augmented(x, self.settings, seed) if self.settings.augment else x
        return as_float(images)

    def _gradient(self, path: Any, labels: Any, weight: Any, x: Any, y: Any, taught: Any, seed: Any) -> tuple[Any, Any]:
        self.traces += 1
        row, places, shapes = path
        numbers = self._values.sparse_read(places)
        images = self._images(x, seed)
        outputs = shared_forward(self.program, self.layout.tensors(numbers, shapes), row, images, training=True)
        loss = labels * batch_loss(self.target, self.settings)(outputs, y, images)
        loss += weight * soft_loss(self.target, outputs, taught)
        (gradient,) = gradients(loss, numbers)
        tf.raw_ops.ResourceScatterAdd(resource=self._sum.handle, indices=places, updates=gradient)
        return loss, outputs

    def _descend(self, rate: Any, done: Any, places: Any) -> Any:
        settings, gradient = self.settings, self._sum.sparse_read(places)
        length = tf.norm(gradient)
        if settings.clip_norm is not None:
            (gradient,), _ = tf.clip_by_global_norm([gradient], settings.clip_norm, length)
        value, *held = (each.sparse_read(places) for each in (self._values, *self._slots))
        decay = tf.gather(self._decay, places)
        new, moved = OPTIMISE[settings.optimiser](value, gradient, held, rate, decay, done)
        for variable, numbers in zip((self._values, *self._slots), (new, *moved), strict=True):
            _put(variable, places, numbers)
        _put(self._sum, places, tf.zeros_like(gradient))
        return length


def _put(variable: Any, places: Any, numbers: Any) -> None:
    tf.raw_ops.ResourceScatterUpdate(resource=variable.handle, indices=places, updates=numbers)


def _like(x: Any) -> Any:
    return tf.TensorSpec((None, *x.shape[1:]), x.dtype)
