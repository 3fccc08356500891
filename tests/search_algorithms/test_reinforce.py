from collections import Counter

import numpy as np
import pytest

from search_algorithms import REINFORCE, Candidate, Completed, Problem, ProblemError, Rejected, minimise
from search_algorithms.reinforce import _Policy
from search_space import CnnSpace, MlpSpace
from tests.pretend import unmeasured

SPACE = MlpSpace((2, 2, 1), 2, max_layers=4, max_units=100)
PROBLEM = Problem([minimise("units", scale=100)])


def play(algorithm, asks, outcome):
    genotypes = []
    for number in range(asks):
        proposal = algorithm.ask(number)
        candidate = Candidate(number, proposal.genotype, proposal.parents)
        algorithm.asked(candidate)
        algorithm.tell(candidate, outcome(candidate.genotype))
        genotypes.append(candidate.genotype)
    return genotypes


def units(genotype):
    return float(sum(layer.units for layer in genotype.hidden))


def test_the_controller_learns_what_is_rewarded():
    algorithm = REINFORCE().start(SPACE, PROBLEM, 0, unmeasured)
    genotypes = play(algorithm, 600, lambda genotype: Completed({"units": units(genotype)}))
    early, late = np.mean([units(g) for g in genotypes[:100]]), np.mean([units(g) for g in genotypes[-100:]])
    assert late < 0.5 * early


def test_the_controller_learns_to_keep_bounds():
    def outcome(genotype):
        return Rejected({}, "deep") if len(genotype.hidden) > 2 else Completed({"units": 1.0})

    genotypes = play(REINFORCE().start(SPACE, PROBLEM, 0, unmeasured), 400, outcome)
    early, late = (sum(len(g.hidden) > 2 for g in part) for part in (genotypes[:100], genotypes[-100:]))
    assert late < 0.5 * early


def test_before_it_learned_anything_the_policy_samples_as_the_space_does():
    learned = [SPACE.sample(_Policy(np.random.default_rng([1, i]), {})) for i in range(2000)]
    plain = [SPACE.sample(np.random.default_rng([2, i])) for i in range(2000)]
    for what in (lambda g: len(g.hidden), lambda g: g.hidden[0].units // 20):
        a, b = Counter(map(what, learned)), Counter(map(what, plain))
        assert a.keys() == b.keys()
        assert all(abs(a[key] - b[key]) < 150 for key in a)


def test_every_number_of_a_range_can_be_drawn_and_no_other():
    for low, high in [(0, 1), (3, 8), (0, 16), (-5, 40)]:
        policy = _Policy(np.random.default_rng(0), {})
        assert {policy.integers(low, high) for _ in range(2000)} == set(range(low, high))
    assert policy.integers(1) == 0
    assert policy.integers(5, size=3).shape == policy.random(3).shape == (3,)


def test_a_genotype_that_was_given_teaches_nothing():
    algorithm = REINFORCE().start(SPACE, PROBLEM, 0, unmeasured)
    before = algorithm.ask(5)
    given = Candidate(0, SPACE.sample(np.random.default_rng(99)))
    algorithm.asked(given)
    algorithm.tell(given, Rejected({}, ""))
    assert algorithm.ask(5) == before


def test_a_space_of_many_parts_can_be_learned_too():
    space = CnnSpace((16, 16, 1), 10)
    problem = Problem([minimise("blocks", scale=10)])
    algorithm = REINFORCE().start(space, problem, 0, unmeasured)
    genotypes = play(algorithm, 300, lambda genotype: Completed({"blocks": float(len(genotype.blocks))}))
    early, late = (np.mean([len(g.blocks) for g in part]) for part in (genotypes[:60], genotypes[-60:]))
    assert late < early - 1


@pytest.mark.parametrize("settings", [{"learning_rate": 0}, {"memory": 1}, {"learning_rate": "fast"}, {"memory": True}])
def test_settings_that_cannot_work_are_refused(settings):
    with pytest.raises(ProblemError, match="REINFORCE"):
        REINFORCE(**settings)
