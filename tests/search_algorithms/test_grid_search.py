from dataclasses import dataclass

import pytest

from search_algorithms import Candidate, Exhausted, GridSearch, Problem, minimise
from search_space import MlpSpace
from search_space.head import Hidden
from search_space.mlp import Mlp
from tests.pretend import unmeasured

PROBLEM = Problem([minimise("error")])
SPACE = MlpSpace((2, 2, 1), 2, max_layers=1, max_units=30)
ALL = {Mlp((Hidden(units),)) for units in range(10, 31)}


@dataclass(frozen=True, slots=True)
class Listed(MlpSpace):
    def __iter__(self):
        return iter(sorted(ALL, key=lambda genotype: genotype.hidden[0].units))


def walk(algorithm):
    candidates = []
    with pytest.raises(Exhausted, match=f"all {len(ALL)} genotypes of the grid were proposed"):
        for number in range(100):
            proposal = algorithm.ask(number)
            candidates.append(Candidate(number, proposal.genotype, proposal.parents))
            algorithm.asked(candidates[-1])
    return candidates


def test_every_genotype_is_asked_once_from_neighbour_to_neighbour():
    candidates = walk(GridSearch().start(SPACE, PROBLEM, 0, unmeasured))
    assert {candidate.genotype for candidate in candidates} == ALL
    assert len(candidates) == len(ALL)
    assert candidates[0].parents == ()
    for candidate in candidates[1:]:
        (parent,) = candidate.parents
        units = candidate.genotype.hidden[0].units
        assert abs(units - candidates[parent].genotype.hidden[0].units) in (1, 5)


def test_a_space_that_lists_its_genotypes_is_walked_in_its_own_order():
    candidates = walk(GridSearch().start(Listed((2, 2, 1), 2, 1, 30), PROBLEM, 0, unmeasured))
    assert [candidate.genotype.hidden[0].units for candidate in candidates] == list(range(10, 31))


def test_a_genotype_that_was_given_is_not_asked_again():
    algorithm = GridSearch().start(SPACE, PROBLEM, 0, unmeasured)
    given = algorithm.ask(5).genotype
    algorithm.asked(Candidate(0, given))
    asked = [given]
    for number in range(1, len(ALL)):
        asked.append(algorithm.ask(number).genotype)
        algorithm.asked(Candidate(number, asked[-1]))
    assert set(asked) == ALL
