"""The classes of an exported model on the page of its run."""

import json

import journals
import numpy as np
import pytest

from edgevolve.reports.page import report_page
from edgevolve.reports.view import network_view
from edgevolve.runs import Run
from tests.reports.test_page import data

CLASSES = [
    {"name": "cat </script>", "examples": 4, "accuracy": 0.75},
    {"name": "mañana", "examples": 2, "accuracy": 0.0},
    {"name": "none", "examples": 0, "accuracy": None},
]
MANIFEST = {"run": "made", "number": 0, "classes": CLASSES, "confusion": [[3, 1, 0], [0, 0, 2], [0, 0, 0]]}


@pytest.fixture
def run(tmp_path):
    return Run.open(journals.write(tmp_path / "run", *journals.single()))


def exported(run, text):
    folder = run.folder / "export" / "0"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(text)
    return network_view(run, run.record(0), run.graph(0), "run")


def test_the_page_shows_the_classes_of_an_exported_candidate(run):
    exported(run, json.dumps(MANIFEST))
    page = report_page([run], ["run"])
    assert "cat </script>" not in page
    network = data(page)["runs"][0]["networks"]["0"]
    assert network["classes"] == [
        ["cat </script>", "4", "75.00 %", "mañana (1)"],
        ["mañana", "2", "0.00 %", "none (2)"],
        ["none", "0", "–", ""],
    ]
    chart = network["charts"]["Confusion, int8 on the test split"]
    assert chart["data"][0]["z"] == [[0.75, 0.25, 0], [0, 0, 1], [0, 0, 0]]
    assert chart["layout"]["xaxis"]["ticktext"][0] == "cat &lt;/script&gt;"
    assert [note["text"] for note in chart["layout"]["annotations"]] == ["3", "1", "2"]


def test_the_export_of_another_run_or_candidate_is_not_shown(run):
    for change in ({"run": "other"}, {"number": 1}):
        view = exported(run, json.dumps(MANIFEST | change))
        assert view["classes"] == []
        assert not [name for name in view["charts"] if name.startswith("Confusion")]


def test_many_classes_have_no_matrix(run):
    view = exported(run, json.dumps(MANIFEST | {"confusion": None}))
    assert [row[3] for row in view["classes"]] == ["", "", ""]
    assert not [name for name in view["charts"] if name.startswith("Confusion")]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", [12, pytest.param(60, marks=pytest.mark.slow)])
def test_a_manifest_that_no_export_wrote_is_left_aside(run, number):
    rng = np.random.default_rng(0)
    odd = [None, -1, 1e400, "x", [], {}, [[1]], True, 1 << 80, [[0, 1], [1]], "\ud800"]
    texts = ["", "[", "[]", "null", "[" * 100_000]
    for _ in range(number):
        manifest = json.loads(json.dumps(MANIFEST))
        holder = manifest if rng.random() < 0.4 else manifest["classes"][int(rng.integers(3))]
        key = list(holder)[int(rng.integers(len(holder)))]
        holder[key] = odd[int(rng.integers(len(odd)))]
        texts.append(json.dumps(manifest))
    for text in texts:
        exported(run, text)
        report_page([run], ["run"])
