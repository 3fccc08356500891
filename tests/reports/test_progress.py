"""What is said while a search runs, also where nothing ends for long."""

import io
import time

import journals
import numpy as np
import pytest
from rich.console import Console

from edgevolve.reports import progress
from edgevolve.reports.progress import ProgressDisplay, waiting_words
from edgevolve.reports.quantities import duration
from edgevolve.reports.terminal import front_table
from edgevolve.runs import Run
from edgevolve.runs.events import Stopped


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


def test_a_budget_that_is_spent_before_the_first_result_is_said_with_what_to_do(tmp_path):
    stopped = Stopped(time=60.0, cause="budget", reason="1 minutes")
    asked = journals.asked(0, np.random.default_rng(0), metrics={"macs": 9.0})
    run = Run.open(journals.write(tmp_path / "run", journals.started(), asked, stopped))
    console = Console(width=120, file=io.StringIO())
    console.print(front_table(run, run.front))
    assert "no training ended within the budget: add --resume with a larger one" in console.file.getvalue()
