"""Cross-validation: every group is held out once, and the score is the mean over the divisions."""

from dataclasses import replace

import numpy as np
import pytest

from edgevolve.data import Digits, Split, load_splits
from edgevolve.graph import Dense, GraphBuilder
from edgevolve.training import CrossValidate, Fit, TrainingSettings, TrainState, unreported
from edgevolve.training.cross_validate import divisions

SHORT = TrainingSettings(epochs=2)


@pytest.fixture(scope="module")
def splits():
    whole = load_splits(Digits())
    return replace(whole, train=whole.train.take(np.arange(200)), validation=whole.validation.take(np.arange(50)))


@pytest.fixture(scope="module")
def network():
    net = GraphBuilder()
    return net.build(net.add(Dense(10), net.input((1, 8, 8, 1))))


def with_groups(splits, names):
    """The splits with the training examples divided among groups of these names, and one more for validation."""
    groups = np.array(list(names))[np.arange(len(splits.train)) % len(names)]
    train = replace(splits.train, groups=groups)
    return replace(splits, train=train, validation=replace(splits.validation, groups=np.array(["last"] * 50)))


def test_each_group_is_held_out_once_and_trained_on_otherwise(splits):
    every = list(divisions(with_groups(splits, "abcd"), 4))
    assert sorted("".join({*one.validation.groups}) for one in every) == [*"abcd"]
    for one in every:
        assert {*one.train.groups} | {*one.validation.groups} == {*"abcd", "last"}
        assert not {*one.train.groups} & {*one.validation.groups}


def test_there_are_no_more_parts_than_groups(splits):
    assert len(list(divisions(with_groups(splits, "ab"), 4))) == 2
    assert not list(divisions(with_groups(splits, "a"), 4))


def test_without_groups_each_example_is_held_out_once_and_classes_keep_their_shares(splits):
    every = list(divisions(splits, 4))
    assert sum(len(one.validation) for one in every) == len(splits.train)
    assert all(len(one.train) + len(one.validation) == 250 for one in every)
    counts = np.array([np.bincount(one.validation.y[:], minlength=10) for one in every])
    assert (counts.max(axis=0) - counts.min(axis=0)).max() <= 1


def test_values_have_no_classes_to_keep(splits):
    values = replace(splits.train, y=np.linspace(0, 1, 200)), replace(splits.validation, y=np.linspace(0, 1, 50))
    every = list(divisions(replace(splits, train=values[0], validation=values[1]), 4))
    assert [len(one.validation) for one in every] == [50] * 4


def test_the_score_is_the_mean_over_divisions_and_all_else_is_of_the_first(network, splits):
    done = CrossValidate(3, training=SHORT)(TrainState(network), splits, np.random.default_rng(0), unreported)
    seeds = np.random.default_rng(0).integers(2**63, size=3)
    every = [
        Fit(SHORT)(TrainState(network), one, np.random.default_rng(int(seed)), unreported)
        for seed, one in zip(seeds, [splits, *divisions(splits, 2)], strict=True)
    ]
    assert done.metrics["error_cross_validated"] == np.mean([one.metrics["error"] for one in every])
    assert done.metrics["error"] == every[0].metrics["error"] and done.curves == every[0].curves
    assert all(np.array_equal(value, every[0].weights[name]) for name, value in done.weights.items())


def test_what_it_cannot_do_is_refused_in_one_line(network, splits, tmp_path):
    with pytest.raises(ValueError, match="folds must be a whole number of at least 3, not 2"):
        CrossValidate(2)
    rng, state = np.random.default_rng(0), TrainState(network)
    with pytest.raises(ValueError, match="must be the first of the stages"):
        CrossValidate()(state, splits, rng, unreported)
    with pytest.raises(ValueError, match="trains from scratch"):
        CrossValidate(training=SHORT)(replace(state, weights={}), splits, rng, unreported)
    np.save(tmp_path / "x.npy", splits.train.x)
    stored = Split(np.load(tmp_path / "x.npy", mmap_mode="r"), splits.train.y)
    with pytest.raises(ValueError, match="needs examples in memory"):
        list(divisions(replace(splits, train=stored), 2))
