"""What a candidate's recipe does to its training."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from edgevolve import Digits, Inline, MlpSpace, Recipes, SearchConfig, TrainingSettings, search
from edgevolve.data import load_splits
from edgevolve.data.target import ERROR
from edgevolve.engine import task_of
from edgevolve.engine.train_task import Train
from edgevolve.graph import from_json, to_json
from edgevolve.metric import int8_metric
from edgevolve.quantisation import ScoreInt8
from edgevolve.runs import ConfigError, Job
from edgevolve.training import Fit, Prune, TrainState, stages_under, unreported
from resource_models import macs
from search_algorithms import Problem, RandomSearch, minimise

SPACE = MlpSpace((8, 8, 1), 10, max_layers=1, max_units=30)
PROBLEM = Problem([minimise("error"), minimise("model_size_bytes")])


@dataclass(frozen=True)
class Scaled:
    """A stage that multiplies every weight, and does nothing at 0."""

    by: float = 0.0
    recipe_keys = ("by",)

    def under(self, recipe):
        by = recipe.get("by", self.by)
        if by < 0:
            raise ValueError(f"by must be at least 0, not {by}")
        return replace(self, by=by) if by else None

    def __call__(self, state, data, rng, progress):
        return replace(state, weights={name: value * self.by for name, value in state.weights.items()})


def config(space, **fields):
    return SearchConfig(
        data=Digits(),
        space=space,
        problem=PROBLEM,
        algorithm=RandomSearch(),
        **{"training": TrainingSettings(epochs=1), "stages": (Scaled(),), "evaluations": 4, **fields},
    )


def test_the_stages_are_those_that_the_recipe_leaves():
    assert stages_under((Scaled(), Fit(TrainingSettings())), {}) == (Fit(TrainingSettings()),)
    chosen = stages_under((Scaled(3.0), Fit(TrainingSettings())), {"by": 2.0, "learning_rate": 0.01})
    assert chosen == (Scaled(2.0), Fit(TrainingSettings(learning_rate=0.01)))


def test_a_recipe_sets_stages_and_training():
    splits = load_splits(Digits())
    graph = SPACE.graph(SPACE.sample(np.random.default_rng(0)))
    task = Train(TrainingSettings(epochs=1), stages=(Scaled(),))
    task.prepare()
    outcomes = [
        task(Job(0, None, graph, 7, {}, recipe=recipe), splits) for recipe in ({}, {"by": 2.0}, {"learning_rate": 1e-9})
    ]
    plain, scaled, still = (outcome.weights["dense_1/kernel"] for outcome in outcomes)
    assert np.array_equal(scaled, 2 * plain)
    fit = Fit(TrainingSettings(epochs=1, learning_rate=1e-9))
    alone = fit(TrainState(graph), splits, np.random.default_rng([7, 0]), unreported)
    assert np.array_equal(still, alone.weights["dense_1/kernel"])


def test_a_search_over_recipes_journals_each_and_tells_twins_by_them(tmp_path):
    space = Recipes(MlpSpace((8, 8, 1), 10, max_layers=1, max_units=10), by=(0, 2))
    run = search(config(space, evaluations=2), "recipes", out=tmp_path, evaluator=Inline)
    finished = [record for record in run.records.values() if record.outcome and record.description]
    assert sorted(record.recipe["by"] for record in finished) == [0, 2]


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"bye": (0, 2)}, "space: no stage of training reads 'bye' of a recipe; did you mean 'by'"),
        ({"by": (0, -2)}, "space: by must be at least 0, not -2"),
        ({"learning_rate": (0.1, 0)}, "space: training: learning_rate must be above 0, not 0"),
    ],
)
def test_recipes_that_training_cannot_follow_are_refused_before_the_search(choices, words):
    made = config(Recipes(SPACE, **choices))
    with pytest.raises(ConfigError, match=words):
        made.check(task_of(made))


def test_stages_and_a_task_of_ones_own_are_refused_together():
    with pytest.raises(ConfigError, match="run them in the task"):
        config(SPACE, task=Train(TrainingSettings()))


def test_what_is_no_stage_is_refused():
    with pytest.raises(ConfigError, match=r"stages\.0 must be a Stage, not int"):
        config(SPACE, stages=(3,))


def test_pruned_within_its_training_a_candidate_takes_no_more_epochs_than_one_that_is_not():
    whole = load_splits(Digits())
    splits = replace(whole, train=whole.train.take(np.arange(200)), validation=whole.validation.take(np.arange(100)))
    task = Train(TrainingSettings(epochs=3), (ERROR,), (Prune(training=None),))
    graph = from_json(to_json(SPACE.graph(SPACE.sample(np.random.default_rng(0)))))
    pruned, whole_one = (task(Job(0, None, graph, 7, {}, recipe={"sparsity": share}), splits) for share in (0.5, 0))
    assert len(pruned.curves["loss"]) == len(whole_one.curves["loss"]) == 3
    assert macs(pruned.graph) < macs(graph) and whole_one.graph is None
    child = Job(1, None, graph, 8, {}, 1, weights=whole_one.weights, recipe={"sparsity": 0.5})
    assert len(task(child, splits).curves["loss"]) == 1
    with pytest.raises(ValueError, match="takes the place of a candidate's training"):
        Prune(training=None)(TrainState(graph), splits, np.random.default_rng(0), unreported)


@pytest.mark.slow
def test_killed_while_it_is_pruned_or_after_a_job_ends_as_if_undisturbed():
    """From every checkpoint of every stage, to the last bit: network, weights and scores in int8."""
    whole = load_splits(Digits())
    splits = replace(whole, train=whole.train.take(np.arange(200)), validation=whole.validation.take(np.arange(100)))
    short = TrainingSettings(epochs=2)
    prune = Prune(training=short, checkpoint_s=0)
    task = Train(short, (ERROR, int8_metric(ERROR)), (prune, ScoreInt8()), checkpoint_s=0)
    graph = from_json(to_json(SPACE.graph(SPACE.sample(np.random.default_rng(0)))))
    task.prepare()
    job, kept = Job(0, None, graph, 7, {}, recipe={"sparsity": 0.5}), []

    def progress(step, metrics, checkpoint=None):
        if checkpoint is not None:
            kept.append({name: np.array(value) for name, value in checkpoint.items()})
        return True

    undisturbed = task(job, splits, progress)
    assert undisturbed.graph != graph and len(kept) == 2
    for checkpoint in kept:
        again = task(replace(job, checkpoint=checkpoint), splits)
        assert again.graph == undisturbed.graph and again.metrics == undisturbed.metrics
        assert all(np.array_equal(value, again.weights[name]) for name, value in undisturbed.weights.items())
