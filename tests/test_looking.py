"""`driver.py show`, `report` and `watch`, as a user runs them."""

import json
import re
import signal
import subprocess
import sys
import urllib.request

import journals
import pytest

from tests.test_driver import ROOT, edgevolve


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


def test_an_empty_journal_has_a_page_and_is_told_of_in_one_line(path, tmp_path):
    empty = tmp_path / "empty" / "journal.jsonl"
    empty.parent.mkdir()
    empty.touch()
    done = edgevolve("report", empty.parent)
    assert done.returncode == 0, done.stderr
    assert "no search has begun" in (tmp_path / "empty" / "report" / "report.html").read_text()
    for command in (["show", empty], ["report", path, empty, "--out", tmp_path / "out"]):
        told = edgevolve(*command)
        assert (told.returncode, told.stdout) == (2, "")
        assert told.stderr == f"edgevolve: {empty}: empty, no search has begun\n"
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
