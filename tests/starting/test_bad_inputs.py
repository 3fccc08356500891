"""More than a hundred bad inputs: a clear line, or a listed skip on request; never a traceback."""

import pytest
from own_data_sections.bad_cases import CASES
from own_data_sections.bad_outcome import outcome

RUNS = {
    "images of one pixel",
    "images of two sizes",
    "a colour image among grey ones",
    "a CMYK JPEG",
    "an image of 16 bits",
    "an image of one bit",
    "a TIFF beside PNG files",
    "an empty class",
    "files whose names are not UTF-8",
    "a folder named .png",
    "train without a class of test",
    "stereo",
    "two rates",
    "8 bits",
    "32 bits",
    "clips of 20 samples",
    "clips of a minute",
    "silence alone",
    "a column more in one file",
    "another rate in one file",
    "semicolons and decimal commas in recordings",
    "recordings of 3 steps",
    "labels as floats",
    "labels that are numbers",
    "a byte order mark",
    "semicolons",
    "semicolons and decimal commas",
    "tabs",
    "a column of sentences",
    "a constant column",
}
"""What is odd and can be read all the same."""


def test_there_are_more_than_a_hundred_and_each_has_a_name_of_its_own():
    assert len({case.name for case in CASES}) == len(CASES) > 100 and {case.name for case in CASES} >= RUNS


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_input_is_refused_in_one_line_or_left_out_as_asked(case, tmp_path):
    end = outcome(case, tmp_path, plans=False)
    assert end.kind in (("runs",) if case.name in RUNS else ("refused", "skipped")), end
    assert "skip_unreadable" not in end.line and "Traceback" not in end.line


@pytest.mark.slow
def test_what_init_writes_for_odd_data_passes_check(tmp_path):
    for number, case in enumerate(case for case in CASES if case.name in RUNS):
        (tmp_path / str(number)).mkdir()
        assert outcome(case, tmp_path / str(number)).kind == "runs", case.name
