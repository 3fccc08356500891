"""What the words of `--pick` name."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from journals import asked, finished, started

from edgevolve.runs import PICKS, Run

RNG = np.random.default_rng(0)


def run_of(candidates, validation, metric="error"):
    """A run whose candidates have these errors and sizes."""
    wishes = [
        {"metric": name, "direction": "minimise", "target": None, "scale": None}
        for name in (metric, "model_size_bytes")
    ]
    config = {"problem": {"objectives": wishes, "constraints": []}, "seed": 0}
    begun = started(config=config).model_copy(update={"data": {"validation": validation}})
    run = Run("journal", begun)
    for number, (error, size) in enumerate(candidates):
        known = {"model_size_bytes": float(size)}
        event = asked(number, RNG, metrics=known)
        run.apply(event)
        run.apply(finished(event, RNG, metrics={**known, metric: error}))
    return run


candidates = st.lists(st.tuples(st.floats(0, 1), st.integers(1, 20)), min_size=1, max_size=12)


@given(candidates, st.integers(1, 5000))
def test_small_is_the_smallest_within_a_standard_error_of_the_best(given, validation):
    run = run_of(given, validation)
    best = min(error for error, _ in given)
    within = best + math.sqrt(best * (1 - best) / validation)
    error, size = (PICKS["small"](run).metrics[name] for name in ("error", "model_size_bytes"))
    assert error <= within
    assert size == min(size for error, size in given if error <= within)


def test_small_is_the_best_where_errors_are_no_shares_or_nothing_is_known_of_the_examples():
    scores = [(1.0, 900), (1.001, 100)]
    assert PICKS["small"](run_of(scores, 100, "rmse")).number == 0
    assert PICKS["small"](run_of([(0.5, 900), (0.5001, 100)], 0)).number == 0


def test_a_run_without_a_candidate_has_none_of_them():
    assert all(pick(run_of([], 100)) is None for pick in PICKS.values())
