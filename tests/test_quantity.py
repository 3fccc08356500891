import pytest

from edgevolve.metric import metric
from edgevolve.quantity import quantity, size
from edgevolve.reports.quantities import quantity as written


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("64k", 64_000),
        ("64kB", 64_000),
        ("32 KiB", 32_768),
        ("32Ki", 32_768),
        ("1.5M", 1_500_000),
        ("2Gi", 2**31),
        ("5%", 0.05),
        ("-1e3", -1000),
        (".5", 0.5),
        ("100B", 100),
        (" 7 ", 7),
    ],
)
def test_a_number_with_a_unit_is_read(text, number):
    assert quantity(text) == pytest.approx(number)


@pytest.mark.parametrize("text", ["", "k", "64K", "64 kilo", "1.2.3", "--5", "5 % of it", "nan", "inf", "1" * 10**5])
def test_what_is_no_number_is_refused_with_what_to_write(text):
    with pytest.raises(ValueError, match="write a number such as 0.05, 5%, 64k or 32KiB, not '") as caught:
        quantity(text)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize(
    ("bytes_", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (3848, "3.76 KiB"),
        (2**20 - 6, "1023.99 KiB"),
        (2**20 - 1, "1.00 MiB"),
        (4032 * 1024, "3.94 MiB"),
        (3 * 2**30, "3.00 GiB"),
        (5000 * 2**30, "5000.00 GiB"),
        (-4096, "-4.00 KiB"),
    ],
)
def test_a_size_is_written_in_the_unit_in_which_it_is_below_1024(bytes_, words):
    assert size(bytes_) == words


@pytest.mark.parametrize(
    ("value", "words"), [(12390.4, "12390 ms"), (19384.0, "19380 ms"), (0.28441, "0.2844 ms"), (3.2e7, "3.2e+07 ms")]
)
def test_a_value_below_a_million_is_written_without_an_exponent(value, words):
    assert written(metric("latency_ms"), value) == words
