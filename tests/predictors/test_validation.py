import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from predictors import PredictorError, validate

# Whole hundredths: two that differ still differ when each is multiplied by one factor.
LATENCIES = st.lists(st.integers(1, 100_000), min_size=3, max_size=30, unique=True).map(
    lambda all: [n / 100 for n in all]
)


@settings(deadline=None)
@given(LATENCIES)
def test_the_truth_is_without_error(latencies):
    validation = validate(latencies, latencies, latencies, latencies)
    assert (validation.mae, validation.mape, validation.p90, validation.within_10, validation.coverage) == (
        0,
        0,
        0,
        1,
        1,
    )
    assert validation.spearman == pytest.approx(1) and validation.kendall == pytest.approx(1)


@settings(deadline=None)
@given(LATENCIES, st.floats(1.2, 5))
def test_a_constant_factor_errs_by_itself_and_ranks_rightly(latencies, factor):
    validation = validate(np.multiply(latencies, factor), latencies)
    assert validation.mape == pytest.approx(factor - 1) and validation.p90 == pytest.approx(factor - 1)
    assert validation.within_10 == 0 and np.isnan(validation.coverage)
    assert validation.spearman == pytest.approx(1)


def test_figures_by_hand():
    validation = validate([1.0, 2.1, 3.0, 8.0], [1.0, 2.0, 4.0, 5.0], [0.5, 2.05, 2.0, 4.0], [1.5, 3.0, 3.5, 9.0])
    assert validation.mae == pytest.approx((0.1 + 1 + 3) / 4)
    assert validation.mape == pytest.approx((0.05 + 0.25 + 0.6) / 4)
    assert validation.within_10 == 0.5
    assert validation.coverage == 0.5
    assert validation.kendall == pytest.approx(1)


def test_one_value_for_all_has_no_rank():
    assert np.isnan(validate([1, 1, 1], [1, 2, 3]).spearman)


@pytest.mark.parametrize("predicted, measured", [([1], [1]), ([1, 2], [1]), ([1, 2], [1, 0]), ([1, np.nan], [1, 2])])
def test_what_cannot_be_compared_is_refused(predicted, measured):
    with pytest.raises(PredictorError):
        validate(predicted, measured)


def test_several_measurements_of_a_network_count_as_one_network():
    assert validate([1, 1, 2, 2], [1, 1.1, 2, 2.1], networks=2).networks == 2
    assert validate([1, 1, 2, 2], [1, 1.1, 2, 2.1]).networks == 4
