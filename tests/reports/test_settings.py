"""In what the configurations of compared runs differ."""

import html
import re

import journals
import pytest

from edgevolve.reports.differing_settings import differing_settings
from edgevolve.reports.page import report_page
from edgevolve.runs import Run
from tests.reports.open_page import Page
from tests.reports.test_page import data

OTHER = {
    **journals.CONFIG,
    "algorithm": {"type": "NSGA3", "population": 40},
    "training": {"type": "TrainingSettings", "epochs": 5, "augment": ["shift"]},
    "problem": {
        **journals.CONFIG["problem"],
        "constraints": [
            {"metric": "error", "bound": 0.05, "sense": "at_most", "hard": False},
            {"metric": "model_size_bytes", "bound": 60_000, "sense": "at_most", "hard": True},
        ],
    },
}


def test_every_setting_that_differs_is_a_row_and_no_other():
    first, second = journals.started(), journals.started("other", OTHER)
    assert differing_settings([first, second]) == [
        ["algorithm", "AgingEvolution", "NSGA3"],
        ["algorithm.population", "–", "40"],
        ["problem.constraints.error at_most soft.bound", "0.03", "0.05"],
        ["training", "{}", "TrainingSettings"],
        ["training.augment", "–", '["shift"]'],
        ["training.epochs", "–", "5"],
    ]
    assert differing_settings([first, first]) == []
    changed = first.model_copy(update={"data": {"fingerprint": "b"}})
    assert differing_settings([first, changed]) == [["data.fingerprint", "–", "b"]]


def test_values_that_differ_behind_what_is_shown_are_a_row_too():
    long = [journals.started(config={**journals.CONFIG, "note": "\u202e" + "x" * 500 + end}) for end in "ab"]
    ((name, *values),) = differing_settings(long)
    assert name == "note"
    assert all(len(value) <= 80 and "\u202e" not in value for value in values)


@pytest.mark.parametrize(
    ("number", "title"), [(2, "made and other"), (3, "made, other and run 2"), (5, "made, other and 3 more")]
)
def test_the_title_names_the_runs(tmp_path, number, title):
    names = ["made", "other", *(f"run {place}" for place in range(2, number))]
    runs = [
        Run.open(journals.write(tmp_path / name, journals.started(name, OTHER if name == "other" else journals.CONFIG)))
        for name in names
    ]
    page = report_page(runs, names)
    assert html.unescape(re.search(r"<h1>(.*?)</h1>", page)[1]) == title
    assert data(page)["compare"]["settings"]["head"] == ["setting", *names]


def test_the_page_shows_the_table_or_says_that_nothing_differs(browser, tmp_path):
    runs = [
        Run.open(journals.write(tmp_path / name, journals.started(name, config)))
        for name, config in (("made", journals.CONFIG), ("other", OTHER))
    ]
    path = tmp_path / "report.html"
    for chosen, rows in ((runs, 6), (runs[:1] * 2, 0)):
        path.write_text(report_page(chosen, ["a", "b"]))
        page = Page(browser).open(path.as_uri())
        assert len(page.run("return [...document.querySelectorAll('#settings tbody tr')]")) == rows
        assert page.run("return document.getElementById('same-settings').hidden") is (rows > 0)
        assert page.errors() == []
