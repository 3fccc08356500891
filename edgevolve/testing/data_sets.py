"""What a data set promises. Each check takes the data set, and raises `AssertionError` for a broken promise."""

from collections.abc import Callable

import numpy as np

from edgevolve.data import DataSet, Split, as_float, chunks, fingerprint


def check_data_set(data: DataSet) -> None:
    """Run every check."""
    for check in DATA_SET_CHECKS:
        check(data)


def what_is_known_before_loading_is_what_is_loaded(data: DataSet) -> None:
    """The data set keeps the protocol, and its splits have the shape that it declares."""
    assert isinstance(data, DataSet)
    for part in _parts(data):
        assert tuple(part.x.shape[1:]) == tuple(data.input_shape)
        assert len(part.x) == len(part.y) == len(part)


def loading_again_gives_the_same_rows(data: DataSet) -> None:
    """The division into splits follows from the data set alone."""
    assert fingerprint(data.load()) == fingerprint(data.load())


def training_and_validation_are_not_empty(data: DataSet) -> None:
    """Training and validation have examples; the test split may be empty."""
    splits = data.load()
    assert len(splits.train) > 0 and len(splits.validation) > 0


def rows_on_demand_are_the_rows(data: DataSet) -> None:
    """`x[numbers]` and `y[numbers]` are the rows `numbers` of the whole, in that order."""
    for part in _parts(data):
        numbers = np.random.default_rng(0).integers(0, max(1, len(part)), min(len(part), 16))
        assert np.array_equal(part.x[numbers], np.stack([part.x[[n]][0] for n in numbers]))
        assert np.array_equal(part.y[numbers], np.asarray(part.y[:])[numbers])


def a_network_is_fed_numbers(data: DataSet) -> None:
    """Every value is finite."""
    for part in _parts(data):
        assert all(np.isfinite(as_float(chunk)).all() for chunk in chunks(part.x))


def no_group_is_in_two_splits(data: DataSet) -> None:
    """The examples of a group are all in one split."""
    groups = [set(np.asarray(part.groups).tolist()) for part in _parts(data) if part.groups is not None]
    assert len(set().union(*groups)) == sum(map(len, groups))


DATA_SET_CHECKS: tuple[Callable[[DataSet], None], ...] = (
    what_is_known_before_loading_is_what_is_loaded,
    loading_again_gives_the_same_rows,
    training_and_validation_are_not_empty,
    rows_on_demand_are_the_rows,
    a_network_is_fed_numbers,
    no_group_is_in_two_splits,
)
"""The checks; each loads the data set anew."""


def _parts(data: DataSet) -> list[Split]:
    splits = data.load()
    return [part for part in (splits.train, splits.validation, splits.test) if len(part)]
