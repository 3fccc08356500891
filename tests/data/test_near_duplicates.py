"""Copies of an image that were resized, compressed or made lighter are near it; other images are not."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgevolve.data.near_duplicates import is_of_images, near_duplicates

SIDE = 48


def scene(seed, channels):
    rng = np.random.default_rng(seed)
    small = rng.integers(20, 230, (7, 7, 3), np.uint8)
    image = Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(image if channels == 3 else image.convert("L")).reshape(SIDE, SIDE, channels)


def copy(pixels, kind, amount):
    image = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    if kind == "compressed":
        image.save(buffer := io.BytesIO(), format="JPEG", quality=95 - 2 * amount)
        image = Image.open(buffer)
    elif kind == "resized":
        image = image.resize((SIDE - amount, SIDE - amount)).resize((SIDE, SIDE))
    elif kind == "lighter":
        image = Image.fromarray((np.asarray(image) * (1 - amount / 50) + amount).astype(np.uint8))
    return np.asarray(image).reshape(pixels.shape)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from(("same", "compressed", "resized", "lighter")),
    st.integers(1, 20),
    st.sampled_from((1, 3)),
    st.integers(0, 29),
)
def test_a_planted_copy_is_found_and_nothing_else(seed, kind, amount, channels, place):
    first = np.stack([scene((seed, n), channels) for n in range(30)])
    second = np.stack([scene((seed, 100 + n), channels) for n in range(10)])
    second[4] = copy(first[place], kind, amount)
    assert near_duplicates(first, second).tolist() == [[place, 4]]


def test_flat_images_and_none_at_all_are_near_nothing():
    flat = np.full((3, 20, 20, 1), 7, np.uint8)
    assert not len(near_duplicates(flat, flat)) and not len(near_duplicates(flat, flat[:0]))


@pytest.mark.parametrize(
    ("shape", "dtype", "wanted"),
    [
        ((5, 16, 20, 1), np.uint8, True),
        ((5, 16, 20, 3), np.uint8, True),
        ((5, 8, 8, 1), np.uint8, False),
        ((5, 64, 1, 3), np.uint8, False),
        ((5, 16, 16, 1), np.float32, False),
    ],
)
def test_only_images_large_enough_are_looked_at(shape, dtype, wanted):
    assert is_of_images(np.zeros(shape, dtype)) is wanted
