"""Random changes to a batch of images, inside the training step."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from edgevolve.training.settings import TrainingSettings


def augmented(x: Any, settings: TrainingSettings, seed: Any) -> Any:
    """The batch after every augmentation of the settings.

    `x` is (batch, height, width, channels) of any type; `seed` is two int64, which decide everything.
    """
    for number, name in enumerate(settings.augment):
        x = AUGMENT[name](x, settings, seed + tf.constant([number, 0], tf.int64))
    return x


def _flip(x: Any, settings: TrainingSettings, seed: Any) -> Any:
    chosen = tf.random.stateless_uniform([tf.shape(x)[0], 1, 1, 1], seed) < 0.5
    return tf.where(chosen, tf.reverse(x, [2]), x)


def _shift(x: Any, settings: TrainingSettings, seed: Any) -> Any:
    reach = settings.shift_pixels
    batch, height, width = tf.shape(x)[0], x.shape[1], x.shape[2]
    start = tf.random.stateless_uniform([2, batch, 1], seed, 0, 2 * reach + 1, tf.int32)
    padded = tf.pad(x, [(0, 0), (reach, reach), (reach, reach), (0, 0)])
    rows = tf.gather(padded, start[0] + tf.range(height), axis=1, batch_dims=1)
    return tf.gather(rows, start[1] + tf.range(width), axis=2, batch_dims=1)


AUGMENT: dict[str, Callable[[Any, TrainingSettings, Any], Any]] = {"flip": _flip, "shift": _shift}
