"""What is said while a search runs, also where nothing ends for long."""

import io
import time

import journals
import pytest
from rich.console import Console

from edgevolve.reports import progress
from edgevolve.reports.progress import ProgressDisplay, waiting_words
from edgevolve.reports.quantities import duration
from edgevolve.runs import Run


@pytest.fixture
def output(monkeypatch):
    monkeypatch.setattr(progress, "_SILENCE_S", 0.1)
    return io.StringIO()


def wait_for(output, words):
    deadline = time.monotonic() + 20
    while words not in output.getvalue() and time.monotonic() < deadline:
        time.sleep(0.02)
    return words in output.getvalue()


def test_before_the_first_event_the_start_is_announced(config, output):
    with ProgressDisplay(Console(file=output, width=120), config()):
        assert wait_for(output, "reading the data and starting the workers")


def test_a_silent_search_says_what_it_is_at(config, output, run_search):
    events = []
    run = run_search(config(evaluations=2), observe=lambda run, event: events.append(event))
    with ProgressDisplay(Console(file=output, width=120), config()) as display:
        display(run, events[0])
        assert wait_for(output, "in training, ")


def test_what_outlives_the_minutes_is_named(run_search, config):
    run = run_search(config(evaluations=2))
    assert waiting_words(run, 2, 1, 2.0, 121.0).startswith("2 minutes are over; waiting for the candidate in training")
    assert waiting_words(run, 4, 3, 2.0, 121.0).startswith(
        "2 minutes are over; waiting for the 3 candidates in training"
    )
    assert waiting_words(run, 4, 3, 2.0, 60.0).startswith("3 in training, ")


def test_a_line_has_what_is_done_the_time_and_the_rate(config, tmp_path):
    shown = io.StringIO()
    events = list(journals.long_history(3))
    run = Run(tmp_path / "journal.jsonl", events[0])
    with ProgressDisplay(Console(file=shown, width=120), config(evaluations=3)) as display:
        for event in events:
            if event is not events[0]:
                run.apply(event)
            display(run, event)
    line = next(line for line in shown.getvalue().splitlines() if line.startswith("[3/3]"))
    spent = events[-1].time - events[0].time
    assert line.startswith(f"[3/3] {duration(spent)}, {3600 * 3 / spent:.0f}/h: candidate 2: error ")
