import numpy as np
import pytest
from scipy.stats import spearmanr

from search_algorithms import (
    NSGA3,
    REINFORCE,
    UNKNOWN,
    AgingEvolution,
    Completed,
    Exhausted,
    GridSearch,
    Problem,
    ProblemError,
    RandomSearch,
    Rejected,
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


def test_until_twenty_outcomes_the_child_is_taken_that_computes_most():
    alone = asked(RandomSearch(), 20)
    screened = asked(Screened(RandomSearch(), children=5), 20)
    assert np.mean([known(p.genotype)["macs"] for p in screened]) > 1.5 * np.mean(
        [known(p.genotype)["macs"] for p in alone]
    )


def test_until_twenty_outcomes_the_strategy_asks_as_without_known_metrics():
    alone, screened = (asked(strategy, 30, unmeasured) for strategy in (NSGA3(), Screened(NSGA3())))
    assert [p.genotype for p in screened[:20]] == [p.genotype for p in alone[:20]]
    assert [p.genotype for p in screened[20:]] != [p.genotype for p in alone[20:]]


@pytest.mark.parametrize("measure", [pytest.param(known, marks=pytest.mark.slow), unmeasured])
def test_of_random_candidates_the_screened_have_less_error(measure):
    problem = Problem([minimise("error", scale=0.01), minimise("macs", scale=1e6)])
    for seed in range(3):
        alone, screened = (
            np.mean([made_up(p.genotype)["error"] for p in asked(strategy, 60, measure, problem, seed)[20:]])
            for strategy in (RandomSearch(), Screened(RandomSearch(), children=10))
        )
        assert screened < 0.8 * alone


def test_children_are_looked_for_until_they_are_within_the_hard_bounds_and_new():
    problem = Problem(PROBLEM.objectives, [at_most("macs", 1)])
    proposals = asked(Screened(RandomSearch(), children=4), 60, problem=problem)
    assert np.mean([known(p.genotype)["macs"] <= 1 for p in asked(RandomSearch(), 60)]) < 0.5
    assert all(known(proposal.genotype)["macs"] <= 1 for proposal in proposals)
    assert len({proposal.genotype for proposal in proposals}) == len(proposals)


def test_where_none_is_within_the_hard_bounds_the_search_for_one_soon_costs_no_more_than_without():
    measured = 0

    def count(genotype):
        nonlocal measured
        measured += 1
        return known(genotype)

    problem = Problem(PROBLEM.objectives, [at_most("macs", -1)])
    algorithm = Screened(RandomSearch()).start(SPACE, problem, 0, count)
    for number in range(4000):
        candidate = algorithm.ask(number).under(number)
        algorithm.asked(candidate)
        algorithm.tell(candidate, Rejected(known(candidate.genotype), "macs"))
    assert measured < 10 * 4000
    before = measured
    algorithm.ask(4000)
    assert measured <= before + 1


class Recording:
    """Random search that remembers what it is to believe of each candidate."""

    def __init__(self, errors):
        self.errors = errors

    def start(self, space, problem, seed, measure):
        self.search = RandomSearch().start(space, problem, seed, measure)
        self.ask, self.asked = self.search.ask, self.search.asked
        return self

    def tell(self, candidate, outcome):
        self.errors[candidate.number] = outcome.metrics["error"]

    def revise(self, metrics):
        self.errors.update({number: known["error"] for number, known in metrics.items()})


@pytest.mark.slow
def test_a_strategy_gets_errors_that_scatter_less_if_trainings_report_their_losses():
    true, observed, believed = {}, {}, {}
    algorithm = Screened(Recording(believed), children=2).start(SPACE, PROBLEM, 0, known)
    for number in range(150):
        candidate = algorithm.ask(number).under(number)
        algorithm.asked(candidate)
        metrics = made_up(candidate.genotype)
        true[number] = metrics["error"]
        observed[number] = metrics["error"] + np.random.default_rng(number).normal(0, 0.1)
        curves = {"validation_loss": (9.0, 2 * metrics["error"])}
        algorithm.tell(candidate, Completed({**metrics, "error": observed[number]}, curves))
    agreement = [spearmanr([*errors.values()], [*true.values()]).statistic for errors in (observed, believed)]
    assert list(believed) == list(observed)
    assert agreement[1] > agreement[0] + 0.1


def test_a_strategy_is_started_once_and_told_each_outcome_once_and_gets_measured_errors_if_it_cannot_revise_them():
    class Counting(RandomSearch):
        starts, told = 0, []

        def start(self, space, problem, seed, measure):
            Counting.starts += 1
            search = RandomSearch().start(space, problem, seed, measure)

            class Told:
                ask, asked = search.ask, search.asked

                def tell(self, candidate, outcome):
                    Counting.told.append((candidate.number, outcome.metrics))

            return Told()

    algorithm = Screened(Counting(), children=2).start(SPACE, PROBLEM, 0, known)
    outcomes = []
    for number in range(50):
        candidate = algorithm.ask(number).under(number)
        algorithm.asked(candidate)
        outcomes.append((number, made_up(candidate.genotype)))
        algorithm.tell(candidate, Completed(outcomes[-1][1], {"validation_loss": (9.0, 1.0 + number)}))
    assert Counting.starts == 1
    assert Counting.told == outcomes


def test_a_strategy_gets_the_measured_errors_if_trainings_report_no_losses():
    believed = {}
    proposals = asked(Screened(Recording(believed), children=2), 60)
    assert [*believed.values()] == [made_up(proposal.genotype)["error"] for proposal in proposals]


def test_a_problem_that_is_known_before_training_needs_no_surrogate():
    proposals = asked(Screened(RandomSearch(), children=10), 60, problem=Problem([minimise("macs")]))
    assert np.mean([made_up(proposal.genotype)["macs"] for proposal in proposals[20:]]) < 10


def test_a_strategy_that_walks_a_grid_walks_it_on():
    assert [p.genotype for p in asked(Screened(GridSearch()), 40)] == [p.genotype for p in asked(GridSearch(), 40)]


def test_a_strategy_that_finds_no_further_child_ends_nothing():
    """Local search has nothing left to ask now and then, under one number and not under another."""
    proposals = asked(Screened(SometimesExhausted(), children=4), 30)
    assert len(proposals) == 30


class SometimesExhausted:
    def start(self, space, problem, seed, measure):
        self.search = RandomSearch().start(space, problem, seed, measure)
        self.asked, self.tell = self.search.asked, self.search.tell
        return self

    def ask(self, number):
        if number >= 30:
            raise Exhausted("nothing new")
        return self.search.ask(number)


def test_what_continues_candidates_is_refused_and_may_stand_outside():
    with pytest.raises(ProblemError, match=r"put Screened\(\.\.\.\) inside"):
        Screened(SuccessiveHalving()).start(SPACE, PROBLEM, 0, known)
    SuccessiveHalving(Screened(AgingEvolution())).start(SPACE, PROBLEM, 0, known)


def test_losses_of_other_epochs_are_not_compared():
    observed, believed = {}, {}
    algorithm = SuccessiveHalving(Screened(Recording(believed), children=2), epochs=4).start(SPACE, PROBLEM, 0, known)
    for number in range(40):
        candidate = algorithm.ask(number).under(number)
        algorithm.asked(candidate)
        observed[number] = made_up(candidate.genotype)["error"]
        algorithm.tell(candidate, Completed(made_up(candidate.genotype), {"validation_loss": (1.0, float(number))}))
    assert believed == observed


def test_a_network_that_a_device_refuses_is_never_taken_before_another():
    def refused(genotype):
        return {**known(genotype), "latency_ms": UNKNOWN if known(genotype)["macs"] > 9 else 1.0}

    proposals = asked(Screened(RandomSearch(), children=4), 40, refused)
    assert all(known(proposal.genotype)["macs"] <= 9 for proposal in proposals)


@pytest.mark.parametrize(
    "settings",
    [
        {"children": 1},
        {"children": 2.0},
        {"strategy": NSGA3},
        {"strategy": "NSGA3"},
        {"strategy": REINFORCE()},
        {"strategy": Screened()},
    ],
)
def test_settings_without_sense_are_refused(settings):
    with pytest.raises(ProblemError, match="Screened"):
        Screened(**settings)
