"""Random changes to a batch of images, signals or features, inside the training step.

Examples are (height, width, channels); of signals and features height is time, and width frequency.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from edgevolve.data.split import FULL_SCALE
from edgevolve.training.settings import MIXUP, TrainingSettings, augmentation


def as_float(images: Any) -> Any:
    """The examples as floating point, like `data.as_float`."""
    pixels = tf.cast(images, tf.float32)
    return pixels / FULL_SCALE.get(images.dtype.name, 1)


def augmented(x: Any, settings: TrainingSettings, seed: Any) -> Any:
    """The batch after every augmentation of the settings but mixup.

    `x` is (batch, height, width, channels) of any type. Everything random follows from `seed`, two int64.
    """
    for number, entry in enumerate(settings.augment):
        name, amount = augmentation(entry)
        if name != MIXUP:
            x = AUGMENT[name](x, settings, amount, seed + tf.constant([number, 0], tf.int64))
    return x


def mixture(settings: TrainingSettings, number: Any, seed: Any) -> tuple[Any, Any] | None:
    """For a batch of `number` examples, the partner of each and the share that each keeps; None without mixup.

    A batch has one share, drawn from Beta(amount, amount) and at least a half (Zhang et al., 2018).
    """
    amounts = dict(map(augmentation, settings.augment))
    if MIXUP not in amounts:
        return None
    apart = seed + tf.constant([len(settings.augment), 1], tf.int64)
    gammas = tf.random.stateless_gamma([2], apart, amounts[MIXUP]) + 1e-8
    share = gammas[0] / tf.reduce_sum(gammas)
    order = tf.random.experimental.stateless_shuffle(tf.range(number), apart)
    return order, tf.maximum(share, 1 - share)


def _uniform(shape: list[Any], seed: Any, low: float = 0.0, high: float = 1.0) -> Any:
    return tf.random.stateless_uniform(shape, seed, low, high)


def _flip(x: Any, settings: TrainingSettings, amount: float, seed: Any) -> Any:
    chosen = _uniform([tf.shape(x)[0], 1, 1, 1], seed) < 0.5
    return tf.where(chosen, tf.reverse(x, [2]), x)


def _flip_vertical(x: Any, settings: TrainingSettings, amount: float, seed: Any) -> Any:
    chosen = _uniform([tf.shape(x)[0], 1, 1, 1], seed) < 0.5
    return tf.where(chosen, tf.reverse(x, [1]), x)


def _shift(x: Any, settings: TrainingSettings, amount: float, seed: Any) -> Any:
    reach = settings.shift_pixels
    batch, height, width = tf.shape(x)[0], x.shape[1], x.shape[2]
    start = tf.random.stateless_uniform([2, batch, 1], seed, 0, 2 * reach + 1, tf.int32)
    padded = tf.pad(x, [(0, 0), (reach, reach), (reach, reach), (0, 0)])
    rows = tf.gather(padded, start[0] + tf.range(height), axis=1, batch_dims=1)
    return tf.gather(rows, start[1] + tf.range(width), axis=2, batch_dims=1)


def _time_shift(x: Any, settings: TrainingSettings, amount: float, seed: Any) -> Any:
    reach = round(amount * x.shape[1])
    start = tf.random.stateless_uniform([tf.shape(x)[0], 1], seed, 0, 2 * reach + 1, tf.int32)
    padded = tf.pad(x, [(0, 0), (reach, reach), (0, 0), (0, 0)])
    return tf.gather(padded, start + tf.range(x.shape[1]), axis=1, batch_dims=1)


def _crop(x: Any, settings: TrainingSettings, amount: float, seed: Any) -> Any:
    batch = tf.shape(x)[0]
    side = _uniform([batch, 1], seed, amount)
    corner = _uniform([batch, 2], seed + 1) * (1 - side)
    boxes = tf.concat([corner, corner + side], axis=1)
    return tf.image.crop_and_resize(as_float(x), boxes, tf.range(batch), x.shape[1:3])


def _gain(x: Any, settings: TrainingSettings, amount: float, seed: Any) -> Any:
    decibels = _uniform([tf.shape(x)[0], 1, 1, 1], seed, -amount, amount)
    return as_float(x) * tf.pow(10.0, decibels / 20)


def _noise(x: Any, settings: TrainingSettings, amount: float, seed: Any) -> Any:
    x = as_float(x)
    level = _uniform([tf.shape(x)[0], 1, 1, 1], seed, 0, amount)
    deviation = tf.math.reduce_std(x, axis=[1, 2, 3], keepdims=True)
    return x + level * deviation * tf.random.stateless_normal(tf.shape(x), seed + 1)


def _mix(x: Any, settings: TrainingSettings, amount: float, seed: Any) -> Any:
    x, batch = as_float(x), tf.shape(x)[0]
    others = tf.random.experimental.stateless_shuffle(tf.range(batch), seed)
    return x + _uniform([batch, 1, 1, 1], seed + 1, 0, amount) * tf.gather(x, others)


def _mask_time(x: Any, settings: TrainingSettings, amount: float, seed: Any) -> Any:
    return tf.where(_run(x, 1, amount, seed)[:, :, tf.newaxis, tf.newaxis], tf.zeros_like(x), x)


def _mask_frequency(x: Any, settings: TrainingSettings, amount: float, seed: Any) -> Any:
    return tf.where(_run(x, 2, amount, seed)[:, tf.newaxis, :, tf.newaxis], tf.zeros_like(x), x)


def _run(x: Any, axis: int, amount: float, seed: Any) -> Any:
    """True over one run of up to `amount` of the length, anywhere: (batch, length) (Park et al., 2019)."""
    batch, length = tf.shape(x)[0], x.shape[axis]
    size = _uniform([batch, 1], seed, 0, amount * length)
    start = _uniform([batch, 1], seed + 1) * (length - size)
    places = tf.range(length, dtype=tf.float32)
    return (places >= tf.floor(start)) & (places < tf.floor(start) + tf.round(size))


AUGMENT: dict[str, Callable[[Any, TrainingSettings, float, Any], Any]] = {
    "flip": _flip,
    "flip_vertical": _flip_vertical,
    "shift": _shift,
    "crop": _crop,
    "time_shift": _time_shift,
    "gain": _gain,
    "noise": _noise,
    "mix": _mix,
    "mask_time": _mask_time,
    "mask_frequency": _mask_frequency,
}
