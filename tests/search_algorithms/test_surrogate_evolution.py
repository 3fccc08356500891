import numpy as np
import pytest

from search_algorithms import (
    BayesianOptimisation,
    Problem,
    ProblemError,
    Screened,
    SurrogateEvolution,
    at_most,
    minimise,
)
from search_algorithms.gain import gained, open_points, reached
from search_algorithms.pareto import non_dominated
from search_algorithms.surrogate import Evidence, Processes, Thompson, Trees, best_rows
from tests.pretend import unmeasured
from tests.search_algorithms.cells import SPACE, made_up, played

PROBLEM = Problem([minimise("error", scale=1.0), minimise("macs", scale=1.0)])


@pytest.mark.parametrize(
    "settings",
    [
        {"founders": 1},
        {"founders": 2.0},
        {"parents": 0},
        {"unscreened": 1.1},
        {"optimism": -1},
    ],
)
def test_settings_without_sense_are_refused(settings):
    with pytest.raises(ProblemError, match="SurrogateEvolution"):
        SurrogateEvolution(**settings)


def test_nothing_is_asked_twice_and_proposals_name_their_parents():
    observed = played(SurrogateEvolution(founders=6).start(SPACE, PROBLEM, 0, unmeasured), 40)
    assert len({proposal.genotype for proposal in observed}) == 40
    assert any(proposal.parents for proposal in observed[6:])


def test_objectives_that_are_measured_are_exact_and_hard_bounds_are_kept():
    problem = Problem(PROBLEM.objectives, [at_most("macs", 20)])
    algorithm = SurrogateEvolution(founders=6, unscreened=0.0).start(
        SPACE, problem, 0, lambda genotype: {"macs": made_up(genotype)["macs"]}
    )
    observed = played(algorithm, 40)
    assert all(made_up(proposal.genotype)["macs"] <= 20 for proposal in observed[10:])


def test_three_objectives_of_which_two_are_the_same_are_no_trouble():
    problem = Problem([minimise(name, scale=1.0) for name in ("error", "macs", "again")])
    observed = played(
        SurrogateEvolution(founders=4).start(SPACE, problem, 0, unmeasured),
        40,
        lambda genotype: {**made_up(genotype), "again": made_up(genotype)["macs"]},
    )
    assert all(proposal.change != "random" for proposal in observed[5:])
    assert len({proposal.genotype for proposal in observed}) == 40


def evidence(encoded, costs):
    return Evidence(encoded, costs, costs, costs, np.empty((0, encoded.shape[1])))


@pytest.mark.parametrize("surrogate", [Processes(optimism=0.25), Trees(seed=0), Thompson()])
def test_a_surrogate_knows_more_than_the_mean(surrogate):
    rng = np.random.default_rng(0)
    cells = [SPACE.sample(rng) for _ in range(150)]
    encoded = np.array([SPACE.encode(cell) for cell in cells])
    costs = np.array([list(made_up(cell).values()) for cell in cells])
    learned = evidence(encoded[:100], costs[:100])
    prediction = surrogate.fit(learned).predict(encoded[100:], learned)
    draws = prediction.draw(rng)
    assert prediction.mean.shape == draws.shape[1:] == (50, 2)
    assert (((prediction.mean - costs[100:]) ** 2).mean(axis=0) < 0.3 * costs[100:].var(axis=0)).all()
    assert (((draws.mean(axis=0) - costs[100:]) ** 2).mean(axis=0) < 0.5 * costs[100:].var(axis=0)).all()


def test_a_process_learns_from_measurements_that_scatter():
    """Each cell is measured twice, half a standard deviation apart in the mean."""
    rng = np.random.default_rng(0)
    cells = [SPACE.sample(rng) for _ in range(150)]
    encoded = np.array([SPACE.encode(cell) for cell in cells])
    costs = np.array([list(made_up(cell).values()) for cell in cells])
    twice, truth = np.repeat(encoded[:100], 2, axis=0), np.repeat(costs[:100], 2, axis=0)
    scattered = truth + 0.45 * costs.std(axis=0) * rng.standard_normal(truth.shape)
    learned = evidence(twice, scattered)
    mean = Processes(optimism=0.25).fit(learned).predict(encoded[100:], learned).mean
    assert (((mean - costs[100:]) ** 2).mean(axis=0) < 0.3 * costs[100:].var(axis=0)).all()


def test_a_search_of_which_everything_is_on_the_front_goes_on():
    rows = iter(range(20))

    def trade_off(genotype):
        row = float(next(rows))
        return {"error": row, "macs": -row}

    assert len(played(SurrogateEvolution(founders=4).start(SPACE, PROBLEM, 0, unmeasured), 10, trade_off)) == 10


def test_the_latest_are_fitted_to_however_bad_they_are():
    costs = np.array([[3.0, 3.0], [1.0, 1.0], [2.0, 2.0], [0.5, 2.0], [9.0, 9.0], [8.0, 8.0]])
    assert best_rows(costs, 4).tolist() == [1, 3, 4, 5]


def test_what_hardly_beats_the_front_is_no_gain():
    front = np.array([[0.5, 0.5]])
    points = open_points(front, np.ones(2), np.full(2, np.inf), np.random.default_rng(0))
    hardly, clearly = gained(points, np.array([[0.499, 0.499], [0.49, 0.49]]))
    assert hardly == 0 < clearly


def test_a_gain_is_the_hypervolume_that_is_added():
    front = np.array([[0.0, 0.5], [0.5, 0.0]])
    points = open_points(front, np.ones(2), np.full(2, np.inf), np.random.default_rng(0))
    gains = gained(points, np.array([[0.25, 0.25], [0.6, 0.6], [0.0, 0.0], [np.inf, 0.0]]))
    assert gains[1] == gains[3] == 0
    assert gains[0] / gains[2] == pytest.approx(0.25, abs=0.06)


def test_dominated_candidates_are_distinguished_from_the_others():
    costs = np.array([[1.0, 2.0], [2.0, 1.0], [2.0, 2.0], [1.0, 2.0], [0.0, 9.0]])
    assert non_dominated(costs).tolist() == [True, True, False, True, True]


def test_gains_beyond_a_soft_bound_do_not_count():
    """Half of the true front lies beyond the bound; few of the children that are screened go there."""
    problem = Problem(PROBLEM.objectives, [at_most("error", 0.2, soft=True)])
    within = {}
    for name, goal in (("goal", problem), ("none", PROBLEM)):
        algorithm = SurrogateEvolution(founders=6, unscreened=0.0).start(SPACE, goal, 0, unmeasured)
        within[name] = sum(made_up(proposal.genotype)["error"] <= 0.2 for proposal in played(algorithm, 50))
    assert within["goal"] > 1.5 * within["none"]


@pytest.mark.parametrize("strategy", [SurrogateEvolution(founders=4), BayesianOptimisation(founders=4), Screened()])
def test_what_is_measured_is_read_and_never_learned(strategy, monkeypatch):
    columns = set()

    def counting(fit):
        return lambda self, evidence: columns.add(evidence.values.shape[1]) or fit(self, evidence)

    for surrogate in (Processes, Thompson, Trees):
        monkeypatch.setattr(surrogate, "fit", counting(surrogate.fit))
    played(strategy.start(SPACE, PROBLEM, 0, lambda genotype: {"macs": made_up(genotype)["macs"]}), 25)
    assert columns == {1}


def test_a_space_without_neighbours_is_searched():
    class Lonely:
        """Each cell is a family of its own."""

        def __getattr__(self, name):
            return getattr(SPACE, name)

        def neighbours(self, genotype, rng):
            return iter(())

    observed = played(SurrogateEvolution(founders=4, unscreened=0.0).start(Lonely(), PROBLEM, 0, unmeasured), 12)
    assert all(proposal.change != "random" for proposal in observed[5:])


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_points_are_reached_by_what_dominates_them(objectives):
    rng = np.random.default_rng(0)
    costs, points = rng.random((60, objectives)), rng.random((300, objectives))
    costs[0] = np.inf
    each = [any((cost <= point).all() for cost in costs) for point in points]
    assert reached(points, costs).tolist() == each and 0 < sum(each) < 300
