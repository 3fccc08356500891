import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevolve.metric import metric
from edgevolve.reports.where import parse
from edgevolve.runs import ConfigError

KNOWN = {name: metric(name) for name in ("error", "peak_memory_bytes", "latency_ms@stm32-f4")}


@pytest.mark.parametrize(
    ("expression", "value", "meets"),
    [
        ("peak_memory_bytes < 32k", 31_999, True),
        ("peak_memory_bytes < 32k", 32_000, False),
        ("peak_memory_bytes<=32KiB", 32_768, True),
        ("peak_memory_bytes > 1.5 MB", 1_500_001, True),
        ("peak_memory_bytes >= 1e3", 1000, True),
        ("peak_memory_bytes == 5", 5, True),
        ("peak_memory_bytes ≠ 5", None, None),
        ("peak_memory_bytes != 5", 5, False),
        ("peak_memory_bytes ≤ 5", 5, True),
        ("latency_ms@stm32-f4 < 3", 9, False),
        ("error < 5%", 0.049, True),
        ("error<5% and peak_memory_bytes<10 or error > 90%", 0.91, True),
        ("error > 90% or error < 5% and peak_memory_bytes < 10", 0.01, False),
    ],
)
def test_a_condition_holds_where_it_should(expression, value, meets):
    if meets is None:
        with pytest.raises(ConfigError):
            parse(expression, KNOWN)
        return
    name = next(name for name in sorted(KNOWN) if expression.startswith(name))
    assert parse(expression, KNOWN)({name: value}) is meets


def test_a_metric_that_is_not_known_of_a_candidate_meets_nothing():
    assert parse("error < 1", KNOWN)({}) is False
    assert parse("error > 0", KNOWN)({}) is False


@pytest.mark.parametrize(
    "expression",
    [
        *("", "error", "error <", "< 3", "error < 0.3 and", "error = 0.3", "error < x", "other < 3", "error < 1.2.3"),
        *(
            "__import__('os').system('true')",
            "error < 0.3; error",
            "error.__class__ < 3",
            "(error < 0.3)",
            "error < 5 % 3",
        ),
        "error < 0.3 Q",
    ],
)
def test_anything_else_is_refused_in_one_line(expression):
    with pytest.raises(ConfigError) as caught:
        parse(expression, KNOWN)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("expression", ["error < 5", "error > 500%", "peak_memory_bytes < 5k or error != -3"])
def test_a_share_beyond_1_is_refused_with_what_to_write(expression):
    with pytest.raises(ConfigError, match="error is a share, such as 0.05 or 5%, not "):
        parse(expression, KNOWN)


def test_a_slip_suggests_the_nearest_metric():
    with pytest.raises(ConfigError, match="no metric eror; there are .*; did you mean 'error'?"):
        parse("eror < 5%", KNOWN)


@settings(deadline=None)
@given(st.floats(-1e9, 1e9), st.floats(0, 1e9, allow_subnormal=False).map(lambda x: round(x, 3)))
def test_comparisons_are_those_of_numbers(value, bound):
    assert parse(f"peak_memory_bytes < {bound!r}", KNOWN)({"peak_memory_bytes": value}) == (value < bound)
    assert parse(f"peak_memory_bytes >= {bound!r}", KNOWN)({"peak_memory_bytes": value}) == (value >= bound)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_no_text_does_anything_but_parse_or_be_refused(text):
    try:
        condition = parse(text, KNOWN)
    except ConfigError:
        return
    assert condition({"error": 0.1, "peak_memory_bytes": 1.0}) in (True, False)
