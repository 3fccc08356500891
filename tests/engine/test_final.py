"""Final training: from scratch, with several seeds, resumed where it was cut short, and one look at the test split."""

import json

import numpy as np
import pytest
from pretend import make_config, virtual
from rich.console import Console

from edgevolve.data import Digits
from edgevolve.engine import Inline, final_task, search, train_again
from edgevolve.reports.final_trainings import final_table
from edgevolve.runs import ConfigError, Run, SearchConfig, events
from edgevolve.runs.provenance import facts, load_data
from edgevolve.training import CrossValidate, TrainingSettings
from search_algorithms import Problem, RandomSearch, minimise
from search_space import MlpSpace


@pytest.fixture
def run(tmp_path):
    config = SearchConfig(
        data=Digits(),
        space=MlpSpace((8, 8, 1), 10, max_layers=1, max_units=16),
        problem=Problem([minimise("error", scale=0.1)]),
        algorithm=RandomSearch(),
        training=TrainingSettings(epochs=1),
        evaluations=2,
    )
    search(config, "digits", out=tmp_path, evaluator=Inline)
    return Run.open(tmp_path / "digits")


def trained(run, seeds, epochs=3, **more):
    splits, number = load_data(run), run.best.number
    train_again(run, number, final_task(run, splits, epochs), splits, seeds, evaluator=Inline, **more)
    return number


def test_each_seed_is_journaled_and_the_best_is_tested_and_exported(run):
    number, of_the_search = trained(run, 3), run.weights(run.best.number)
    opened = Run.open(run.path)
    alike = opened.retrained[number]
    assert [one.seed for one in alike] == [0, 1, 2]
    assert len({one.artefact for one in alike}) == 3
    assert all(len(one.curves["loss"]) == 3 for one in alike)
    best = opened.final(number)
    assert best.metrics["error_int8"] == min(one.metrics["error_int8"] for one in alike)
    assert best.metrics["error"] < opened.best.metrics["error"]  # of one epoch
    (look,) = opened.tested
    assert look.artefact == best.artefact
    assert 0 < look.scores["int8"]["error"] < 0.5
    weights = opened.final_weights(number)
    assert any(not np.array_equal(weights[name], value) for name, value in of_the_search.items())
    assert facts(opened, number)["final"] == {"seed": best.seed, "epochs": 3, "metrics": best.metrics}
    json.dumps(facts(opened, number))


def test_a_candidate_compared_by_several_divisions_is_trained_on_its_own_and_chosen_by_that(run, tmp_path):
    problem = Problem([minimise("error_cross_validated", scale=0.1)])
    compared = make_again(run).with_fields(problem=problem, stages=(CrossValidate(3),))
    search(compared, "compared", out=tmp_path, evaluator=Inline)
    number = trained(Run.open(tmp_path / "compared"), 2)
    opened = Run.open(tmp_path / "compared")
    assert opened.main.name == "error_cross_validated" and opened.score.name == "error"
    assert opened.best.metrics["error_cross_validated"] != opened.best.metrics["error"]
    lowest = min(one.metrics["error_int8"] for one in opened.retrained[number])
    assert opened.final(number).metrics["error_int8"] == lowest
    console = Console(width=120)
    with console.capture() as captured:
        console.print(final_table(opened, number))
    assert "test error of candidate" in captured.get() and "error, int8" in captured.get()


def test_an_interrupted_training_goes_on_with_the_seeds_that_are_missing(run):
    def stop(event):
        if isinstance(event, events.Retrained) and event.seed == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(run, 3, observe=stop)
    assert [one.seed for one in run.retrained[run.best.number]] == [0, 1] and not run.tested
    again = Run.open(run.path)
    seen = []
    number = trained(again, 3, observe=seen.append)
    assert [one.seed for one in seen if isinstance(one, events.Retrained)] == [2]
    assert [one.seed for one in again.retrained[number]] == [0, 1, 2]
    before = len(run.path.read_text().splitlines())
    trained(Run.open(run.path), 3)
    assert len(Run.open(run.path).tested) == 1
    assert len(run.path.read_text().splitlines()) == before


def test_equal_seeds_give_equal_weights_and_others_do_not(run, tmp_path):
    first = trained(run, 2)
    weights = [run.artefacts.arrays(one.artefact) for one in run.retrained[first]]
    other = search(make_again(run), "again", out=tmp_path, evaluator=Inline)
    trained(other, 1)
    again = other.artefacts.arrays(other.retrained[first][0].artefact)
    assert all(np.array_equal(weights[0][name], again[name]) for name in again)
    assert any(not np.array_equal(weights[0][name], weights[1][name]) for name in again)


def make_again(run):
    return SearchConfig(
        data=Digits(),
        space=MlpSpace((8, 8, 1), 10, max_layers=1, max_units=16),
        problem=Problem([minimise("error", scale=0.1)]),
        algorithm=RandomSearch(),
        training=TrainingSettings(epochs=1),
        evaluations=2,
    )


def test_the_search_goes_on_after_a_final_training_and_keeps_its_weights(run):
    number = trained(run, 1)
    search(make_again(run).with_fields(evaluations=4), "digits", out=run.folder.parent, resume=True, evaluator=Inline)
    opened = Run.open(run.path)
    assert opened.evaluations == 4
    assert opened.final_weights(number).keys() == run.final_weights(number).keys()


def test_the_table_has_every_seed_mean_spread_and_the_look_at_the_test_split(run):
    number = trained(run, 2)
    console = Console(width=120)
    with console.capture() as captured:
        console.print(final_table(run, number))
    words = captured.get()
    assert "mean" in words and "spread" in words and words.count("★") == 2
    assert "look 1 of this run at the test" in words


def test_a_task_of_the_users_own_is_refused(tmp_path):
    run = search(make_config(evaluations=3), "own", out=tmp_path, evaluator=virtual())
    with pytest.raises(ConfigError, match="it was searched with a task of your own"):
        final_task(run, make_config().data.load(), 3)
