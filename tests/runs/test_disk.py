"""Files on systems that lack one or the other module of Unix."""

import subprocess
import sys

import pytest

from edgevolve.runs.disk import lock

WITHOUT = (
    "import sys; sys.modules['fcntl'] = None; sys.argv = ['edgevolve', *sys.argv[1:]]; import driver; driver.main()"
)


def test_a_file_is_locked_once(tmp_path):
    with (tmp_path / "one").open("wb") as first, (tmp_path / "one").open("ab") as second:
        lock(first)
        with pytest.raises(OSError, match="unavailable"):
            lock(second)


def test_without_the_locks_of_unix_runs_are_read():
    command = [sys.executable, "-c", WITHOUT, "show", "tests/data/journals/0.1.0.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "evaluations in" in done.stdout
