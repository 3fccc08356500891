"""Journals that anybody may have written: one line or a picture, never a traceback."""

import csv
import io
import json

import journals
import numpy as np
import pytest

from edgevolve.reports.history import history
from edgevolve.reports.page import report_page
from edgevolve.reports.pictures import write_pictures
from edgevolve.reports.scatter import front_scatter
from edgevolve.reports.terminal import console, front_table, within_soft_bounds
from edgevolve.reports.view import network_view, run_view
from edgevolve.reports.watch import LiveRun
from edgevolve.runs import JournalError, Run
from search_algorithms import Rejected


def mutated(text, rng):
    """The journal with one thing changed: a byte, a line, a value, a key."""
    lines = text.splitlines(keepends=True)
    at = int(rng.integers(len(lines)))
    kind = int(rng.integers(7))
    if kind == 0:
        place = int(rng.integers(len(text)))
        return text[:place] + chr(int(rng.integers(32, 127))) + text[place + 1 :]
    if kind == 1:
        return "".join(lines[:at] + lines[at + 1 :])
    if kind == 2:
        return "".join([*lines[: at + 1], *lines[at:]])
    if kind == 3:
        return text[: int(rng.integers(1, len(text)))]
    event = json.loads(lines[at])
    holder, key = event, None
    while True:
        places = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not places:
            break
        key = places[int(rng.integers(len(places)))]
        if not isinstance(holder[key], dict | list) or not holder[key] or rng.random() < 0.15:
            break
        holder = holder[key]
    if key is not None:
        odd = [
            None,
            1e308,
            -1e308,
            10**400,
            -1,
            0,
            "",
            "=1+1",
            "\u202e",
            [],
            {},
            True,
            [[1]],
            {"a": 1},
            "x" * 5000,
            1e-320,
        ]
        if kind == 4:
            holder[key] = odd[int(rng.integers(len(odd)))]
        elif kind == 5 and isinstance(holder, dict):
            holder[f"\u202e<b>{key}"] = holder.pop(key)
        else:
            del holder[key]
    lines[at] = json.dumps(event) + "\n"
    return "".join(lines)


def look_at(folder):
    """All that shows a run; a `JournalError` is the one line that a person gets."""
    try:
        run = Run.open(folder)
    except JournalError as error:
        assert "\n" not in str(error)
        run = None
    if run is not None:
        shown = console()
        with shown.capture():
            shown.print(front_table(run, within_soft_bounds(run)))
            shown.print(front_scatter(run, run.front, 100))
        try:
            report_page([run], [str(folder)])
        except JournalError as error:
            assert "\n" not in str(error)
    live = LiveRun(str(folder))
    live.look()
    live.news("")
    live.network(0)
    return run is not None


@pytest.mark.filterwarnings("error")
def test_mutated_journals_are_shown_or_refused(tmp_path):
    rng = np.random.default_rng(0)
    text = "".join(event.model_dump_json() + "\n" for event in journals.long_history(6))
    outcomes = []
    for _ in range(40):
        (tmp_path / "journal.jsonl").write_text(mutated(text, rng))
        outcomes.append(look_at(tmp_path))
    assert any(outcomes)
    assert not all(outcomes)


def test_metrics_near_the_largest_number_are_drawn(tmp_path):
    rng = np.random.default_rng(0)
    history_ = [journals.started()]
    for number, size in enumerate((1.7e308, 1e308, 5.0, 1e-320)):
        event = journals.asked(number, rng, metrics={"model_size_bytes": 9.0, "peak_memory_bytes": size, "macs": size})
        history_ += [
            event,
            journals.finished(event, rng, metrics=dict(event.metrics) | {"error": 1e308}),
        ]
    assert look_at(journals.write(tmp_path / "run", *history_))


def test_no_cell_of_a_csv_is_a_formula(tmp_path):
    rng = np.random.default_rng(0)
    event = journals.asked(0, rng, text="=cmd|' /C calc'!A0", change="@SUM(1)")
    done = journals.finished(event, rng, metrics=dict(event.metrics) | {"error": 0.1, "=1+1": -3.0})
    run = Run.open(journals.write(tmp_path / "run", journals.started(), event, done))
    for path in write_pictures([run], tmp_path / "out"):
        if path.suffix == ".csv":
            cells = [cell for row in csv.reader(io.StringIO(path.read_text())) for cell in row]
            assert "'=cmd|' /C calc'!A0" in cells
            assert "'@SUM(1)" in cells
            assert "-3.0" in cells
            assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]


def test_what_a_device_cannot_run_counts_as_beyond_a_bound(tmp_path):
    rng = np.random.default_rng(0)
    events = [journals.started()]
    for number in range(3):
        reason = {"reason": "runs no Softmax", "broken": ("runs on chip",)}
        events.append(journals.rejected(number, rng, **reason))
    events.append(journals.rejected(3, rng, reason="breaks no bound, it is a twin", broken=(), twin=0))
    event = journals.asked(4, rng)
    run = Run.open(journals.write(tmp_path / "run", *events, event, journals.finished(event, rng)))
    assert run.feasible_share == 0.25
    assert history(run)["feasible_share"].iloc[-1] == 0.25
    assert run_view(run)["rejected"]["count"] == 3
    assert run.record(3).outcome == Rejected(run.record(3).metrics, "breaks no bound, it is a twin", (), 0)


def test_what_is_beyond_a_soft_bound_is_not_shown_as_equal(tmp_path):
    rng = np.random.default_rng(0)
    events = [journals.started()]
    for number, (error, size) in enumerate([(0.02, 900.0), (0.2, 100.0)]):
        event = journals.asked(number, rng, metrics={"model_size_bytes": size, "peak_memory_bytes": size, "macs": size})
        events += [event, journals.finished(event, rng, metrics=dict(event.metrics) | {"error": error})]
    run = Run.open(journals.write(tmp_path / "run", *events))
    assert [record.number for record in run.front] == [0, 1]
    assert [record.number for record in within_soft_bounds(run)] == [0]
    assert run_view(run)["beyond_soft"] == [1]
    shown = console()
    with shown.capture() as text:
        shown.print(front_table(run, within_soft_bounds(run), left_out=1))
    assert "1 more of the front is beyond a soft bound: show --all" in text.get()


def test_a_run_with_data_of_the_users_own_is_exported_with_its_configuration(tmp_path):
    run = Run.open(journals.write(tmp_path / "run", *journals.single()))
    view = network_view(run, run.record(0), run.graph(0), "artifacts/run")
    assert view["export"].endswith("export artifacts/run --pick 0 --config CONFIG.py")
