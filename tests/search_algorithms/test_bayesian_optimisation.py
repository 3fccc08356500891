import math
from dataclasses import dataclass

import numpy as np
import pytest

from edgevolve.graph import Dense, GraphBuilder
from search_algorithms import (
    BayesianOptimisation,
    Candidate,
    Completed,
    Exhausted,
    Failed,
    Problem,
    ProblemError,
    RandomSearch,
    Rejected,
    at_most,
    minimise,
    target,
)
from search_algorithms.surrogate import Evidence, Thompson
from search_space import MlpSpace
from tests.pretend import unmeasured


@dataclass(frozen=True)
class Plane:
    """Points of a grid of 40 × 40; neighbours are one step away. Two columns of the encoding say nothing."""

    side: int = 40
    input_shape = (1,)
    classes = 2

    def sample(self, rng):
        return tuple(rng.integers(0, self.side, 2).tolist())

    def neighbours(self, genotype, rng):
        for i in (0, 1):
            for step in (-1, 1):
                moved = list(genotype)
                moved[i] += step
                if 0 <= moved[i] < self.side:
                    yield tuple(moved)

    def encode(self, genotype):
        return np.array([*genotype, 0.0, math.nan]) / self.side

    def difference(self, before, after):
        return f"{before} → {after}"

    def graph(self, genotype):
        net = GraphBuilder()
        return net.build(net.add(Dense(1 + genotype[0]), net.input((1, 1))))


SPACE = Plane()
BOWL = Problem([minimise("height")])


def bowl(point):
    x, y = point
    return {"height": ((x - 27) / 40) ** 2 + ((y - 11) / 40) ** 2}


def played(algorithm, evaluations, outcome):
    """One after another; the genotypes and what came of them."""
    history = []
    for number in range(evaluations):
        proposal = algorithm.ask(number)
        candidate = Candidate(number, proposal.genotype, proposal.parents)
        algorithm.asked(candidate)
        observed = outcome(proposal.genotype)
        algorithm.tell(candidate, observed if isinstance(observed, Failed | Rejected) else Completed(observed))
        history.append((proposal, observed))
    return history


def in_flight(algorithm, numbers):
    genotypes = []
    for number in numbers:
        proposal = algorithm.ask(number)
        algorithm.asked(Candidate(number, proposal.genotype, proposal.parents))
        genotypes.append(proposal.genotype)
    return genotypes


def start(problem=BOWL, seed=0, measure=unmeasured, space=SPACE, **settings):
    return BayesianOptimisation(**{"founders": 6, **settings}).start(space, problem, seed, measure)


def test_the_lowest_of_1600_points_of_a_bowl_is_found_in_30_where_random_search_stays_far():
    ours = [min(observed["height"] for _, observed in played(start(seed=seed), 30, bowl)) for seed in range(5)]
    random = [
        min(observed["height"] for _, observed in played(RandomSearch().start(SPACE, BOWL, seed, unmeasured), 30, bowl))
        for seed in range(5)
    ]
    assert ours == [0.0] * 5
    assert min(random) > 0


def test_two_objectives_are_traded_off_along_the_whole_front():
    problem = Problem([minimise("left"), minimise("right")])

    def ends(point):
        return {"left": math.dist(point, (5, 20)) / 40, "right": math.dist(point, (35, 20)) / 40}

    late = [proposal.genotype for proposal, _ in played(start(problem), 60, ends)[30:]]
    off_the_line = [abs(y - 20) for _, y in late]
    assert np.median(off_the_line) <= 2
    assert min(x for x, _ in late) < 15 and max(x for x, _ in late) > 25


def test_nothing_is_asked_twice_whether_ended_or_in_flight():
    algorithm = start(founders=10)
    genotypes = [proposal.genotype for proposal, _ in played(algorithm, 40, bowl)]
    genotypes += in_flight(algorithm, range(40, 60))
    assert len(set(genotypes)) == 60


def test_what_is_in_flight_spreads_what_is_asked():
    """Against the same asks by an algorithm to which nothing is in flight."""

    def nearest(points):
        return np.mean([min(math.dist(a, b) for j, b in enumerate(points) if j != i) for i, a in enumerate(points)])

    spread, crowded = [], []
    for seed in range(5):
        algorithm, forgetful = start(seed=seed), start(seed=seed)
        played(algorithm, 12, bowl)
        played(forgetful, 12, bowl)
        spread.append(nearest(in_flight(algorithm, range(12, 22))))
        crowded.append(nearest([forgetful.ask(number).genotype for number in range(12, 22)]))
    assert np.mean(spread) > 3 * np.mean(crowded)


def evidence(seen, values, waiting=()):
    """One metric, which is the objective."""
    column = np.array(values)[:, None]
    waiting = np.array(waiting, dtype=float).reshape(len(waiting), np.shape(seen)[1])
    return Evidence(np.array(seen), column, column, column, waiting)


def test_a_candidate_in_flight_counts_as_the_mean_of_the_outcomes():
    seen, values = np.array([[0.0], [0.1], [1.0], [1.1]]), [0.0, 0.0, 4.0, 4.0]
    surrogate = Thompson().fit(evidence(seen, values))
    free, busy = (surrogate.predict(np.array([[1.05]]), evidence(seen, values, at)) for at in ([], [[1.05]] * 20))
    assert free.mean[0, 0] == pytest.approx(4.0, abs=0.1)
    assert 2.0 < busy.mean[0, 0] < 3.0


def test_failed_and_rejected_candidates_do_not_count_as_founders():
    def half_fail(point):
        return bowl(point) if sum(point) % 2 else Failed("x", "y") if point[0] % 2 else Rejected({}, "z")

    history = played(start(), 60, half_fail)
    completed = np.cumsum([isinstance(observed, dict) for _, observed in history])
    begins = int(np.argmax(completed == 6)) + 1
    assert all(proposal.change == "random" for proposal, _ in history[:begins])
    assert all(proposal.change != "random" for proposal, _ in history[begins:])


@pytest.mark.parametrize("worthless", [math.nan, math.inf])
def test_costs_that_are_no_numbers_do_not_enter(worthless):
    def holed(point):
        return {"height": worthless} if sum(point) % 3 == 0 else bowl(point)

    history = played(start(), 40, holed)
    assert min(observed["height"] for _, observed in history) < 0.01


def test_a_metric_that_never_changes_is_no_trouble():
    problem = Problem([minimise("height"), minimise("same")])
    history = played(start(problem), 30, lambda point: {**bowl(point), "same": 3.0})
    assert min(observed["height"] for _, observed in history) < 0.01


def test_a_target_is_met():
    history = played(start(Problem([target("height", 0.2)])), 40, bowl)
    assert min(abs(observed["height"] - 0.2) for _, observed in history) < 0.005


def test_what_is_measured_is_exact_and_has_no_process():
    problem = Problem([minimise("height"), minimise("x")], [at_most("x", 20)])
    history = played(
        start(problem, measure=lambda point: {"x": float(point[0])}),
        40,
        lambda point: {**bowl(point), "x": float(point[0])},
    )
    assert all(proposal.genotype[0] <= 20 for proposal, _ in history[12:])


def test_a_hard_bound_on_what_only_an_evaluation_tells_is_learnt():
    problem = Problem([minimise("height")], [at_most("y", 0.0)])
    broken = [observed["y"] > 0 for _, observed in played(start(problem), 50, lambda p: {**bowl(p), "y": 30.0 - p[1]})]
    assert sum(broken[:6]) >= 2
    assert sum(broken[6:]) <= 3


def test_where_nothing_is_within_the_bounds_the_nearest_is_sought():
    problem = Problem([minimise("height")], [at_most("y", 0.0)])
    history = played(start(problem), 40, lambda point: {**bowl(point), "y": 5.0 + point[1]})
    assert min(observed["y"] for _, observed in history) <= 6.0


def test_priors_are_fitted_again_with_a_fifth_more_outcomes_and_only_then(monkeypatch):
    chosen, fit = [], Thompson.fit
    monkeypatch.setattr(Thompson, "fit", lambda self, data: chosen.append(len(data.seen)) or fit(self, data))
    played(start(founders=10), 40, bowl)
    assert chosen == [10, 12, 14, 16, 19, 22, 26, 31, 37]


def test_a_space_of_few_networks_is_exhausted():
    space = MlpSpace((2, 2, 1), 2, max_layers=1, max_units=30)
    algorithm = start(Problem([minimise("error")]), space=space)
    asked = set()
    with pytest.raises(Exhausted, match="proposed before"):
        for number in range(100):
            proposal = algorithm.ask(number)
            asked.add(proposal.genotype)
            algorithm.asked(Candidate(number, proposal.genotype))
            algorithm.tell(Candidate(number, proposal.genotype), Completed({"error": 0.1}))
    assert len(asked) == 21


@pytest.mark.parametrize("settings", [{"founders": 1}, {"founders": 2.5}, {"parents": -1}, {"samples": 0}])
def test_settings_without_sense_are_refused(settings):
    with pytest.raises(ProblemError, match=f"BayesianOptimisation: {next(iter(settings))}"):
        BayesianOptimisation(**settings)


def test_functions_drawn_from_a_process_agree_where_it_knows_and_differ_where_it_does_not():
    encoded = np.linspace(0, 1, 20)[:, None]
    known = evidence(encoded, 100 + np.sin(6 * encoded[:, 0]))
    prediction = Thompson().fit(known).predict(np.array([[0.5], [3.0]]), known)
    draws = np.array([prediction.draw(np.random.default_rng(seed))[0, :, 0] for seed in range(200)])
    assert abs(draws[:, 0] - (100 + np.sin(3))).max() < 0.1
    assert draws[:, 1].std() > 0.3


def test_a_drawn_function_is_smooth():
    encoded = np.linspace(0, 1, 20)[:, None]
    surrogate = Thompson().fit(evidence(encoded, np.sin(6 * encoded[:, 0])))
    prediction = surrogate.predict(np.linspace(2, 2.05, 30)[:, None], evidence([[0.0], [1.0]], [0.0, 1.0]))
    drawn = prediction.draw(np.random.default_rng(0))[0, :, 0]
    assert np.abs(np.diff(drawn)).max() < 0.05
