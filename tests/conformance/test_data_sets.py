"""Every data set that needs no download passes the kit."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from edgevolve.data import Digits, NpzImages, Split, Splits, Standardise, hold_out
from edgevolve.testing import check_data_set, check_front_end


@dataclass(frozen=True)
class Windows:
    """Windows of persons, on the disk."""

    folder: str
    input_shape = (16, 1, 3)
    classes = 2

    def load(self):
        x = np.load(f"{self.folder}/x.npy", mmap_mode="r")
        whole = Split(x, np.arange(120) % 2, groups=np.arange(120) // 10)
        rest, test = hold_out(whole, 0.25, 0)
        train, validation = hold_out(rest, 0.25, 0)
        return Splits(train, validation, test)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.normal(size=(120, 16, 1, 3)).astype(np.float32))
    images = rng.integers(0, 256, (90, 6, 6, 1), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", x_train=images, y_train=np.arange(90) % 3)
    return str(tmp_path)


def test_data_sets_in_memory_in_an_archive_and_on_the_disk_keep_every_promise(folder):
    for data in (Digits(), NpzImages(f"{folder}/images.npz"), Windows(folder)):
        check_data_set(data)


def test_the_kit_finds_a_group_in_two_splits(folder):
    class Leaking(Windows):
        def load(self):
            splits = super().load()
            return replace(splits, test=splits.train)

    with pytest.raises(AssertionError):
        check_data_set(Leaking(folder))


def test_a_front_end_keeps_every_promise():
    raw = np.random.default_rng(0).normal((9.8, -200, 0.001), (0.4, 90, 0.0004), (20, 16, 1, 3)).astype(np.float32)
    check_front_end(Standardise.fit(raw), raw)


def test_the_kit_finds_a_front_end_that_looks_at_its_neighbours():
    raw = np.random.default_rng(0).normal(size=(20, 16, 1, 3)).astype(np.float32)

    class Neighbours(Standardise):
        def apply(self, raw):
            return super().apply(raw) - raw.mean()

    with pytest.raises(AssertionError):
        check_front_end(Neighbours.fit(raw), raw)
