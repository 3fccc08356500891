import pytest

from edgevolve.quantity import quantity


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
