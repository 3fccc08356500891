"""Journals that anybody may have written: one line or a picture, never a traceback."""

import csv
import io
import json

import journals
import numpy as np
import pytest
from hostile_journals import answers, looks, mutated, sources

from edgevolve.reports.history import history
from edgevolve.reports.overview import runs_table
from edgevolve.reports.page import report_page
from edgevolve.reports.pictures import write_pictures
from edgevolve.reports.scatter import front_scatter
from edgevolve.reports.terminal import console, front_table, within_soft_bounds
from edgevolve.reports.view import network_view, run_view
from edgevolve.reports.watch import LiveRun
from edgevolve.runs import Run
from edgevolve.runs.events import DeviceUsed, Stopped
from search_algorithms import Rejected
from tests.reports.test_page import unpacked


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return sources(tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("block", [0, *(pytest.param(more, marks=pytest.mark.slow) for more in (1, 2))])
def test_mutated_journals_are_shown_reported_watched_and_resumed_or_refused_in_one_line(made, block, tmp_path):
    results = []
    for seed in range(50 * block, 50 * block + 50):
        content, config = made[seed % len(made)]
        folder = tmp_path / f"m{seed}"
        folder.mkdir()
        (folder / "journal.jsonl").write_bytes(mutated(content, np.random.default_rng(seed)))
        results.append(answers(folder, config))
    for name in ("show", "report", "watch", "resume"):
        assert 0.05 < np.mean([result[name] for result in results]) < 0.95


def test_metrics_near_the_largest_number_are_drawn(tmp_path):
    rng = np.random.default_rng(0)
    history_ = [journals.started()]
    for number, size in enumerate((1.7e308, 1e308, 5.0, 1e-320)):
        event = journals.asked(number, rng, metrics={"model_size_bytes": 9.0, "peak_memory_bytes": size, "macs": size})
        history_ += [
            event,
            journals.finished(event, rng, metrics=dict(event.metrics) | {"error": 1e308}),
        ]
    assert all(looks(journals.write(tmp_path / "run", *history_)).values())


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


def test_text_that_turns_its_neighbours_around_is_harmless_everywhere(tmp_path):
    rng = np.random.default_rng(0)
    turned = [f"{sign}" for sign in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"]
    every = "".join(turned)
    metric = f"lat{every}ency"
    named = {"metric": metric, "direction": "minimise", "target": None, "scale": 1.0}
    bound = {"metric": metric, "bound": 2.5, "sense": "at_most", "hard": False}
    config = dict(
        journals.CONFIG,
        data={"type": f"Data{every}", every: every},
        space={"type": every},
        algorithm={"type": every},
        problem={"objectives": [*journals.CONFIG["problem"]["objectives"], named], "constraints": [bound]},
    )
    device = DeviceUsed(name=every, provenance=every, metrics=(metric,))
    events = [journals.started(every, config, devices=(device,))]
    for number in range(4):
        event = journals.asked(number, rng, text=every, change=every, intervals={metric: (1.0, 9.0)})
        metrics = dict(event.metrics) | {"error": 0.1 * number, metric: 4.0 - number, every: 1.0}
        ended = journals.finished(event, rng, metrics=metrics, worker=every, curves={every: (1.0, 2.0)})
        trace = f"first\n{every}"
        events += [event, ended if number < 3 else journals.failed(event, every, every, trace, worker=every)]
    events += [journals.rejected(4, rng, reason=every), Stopped(time=2000.0, cause="budget", reason=every)]
    run = Run.open(journals.write(tmp_path / "run", *events))
    shown = console()
    with shown.capture() as text:
        shown.print(front_table(run, run.front, left_out=1))
        shown.print(front_scatter(run, run.front, 100))
        shown.print(runs_table(tmp_path))
    page = report_page([run, run], [f"artifacts/{every}", "b"])
    live = LiveRun(str(tmp_path / "run"))
    while live.look():
        pass
    texts = {"terminal": text.get(), "page": page, "data": unpacked(page), "live": live.news("")[1]}
    assert "ency" in json.loads(live.news("")[1])["view"]["metrics"][4]["title"]
    texts["network"] = json.dumps(live.network(0))
    for path in write_pictures([run], tmp_path / "out"):
        if path.suffix in (".csv", ".svg"):
            texts[path.name] = path.read_text()
    escaped = [f"\\u{ord(sign):04x}" for sign in turned]
    assert {name for name, each in texts.items() for sign in (*turned, *escaped) if sign in each} == set()
    assert "first\n" in json.loads(texts["data"])["runs"][0]["failures"][0]["traceback"]
