import numpy as np
import pytest

from search_algorithms import (
    NSGA3,
    AgingEvolution,
    Candidate,
    Completed,
    GridSearch,
    Problem,
    ProblemError,
    RandomSearch,
    Screened,
    SuccessiveHalving,
    at_most,
    minimise,
)
from search_space import NasBench201Space

SPACE = NasBench201Space((8, 8, 3), 10, cells=1)
PROBLEM = Problem([minimise("error", scale=1.0), minimise("macs", scale=100.0)])


def made_up(genotype):
    """More convolutions, less error."""
    row = SPACE.encode(genotype)
    big, small = row[52:58].sum(), row[46:52].sum()
    return {"error": 1 / (1 + 2 * big + small), "macs": float(9 * big + small)}


def known(genotype):
    return {"macs": made_up(genotype)["macs"]}


def played(strategy, asks, measure=known, problem=PROBLEM, seed=0):
    algorithm = strategy.start(SPACE, problem, seed, measure)
    asked = []
    for number in range(asks):
        proposal = algorithm.ask(number)
        candidate = Candidate(number, proposal.genotype, proposal.parents)
        algorithm.asked(candidate)
        algorithm.tell(candidate, Completed(made_up(proposal.genotype)))
        asked.append(proposal)
    return asked


def test_until_twenty_are_told_the_strategy_asks_for_what_it_would_ask_for():
    alone, screened = (played(strategy, 30) for strategy in (NSGA3(), Screened(NSGA3())))
    assert [p.genotype for p in screened[:20]] == [p.genotype for p in alone[:20]]
    assert [p.genotype for p in screened[20:]] != [p.genotype for p in alone[20:]]


@pytest.mark.parametrize("measure", [known, lambda genotype: {}, None])
def test_of_random_candidates_the_screened_have_less_error(measure):
    problem = Problem([minimise("error", scale=0.01), minimise("macs", scale=1e6)])
    for seed in range(3):
        alone, screened = (
            np.mean([made_up(p.genotype)["error"] for p in played(strategy, 60, measure, problem, seed)[20:]])
            for strategy in (RandomSearch(), Screened(RandomSearch(), children=10))
        )
        assert screened < 0.8 * alone


def test_of_several_children_none_is_asked_for_that_breaks_a_hard_bound_or_is_known():
    problem = Problem(PROBLEM.objectives, [at_most("macs", 30)])
    asked = played(Screened(RandomSearch(), children=20), 80, problem=problem)[20:]
    assert all(made_up(proposal.genotype)["macs"] <= 30 for proposal in asked)
    assert len({proposal.genotype for proposal in asked}) == len(asked)


def test_a_problem_that_is_known_before_training_needs_no_surrogate():
    asked = played(Screened(RandomSearch(), children=10), 60, problem=Problem([minimise("macs")]))
    assert np.mean([made_up(proposal.genotype)["macs"] for proposal in asked[20:]]) < 10


def test_a_strategy_that_walks_a_grid_walks_it_on():
    assert [p.genotype for p in played(Screened(GridSearch()), 40)] == [p.genotype for p in played(GridSearch(), 40)]


def test_what_continues_candidates_is_refused_and_may_stand_outside():
    with pytest.raises(ProblemError, match=r"put Screened\(\.\.\.\) inside"):
        Screened(SuccessiveHalving()).start(SPACE, PROBLEM, 0, known)
    SuccessiveHalving(Screened(AgingEvolution())).start(SPACE, PROBLEM, 0, known)


@pytest.mark.parametrize("settings", [{"children": 1}, {"children": 2.0}, {"strategy": NSGA3}, {"strategy": "NSGA3"}])
def test_settings_without_sense_are_refused(settings):
    with pytest.raises(ProblemError, match="Screened"):
        Screened(**settings)
