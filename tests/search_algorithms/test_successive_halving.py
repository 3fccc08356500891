from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_algorithms import (
    Candidate,
    Completed,
    Exhausted,
    Failed,
    GridSearch,
    Problem,
    ProblemError,
    RandomSearch,
    Rejected,
    SuccessiveHalving,
    at_most,
    minimise,
)
from search_space import MlpSpace
from tests.pretend import unmeasured

SPACE = MlpSpace((2, 2, 1), 2)
PROBLEM = Problem([minimise("error")], [at_most("error", 0.9), at_most("macs", 50, soft=True)])


def start(problem=PROBLEM, strategy=None, **settings):
    settings = {"strategy": strategy or RandomSearch(), "epochs": 9, "least_epochs": 1, **settings}
    return SuccessiveHalving(**settings).start(SPACE, problem, 0, unmeasured)


def take(algorithm, number):
    candidate = algorithm.ask(number).under(number)
    algorithm.asked(candidate)
    return candidate


def feed(algorithm, number, error, **metrics):
    candidate = take(algorithm, number)
    algorithm.tell(candidate, Completed({"error": error, "macs": 10.0, **metrics}))
    return candidate


@given(epochs=st.integers(1, 300), least=st.integers(1, 20), reduction=st.integers(2, 5))
def test_the_rungs_add_up_to_all_epochs_and_each_is_at_least_a_reduction_apart(epochs, least, reduction):
    least = min(least, epochs)
    rungs = SuccessiveHalving(epochs=epochs, least_epochs=least, reduction=reduction).rung_epochs
    totals = np.cumsum(rungs)
    assert totals[-1] == epochs
    assert least <= totals[0] < least * reduction or len(rungs) == 1
    assert all(above >= reduction * below for below, above in pairwise(totals))


def test_the_best_of_three_goes_on_from_its_weights_and_the_best_of_three_of_those_to_the_top():
    algorithm = start()
    errors = iter([0.5, 0.3, 0.4, 0.2, 0.6, 0.7, 0.15, 0.8, 0.85, 0.25, 0.05, 0.1, 0.04])
    asked = [feed(algorithm, number, error) for number, error in enumerate(errors)]
    assert [candidate.epochs for candidate in asked] == [1, 1, 1, 2, 1, 1, 1, 2, 1, 1, 1, 2, 6]
    assert {c.number: c.continues for c in asked if c.continues is not None} == {3: 1, 7: 6, 11: 10, 12: 11}
    for candidate in asked:
        if candidate.continues is not None:
            assert candidate.genotype == asked[candidate.continues].genotype
            assert candidate.parents == (candidate.continues,)


def test_whatever_the_errors_one_in_three_of_a_rung_goes_on_and_none_twice():
    rng = np.random.default_rng(0)
    algorithm = start(epochs=27)
    asked = [feed(algorithm, number, rng.random() * 0.9) for number in range(400)]
    by_epochs = Counter(candidate.epochs for candidate in asked)
    for below, above in ((1, 2), (2, 6), (6, 18)):
        assert by_epochs[below] // 3 - 1 <= by_epochs[above] <= by_epochs[below] // 3
    continued = [candidate.continues for candidate in asked if candidate.continues is not None]
    assert len(set(continued)) == len(continued)
    assert all(asked[number].epochs < 18 for number in continued)


def test_a_candidate_within_the_hard_bounds_goes_before_one_beyond_and_soft_bounds_settle_a_draw():
    algorithm = start(Problem([minimise("a"), minimise("b")], PROBLEM.constraints))
    for number, (error, a, b, macs) in enumerate([(0.95, 0, 0, 1), (0.5, 1, 2, 99), (0.5, 2, 1, 70)]):
        feed(algorithm, number, error, a=a, b=b, macs=macs)
    assert algorithm.ask(3).continues == 2


def test_no_worker_waits_for_a_rung_and_what_is_being_continued_is_not_continued_twice():
    algorithm = start()
    begun = [take(algorithm, number) for number in range(10)]
    assert {candidate.epochs for candidate in begun} == {1}
    for candidate in begun[:6]:
        algorithm.tell(candidate, Completed({"error": 0.1 * candidate.number, "macs": 1.0}))
    assert [take(algorithm, number).continues for number in (10, 11, 12)] == [0, 1, None]


def test_failures_and_rejections_fill_no_rung():
    algorithm = start()
    for number in range(30):
        algorithm.tell(take(algorithm, number), Failed("x", "") if number % 2 else Rejected({}, ""))
    assert algorithm.ask(30).continues is None
    assert not algorithm.continuable()


def test_what_may_be_continued_is_of_bounded_number_and_holds_the_best():
    rng = np.random.default_rng(1)
    algorithm = start(reduction=5, epochs=25)
    unpromoted = {}
    for number in range(500):
        before = set(algorithm.continuable())
        candidate = take(algorithm, number)
        assert candidate.continues is None or candidate.continues in before
        assert candidate.continues not in algorithm.continuable()
        unpromoted.pop(candidate.continues, None)
        error = rng.random() * 0.9
        if candidate.epochs < 20:
            unpromoted[number] = error
        algorithm.tell(candidate, Completed({"error": error, "macs": 1.0}))
        assert 1 <= len(algorithm.continuable()) <= 60 or number < 1
        assert min(unpromoted, key=unpromoted.get, default=number) in algorithm.continuable()
    assert len(unpromoted) > 100


def test_a_given_genotype_is_trained_in_full_and_not_continued():
    algorithm = start()
    for number in range(3):
        candidate = Candidate(number, SPACE.sample(np.random.default_rng(number)))
        algorithm.asked(candidate)
        algorithm.tell(candidate, Completed({"error": 0.1, "macs": 1.0}))
    assert algorithm.ask(3).continues is None


def test_when_the_strategy_is_exhausted_what_waits_still_goes_on():
    tiny = MlpSpace((2, 2, 1), 2, max_layers=1, max_units=12)  # three networks
    algorithm = SuccessiveHalving(GridSearch(), epochs=9).start(tiny, PROBLEM, 0, unmeasured)
    begun = [take(algorithm, number) for number in range(3)]
    with pytest.raises(Exhausted):
        algorithm.ask(3)
    for candidate in begun:
        algorithm.tell(candidate, Completed({"error": 0.5, "macs": 1.0}))
    assert algorithm.ask(3).continues == 2


@pytest.mark.parametrize(
    "settings",
    [{"strategy": RandomSearch}, {"strategy": "random"}, {"least_epochs": 0}, {"epochs": 1}, {"reduction": 1.5}],
)
def test_settings_that_cannot_work_are_refused(settings):
    with pytest.raises(ProblemError, match=f"SuccessiveHalving: {next(iter(settings))}"):
        SuccessiveHalving(**settings)
