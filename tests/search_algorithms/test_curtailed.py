"""Trainings that are ended early by their learning curve, and how often that is a mistake."""

import numpy as np
import pytest
from pretend import unmeasured

from edgevolve.testing import check_algorithm
from resource_models import macs
from search_algorithms import (
    AgingEvolution,
    Completed,
    Curtailed,
    Problem,
    ProblemError,
    RandomSearch,
    SuccessiveHalving,
    minimise,
)
from search_space import MlpSpace

SPACE = MlpSpace((8, 8, 1), 10, max_layers=1)
EPOCHS = 20


def macs_of(genotype):
    return {"macs": float(macs(SPACE.graph(genotype)))}


def curve_of(number):
    """A noisy fall from 0.9 to a level of its own."""
    rng = np.random.default_rng(number)
    level, pace = rng.uniform(0.02, 0.4), rng.uniform(2, 6)
    return level + (0.9 - level) * np.exp(-np.arange(1, EPOCHS + 1) / pace) + rng.normal(0, 0.01, EPOCHS)


def play(settings, number, problem, measure):
    """Each candidate reports every second epoch; gives those that were ended, with where the front was then."""
    algorithm = settings.start(SPACE, problem, 0, measure)
    ended, front = {}, []
    for index in range(number):
        candidate = algorithm.ask(index).under(index)
        algorithm.asked(candidate)
        curve = curve_of(index)
        known = measure(candidate.genotype)
        for step in range(2, EPOCHS, 2):
            if not algorithm.progressed(candidate, step, {"error": curve[step - 1]}):
                ended[index] = (step, problem.costs({**known, "error": curve[-1]}), list(front))
                curve = curve[:step]
                break
        metrics = {**known, "error": float(curve[-1])}
        front.append(problem.costs(metrics))
        algorithm.tell(candidate, Completed(metrics, {"validation_error": tuple(curve)}))
    return ended


@pytest.mark.parametrize("measure", [unmeasured, macs_of], ids=["error alone", "error and macs"])
def test_hopeless_trainings_end_and_at_most_the_stated_share_is_ended_by_mistake(measure):
    objectives = [minimise("error", scale=0.1)] + ([minimise("macs", scale=1e4)] if measure is macs_of else [])
    for rate in (0.05, 0.2):
        settings = Curtailed(RandomSearch(), error_rate=rate)
        ended = play(settings, 600, Problem(objectives), measure)
        assert len(ended) > 100
        mistakes = [
            not any(all(a <= b for a, b in zip(one, end, strict=True)) for one in front)
            for _, end, front in ended.values()
        ]
        assert sum(mistakes) <= rate * 600


def test_each_is_judged_once_and_one_in_four_never():
    ended = play(Curtailed(RandomSearch(), after=0.5), 300, Problem([minimise("error")]), unmeasured)
    assert {step for step, _, _ in ended.values()} == {10}
    assert not any(number % 4 == 0 for number in ended)


def test_nothing_ends_before_enough_was_trained_in_full():
    ended = play(Curtailed(RandomSearch(), error_rate=0.05), 300, Problem([minimise("error")]), unmeasured)
    assert min(ended) >= 19
    assert min(play(Curtailed(RandomSearch(), error_rate=0.2), 100, Problem([minimise("error")]), unmeasured)) >= 4


def test_with_two_learned_objectives_nothing_ends():
    problem = Problem([minimise("error"), minimise("macro_f1")])
    algorithm = Curtailed(RandomSearch()).start(SPACE, problem, 0, unmeasured)
    for index in range(60):
        candidate = algorithm.ask(index).under(index)
        algorithm.asked(candidate)
        assert algorithm.progressed(candidate, 10, {"error": 0.99})
        algorithm.tell(candidate, Completed({"error": 0.1, "macro_f1": 0.1}, {"validation_error": (0.1,) * EPOCHS}))


@pytest.mark.slow
def test_it_keeps_the_promises_of_an_algorithm():
    check_algorithm(Curtailed(AgingEvolution(population=8, sample_size=4)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"error_rate": 0}, "Curtailed: error_rate must lie between 0 and 1, not 0"),
        ({"after": 1.5}, "after must lie between 0 and 1"),
        ({"strategy": AgingEvolution}, r"strategy must be a strategy such as NSGA3\(\)"),
    ],
)
def test_settings_that_cannot_be_are_refused(options, words):
    with pytest.raises(ProblemError, match=words):
        Curtailed(**options)


def test_a_strategy_that_decides_itself_how_long_it_trains_is_refused():
    with pytest.raises(ProblemError, match="SuccessiveHalving decides itself how long candidates are trained"):
        Curtailed(SuccessiveHalving()).start(SPACE, Problem([minimise("error", scale=1)]), 0, unmeasured)
