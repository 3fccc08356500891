import journals
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from edgevolve.reports.frames import candidates, events, front
from edgevolve.reports.history import common_box, history
from edgevolve.reports.metrics import plotted_metrics
from edgevolve.reports.pictures import front_figure, front_of_two, fronts_figure, progress_figure, write_pictures
from edgevolve.runs import Run
from edgevolve.runs.events import Resumed
from search_algorithms.pareto import hypervolume


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run.open(journals.write(tmp_path_factory.mktemp("frames") / "run", *journals.long_history(120)))


def test_candidates_has_a_row_each_with_what_became_of_it(run):
    frame = candidates(run)
    assert list(frame.index) == list(run.records)
    assert dict(frame["status"].value_counts()) == {"completed": 118, "rejected": 12, "failed": 2}
    assert list(frame.index[frame["front"]]) == sorted(record.number for record in run.front)
    completed = frame[frame["status"] == "completed"]
    for number, row in completed.iterrows():
        assert {name: row[name] for name in run.records[number].metrics} == run.records[number].metrics
        assert row["ended_s"] - row["started_s"] == 1.5
    assert frame.loc[frame["status"] == "rejected", "error"].isna().all()


def test_the_front_keeps_its_order_and_its_genotypes(run):
    frame = front(run)
    assert list(frame.index) == [record.number for record in run.front]
    assert list(frame["genotype"]) == [record.genotype for record in run.front]


def test_events_are_the_lines_of_the_journal(run):
    frame = events(run)
    assert len(frame) == len(run.path.read_text().splitlines())
    assert frame["event"].iloc[0] == "started"
    assert frame["number"].max() == len(run.records) - 1


def test_seconds_leave_out_the_time_between_sessions(tmp_path):
    rng = np.random.default_rng(0)
    first, second = journals.asked(0, rng), journals.asked(1, rng, time=90_001.0)
    resumed = Resumed(time=90_000.0, config=journals.CONFIG, versions={}, workers=1)
    history = [journals.started(), first, journals.finished(first, rng), resumed, second]
    run = Run.open(journals.write(tmp_path / "run", *history, journals.finished(second, rng)))
    frame = candidates(run)
    assert list(frame["started_s"]) == [0.0, 2.5]
    assert list(frame["ended_s"]) == [1.5, 4.0]
    assert run.active_seconds == 4.0


def test_history_ends_where_the_run_stands(run):
    table = history(run)
    last = table.iloc[-1]
    assert list(table["evaluation"]) == list(range(1, run.evaluations + 1))
    assert last["feasible_share"] == pytest.approx(run.feasible_share)
    assert last["best error"] == run.best.metrics["error"]
    box = common_box([run])
    scaled = [box.scaled(run.problem.costs(record.metrics)) for record in run.front]
    assert last["hypervolume"] == pytest.approx(hypervolume(scaled, np.ones(4)))
    assert last["hypervolume"] == pytest.approx(box.share([run.problem.costs(r.metrics) for r in run.front]))
    for column in ("hypervolume", "best error"):
        assert (table[column].diff().dropna() * (1 if column == "hypervolume" else -1) >= -1e-12).all()


def test_runs_with_other_objectives_have_no_common_box(run, tmp_path):
    other = dict(
        journals.CONFIG,
        problem=dict(journals.CONFIG["problem"], objectives=journals.CONFIG["problem"]["objectives"][:2]),
    )
    begun = Run.open(journals.write(tmp_path / "other", journals.started(config=other)))
    assert common_box([run, begun]) is None


def test_a_picture_shows_objectives_before_other_metrics(tmp_path):
    objectives = {o["metric"]: o for o in journals.CONFIG["problem"]["objectives"]}
    expected = {
        ("error", "peak_memory_bytes", "model_size_bytes", "macs"): ("model_size_bytes", "error", "macs"),
        ("error", "macs", "peak_memory_bytes"): ("macs", "error", "peak_memory_bytes"),
        ("macs", "error"): ("macs", "error", "model_size_bytes"),
        ("error",): ("model_size_bytes", "error", "macs"),
        ("macs",): ("model_size_bytes", "macs", "error"),
    }
    for names, shown in expected.items():
        problem = dict(journals.CONFIG["problem"], objectives=[objectives[name] for name in names])
        events = list(journals.long_history(5))
        events[0] = journals.started(config=dict(journals.CONFIG, problem=problem))
        assert plotted_metrics(Run.open(journals.write(tmp_path / "-".join(names), *events))) == shown


def test_the_front_of_two_is_what_nothing_is_better_in_both(run):
    frame = candidates(run)
    done = frame[frame["status"] == "completed"][["model_size_bytes", "error", "broken"]]
    kept = front_of_two(run, done, "model_size_bytes", "error")
    points = done[["model_size_bytes", "error"]].to_numpy()
    expected = [
        number
        for number, point in zip(done.index, points, strict=True)
        if not ((points <= point).all(axis=1) & (points < point).any(axis=1)).any()
    ]
    assert sorted(kept.index) == expected


def test_intervals_are_columns_and_error_bars(tmp_path):
    run = Run.open(journals.write(tmp_path / "run", *journals.predicted_history(30)))
    frame = candidates(run)
    done = frame[frame["status"] == "completed"]
    assert np.allclose(done["latency_ms low"], 0.9 * done["latency_ms"])
    assert np.allclose(done["latency_ms high"], 1.2 * done["latency_ms"])
    (bars,) = front_figure(run, x="latency_ms").axes[0].containers
    values = front_of_two(run, done, "latency_ms", "error")["latency_ms"]
    drawn = [segment[:, 0] for segment in bars[2][0].get_segments()]
    assert np.allclose(drawn, np.stack([0.9 * values, 1.2 * values], axis=1))
    assert not front_figure(run, x="macs").axes[0].containers


@pytest.mark.parametrize(("bound", "is_drawn"), [(60_000, True), (10**7, False)])
def test_a_bound_far_from_every_network_does_not_press_them_to_one_side(tmp_path, bound, is_drawn):
    _, *rest = journals.long_history(30)
    size = {"metric": "model_size_bytes", "bound": bound, "sense": "at_most", "hard": True}
    config = journals.CONFIG | {"problem": journals.CONFIG["problem"] | {"constraints": [size]}}
    run = Run.open(journals.write(tmp_path / "run", journals.started(config=config), *rest))
    axes = front_figure(run, x="model_size_bytes").axes[0]
    assert (axes.get_xlim()[1] >= bound / 1024) == is_drawn


def test_pictures_are_figures_and_files_and_the_same_svg_every_time(run, tmp_path):
    for figure in (front_figure(run), fronts_figure([run, run]), progress_figure([run], "best error", "seconds")):
        assert isinstance(figure, Figure)
        assert figure.axes[0].get_xlabel()
    written = write_pictures([run], tmp_path)
    assert {path.suffix for path in written} == {".csv", ".png", ".svg"}
    for path in written:
        begin = path.read_bytes()[:8]
        assert path.suffix != ".png" or begin == b"\x89PNG\r\n\x1a\n"
        assert path.suffix != ".svg" or b"<?xml" in begin
    table = pd.read_csv(tmp_path / "candidates.csv", index_col="number")
    assert np.allclose(table["error"], candidates(run)["error"], equal_nan=True)
