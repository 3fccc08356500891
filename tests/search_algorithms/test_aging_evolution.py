from collections import Counter

import numpy as np
import pytest

from search_algorithms import (
    AgingEvolution,
    Candidate,
    Completed,
    Failed,
    Problem,
    ProblemError,
    Rejected,
    at_least,
    at_most,
    maximise,
    minimise,
)
from search_space import MlpSpace

SPACE = MlpSpace((2, 2, 1), 2)
PROBLEM = Problem([minimise("error"), minimise("macs")], [at_most("error", 0.1, soft=True), at_most("macs", 1000)])


def start(problem=PROBLEM, **settings):
    return AgingEvolution(**{"population": 3, "sample_size": 2, **settings}).start(SPACE, problem, 0, lambda g: {})


def feed(algorithm, number, outcome):
    proposal = algorithm.ask(number)
    candidate = Candidate(number, proposal.genotype, proposal.parents)
    algorithm.asked(candidate)
    algorithm.tell(candidate, outcome)
    return proposal


def completed(error, macs=100.0):
    return Completed({"error": error, "macs": macs})


def test_the_first_population_is_random_and_then_everything_is_a_child_of_the_living():
    algorithm = start()
    for number in range(3):
        assert feed(algorithm, number, completed(0.5)).parents == ()
    for number in range(3, 30):
        (parent,) = feed(algorithm, number, completed(0.5)).parents
        assert number - 3 <= parent < number


def test_rejected_and_failed_candidates_do_not_enter_the_population():
    algorithm = start()
    outcomes = [Rejected({}, "bound"), completed(0.5), Failed("oops", ""), completed(0.5), Rejected({}, "twin")]
    for number, outcome in enumerate(outcomes):
        assert feed(algorithm, number, outcome).parents == ()
    assert feed(algorithm, 5, completed(0.5)).parents == ()
    for number in range(6, 20):
        assert set(algorithm.ask(number).parents) <= {1, 3, 5}


def test_the_first_population_counts_what_is_still_in_flight():
    algorithm = start()
    for number in range(3):
        proposal = algorithm.ask(number)
        algorithm.asked(Candidate(number, proposal.genotype))
    assert algorithm.ask(3).parents == ()  # nobody to mutate yet
    algorithm.tell(Candidate(1, SPACE.sample(np.random.default_rng(0))), completed(0.5))
    assert algorithm.ask(3).parents == (1,)


def test_asking_changes_nothing():
    algorithm = start()
    feed(algorithm, 0, completed(0.5))
    assert algorithm.ask(1) == algorithm.ask(1)


def test_a_candidate_that_is_better_in_everything_is_chosen_whenever_it_is_drawn():
    algorithm = start(sample_size=50)
    for number, outcome in enumerate([completed(0.5, 900), completed(0.05, 10), completed(0.4, 800)]):
        feed(algorithm, number, outcome)
    assert {algorithm.ask(number).parents for number in range(3, 40)} == {(1,)}


def test_random_weights_choose_both_ends_of_a_trade_off():
    algorithm = start(sample_size=50)
    for number, outcome in enumerate([completed(0.02, 900), completed(0.09, 100), completed(0.9, 9000)]):
        feed(algorithm, number, outcome)
    chosen = Counter(algorithm.ask(number).parents[0] for number in range(3, 103))
    assert chosen[0] > 10
    assert chosen[1] > 10
    assert chosen[2] == 0


def test_a_maximised_metric_counts_one_at_its_bound_and_less_above_it():
    problem = Problem([maximise("score")], [at_least("score", 4, soft=True)])
    algorithm = start(problem, sample_size=50)
    for number, score in enumerate([3.0, 5.0, 4.0]):
        feed(algorithm, number, Completed({"score": score}))
    assert {algorithm.ask(number).parents for number in range(3, 20)} == {(1,)}


@pytest.mark.parametrize("settings", [{"population": 0}, {"sample_size": 0}, {"population": 2.5}, {"population": True}])
def test_settings_that_cannot_work_are_refused(settings):
    with pytest.raises(ProblemError, match="AgingEvolution"):
        AgingEvolution(**settings)
