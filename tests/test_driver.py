"""The command line, run as a user runs it."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from terminal import ROOT, TINY, edgevolve, edgevolve_process


def history(journal):
    """What decides a run: candidates and their outcomes, without times and sessions."""
    kept = []
    for line in journal.read_text().splitlines():
        event = json.loads(line)
        if event["event"] in ("asked", "rejected", "finished", "failed"):
            for name in ("time", "started", "ended", "node", "worker"):
                event.pop(name, None)
            kept.append(event)
    return kept


def test_a_search_prints_its_progress_and_its_front(tiny_run):
    _, output = tiny_run
    assert "[6/6]" in output
    assert re.search(r"★ +\d+ +\d+\.\d\d %", output)
    assert re.search(r"6 evaluations in .*, workers \d+\.\d% busy, ended: 6 evaluations", output)


@pytest.mark.slow
def test_a_driver_killed_at_any_moment_resumes_to_the_uninterrupted_run(tiny_run, tiny_folder):
    whole, _ = tiny_run
    out = tiny_folder / "killed"
    journal = out / "cut" / "journal.jsonl"
    command = [
        sys.executable,
        str(ROOT / "driver.py"),
        str(tiny_folder / "tiny.py"),
        "--out",
        str(out),
        "--name",
        "cut",
    ]
    for kill_after in (2, 4):
        resume = ["--resume"] if journal.exists() else []
        driver = subprocess.Popen([*command, *resume], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT)
        until = time.monotonic() + 120
        while time.monotonic() < until:
            if journal.exists() and journal.read_bytes().count(b'"event":"finished"') >= kill_after:
                break
            time.sleep(0.02)
        driver.send_signal(signal.SIGKILL)
        driver.communicate()
        assert driver.returncode == -signal.SIGKILL
    done = edgevolve_process(tiny_folder / "tiny.py", "--out", out, "--name", "cut", "--resume")
    assert done.returncode == 0, done.stderr
    assert history(journal) == history(whole / "journal.jsonl")


def test_an_interrupt_keeps_everything_and_exits_with_130(tiny_folder):
    out = tiny_folder / "interrupted"
    command = [
        sys.executable,
        str(ROOT / "driver.py"),
        str(tiny_folder / "tiny.py"),
        "--out",
        str(out),
        "--evaluations",
        "500",
    ]
    listening = {
        "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    }  # also where CI runs in the background
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    driver = subprocess.Popen(command, **pipes, **listening, text=True, cwd=ROOT, start_new_session=True)
    for line in driver.stdout:
        if line.startswith("["):
            os.killpg(driver.pid, signal.SIGINT)
            break
    _, errors = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert "add --resume" in errors
    assert "Traceback" not in errors
    shown = edgevolve("show", out / "tiny")
    assert "ended: interrupted" in shown.stdout


def test_a_corrupt_or_foreign_journal_is_one_line_and_exit_status_2(tmp_path, tiny_run, tiny_folder):
    path, _ = tiny_run
    lines = (path / "journal.jsonl").read_bytes().splitlines(keepends=True)
    corrupt = b"".join([*lines[:2], b"garbage\n", *lines[2:]])
    for content, message in ((corrupt, "line 3: not an event"), (b"{}\n", "not a journal"), (b"", "empty")):
        run_folder = tmp_path / "tiny"
        run_folder.mkdir(exist_ok=True)
        (run_folder / "journal.jsonl").write_bytes(content)
        for arguments in (["show", run_folder], [tiny_folder / "tiny.py", "--out", tmp_path, "--resume"]):
            done = edgevolve(*arguments)
            assert done.returncode == 2
            assert message in done.stderr
            assert done.stderr.count("\n") == 1
            assert (run_folder / "journal.jsonl").read_bytes() == content


def test_an_existing_run_is_never_overwritten(tiny_run, tiny_folder):
    path, _ = tiny_run
    content = (path / "journal.jsonl").read_bytes()
    start_over = f"exists; add --resume to go on, choose another --name, or remove the folder {path} to start over"
    for arguments, message in (([], start_over), (["--resume", "--seed", "5"], "seed: 0 → 5")):
        done = edgevolve(tiny_folder / "tiny.py", "--out", path.parent, "--name", "whole", *arguments)
        assert done.returncode == 2
        assert message in done.stderr
    assert (path / "journal.jsonl").read_bytes() == content


def test_a_cluster_that_is_not_there_is_refused_and_nothing_is_begun(tmp_path, tiny_folder):
    done = edgevolve_process(tiny_folder / "tiny.py", "--out", tmp_path / "out", "--ray-address", "127.0.0.1:9")
    assert done.returncode == 2
    assert done.stderr == "edgevolve: no Ray cluster answers at 127.0.0.1:9: give HOST:PORT of a head node, or auto\n"
    assert not (tmp_path / "out").exists()


def test_a_run_that_fails_again_and_again_shows_the_first_traceback_and_exits_with_1(tmp_path):
    broken = TINY.replace(
        "config = SearchConfig(",
        """
class Broken:
    metric_names = ("error",)
    def prepare(self): pass
    def __call__(self, job, splits, progress):
        if len(splits.train) < 1000:  # tried on a few examples, it works
            from edgevolve import Completed
            return Completed({"error": 0.5})
        raise OSError("the probe is not connected")

config = SearchConfig(task=Broken(), failures_in_a_row=2,""",
    )
    (tmp_path / "broken.py").write_text(broken)
    done = edgevolve_process("broken.py", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert re.search(r"[23] failures in a row; the first: OSError: the probe is not connected\n$", done.stderr)


@pytest.mark.slow
def test_modules_of_the_users_own_may_be_named_as_they_like(tmp_path):
    (tmp_path / "tiny.py").write_text(TINY)
    for name in ("data", "graph", "runs", "engine", "training", "reports", "deployment"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError")
    done = edgevolve_process("tiny.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_workers_that_the_machine_cannot_hold_are_refused_before_anything_begins(tmp_path):
    (tmp_path / "gpu.py").write_text(TINY.replace("workers=1", "workers=1, gpus_per_worker=64.0"))
    done = edgevolve_process("gpu.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "1 workers need 1 CPUs and 64 GPUs" in done.stderr
    assert not (tmp_path / "artifacts").exists()
