import numpy as np
import pytest

from search_algorithms import (
    NSGA3,
    AgingEvolution,
    Candidate,
    Completed,
    Exhausted,
    Failed,
    LocalSearch,
    Problem,
    Rejected,
    at_most,
    minimise,
)
from search_algorithms.search_archive import Archive
from tests.pretend import unmeasured
from tests.search_algorithms.cells import SPACE, made_up

PROBLEM = Problem([minimise("error", scale=1.0), minimise("macs", scale=1.0)], [at_most("macs", 100)])


def filled(*rows):
    archive = Archive(PROBLEM)
    for number, (error, macs) in enumerate(rows):
        archive.asked(Candidate(number, f"network {number}"))
        archive.tell(Candidate(number, f"network {number}"), Completed({"error": error, "macs": macs}))
    return archive


def test_the_front_holds_what_is_within_the_hard_bounds_and_not_dominated():
    archive = filled((0.5, 50), (0.4, 60), (0.6, 70), (0.1, 200), (0.3, 50))
    assert archive.front.items == [4]
    assert archive.behind == [2, 3, 0, 1]
    assert [entry.violation for entry in archive.entries] == [0, 0, 0, 1.0, 0]
    assert archive.since_gain == 0


def test_what_failed_was_rejected_or_has_no_finite_metrics_is_known_but_no_entry():
    archive = Archive(PROBLEM)
    outcomes = [Failed("x", "y"), Rejected({}, "z"), Completed({"error": np.nan, "macs": 1.0}), Rejected({}, "z")]
    for number, outcome in enumerate(outcomes):
        archive.asked(Candidate(number, number))
        assert archive.begun == 1
        assert not archive.tell(Candidate(number, number), outcome)
    assert archive.genotypes == {0, 1, 2, 3}
    assert (archive.entries, archive.begun, archive.rejections, archive.in_flight) == ([], 0, 1, {})


def test_a_genotype_is_changed_until_it_is_new_or_the_tries_are_spent():
    archive = filled((0.5, 50), (0.4, 60))
    assert archive.fresh("network 0", lambda genotype: genotype + "!", 5) == "network 0!"
    assert archive.fresh("network 0", lambda genotype: "network 1", 5) == "network 1"


def test_a_space_of_which_all_was_asked_is_exhausted():
    class One:
        def sample(self, rng):
            return "network 0"

    with pytest.raises(Exhausted, match="100 random networks"):
        filled((0.5, 50)).sample(One(), np.random.default_rng(0))


def test_a_revised_archive_is_that_of_the_revised_metrics():
    revised = filled((0.5, 50), (0.4, 60), (0.6, 70))
    revised.revise({0: {"error": 0.1, "macs": 50.0}, 2: {"error": 0.05, "macs": 70.0}})
    fresh = filled((0.1, 50), (0.4, 60), (0.05, 70))
    assert revised.front.items == fresh.front.items == [0, 2]
    assert revised.behind == fresh.behind
    assert [entry.metrics for entry in revised.entries] == [entry.metrics for entry in fresh.entries]


@pytest.mark.parametrize("strategy", [AgingEvolution(population=8), LocalSearch(), NSGA3(population=10)])
def test_a_strategy_that_is_revised_asks_as_if_it_had_always_known(strategy):
    """Up to the size of its population; above that NSGA-III has a choice of all that completed."""
    late, early = (strategy.start(SPACE, PROBLEM, 0, unmeasured) for _ in range(2))
    rng = np.random.default_rng(0)
    better = {}
    for number in range(10):
        candidate = Candidate(number, SPACE.sample(rng))
        truth = made_up(candidate.genotype)
        for algorithm, metrics in ((late, {**truth, "error": rng.random()}), (early, truth)):
            algorithm.asked(candidate)
            algorithm.tell(candidate, Completed(metrics))
        better[number] = truth
    assert [late.ask(n) for n in range(20, 40)] != [early.ask(n) for n in range(20, 40)]
    late.revise(better)
    assert [late.ask(n) for n in range(20, 40)] == [early.ask(n) for n in range(20, 40)]
