import numpy as np
import pytest

from search_algorithms import (
    Candidate,
    Completed,
    Exhausted,
    LocalSearch,
    Problem,
    ProblemError,
    Rejected,
    at_most,
    minimise,
)
from search_space import MlpSpace
from tests.pretend import unmeasured

SPACE = MlpSpace((2, 2, 1), 2, max_layers=2, max_units=40)
PROBLEM = Problem([minimise("error"), minimise("macs")], [at_most("error", 0.5)])


def start(space=SPACE, founders=3):
    return LocalSearch(founders).start(space, PROBLEM, 0, unmeasured)


def feed(algorithm, number, error, macs=1.0):
    proposal = algorithm.ask(number)
    candidate = Candidate(number, proposal.genotype, proposal.parents)
    algorithm.asked(candidate)
    algorithm.tell(candidate, Completed({"error": error, "macs": macs}))
    return candidate


def test_after_the_founders_every_candidate_is_an_unknown_neighbour_of_the_front():
    algorithm = start()
    founders = [feed(algorithm, number, 0.1 + 0.1 * number, 3.0 - number) for number in range(3)]
    assert [founder.parents for founder in founders] == [()] * 3
    feed(algorithm, 3, 0.05, 0.5)
    children = [feed(algorithm, number, 0.4, 9.0) for number in range(4, 8)]
    assert {child.parents for child in children} == {(3,)}
    genotypes = [child.genotype for child in children]
    assert len(set(genotypes)) == len(genotypes)


def test_what_breaks_a_bound_is_no_centre():
    algorithm = start(founders=2)
    feed(algorithm, 0, 0.4)
    feed(algorithm, 1, 0.6, 0.1)
    assert {algorithm.ask(number).parents for number in range(2, 20)} == {(0,)}


def test_rejected_candidates_are_no_founders():
    algorithm = start(founders=2)
    for number in range(5):
        proposal = algorithm.ask(number)
        assert proposal.parents == ()
        algorithm.asked(Candidate(number, proposal.genotype))
        algorithm.tell(Candidate(number, proposal.genotype), Rejected({}, ""))
    feed(algorithm, 5, 0.1)
    assert algorithm.ask(6).parents == ()


def test_where_all_neighbours_are_known_it_starts_afresh_and_at_last_gives_up():
    space = MlpSpace((2, 2, 1), 2, max_layers=1, max_units=30)
    algorithm = start(space)
    asked = set()
    with pytest.raises(Exhausted, match="proposed before"):
        for number in range(100):
            asked.add(feed(algorithm, number, 0.1 if number == 0 else 0.4).genotype)
    assert len(asked) == 21


def test_every_member_of_the_front_has_its_turn():
    algorithm = start()
    for number in range(3):
        feed(algorithm, number, 0.1 + 0.1 * number, 3.0 - number)
    assert {algorithm.ask(number).parents for number in range(3, 60)} == {(0,), (1,), (2,)}


@pytest.mark.parametrize("founders", [0, 2.5, True, np.inf])
def test_settings_that_cannot_work_are_refused(founders):
    with pytest.raises(ProblemError, match="LocalSearch: founders"):
        LocalSearch(founders)
