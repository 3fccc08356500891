"""Augmentations change examples as they say, by a seed, inside the compiled step."""

import numpy as np
import pytest
import tensorflow as tf

from edgevolve import Digits
from edgevolve.graph import Dense, GraphBuilder, Reshape
from edgevolve.training import TrainingSettings
from edgevolve.training.augment import AUGMENT, augmented, mixture
from edgevolve.training.settings import AUGMENTATIONS, MIXUP
from edgevolve.training.trainer import train

KEY = tf.constant([1, 2], tf.int64)


def changed(images, *augment, seed=KEY):
    """A batch after augmentation, by a compiled function."""
    settings = TrainingSettings(augment=augment)
    return tf.function(lambda x: augmented(x, settings, seed), autograph=False)(tf.constant(images)).numpy()


def batch(kind=np.float32, number=200, shape=(12, 9, 2)):
    rng = np.random.default_rng(0)
    values = rng.normal(0.5, 1, (number, *shape)) if kind is np.float32 else rng.integers(0, 120, (number, *shape))
    return values.astype(kind)


@pytest.mark.parametrize("name", AUGMENT)
@pytest.mark.parametrize("kind", [np.float32, np.uint8, np.int16])
def test_each_keeps_the_shape_changes_something_and_follows_from_its_seed(name, kind):
    images = batch(kind)
    first = changed(images, name)
    assert first.shape == images.shape and np.isfinite(first).all()
    assert np.array_equal(first, changed(images, name))
    assert not np.array_equal(first, changed(images, name, seed=KEY + 1))
    assert not np.array_equal(first, images)


@pytest.mark.parametrize("name", [name for name, (_, least, _) in AUGMENTATIONS.items() if least == 0])
def test_an_amount_of_nothing_changes_nothing(name):
    assert changed(batch(), f"{name}=0") == pytest.approx(batch(), abs=1e-6)


def test_every_name_is_known_to_settings_and_to_the_step():
    assert set(AUGMENT) | {MIXUP} == set(AUGMENTATIONS)


def test_a_time_shift_moves_along_the_first_axis_alone_and_lets_zeros_in():
    signal = np.broadcast_to(np.arange(1, 41, dtype=np.int16).reshape(1, 20, 2, 1), (300, 20, 2, 1))
    padded = np.pad(signal[0], ((4, 4), (0, 0), (0, 0)))
    wanted = {padded[i : i + 20].tobytes() for i in range(9)}
    assert {one.tobytes() for one in changed(signal, "time_shift=0.2")} == wanted


def test_gain_is_within_its_decibels_and_the_same_throughout_an_example():
    factors = changed(batch(), "gain=3") / batch()
    assert factors.std(axis=(1, 2, 3)).max() < 1e-4
    decibels = 20 * np.log10(factors.mean(axis=(1, 2, 3)))
    assert -3.001 < decibels.min() < -2 and 2 < decibels.max() < 3.001


def test_noise_is_normal_of_levels_up_to_a_share_of_the_deviation():
    images = batch(number=400, shape=(40, 40, 1))
    added = changed(images, "noise=0.5") - images
    levels = added.std(axis=(1, 2, 3)) / images.std(axis=(1, 2, 3))
    assert levels.min() < 0.05 and 0.45 < levels.max() < 0.55
    assert abs(added.mean()) < 0.01


def test_a_mix_adds_a_little_of_another_example():
    images = np.eye(30, dtype=np.float32).reshape(30, 5, 6, 1)
    added = (changed(images, "mix=0.3") - images).reshape(30, 30)
    assert (np.count_nonzero(added, axis=1) <= 1).all() and np.count_nonzero(added) > 20
    assert added.min() >= 0 and 0.1 < added.max() <= 0.3


@pytest.mark.parametrize(("name", "axis"), [("mask_time", 1), ("mask_frequency", 2)])
def test_a_mask_is_one_run_of_zeros_along_its_axis(name, axis):
    images = np.abs(batch(shape=(20, 16, 1))) + 1
    masked = changed(images, f"{name}=0.4")
    other = 3 - axis
    gone = (masked == 0).all(axis=(other, 3))
    assert np.array_equal(masked, np.where(np.expand_dims(gone, (other, 3)), 0, images))
    runs = np.abs(np.diff(gone, axis=1, prepend=False, append=False).astype(int)).sum(axis=1)
    assert runs.max() == 2  # one begin and one end
    assert gone.sum(axis=1).max() == round(0.4 * images.shape[axis]) and gone.sum(axis=1).min() == 0


def test_a_crop_shows_a_part_at_full_size():
    ramp = np.broadcast_to(np.linspace(0, 1, 21, dtype=np.float32).reshape(1, 1, 21, 1), (200, 21, 21, 1))
    cropped = changed(ramp, "crop=0.5")
    spread = cropped[:, 0, -1, 0] - cropped[:, 0, 0, 0]
    assert spread.min() == pytest.approx(0.5, abs=0.02) and spread.max() == pytest.approx(1, abs=0.02)
    assert np.array_equal(cropped, np.broadcast_to(cropped[:, :1], cropped.shape))


def test_a_vertical_flip_turns_half_of_the_images_upside_down():
    images = batch()
    turned = changed(images, "flip_vertical")
    flipped = [np.array_equal(one, image[::-1]) for one, image in zip(turned, images, strict=True)]
    assert all(a or np.array_equal(one, image) for a, one, image in zip(flipped, turned, images, strict=True))
    assert 60 < sum(flipped) < 140


def test_a_mixture_keeps_at_least_half_of_each_example_and_its_share_follows_from_beta():
    settings = TrainingSettings(augment=("mixup=1",))  # Beta(1, 1) is uniform
    shares = [float(mixture(settings, 8, tf.constant([seed, 0], tf.int64))[1]) for seed in range(100)]
    assert min(shares) >= 0.5 and max(shares) <= 1
    assert np.mean(shares) == pytest.approx(0.75, abs=0.05)
    order, _ = mixture(settings, 8, KEY)
    assert sorted(order.numpy().tolist()) == list(range(8))
    assert mixture(TrainingSettings(), 8, KEY) is None


def test_a_network_learns_under_many_augmentations_at_once():
    digits = Digits().load()
    net = GraphBuilder()
    x = net.add(Reshape((1, 64)), net.input((1, 8, 8, 1)))
    graph = net.build(net.add(Dense(10), x))
    gentle = ("shift", "crop=0.9", "time_shift=0.1", "gain=1", "noise=0.05", "mix=0.05", "mask_time=0.1", "mixup")
    settings = TrainingSettings(epochs=6, optimiser="adamw", learning_rate=0.02, augment=gentle, shift_pixels=1)
    trained = train(graph, digits.train, digits.validation, settings, seed=0)
    assert trained.metrics["error"] < 0.3
    again = train(graph, digits.train, digits.validation, settings, seed=0)
    assert trained.curves == again.curves
