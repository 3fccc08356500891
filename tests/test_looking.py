"""`driver.py show`, `report` and `watch`, as a user runs them."""

import json
import re
import signal
import subprocess
import sys
import urllib.request

import journals
import pytest
from terminal import ROOT, edgevolve

from tests.tflite.tflite_files import small_network


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return journals.write(tmp_path_factory.mktemp("looking") / "run", *journals.long_history(30))


def test_show_keeps_what_meets_a_condition(path):
    rows = json.loads(edgevolve("show", path, "--json").stdout)
    bound = sorted(row["metrics"]["model_size_bytes"] for row in rows)[0]
    kept = json.loads(edgevolve("show", path, "--where", f"model_size_bytes <= {bound:.0f}B", "--json").stdout)
    assert kept == [row for row in rows if row["metrics"]["model_size_bytes"] <= bound]
    wrong = edgevolve("show", path, "--where", "model_size_bytes = 3")
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1


def test_report_writes_a_page_pictures_and_tables(path, tmp_path):
    done = edgevolve("report", path, path, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert {"report.html", "front-1.png", "front-2.svg", "fronts.png", "hypervolume.svg", "candidates-1.csv"} <= names
    (tmp_path / "file").write_text("")
    blocked = edgevolve("report", path, "--out", tmp_path / "file")
    assert blocked.returncode == 2
    assert "choose another --out" in blocked.stderr


def test_an_empty_journal_has_a_page_and_an_error_of_one_line(path, tmp_path):
    empty = tmp_path / "empty" / "journal.jsonl"
    empty.parent.mkdir()
    empty.touch()
    done = edgevolve("report", empty.parent)
    assert done.returncode == 0, done.stderr
    assert "no search has begun" in (tmp_path / "empty" / "report" / "report.html").read_text()
    for command in (["show", empty], ["report", path, empty, "--out", tmp_path / "out"]):
        done = edgevolve(*command)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"edgevolve: {empty}: empty, no search has begun\n"
    assert not (tmp_path / "out").exists()


def test_watch_serves_until_interrupted(path):
    command = [sys.executable, str(ROOT / "driver.py"), "watch", str(path)]
    listening = {
        "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    }  # also where CI runs in the background
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    driver = subprocess.Popen(command, **pipes, **listening, text=True, cwd=ROOT)
    address = re.search(r"http://127\.0\.0\.1:\d+/", driver.stdout.readline()).group()
    with urllib.request.urlopen(address, timeout=60) as answer:
        assert b"<!doctype html>" in answer.read()
    driver.send_signal(signal.SIGINT)
    _, errors = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert "Traceback" not in errors


def test_show_lists_the_front_as_table_and_as_json(tiny_run):
    path, _ = tiny_run
    table = edgevolve("show", path)
    rows = json.loads(edgevolve("show", path, "--json").stdout)
    assert table.returncode == 0
    assert [row.keys() for row in rows] == [{"number", "genotype", "network", "metrics"}] * len(rows)
    for row in rows:
        assert row["network"] in table.stdout
    best = json.loads(edgevolve("show", path, "--pick", "best", "--json").stdout)
    assert best[0]["metrics"]["error"] == min(row["metrics"]["error"] for row in rows)
    knee = json.loads(edgevolve("show", path, "--pick", "knee", "--json").stdout)
    assert len(knee) == 1
    assert knee[0] in rows
    by_size = json.loads(edgevolve("show", path / "journal.jsonl", "--sort", "model_size_bytes", "--json").stdout)
    sizes = [row["metrics"]["model_size_bytes"] for row in by_size]
    assert sizes == sorted(sizes)


def test_a_rejected_candidate_is_shown_with_its_reason():
    done = edgevolve("show", ROOT / "tests" / "data" / "journals" / "0.1.0.jsonl", "--pick", "0")
    assert done.returncode == 0
    assert "rejected: breaks" in done.stdout


def test_a_slip_on_the_command_line_gets_the_name_that_is_near(tiny_run):
    for arguments, meant in (
        (("inspect", "any.tflite", "--target", "cortex-m-dps"), "cortex-m-dsp"),
        (("show", tiny_run[0], "--sort", "eror"), "error"),
    ):
        done = edgevolve(*arguments)
        assert done.returncode == 2
        assert done.stderr.endswith(f"; did you mean {meant!r}?\n") and done.stderr.count("\n") == 1


LOOKING = [
    ["--help"],
    ["check", "digits_aging"],
    ["show", "RUN"],
    ["inspect", "RUN:best"],
    ["inspect", "RUN/model.tflite", "--plot", "RUN/map.png"],
    ["report", "RUN", "--no-pictures"],
]


def test_looking_loads_neither_tensorflow_nor_ray(tiny_run):
    path, _ = tiny_run
    (path / "model.tflite").write_bytes(small_network())
    script = f"""
import sys, driver
for arguments in {LOOKING!r}:
    sys.argv[1:] = [argument.replace("RUN", {str(path)!r}) for argument in arguments]
    try:
        driver.main()
    except SystemExit as done:
        assert not done.code, (arguments, done.code)
    heavy = {{"tensorflow", "keras", "ray"}} & set(sys.modules)
    assert not heavy, (arguments, heavy)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
