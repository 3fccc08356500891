import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevolve.data import DataError, Digits, Split, Splits, StoredArray, chunks, fingerprint, hold_out

GROUf4ecc9cef5bc7fa03651cf414d33064cGS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 12), st.integers(0, 2**16)), min_size=3, max_size=14
)
"""A group each: its main class, how many examples it has, and how the other classes are mixed in."""


def grouped(grouping):
    y, groups = [], []
    for number, (main, size, seed) in enumerate(grouping):
        rng = np.random.default_rng(seed)
        y += np.where(rng.random(size) < 0.7, main, rng.integers(0, 4, size)).tolist()
        groups += [f"person {number}"] * size
    shuffled = np.random.default_rng(len(y)).permutation(len(y))
    x = np.arange(len(y))[:, np.newaxis]
    return Split(x[shuffled], np.array(y)[shuffled], np.array(groups)[shuffled])


def distance(counts, held, fraction):
    total = counts.sum(axis=0)
    return (((counts[held].sum(axis=0) - fraction * total) ** 2) / total).sum()


@settings(max_examples=150, deadline=None)
@given(GROUf4ecc9cef5bc7fa03651cf414d33064cGS, st.sampled_from([0.1, 0.2, 0.4]), st.integers(0, 5))
def test_a_group_is_never_divided_and_no_other_choice_of_one_or_two_groups_comes_nearer_to_the_shares(
    grouping, fraction, seed
):
    part = grouped(grouping)
    names, of = np.unique(part.groups, return_inverse=True)
    counts = np.zeros((len(names), 4))
    np.add.at(counts, (of, part.y), 1)
    counts = counts[:, counts.sum(axis=0) > 0]
    try:
        rest, held = hold_out(part, fraction, seed)
    except DataError:
        assert all((counts[group] == counts.sum(axis=0)).any() for group in range(len(names)))
        return
    assert not set(rest.groups) & set(held.groups)
    assert sorted([*rest.x.ravel(), *held.x.ravel()]) == list(range(len(part)))
    assert set(rest.y) == set(part.y)
    chosen = np.isin(names, held.groups)
    reached = distance(counts, chosen, fraction)
    for a in range(len(names)):
        for b in range(len(names)):
            other = chosen.copy()
            other[[a, b]] ^= True
            if other.any() and (counts[~other].sum(axis=0) > 0).all():
                changes_sides = a == b or chosen[a] != chosen[b]
                assert not changes_sides or distance(counts, other, fraction) >= reached * (1 - 1e-6)


def test_no_group_is_in_two_of_three_splits():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40, 2000)
    part = Split(rng.random((2000, 2)), rng.integers(0, 3, 2000), groups)
    rest, test = hold_out(part, 0.2, 0)
    train, validation = hold_out(rest, 0.2, 0)
    seen = [set(one.groups) for one in (train, validation, test)]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 40
    assert abs(len(test) - 400) < 40
    for one in (train, validation, test):
        assert np.abs(np.bincount(one.y) / len(one) - np.bincount(part.y) / 2000).max() < 0.05


def test_other_seeds_hold_out_other_groups():
    part = Split(np.zeros((100, 1)), np.arange(100) % 2, np.arange(100) // 5)
    held = {tuple(np.unique(hold_out(part, 0.2, seed)[1].groups)) for seed in range(5)}
    assert len(held) > 1


def test_where_every_group_alone_holds_a_class_nothing_can_be_held_out():
    part = Split(np.zeros((30, 1)), np.arange(30) // 10, np.arange(30) // 10)
    with pytest.raises(DataError, match="cannot hold out any of 3 groups: each holds all examples of some class"):
        hold_out(part, 0.2, 0)
    with pytest.raises(DataError, match="one for each of 30 examples"):
        hold_out(Split(part.x, part.y, part.groups[:-1]), 0.2, 0)


def test_values_are_held_out_without_classes():
    part = Split(np.zeros((50, 3)), np.linspace(-1, 1, 50).astype(np.float32))
    rest, held = hold_out(part, 0.2, 0)
    assert (len(rest), len(held)) == (40, 10)
    assert sorted([*rest.y, *held.y]) == sorted(part.y)


@pytest.fixture
def array():
    return np.random.default_rng(0).random((200, 4, 3)).astype(np.float32)


@pytest.fixture
def stored(array, tmp_path):
    np.save(tmp_path / "rows.npy", array)
    return Split(np.load(tmp_path / "rows.npy", mmap_mode="r"), np.arange(200) % 4).x


@pytest.mark.parametrize(
    "rows",
    [
        slice(None),
        slice(3, 90, 7),
        slice(150, None),
        np.array([5, 6, 7, 199, 0, 0]),
        np.arange(0),
        np.arange(200) % 3 == 0,
        -1,
    ],
    ids=["all", "every seventh", "the end", "numbers", "none", "truth values", "the last"],
)
def test_rows_of_a_file_are_those_of_the_array(stored, array, rows):
    assert isinstance(stored, StoredArray)
    assert np.array_equal(stored[rows], array[rows])
    assert stored[rows].dtype == array.dtype


def test_a_part_of_a_memory_mapped_array_keeps_its_place_in_the_file(array, tmp_path):
    np.save(tmp_path / "rows.npy", array)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    part = Split(mapped[40:90], np.arange(50)).x
    assert isinstance(part, StoredArray)
    assert np.array_equal(part[:], array[40:90])
    every_second = Split(mapped[::2], np.arange(100)).x
    assert np.array_equal(every_second[:], array[::2])


def test_a_stored_array_travels_as_its_path(stored):
    sent = pickle.dumps(Splits(*(Split(stored, np.arange(200)) for _ in range(3))))
    assert len(sent) < 10_000
    assert np.array_equal(pickle.loads(sent).test.x[:5], stored[:5])


def test_what_is_held_out_of_a_file_is_read_when_it_is_asked_for(stored, array):
    part, in_memory = Split(stored, np.arange(200) % 4), Split(array, np.arange(200) % 4)
    divided = [hold_out(one, 0.25, 3) for one in (part, in_memory)]
    for on_disk, wanted in zip(*divided, strict=True):
        assert not isinstance(on_disk.x, np.ndarray)
        assert (on_disk.x.shape, on_disk.x.dtype) == (wanted.x.shape, wanted.x.dtype)
        assert np.array_equal(on_disk.x[:], wanted.x)
        assert np.array_equal(hold_out(on_disk, 0.5, 0)[1].x[2:9], hold_out(wanted, 0.5, 0)[1].x[2:9])
    on_disk, wanted = (Splits(*one, Split(part.x, part.y)) for one in divided)
    assert fingerprint(on_disk) == fingerprint(wanted)


def test_chunks_are_all_rows_in_order(array):
    pieces = list(chunks(array, chunk_bytes=1000))
    assert len(pieces) > 5
    assert np.array_equal(np.concatenate(pieces), array)


def test_a_file_that_is_gone_or_too_short_is_named(stored, tmp_path):
    file = tmp_path / "rows.npy"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(DataError, match="rows.npy: ends before"):
        _ = stored[:]
    file.unlink()
    with pytest.raises(DataError, match="rows.npy: No such file"):
        _ = stored[:]


def test_digits_are_divided_as_ever():
    assert fingerprint(Digits().load()) == "f4ecc9cef5bc7fa03651cf414d33064c"
