"""Frames of a camera become the images of the network, in C as in Python."""

import numpy as np
import pytest

from edgevolve.data import DataError, Resize
from edgevolve.testing import check_front_end

FRAMES = np.random.default_rng(0).integers(0, 256, (9, 31, 40, 3)).astype(np.uint8)
KINDS = [
    Resize((31, 40, 3), (31, 40)),
    Resize((31, 40, 3), (8, 10)),
    Resize((31, 40, 3), (13, 17), grey=True),
    Resize((31, 40, 3), (1, 1)),
]


@pytest.mark.parametrize("resize", KINDS, ids=str)
def test_it_keeps_every_promise_of_a_front_end(resize):
    assert resize.apply(FRAMES).shape == (9, *resize.shape)
    check_front_end(resize, FRAMES)


def test_a_frame_of_the_same_size_is_its_bytes_over_255():
    assert Resize((31, 40, 3), (31, 40)).apply(FRAMES) == pytest.approx(FRAMES / 255, abs=1e-6)


@pytest.mark.parametrize("size", [(31, 40), (13, 17), (7, 39), (1, 1)])
def test_the_mean_of_a_frame_is_kept(size):
    means = Resize((31, 40, 3), size).apply(FRAMES).mean(axis=(1, 2))
    assert means == pytest.approx(FRAMES.mean(axis=(1, 2)) / 255, abs=1e-5)


def test_a_whole_fraction_is_the_mean_of_blocks():
    blocks = FRAMES[:, :30].reshape(9, 10, 3, 10, 4, 3).mean(axis=(2, 4)) / 255
    assert Resize((30, 40, 3), (10, 10)).apply(FRAMES[:, :30]) == pytest.approx(blocks, abs=1e-6)


def test_grey_is_the_luminance_that_pillow_computes():
    from PIL import Image

    grey = Resize((31, 40, 3), (31, 40), grey=True).apply(FRAMES)[..., 0] * 255
    wanted = np.stack([np.asarray(Image.fromarray(frame).convert("L")) for frame in FRAMES])
    assert np.abs(grey - wanted).max() <= 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"size": (32, 40)}, "31×40 cannot become 32×40"),
        ({"size": (0, 4)}, "cannot become 0×4"),
        ({"size": (4,)}, r"size \(height, width\)"),
        ({"read": (31, 40, 1), "grey": True}, "grey needs 3 channels, the frame has 1"),
    ],
)
def test_what_cannot_be_computed_is_refused_in_a_line(settings, words):
    with pytest.raises(DataError, match=words):
        Resize(**{"read": (31, 40, 3), "size": (8, 8)} | settings)
