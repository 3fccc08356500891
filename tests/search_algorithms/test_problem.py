import math

import numpy as np
import pytest

from search_algorithms import UNKNOWN, Problem, ProblemError, at_least, at_most, maximise, minimise, target


def test_accuracy_is_an_alias_of_error_turned_round():
    assert maximise("accuracy") == minimise("error")
    bound = at_least("accuracy", 0.97)
    assert (bound.metric, bound.sense, bound.bound) == ("error", "at_most", pytest.approx(0.03))
    aim = target("accuracy", 0.9)
    assert (aim.metric, aim.direction, aim.target) == ("error", "target", pytest.approx(0.1))


def test_megabytes_are_an_alias_of_a_million_bytes():
    assert at_most("model_size_mb", 0.25) == at_most("model_size_bytes", 250_000)
    assert minimise("model_size_mb", scale=2) == minimise("model_size_bytes", scale=2e6)


def test_costs_are_all_to_be_minimised_in_the_order_of_the_objectives():
    problem = Problem([minimise("error"), maximise("score"), target("latency_ms", 5)])
    assert problem.costs({"error": 0.1, "score": 3, "latency_ms": 3.5}) == (0.1, -3, 1.5)


def test_only_hard_bounds_on_known_metrics_are_broken():
    bounds = [at_most("macs", 10), at_least("score", 2), at_most("error", 0.1, soft=True)]
    problem = Problem([minimise("error")], bounds)
    assert problem.broken({}) == []
    assert problem.broken({"macs": 10, "score": 2, "error": 1}) == []
    assert [str(c) for c in problem.broken({"macs": 11, "score": 1})] == ["macs ≤ 10", "score ≥ 2"]


@pytest.mark.parametrize("make", [minimise, maximise, lambda name: target(name, 3.0)])
def test_an_unknown_metric_costs_more_than_any_value_and_breaks_bounds_of_both_senses(make):
    problem = Problem([make("latency_ms")], [at_most("latency_ms", 5.0), at_least("latency_ms", 0.5)])
    worst = max(problem.costs({"latency_ms": value}) for value in (-1e9, 0.0, 1e9))
    assert problem.costs({"latency_ms": UNKNOWN}) > worst
    assert problem.broken({"latency_ms": UNKNOWN}) == list(problem.constraints)
    assert problem.violation({"latency_ms": UNKNOWN}) > problem.violation({"latency_ms": 1e9})
    assert math.isfinite(problem.violation({"latency_ms": UNKNOWN}))
    assert not problem.broken({}), "what is not given is not judged"


def test_a_bound_serves_as_scale_where_none_is_given():
    bounds = [at_most("error", 0.2, soft=True), at_most("macs", 9)]
    problem = Problem([minimise("error"), minimise("macs", scale=5)], bounds)
    assert problem.scales() == (0.2, 5)


def test_an_objective_without_scale_and_bound_is_named():
    with pytest.raises(ProblemError, match="objective own has no scale: add at_least.*give maximise.'own', scale"):
        Problem([maximise("own")]).scales()
    with pytest.raises(ProblemError, match="objective macs has no scale: add at_most"):
        Problem([minimise("macs")]).scales()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Problem([]),
        lambda: Problem([minimise("error"), maximise("error")]),
        lambda: Problem(["error"]),
        lambda: Problem([minimise("error")], ["macs"]),
        lambda: at_most("macs", "many"),
        lambda: at_most("macs", float("nan")),
        lambda: at_most("macs", True),
        lambda: minimise("macs", scale=0),
        lambda: minimise("macs", scale=-1),
    ],
)
def test_nonsense_is_refused(make):
    with pytest.raises(ProblemError):
        make()


def test_a_mapping_says_the_same_as_the_functions():
    aims = {
        "accuracy": "maximize",
        "latency_ms": ("target", 5.0),
        "energy_uj": "minimize",
        "model_size_mb": ("max", 10.0),
        "score": ["min", 2],
    }
    assert Problem.from_mapping(aims) == Problem(
        [maximise("accuracy"), target("latency_ms", 5.0), minimise("energy_uj")],
        [at_most("model_size_mb", 10.0), at_least("score", 2)],
    )
    assert Problem.from_mapping({"macs": "minimise"}) == Problem.from_mapping({"macs": "minimize"})


@pytest.mark.parametrize("aim", ["min", "smaller", ("max",), ("at_most", 3), 3, None, ("target", 1, 2), {"max": 3}])
def test_an_aim_that_makes_no_sense_is_refused_with_those_that_do(aim):
    with pytest.raises(ProblemError, match="macs: no aim .*; give 'minimize', 'maximize'"):
        Problem.from_mapping({"macs": aim})


@pytest.mark.parametrize("aims", [{}, {"macs": ("max", 3)}, {"macs": ("max", "many")}, {"macs": ("target", None)}])
def test_a_mapping_without_objective_or_number_is_refused(aims):
    with pytest.raises(ProblemError):
        Problem.from_mapping(aims)


def test_violation_is_the_share_of_hard_bounds_by_which_known_metrics_are_beyond_them():
    bounds = [at_most("macs", 10), at_least("score", 2), at_most("zero", 0), at_most("error", 0.1, soft=True)]
    problem = Problem([minimise("error")], bounds)
    assert problem.violation({"macs": 10, "score": 2, "error": 1}) == 0
    assert problem.violation({"macs": 15, "score": 1}) == pytest.approx(1.0)
    assert problem.violation({"zero": 3}) == 3


def test_shortfall_is_the_same_of_the_soft_bounds():
    problem = Problem([minimise("error")], [at_most("macs", 10), at_most("error", 0.1, soft=True)])
    assert problem.shortfall({"macs": 99, "error": 0.1}) == 0
    assert problem.shortfall({"macs": 99, "error": 0.3}) == pytest.approx(2)
    assert problem.shortfall({"macs": 99}) == 0


def test_a_share_is_1_at_the_bound_whichever_way_is_better_and_10_at_the_most():
    problem = Problem([minimise("macs"), maximise("score")], [at_most("macs", 50), at_least("score", 4)])
    assert problem.shares({"macs": 50, "score": 4}) == (1, 1)
    better, worse = ({"macs": 25, "score": 6}, {"macs": 1e9, "score": -1e9})
    assert problem.shares(better) == (0.5, 0.5)
    assert problem.shares(worse) == (10, 10)
    assert problem.shares_of(np.array([problem.costs(better), problem.costs(worse)])).tolist() == [[0.5, 0.5], [10, 10]]
    with pytest.raises(ProblemError, match="has no scale"):
        Problem([minimise("macs")]).shares({"macs": 3})


def test_a_limit_is_the_largest_cost_that_every_bound_allows():
    problem = Problem(
        [minimise("error"), maximise("speed"), target("latency_ms", 5.0), minimise("macs")],
        [
            at_most("error", 0.1, soft=True),
            at_most("error", 0.2),
            at_least("speed", 3.0),
            at_most("latency_ms", 9.0),
            at_least("macs", 10.0),
        ],
    )
    assert problem.limits() == (0.1, -3.0, math.inf, math.inf)


def test_a_share_needs_no_scale():
    problem = Problem([minimise("error"), maximise("macro_f1"), target("auc", 0.0)])
    assert problem.scales() == (0.1, 1.0, 0.1)
    assert Problem([minimise("error")], [at_most("error", 0.2)]).scales() == (0.2,)


@pytest.mark.parametrize("make", [at_most, at_least, target])
@pytest.mark.parametrize("share", [5, "500%", -0.1, 1.001])
def test_a_share_beyond_0_to_1_is_refused_with_what_was_meant(make, share):
    with pytest.raises(ProblemError, match="error is a share from 0 to 1, such as 0.05 or '5%', not"):
        make("error", share)
    with pytest.raises(ProblemError, match="accuracy"):
        make("accuracy", share)
    with pytest.raises(ProblemError, match="error_int8 is a share"):
        make("error_int8", share)


def test_numbers_are_read_with_their_units():
    assert at_most("flash_bytes", "64k") == at_most("flash_bytes", 64_000)
    assert at_most("error", "5%") == at_most("error", 0.05)
    assert at_most("model_size_mb", "1.5") == at_most("model_size_bytes", 1_500_000)
    assert minimise("arena_bytes", scale="32Ki") == minimise("arena_bytes", scale=32_768)
    assert Problem.from_mapping({"accuracy": "maximize", "macs": ("max", "2M")}).constraints == (at_most("macs", 2e6),)
    with pytest.raises(ProblemError, match="bound on flash_bytes: write a number such as .*, not '64 kilo'"):
        at_most("flash_bytes", "64 kilo")
    with pytest.raises(ProblemError, match="bound on model_size_mb: write model_size_bytes for '64k'"):
        at_most("model_size_mb", "64k")
