"""Gradient descent on one flat vector of parameters, as TensorFlow operations that the caller compiles.

The optimiser takes a handful of operations whatever the network. A step is a pure function of its state.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from edgevolve.graph import Graph
from edgevolve.training.augment import as_float, augmented, mixture
from edgevolve.training.forward import Statistics, forward
from edgevolve.training.losses import BatchLoss
from edgevolve.training.settings import TrainingSettings
from edgevolve.training.weights import BATCH_NORM_MOMENTUM, Parameter, Values, folded, parameters

MOMENTUM = 0.9
BETA_1, BETA_2, ADAM_EPSILON = 0.9, 0.999, 1e-7
EVALUATION_BATCH = 256


@dataclass(frozen=True, slots=True)
class Layout:
    """The order of parameters in the two flat vectors: trainable values, and moving statistics of batch norm."""

    trainable: tuple[Parameter, ...]
    moving: tuple[Parameter, ...]

    @classmethod
    def of(cls, graph: Graph) -> "Layout":
        """The layout of a network's weights. Raises `ValueError` for a network without weights."""
        every = parameters(graph)
        if not every:
            raise ValueError("the network has no weights to train")
        return cls(tuple(p for p in every if p.trainable), tuple(p for p in every if not p.trainable))

    def flat(self, values: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        """The vectors [trainable, moving]."""
        empty = [np.zeros(0, np.float32)]
        parts = (self.trainable, self.moving)
        return [np.concatenate([values[p.name].ravel() for p in part] or empty) for part in parts]

    def values(self, trainable: Any, moving: Any) -> dict[str, Any]:
        """The vectors as NumPy arrays by name: the inverse of `flat`."""
        result: dict[str, Any] = {}
        for part, vector in ((self.trainable, trainable), (self.moving, moving)):
            pieces = np.split(vector, np.cumsum([p.size for p in part])[:-1]) if part else []
            result |= {p.name: piece.reshape(p.shape) for p, piece in zip(part, pieces, strict=True)}
        return result

    def tensors(self, part: tuple[Parameter, ...], vector: Any) -> dict[str, Any]:
        """The vector of one part, `trainable` or `moving`, as tensors by name."""
        pieces = tf.split(vector, [p.size for p in part]) if part else []
        return {p.name: tf.reshape(piece, p.shape) for p, piece in zip(part, pieces, strict=True)}


class Lowering(Protocol):
    """How a network is computed from its values; stages that quantise replace it.

    All methods make TensorFlow operations inside a compiled function. Values have the names of `training.weights`.
    """

    def begun(self, values: Values) -> Any:
        """Tensors, in any nested structure, that stay fixed during a pass, computed from the values at its start."""

    def training(self, values: Values, begun: Any, images: Any) -> tuple[Any, Statistics]:
        """The outputs of a batch in training, and its statistics of all moving values; empty where these are frozen."""

    def inference(self, values: Values) -> Callable[[Any], Any]:
        """A function from a batch to the outputs of the network as it will be deployed."""


@dataclass(frozen=True, slots=True)
class Plain:
    """The network as it is, up to the activation named `logits`. Batch norm takes the batch, and is folded after."""

    graph: Graph
    logits: str

    def begun(self, values: Values) -> Any:
        """Nothing stays fixed during a pass."""
        return ()

    def training(self, values: Values, begun: Any, images: Any) -> tuple[Any, Statistics]:
        """The outputs of `forward`."""
        return forward(self.graph, values, images, self.logits)

    def inference(self, values: Values) -> Callable[[Any], Any]:
        """The outputs of `forward` on folded values."""
        deployed = folded(self.graph, values, tf.reshape)
        return lambda images: forward(self.graph, deployed, images, self.logits)[0]


class Regime(Protocol):
    """A participant in gradient descent with vectors of its own in the state, such as the masks of pruning."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """The lengths of its vectors."""

    def start(self) -> tuple[NDArray[np.float32], ...]:
        """The first values of its vectors."""

    def seen(self, trainable: Any, own: Sequence[Any]) -> Any:
        """The weights that the network computes with, in training and after it, made from the trained ones."""

    def after(self, trainable: Any, gradient: Any, own: Sequence[Any], done: Any, whole: int) -> Sequence[Any]:
        """Its vectors after a step along `gradient`, which was step `done` of `whole`, from 1."""

    def is_settled(self, done: int, epochs: int) -> bool:
        """Whether the weights after `done` of `epochs` epochs may be the ones kept."""


@dataclass(frozen=True, slots=True)
class Descent:
    """The fixed parts of a training: the computation of the network, its layout, the loss of a batch.

    A state is a tuple of flat vectors: (trainable, moving, slots of the optimiser ..., running means of the first two
    if `average` is above 0, vectors of the regime ...). Gradients are taken at the weights of `Regime.seen`.
    """

    lowering: Lowering
    layout: Layout
    settings: TrainingSettings
    batch_loss: BatchLoss
    regime: Regime | None = None

    @property
    def state_like(self) -> tuple[Any, ...]:
        """The shapes of a state."""
        trainable, moving = (sum(p.size for p in part) for part in (self.layout.trainable, self.layout.moving))
        means = (trainable, moving) if self.settings.average else ()
        own = self.regime.sizes if self.regime else ()
        sizes = (trainable, moving, *(trainable,) * self._slots, *means, *own)
        return tuple(tf.TensorSpec((size,), tf.float32) for size in sizes)

    def start(self, values: Mapping[str, NDArray[Any]]) -> tuple[Any, ...]:
        """The state with these weights."""
        trainable, moving = (tf.constant(vector) for vector in self.layout.flat(values))
        means = (trainable, moving) if self.settings.average else ()
        own = map(tf.constant, self.regime.start() if self.regime else ())
        return trainable, moving, *(tf.zeros_like(trainable) for _ in range(self._slots)), *means, *own

    def answering(self, state: Sequence[Any]) -> tuple[Any, Any]:
        """The vectors (trainable, moving) with which the network of a state is evaluated."""
        first = 2 + self._slots if self.settings.average else 0
        trainable, moving = state[first : first + 2]
        return self._seen(trainable, self.own(state)), moving

    def own(self, state: Sequence[Any]) -> Sequence[Any]:
        """The regime's vectors of a state."""
        return state[len(state) - (len(self.regime.sizes) if self.regime else 0) :]

    @property
    def _slots(self) -> int:
        return SLOTS[self.settings.optimiser]

    def _seen(self, trainable: Any, own: Sequence[Any]) -> Any:
        return self.regime.seen(trainable, own) if self.regime else trainable

    def steps(self, x: Any, y: Any, bounds: Any, state: Any, seed: Any, begin: Any, whole: int) -> tuple[Any, Any]:
        """One pass over examples `x` and answers `y` in a new order: the new state, and the sum of the steps' losses.

        Batch i is `bounds[i]` to `bounds[i + 1]` of that order, which follows from `seed` (two int64). The training has
        `whole` steps, of which `begin` were made before.
        """
        settings, layout = self.settings, self.layout
        number = x.shape[0] if x.shape[0] is not None else tf.shape(x)[0]
        count = bounds.shape[0] - 1 if bounds.shape[0] is not None else tf.shape(bounds)[0] - 1
        order = tf.random.experimental.stateless_shuffle(tf.range(number), seed)
        decay = tf.constant(np.concatenate([np.full(p.size, p.is_kernel, np.float32) for p in layout.trainable]))
        decay *= settings.weight_decay
        begun = self.lowering.begun(self._values(self._seen(state[0], self.own(state)), state[1]))

        def step(index: Any, total: Any, *state: Any) -> tuple[Any, ...]:
            trainable, moving, *slots = state[: 2 + self._slots]
            means, own = state[2 + self._slots : len(state) - len(self.own(state))], self.own(state)
            chosen = order[bounds[index] : bounds[index + 1]]
            images, answers = tf.gather(x, chosen), tf.gather(y, chosen)
            done = begin + index
            key = tf.stack([seed[0] + 1, tf.cast(done, tf.int64)])
            if settings.augment:
                images = augmented(images, settings, key)
            seen = self._seen(trainable, own)
            images = as_float(images)
            mixed = mixture(settings, tf.size(chosen), key)
            if mixed:
                images = mixed[1] * images + (1 - mixed[1]) * tf.gather(images, mixed[0])
            output, statistics = self.lowering.training(self._values(seen, moving), begun, images)
            loss = self.batch_loss(output, answers, images)
            if mixed:
                others = self.batch_loss(output, tf.gather(answers, mixed[0]), images)
                loss = mixed[1] * loss + (1 - mixed[1]) * others
            (gradient,) = gradients(loss, seen)
            if settings.clip_norm is not None:
                (gradient,), _ = tf.clip_by_global_norm([gradient], settings.clip_norm)
            rate = learning_rate(settings, done, whole)
            trainable, slots = OPTIMISE[settings.optimiser](trainable, gradient, slots, rate, decay, done)
            if statistics:
                batch = tf.concat([statistics[p.name] for p in layout.moving], axis=0)
                moving = BATCH_NORM_MOMENTUM * moving + (1 - BATCH_NORM_MOMENTUM) * batch
            if self.regime:
                own = self.regime.after(trainable, gradient, own, done + 1, whole)
            means = _averaged(means, (trainable, moving), settings.average, tf.cast(done, tf.float32))
            return index + 1, total + loss, trainable, moving, *slots, *means, *own

        _, total, *state = tf.while_loop(
            lambda index, *_: index < count, step, (0, tf.constant(0.0), *state), parallel_iterations=1
        )
        return tuple(state), total

    def outputs(self, state: Any, x: Any) -> Any:
        """The outputs of the network of a state, as deployed, for every example: (number, outputs)."""
        return outputs(self.lowering.inference(self._values(*self.answering(state))), x)

    def _values(self, trainable: Any, moving: Any) -> dict[str, Any]:
        layout = self.layout
        return layout.tensors(layout.trainable, trainable) | layout.tensors(layout.moving, moving)


def gradients(loss: Any, places: Any, by: Any = None) -> list[Any]:
    """The derivatives of a loss by the tensors `places`, times `by`; several paths' terms are added two by two.

    TensorFlow's own sum of several terms begins with whichever it may overwrite. That depends on what ran before, so
    its last bits differ from run to run (TensorFlow 2.21).
    """
    slopes: list[Any] = tf.gradients(loss, places, by, aggregation_method=tf.AggregationMethod.EXPERIMENTAL_TREE)
    return slopes


def outputs(network: Callable[[Any], Any], x: Any) -> Any:
    """The outputs of `network` for every example, batch by batch: (number, outputs)."""
    number = x.shape[0] if x.shape[0] is not None else tf.shape(x)[0]
    batches = -(-number // EVALUATION_BATCH)

    def step(batch: Any, outputs: Any) -> tuple[Any, Any]:
        begin = batch * EVALUATION_BATCH
        return batch + 1, outputs.write(batch, network(as_float(x[begin : begin + EVALUATION_BATCH])))

    empty = tf.TensorArray(tf.float32, batches, infer_shape=False)
    _, outputs = tf.while_loop(lambda batch, _: batch < batches, step, (0, empty), parallel_iterations=1)
    return outputs.concat()


def _averaged(means: Sequence[Any], now: Sequence[Any], keep: float, done: Any) -> tuple[Any, ...]:
    """The running means, if they are kept; in the first steps they average over fewer steps."""
    part = tf.minimum(keep, (1 + done) / (10 + done))
    return tuple(part * mean + (1 - part) * value for mean, value in zip(means, now, strict=bool(means)))


def learning_rate(settings: TrainingSettings, done: Any, steps: int) -> Any:
    """The rate after `done` of `steps` steps."""
    if settings.schedule == "constant":
        return settings.learning_rate
    return settings.learning_rate * 0.5 * (1 + tf.cos(tf.cast(done, tf.float32) * (np.pi / steps)))


def _sgd(p: Any, gradient: Any, slots: Any, rate: Any, decay: Any, done: Any) -> tuple[Any, Any]:
    velocity = MOMENTUM * slots[0] - rate * (gradient + decay * p)
    return p + velocity, (velocity,)


def _adamw(p: Any, gradient: Any, slots: Any, rate: Any, decay: Any, done: Any) -> tuple[Any, Any]:
    first = BETA_1 * slots[0] + (1 - BETA_1) * gradient
    second = BETA_2 * slots[1] + (1 - BETA_2) * tf.square(gradient)
    count = tf.cast(done, tf.float32) + 1
    unbiased = rate * tf.sqrt(1 - BETA_2**count) / (1 - BETA_1**count)
    return p - unbiased * first / (tf.sqrt(second) + ADAM_EPSILON) - rate * decay * p, (first, second)


OPTIMISE = {"sgd": _sgd, "adamw": _adamw}
SLOTS = {"sgd": 1, "adamw": 2}
"""The number of vectors that each optimiser keeps between steps."""
