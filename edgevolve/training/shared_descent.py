"""Gradient descent on shared weights: each network of a step adds its gradient, then the weights take one step.

One compiled function learns from any network, whatever its path; a second one takes the step. Both touch no more of the
arrays than the networks of the step use: the rest stays as it is, its momentum too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from edgevolve.data import Classes, Target
from edgevolve.training.augment import as_float, augmented
from edgevolve.training.descent import OPTIMISE, gradients
from edgevolve.training.losses import batch_loss
from edgevolve.training.settings import MIXUP, TrainingSettings, augmentation
from edgevolve.training.shared_forward import boxes, cut, shared_forward
from search_space.shared import Program

Arrays = Mapping[str, NDArray[Any]]


def first_arrays(
    program: Program, seed: int, matrices: Mapping[str, tuple[int, ...]]
) -> dict[str, NDArray[np.float32]]:
    """First shared weights: kernels as in He et al. (2015) for the largest network, `matrices` the identity."""
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
    """What a network learns from in a step: the weight of the labels, and that of a teacher's answers."""

    row: NDArray[np.int32]
    labels: float
    taught: float


class SharedDescent:
    """Shared weights while they are trained: their values, the slots of the optimiser, and the sum of gradients."""

    def __init__(self, program: Program, settings: TrainingSettings, target: Target, arrays: Arrays) -> None:
        """Begin with `arrays`; statistics of batch norm are left as they are. Raises `ValueError` for mixup."""
        if any(augmentation(entry)[0] == MIXUP for entry in settings.augment):
            raise ValueError("shared weights do not learn from mixtures: leave mixup out of training.augment")
        self.program, self.settings, self.target = program, settings, target
        self.fixed = {name: value for name, value in arrays.items() if name.endswith(("/mean", "/variance"))}
        self.names = [name for name in arrays if name not in self.fixed]
        self._values = {name: tf.Variable(arrays[name]) for name in self.names}
        slots = 1 if settings.optimiser == "sgd" else 2
        self._slots = [[tf.Variable(np.zeros_like(arrays[name])) for name in self.names] for _ in range(slots)]
        self._sums = [tf.Variable(np.zeros_like(arrays[name])) for name in self.names]
        self.traces = 0
        row, number = tf.TensorSpec((program.width,), tf.int32), tf.TensorSpec((), tf.float32)
        self._row = row
        self._one = number
        self._learn: Any = None
        self._taught: Any = None
        likes = (number, tf.TensorSpec((), tf.int32), row)
        self._step = tf.function(self._descend, autograph=False, input_signature=likes)

    def learn(self, turn: Turn, x: Any, y: Any, taught: Any, seed: Any) -> tuple[Any, Any]:
        """Add the gradient of a turn; gives its loss and the outputs, by the statistics of the batch.

        `taught` are a teacher's outputs, of any values where nothing is learnt from them; `seed`, two int64, augments.
        """
        if self._learn is None:
            pair = tf.TensorSpec((2,), tf.int64)
            likes = (self._row, self._one, self._one, _like(x), _like(y), _like(taught), pair)
            self._learn = tf.function(self._gradient, autograph=False, input_signature=likes)
        given: tuple[Any, Any] = self._learn(
            tf.constant(turn.row), tf.constant(turn.labels), tf.constant(turn.taught), x, y, taught, seed
        )
        return given

    def step(self, rate: float, done: int, rows: Sequence[NDArray[np.int32]]) -> Any:
        """Go along the sum of the gradients of networks with these paths; `done` steps were made before.

        Gives the length of the sum before it is clipped.
        """
        return self._step(tf.constant(rate, tf.float32), tf.constant(done), tf.constant(np.max(rows, axis=0)))

    def outputs(self, arrays: Arrays, row: NDArray[np.int32], x: Any, seed: Any) -> Any:
        """What a network of other shared weights gives, by the statistics of the batch."""
        if self._taught is None:
            self._taught = tf.function(self._forward, autograph=False, reduce_retracing=True)
        return self._taught({name: arrays[name] for name in self.names}, tf.constant(row), x, seed)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The shared weights as they are."""
        return {**{name: value.numpy() for name, value in self._values.items()}, **self.fixed}

    def put(self, arrays: Arrays) -> None:
        """Replace the shared weights; the optimiser's slots begin at 0 again."""
        for name, value in self._values.items():
            value.assign(arrays[name])
        for slot in self._slots:
            for value in slot:
                value.assign(tf.zeros_like(value))

    def slots(self) -> dict[str, NDArray[np.float32]]:
        """The slots of the optimiser, by number and name."""
        every = enumerate(self._slots)
        return {f"{i}/{name}": value.numpy() for i, slot in every for name, value in zip(self.names, slot, strict=True)}

    def put_slots(self, arrays: Arrays) -> None:
        """Slots that `slots` gave."""
        for i, slot in enumerate(self._slots):
            for name, value in zip(self.names, slot, strict=True):
                value.assign(arrays[f"{i}/{name}"])

    def _forward(self, values: Any, row: Any, x: Any, seed: Any) -> Any:
        parts = cut(self.program, values, row)
        return shared_forward(self.program, parts, row, self._images(x, seed), training=True)

    def _images(self, x: Any, seed: Any) -> Any:
        images = augmented(x, self.settings, seed) if self.settings.augment else x
        return as_float(images)

    def _gradient(self, row: Any, labels: Any, weight: Any, x: Any, y: Any, taught: Any, seed: Any) -> tuple[Any, Any]:
        self.traces += 1
        parts = cut(self.program, self._values, row)
        images = self._images(x, seed)
        outputs = shared_forward(self.program, parts, row, images, training=True)
        loss = labels * batch_loss(self.target, self.settings)(outputs, y, images)
        loss += weight * distilled(self.target, outputs, taught)
        places = boxes(self.program, self.names, row)
        found = gradients(loss, [parts[name] for name in self.names])
        for name, total, gradient in zip(self.names, self._sums, found, strict=True):
            if gradient is not None:
                places[name].put(total, places[name].of(total) + gradient)
        return loss, outputs

    def _descend(self, rate: Any, done: Any, row: Any) -> Any:
        settings, places = self.settings, boxes(self.program, self.names, row)
        found: list[Any] = [places[name].of(total) for name, total in zip(self.names, self._sums, strict=True)]
        length = tf.linalg.global_norm(found)
        if settings.clip_norm is not None:
            found, _ = tf.clip_by_global_norm(found, settings.clip_norm, length)
        for number, (name, gradient) in enumerate(zip(self.names, found, strict=True)):
            box, variable, slots = places[name], self._values[name], [slot[number] for slot in self._slots]
            decay = settings.weight_decay if name.endswith("/kernel") else 0.0
            held = [box.of(slot) for slot in slots]
            new, moved = OPTIMISE[settings.optimiser](box.of(variable), gradient, held, rate, decay, done)
            box.put(variable, new)
            for slot, value in zip(slots, moved, strict=True):
                box.put(slot, value)
            box.put(self._sums[number], tf.zeros_like(gradient))
        return length


def distilled(target: Target, outputs: Any, taught: Any) -> Any:
    """How far outputs are from a teacher's: cross-entropy to its probabilities, or the squared difference."""
    taught = tf.stop_gradient(taught)
    if not isinstance(target, Classes):
        return tf.reduce_mean(tf.math.squared_difference(outputs, taught))
    if outputs.shape[1] == 1:
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.nn.sigmoid(taught), outputs))
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(tf.nn.softmax(taught), outputs))


def _like(x: Any) -> Any:
    return tf.TensorSpec((None, *x.shape[1:]), x.dtype)
