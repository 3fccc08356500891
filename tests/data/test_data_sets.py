import os
import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from edgevolve.data import DATA_SETS, DataError, DataSet, Digits, KerasDataset, NpzImages, as_float, fingerprint
from edgevolve.runs.provenance import load_data


@pytest.fixture
def archive(tmp_path):
    rng = np.random.default_rng(0)

    def write(**changes):
        arrays = {
            "x_train": rng.integers(0, 255, (60, 6, 5), np.uint8),
            "y_train": np.arange(60) % 3,
            "x_test": rng.integers(0, 255, (12, 6, 5), np.uint8),
            "y_test": np.arange(12) % 3,
        }
        arrays.update(changes)
        path = tmp_path / "images.npz"
        np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
        return str(path)

    return write


def parts(splits):
    return splits.train, splits.validation, splits.test


def test_digits_are_all_1797_images_each_in_one_split_and_every_class_in_proportion():
    splits = Digits().load()
    assert [len(part) for part in parts(splits)] == [1149, 288, 360]
    rows = {(part.x[i].tobytes(), int(part.y[i])) for part in parts(splits) for i in range(len(part))}
    assert len(rows) == 1797
    for part in parts(splits):
        share = np.bincount(part.y) / len(part)
        assert share.shape == (10,)
        assert np.abs(share - 0.1).max() < 0.015


def test_digits_range_from_0_to_1_as_float32():
    x = Digits().load().train.x
    assert (x.dtype, x.min(), x.max(), x.shape[1:]) == (np.float32, 0, 1, Digits().input_shape)


def test_the_same_seed_gives_the_same_arrays_and_another_seed_others():
    assert fingerprint(Digits().load()) == fingerprint(Digits().load())
    assert fingerprint(Digits().load()) != fingerprint(Digits(seed=1).load())


def test_an_npz_keeps_its_official_test_set(archive):
    data = NpzImages(archive())
    splits = data.load()
    assert (data.input_shape, data.classes) == ((6, 5, 1), 3)
    assert [len(part) for part in parts(splits)] == [54, 6, 12]
    assert splits.train.x.dtype == np.uint8
    assert isinstance(data, DataSet)


def test_an_npz_without_a_test_set_gets_one_that_is_held_out(archive):
    splits = NpzImages(archive(x_test=None, y_test=None)).load()
    assert [len(part) for part in parts(splits)] == [43, 5, 12]


def test_uint8_stands_for_value_over_255_and_float_for_itself():
    assert as_float(np.array([0, 255], np.uint8)).tolist() == [0.0, 1.0]
    assert as_float(np.array([0.5, 3.0])).tolist() == [0.5, 3.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": None}, "has no x_train"),
        ({"x_train": np.zeros((60, 6), np.uint8)}, "must be \\(number, height, width"),
        ({"x_train": np.zeros((59, 6, 5), np.uint8)}, "y_train must be 59 whole numbers"),
        ({"x_train": np.zeros((60, 6, 5), np.int32)}, "must be uint8 or floating point"),
        ({"x_train": np.full((60, 6, 5), np.nan)}, "not finite"),
        ({"y_train": np.arange(60) % 3 - 1}, "whole numbers from 0"),
        ({"y_train": np.linspace(0, 2, 60)}, "whole numbers from 0"),
        ({"x_test": np.zeros((12, 7, 5), np.uint8)}, r"x_test are \(7, 5, 1\), those of x_train \(6, 5, 1\)"),
        ({"y_test": np.arange(12)}, "y_test holds label 11, the highest of y_train is 2"),
        ({"class_names": np.array(["cat", "dog"])}, r"class_names must be 3 words or more, it is <U3 \(2,\)"),
        ({"groups_train": np.arange(59)}, r"groups_train must be one for each of 60 images, it is \(59,\)"),
        ({"x_train": np.array([{}] * 60)}, "not an .npz of plain arrays"),
        ({"y_train": np.array([0] * 57 + [1, 1, 2])}, "cannot hold out"),
    ],
)
def test_a_misshapen_npz_is_refused_in_one_line(archive, changes, message):
    with pytest.raises(DataError, match=message) as caught:
        NpzImages(archive(**changes)).load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"no archive at all"])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="bad.npz"):
        NpzImages(str(path)).load()


def test_a_missing_npz_is_refused_by_its_name():
    with pytest.raises(DataError, match="nowhere.npz: No such file"):
        _ = NpzImages("nowhere.npz").input_shape


def test_keras_sets_know_their_shape_without_a_download_and_refuse_other_names():
    assert KerasDataset("cifar10").input_shape == (32, 32, 3)
    with pytest.raises(DataError, match="choose one of mnist"):
        KerasDataset("imagenet")


def test_every_data_set_is_registered_under_the_name_of_its_class():
    assert all(name == kind.__name__ for name, kind in DATA_SETS.items())


def test_class_names_of_an_npz_are_those_of_its_target(archive):
    data = NpzImages(archive(class_names=np.array(["cat", "dog", "cow", "none"])))
    assert data.target.names == ("cat", "dog", "cow", "none")
    assert data.classes == 4
    assert NpzImages(archive()).target.names == 3


def test_groups_of_an_npz_stay_together(archive):
    splits = NpzImages(archive(groups_train=np.arange(60) // 4, x_test=None, y_test=None)).load()
    groups = [set(part.groups) for part in parts(splits)]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 15


@pytest.mark.parametrize("factor", [1, 0.7 / 255, 3.0], ids=["bytes", "floats", "floats to be standardised"])
def test_a_large_npz_stays_in_its_file_and_is_the_same_data(archive, monkeypatch, factor):
    rng = np.random.default_rng(1)
    x = rng.integers(0, 255, (60, 6, 5), np.uint8)
    path = archive(x_train=x if factor == 1 else x * factor, x_test=None, y_test=None)
    in_memory = NpzImages(path).load()
    monkeypatch.setattr("edgevolve.data.npz_file.IN_MEMORY_BYTES", 1000)
    os.utime(path, ns=(1, 1))
    on_disk = NpzImages(path).load()
    assert isinstance(in_memory.train.x, np.ndarray) and not isinstance(on_disk.train.x, np.ndarray)
    assert (on_disk.front_end is None) == (factor != 3.0)
    assert on_disk.front_end == in_memory.front_end
    for stored, array in zip(parts(on_disk), parts(in_memory), strict=True):
        assert np.array_equal(as_float(stored.x[:]), as_float(array.x))
        assert np.array_equal(as_float(stored.x[3:5]), as_float(array.x[3:5]))
        assert (stored.x.shape, len(stored.x)) == (array.x.shape, len(array.x))
    assert len(pickle.dumps(on_disk)) < 10_000


def test_a_compressed_npz_is_read_whole(archive, monkeypatch):
    monkeypatch.setattr("edgevolve.data.npz_file.IN_MEMORY_BYTES", 1000)
    path = archive()
    with np.load(path) as file:
        np.savez_compressed(path, **file)
    assert isinstance(NpzImages(path).load().train.x, np.ndarray)


def test_a_journal_from_before_floats_were_standardised_finds_its_data_again(archive):
    path = archive(x_train=np.random.default_rng(0).random((60, 6, 5)) * 255, x_test=None, y_test=None)
    as_it_was = fingerprint(NpzImages(path, normalise=False).load())
    recipe = {"type": "NpzImages", "path": path, "validation_fraction": 0.1, "test_fraction": 0.2, "seed": 0}
    started = SimpleNamespace(config={"data": recipe}, data={"fingerprint": as_it_was})
    splits = load_data(SimpleNamespace(started=started, path="old"))
    assert splits.front_end is None
    assert NpzImages(path).load().front_end is not None
