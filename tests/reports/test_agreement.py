"""The same journal in the terminal, as pictures and on the page: the same words, units and colours."""

import html
import io
import re

import journals
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from rich.console import Console

from edgevolve.reports.colours import FAINT, FRONT, SERIES
from edgevolve.reports.comparison import comparison
from edgevolve.reports.frames import candidates
from edgevolve.reports.metrics import metric_names, plotted_metrics
from edgevolve.reports.page import report_page
from edgevolve.reports.pictures import (
    front_figure,
    front_of_two,
    fronts_figure,
    progress_figure,
    within_soft,
    write_pictures,
)
from edgevolve.reports.quantities import axis, quantity
from edgevolve.reports.scatter import front_scatter
from edgevolve.reports.terminal import front_metrics, front_table
from edgevolve.runs import Run
from search_algorithms import Completed
from tests.reports.test_page import data


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("agreement") / "run"
    return Run.open(journals.write(folder, *journals.predicted_history(40)))


@pytest.fixture(scope="module")
def page(run):
    return report_page([run], ["run"])


def printed(renderable):
    console = Console(width=300, file=io.StringIO())
    console.print(renderable)
    return console.file.getvalue()


def test_a_figure_is_the_same_words_in_terminal_page_static_table_and_csv(run, page, tmp_path):
    (view,) = data(page)["runs"]
    names = [metric["name"] for metric in view["metrics"]]
    rows = {row[0]: dict(zip(names, row[7], strict=True)) for row in view["rows"]}
    lines = {
        int(number): line
        for number, line in re.findall(r"^[★◆ ] +(\d+)(  .*)$", printed(front_table(run, run.front)), re.M)
    }
    write_pictures([run], tmp_path)
    csv = pd.read_csv(tmp_path / "front.csv", index_col="number")
    static = re.search(r"<noscript>(.*?)</noscript>", page, re.DOTALL)[1]
    cells = {
        int(row[0]): row[1:]
        for row in (re.findall("<td>(.*?)</td>", line) for line in re.findall("<tr>(.*?)</tr>", static, re.DOTALL)[1:])
    }
    assert set(lines) == set(cells) == set(csv.index) == {record.number for record in run.front}
    for number in csv.index:
        expected = [rows[number][name] for name in front_metrics(run)]
        assert re.split("  +", lines[number].strip())[: len(expected)] == expected
        assert [html.unescape(cell) for cell in cells[number][:-1]] == [
            rows[number][name] for name in metric_names(run)
        ]
        for name in names:
            assert rows[number][name].startswith(quantity(run.metric(name), csv.loc[number, name]))


def test_axes_have_the_same_words_and_units_everywhere(run, page):
    (view,) = data(page)["runs"]
    across, upwards, colour = plotted_metrics(run)
    labels = {metric["name"]: html.unescape(metric["axis"]) for metric in view["metrics"]}
    divisors = {metric["name"]: metric["divisor"] for metric in view["metrics"]}
    figure = front_figure(run)
    axes, bar = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel(), bar.get_ylabel()) == (labels[across], labels[upwards], labels[colour])
    done = [r for r in run.records.values() if isinstance(r.outcome, Completed)]
    offsets = axes.collections[0].get_offsets()
    for record, (x, y) in zip(done, offsets, strict=True):
        assert x == pytest.approx(record.metrics[across] / divisors[across])
        assert y == pytest.approx(record.metrics[upwards] / divisors[upwards])
    terminal = front_scatter(run, run.front, 100).plain
    assert labels[across] in terminal
    assert labels[upwards] in terminal
    best = progress_figure([run], f"best {upwards}").axes[0].get_ylabel()
    chart = view["charts"][f"Best {run.metric(upwards).title}"]["evaluation"]["layout"]["yaxis"]["title"]["text"]
    assert best == f"best {html.unescape(chart)}"
    for name, words in labels.items():
        assert words == axis(run.metric(name), max(abs(record.metrics[name]) for record in done))[0]


def test_logarithmic_axes_have_ticks_in_full_at_1_2_and_5(run):
    for ruler in (front_figure(run).axes[0].yaxis, fronts_figure([run]).axes[0].xaxis):
        ruler.figure.draw_without_rendering()
        words = [label.get_text() for label in ruler.get_ticklabels(which="both") if label.get_text()]
        assert len(words) > 2
        assert {word.strip("0.")[0] for word in words} <= {"1", "2", "5"}
        assert not any("10^" in word for word in words)


def test_the_best_and_the_runs_have_the_same_colours_everywhere(run, page):
    assert data(page)["colours"]["front"] == FRONT
    stars = [each for each in front_figure(run).axes[0].collections if len(each.get_offsets()) == 1]
    assert [to_hex(star.get_facecolor()[0]) for star in stars] == [FRONT]
    table = front_table(run, run.front).renderables[0]
    assert [str(mark.style) for mark in table.columns[0]._cells if mark.plain == "★"] == [FRONT]
    assert any(str(span.style) == f"bold {FRONT}" for span in front_scatter(run, run.front, 100).spans)
    lines = [line.get_color() for line in fronts_figure([run, run]).axes[0].get_lines()]
    fronts = next(iter(comparison([run, run])["charts"]["Fronts"].values()))
    of_runs = [colour for colour in lines if colour != FAINT]
    assert of_runs == [trace["line"]["color"] for trace in fronts["data"]] == list(SERIES[:2])


@pytest.mark.parametrize(
    ("errors", "wanted"),
    [
        ([0.0, 0.02, 0.3], ["0 %", "2", "5", "10", "20"]),
        ([0.51, 0.53, 0.59], ["52", "54", "56", "58"]),
        ([0.02, 0.2], ["2", "5", "10", "20"]),
    ],
)
def test_an_error_of_0_and_a_short_range_have_the_same_ticks_in_picture_and_terminal(tmp_path, errors, wanted):
    rng = np.random.default_rng(0)
    config = dict(journals.CONFIG, problem=dict(journals.CONFIG["problem"], constraints=[]))
    events = [journals.started(config=config)]
    for number, error in enumerate(errors):
        event = journals.asked(number, rng, metrics={"model_size_bytes": 900.0 - number, "macs": 1.0})
        metrics = dict(event.metrics) | {"error": error, "peak_memory_bytes": 100.0 - number}
        events += [event, journals.finished(event, rng, metrics=metrics)]
    run = Run.open(journals.write(tmp_path / "run", *events))
    axes = front_figure(run).axes[0]
    axes.figure.draw_without_rendering()
    low, high = axes.get_ylim()
    words = [label.get_text() for label in axes.yaxis.get_ticklabels() if low <= label.get_position()[1] <= high]
    assert words == wanted
    shown = front_scatter(run, run.front, 100).plain
    in_terminal = [line.split("┤")[0].strip() for line in shown.splitlines() if "┤" in line][::-1]
    assert set(in_terminal) <= set(wanted)
    assert len(in_terminal) >= 3
    assert ("0 %" in in_terminal) == (0.0 in errors)
    (low, high) = axes.get_ylim()
    assert all(low <= y <= high for _, y in axes.collections[0].get_offsets())


def test_what_is_beyond_a_soft_bound_is_a_ring_in_picture_and_terminal(tmp_path):
    run = Run.open(journals.write(tmp_path / "run", *journals.long_history(80)))
    frame = candidates(run)
    done = frame[frame["status"] == "completed"]
    axes = front_figure(run).axes[0]
    assert len(axes.collections[1].get_offsets()) == int(done["beyond_soft"].sum()) > 0
    assert "rings: beyond a soft bound" in axes.get_title()
    step = front_of_two(run, within_soft(run, done), "model_size_bytes", "error")
    assert len(step) > 0
    assert not step["beyond_soft"].any()
    assert "○" in front_scatter(run, run.front, 100).plain
