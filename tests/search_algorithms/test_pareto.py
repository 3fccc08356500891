import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from search_algorithms.pareto import Front, constraint_dominates, hypervolume, knee, non_dominated, non_dominated_sort

POINTS = arrays(float, st.tuples(st.integers(1, 12), st.integers(1, 3)), elements=st.integers(0, 5).map(float))


def dominates(a, b):
    return bool((a <= b).all() and (a < b).any())


@given(POINTS)
def test_the_first_front_is_what_nothing_dominates_and_every_row_is_in_one_front(points):
    fronts = non_dominated_sort(points)
    first = {i for i, a in enumerate(points) if not any(dominates(b, a) for b in points)}
    assert set(fronts[0]) == first
    assert sorted(i for front in fronts for i in front) == list(range(len(points)))


@given(POINTS)
def test_a_front_holds_the_first_of_every_cost_that_nothing_dominates(points):
    front = Front()
    gains = [front.offer(point, i) for i, point in enumerate(points)]
    expected = [
        i
        for i, a in enumerate(points)
        if not any(dominates(b, a) for b in points) and not any((b == a).all() for b in points[:i])
    ]
    assert front.items == expected
    assert all(gains[i] for i in expected)


@given(POINTS)
def test_an_offer_is_taken_exactly_when_the_hypervolume_grows(points):
    front = Front()
    reference = np.full(points.shape[1], 6.0)
    for i, point in enumerate(points):
        before, after = hypervolume(points[:i], reference), hypervolume(points[: i + 1], reference)
        assert front.offer(point, i) == (after > before + 1e-9)


def test_hypervolume_of_two_steps():
    assert hypervolume([[1, 2], [2, 1]], [3, 3]) == pytest.approx(3)
    assert hypervolume([[4, 0]], [3, 3]) == 0
    assert hypervolume([], [3, 3]) == 0
    assert non_dominated_sort([]) == []


def test_the_knee_is_the_bend_whatever_the_units():
    front = np.array([[0, 10], [1, 3], [5, 2], [10, 0]], float)
    assert knee(front) == 1
    assert knee(front * [1e-6, 1e9] + [5, -7]) == 1
    assert knee([[3.0, 4.0]]) == 0
    assert knee([[1.0, 1.0], [1.0, 1.0]]) == 0


def test_constraint_domination_puts_bounds_before_costs():
    good, bad = np.array([1.0, 1.0]), np.array([2.0, 1.0])
    assert constraint_dominates(good, 0, bad, 0)
    assert not constraint_dominates(bad, 0, good, 0)
    assert not constraint_dominates(good, 0, good, 0)
    assert constraint_dominates(bad, 0, good, 0.1)
    assert constraint_dominates(bad, 0.1, good, 0.2)
    assert not constraint_dominates(good, 0.2, bad, 0.2)


def test_of_no_rows_none_is_dominated():
    assert non_dominated([]).tolist() == []
