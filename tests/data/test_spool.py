"""Rows that are made once: in memory while they are few, else in a file that goes with the process."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgevolve.data import DataError, StoredArray
from edgevolve.data.spool import spooled


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 400))
def test_the_rows_are_those_of_all_pieces_wherever_they_lie(sizes, limit):
    numbers = iter(range(1000))
    pieces = [np.array([[next(numbers)] * 3 for _ in range(size)], np.int16).reshape(size, 3) for size in sizes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgevolve.data.spool.IN_MEMORY_BYTES", limit)
        rows = spooled(pieces, (3,), np.int16)
    assert isinstance(rows, StoredArray) == (6 * sum(sizes) > limit)
    assert rows.shape == (sum(sizes), 3) and np.array_equal(rows[:], np.concatenate([np.empty((0, 3)), *pieces]))


def test_the_file_goes_with_the_process_that_made_it_and_not_with_its_children(tmp_path):
    script = """
import os, numpy as np, edgevolve.data.spool as spool
spool.IN_MEMORY_BYTES = 10
rows = spool.spooled([np.zeros((9, 3), np.uint8)], (3,), np.uint8)
child = os.fork()
if child:
    os.waitpid(child, 0)
    assert rows[:].shape == (9, 3)
"""
    done = subprocess.run([sys.executable, "-c", script], env={"TMPDIR": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


def test_a_disk_that_refuses_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("edgevolve.data.spool.IN_MEMORY_BYTES", 10)
    monkeypatch.setattr("edgevolve.data.spool._folder", lambda: tmp_path / "nowhere")
    with pytest.raises(DataError, match="No such file or directory; set TMPDIR to another folder"):
        spooled([np.zeros((9, 3), np.uint8)], (3,), np.uint8)
