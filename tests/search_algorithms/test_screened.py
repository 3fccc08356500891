import numpy as np
import pytest

from search_algorithms import (
    NSGA3,
    AgingEvolution,
    GridSearch,
    Problem,
    ProblemError,
    RandomSearch,
    Screened,
    SuccessiveHalving,
    at_most,
    minimise,
)
from tests.pretend import unmeasured
from tests.search_algorithms.cells import SPACE, made_up, played

PROBLEM = Problem([minimise("error", scale=1.0), minimise("macs", scale=100.0)])


def known(genotype):
    return {"macs": made_up(genotype)["macs"]}


def asked(strategy, asks, measure=known, problem=PROBLEM, seed=0):
    return played(strategy.start(SPACE, problem, seed, measure), asks)


def test_until_twenty_are_told_the_strategy_asks_for_what_it_would_ask_for():
    alone, screened = (asked(strategy, 30) for strategy in (NSGA3(), Screened(NSGA3())))
    assert [p.genotype for p in screened[:20]] == [p.genotype for p in alone[:20]]
    assert [p.genotype for p in screened[20:]] != [p.genotype for p in alone[20:]]


@pytest.mark.parametrize("measure", [known, unmeasured])
def test_of_random_candidates_the_screened_have_less_error(measure):
    problem = Problem([minimise("error", scale=0.01), minimise("macs", scale=1e6)])
    for seed in range(3):
        alone, screened = (
            np.mean([made_up(p.genotype)["error"] for p in asked(strategy, 60, measure, problem, seed)[20:]])
            for strategy in (RandomSearch(), Screened(RandomSearch(), children=10))
        )
        assert screened < 0.8 * alone


def test_of_several_children_none_is_asked_for_that_breaks_a_hard_bound_or_is_known():
    problem = Problem(PROBLEM.objectives, [at_most("macs", 30)])
    proposals = asked(Screened(RandomSearch(), children=20), 80, problem=problem)[20:]
    assert all(made_up(proposal.genotype)["macs"] <= 30 for proposal in proposals)
    assert len({proposal.genotype for proposal in proposals}) == len(proposals)


def test_a_problem_that_is_known_before_training_needs_no_surrogate():
    proposals = asked(Screened(RandomSearch(), children=10), 60, problem=Problem([minimise("macs")]))
    assert np.mean([made_up(proposal.genotype)["macs"] for proposal in proposals[20:]]) < 10


def test_a_strategy_that_walks_a_grid_walks_it_on():
    assert [p.genotype for p in asked(Screened(GridSearch()), 40)] == [p.genotype for p in asked(GridSearch(), 40)]


def test_what_continues_candidates_is_refused_and_may_stand_outside():
    with pytest.raises(ProblemError, match=r"put Screened\(\.\.\.\) inside"):
        Screened(SuccessiveHalving()).start(SPACE, PROBLEM, 0, known)
    SuccessiveHalving(Screened(AgingEvolution())).start(SPACE, PROBLEM, 0, known)


@pytest.mark.parametrize("settings", [{"children": 1}, {"children": 2.0}, {"strategy": NSGA3}, {"strategy": "NSGA3"}])
def test_settings_without_sense_are_refused(settings):
    with pytest.raises(ProblemError, match="Screened"):
        Screened(**settings)
