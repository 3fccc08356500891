"""Once-for-All: shared weights before the search, candidates that inherit them, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from edgevolve import (
    ConfigError,
    Digits,
    Inherited,
    Inline,
    MobileSpace,
    NasBench201Space,
    Problem,
    RandomSearch,
    Recipes,
    SearchConfig,
    SharedFrom,
    Supernet,
    TrainingSettings,
    at_most,
    minimise,
    search,
)
from edgevolve.data import load_splits
from edgevolve.engine.evaluation import evaluate
from edgevolve.graph import GraphBuilder
from edgevolve.runs import Job
from edgevolve.training.supernet import phases

SPACE = MobileSpace(
    (8, 8, 1),
    10,
    max_stages=1,
    depths=(1, 1),
    max_filters=8,
    resolutions=(8,),
    blocks=("mbconv",),
    activations=("relu6",),
)
SETTINGS = TrainingSettings(epochs=1, batch_size=100)


@pytest.fixture(scope="module", autouse=True)
def tensorflow():
    Inherited().prepare()


@pytest.fixture(scope="module")
def splits():
    whole = load_splits(Digits())
    return replace(whole, train=whole.train.take(np.arange(400)), validation=whole.validation.take(np.arange(100)))


def first_job(seed=3):
    net = GraphBuilder()
    return Job(-1, None, net.build(net.input((1, 8, 8, 1))), seed, {})


def config(**fields):
    given = {
        "data": Digits(),
        "space": SPACE,
        "problem": Problem([minimise("error"), minimise("macs")]),
        "algorithm": RandomSearch(),
        "prepare": Supernet(SPACE, SETTINGS),
        "task": Inherited(recalibrate=200),
        "evaluations": 4,
    }
    return SearchConfig(**(given | fields))


def check_resumed(task, splits):
    """From the first checkpoint and from the last, weights are those of an undisturbed training to the last bit."""
    kept = []
    whole = evaluate(task, first_job(), splits, lambda said: kept.append(said.checkpoint) or True)
    checkpoints = [one for one in kept if one is not None]
    assert checkpoints
    for checkpoint in (checkpoints[0], checkpoints[-1]):
        again = evaluate(task, replace(first_job(), checkpoint=checkpoint), splits)
        assert again.metrics == whole.metrics
        assert all(np.array_equal(again.weights[name], value) for name, value in whole.weights.items())


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sandwich", "progressive", "random"])
def test_shared_weights_killed_at_any_checkpoint_end_bit_equal(splits, method):
    check_resumed(Supernet(SPACE, replace(SETTINGS, epochs=10), method, checkpoint_s=0), splits)


@pytest.mark.slow
def test_a_training_with_a_budget_of_minutes_resumes_bit_equal(splits):
    check_resumed(Supernet(SPACE, SETTINGS, minutes=0.3, checkpoint_s=0), splits)


@pytest.mark.slow
def test_a_search_scores_inherited_weights_and_counts_the_time_of_prepare(tmp_path):
    run = search(config(), "shared", out=tmp_path, evaluator=Inline)
    assert not run.failures and run.evaluations == 4
    assert all(record.inherits.artefact == "prepared" for record in run.records.values())
    assert run.active_seconds >= run.prepared.ended - run.prepared.started > 0
    number = run.best.number
    assert run.graph(number) and run.weights(number)
    again = search(config(minutes=0.001, evaluations=50), "spent", out=tmp_path, evaluator=Inline)
    assert again.stopped.reason == "0.001 minutes" and again.evaluations == 0


def test_bounds_that_no_network_keeps_are_named_before_anything_is_trained(tmp_path):
    problem = Problem([minimise("error")], [at_most("macs", 10)])
    with pytest.raises(
        ConfigError,
        match=r"none of 2000 networks is within the bounds, 100% break macs ≤ 10, the nearest has [\d.e+]+; loosen it",
    ):
        search(config(problem=problem), "bounds", out=tmp_path, evaluator=Inline)
    assert not (tmp_path / "bounds").exists()


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"prepare": None}, r"task: Inherited scores inherited weights; add prepare=Supernet\(space"),
        ({"prepare": Supernet(replace(SPACE, max_filters=16), SETTINGS)}, "prepare: it makes weights for MobileSpace"),
    ],
)
def test_what_cannot_be_inherited_is_one_line(tmp_path, fields, line):
    with pytest.raises(ConfigError, match=line):
        search(config(**fields), "refused", out=tmp_path, evaluator=Inline)


def test_spaces_and_methods_that_share_nothing_are_one_line():
    with pytest.raises(ValueError, match="the networks of NasBench201Space cannot share weights; those of MobileSpace"):
        Supernet(NasBench201Space((8, 8, 1), 10))
    with pytest.raises(ValueError, match=r"not 'sandwhich'; did you mean 'sandwich'\?"):
        Supernet(SPACE, method="sandwhich")
    with pytest.raises(ValueError, match=r"take 9,\d+ MB, 537 MB are the most; give it fewer filters"):
        Supernet(MobileSpace((28, 28, 1), 10))
    with pytest.raises(ValueError, match="the networks of Recipes cannot share weights; give it the space within"):
        Supernet(Recipes(SPACE, sparsity=(0, 0.5)))


@pytest.mark.slow
def test_networks_within_recipes_inherit_shared_weights(tmp_path):
    recipes = Recipes(SPACE, learning_rate=(0.01, 0.05))
    run = search(config(space=recipes), "recipes", out=tmp_path, evaluator=Inline)
    assert not run.failures and run.evaluations == 4
    assert all(record.inherits.artefact == "prepared" for record in run.records.values())
    assert {record.recipe["learning_rate"] for record in run.records.values()} <= {0.01, 0.05}


def test_shared_weights_of_wider_networks_are_refused_with_the_array_that_differs(tmp_path, splits, monkeypatch):
    """The journal's text says the same space, as of an earlier version; the arrays say that it is none."""
    run = search(config(evaluations=1), "wide", out=tmp_path, evaluator=Inline)
    narrower = SharedFrom(str(run.folder), replace(SPACE, max_head=160))
    failed = evaluate(narrower, first_job(), load_splits(Digits()))
    assert failed.kind == "another space" and "MobileSpace" in failed.reason
    ended = search(config(prepare=narrower, space=narrower.space), "narrow", out=tmp_path, evaluator=Inline)
    assert ended.evaluations == 0 and "another space" in ended.stopped.reason
    with pytest.raises(ValueError, match="training.average is not for shared weights"):
        Supernet(SPACE, replace(SETTINGS, average=0.99))
    with pytest.raises(ValueError, match="minutes must be above 0"):
        Supernet(SPACE, minutes=0)
    with pytest.raises(ValueError, match="examples must be a whole number of at least 1, not 0"):
        Inherited(recalibrate=0)


def test_shrinking_frees_one_part_after_the_other():
    free = [phase.free for phase in phases("progressive", SPACE.parts)]
    assert free == [
        ("resolution",),
        ("resolution", "kernel"),
        ("resolution", "kernel", "depth"),
        ("resolution", "kernel", "depth", "width"),
    ]
    assert sum(phase.share for phase in phases("progressive", SPACE.parts)) == pytest.approx(1)
