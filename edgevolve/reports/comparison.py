"""Several runs side by side: fronts in one plot, hypervolumes in one box, and results at equal budgets."""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy import stats

from edgevolve.reports.axes import scale
from edgevolve.reports.charts import Chart, course, label, log_axis, plain
from edgevolve.reports.colours import SERIES
from edgevolve.reports.differing_settings import differing_settings
from edgevolve.reports.history import common_box, history
from edgevolve.reports.metrics import beyond_soft, metric_names, plotted_metrics
from edgevolve.reports.pictures import front_of_two
from edgevolve.reports.quantities import duration, quantity, short
from edgevolve.reports.view import View
from edgevolve.runs import ON_RESUME, Run
from search_algorithms import Completed

_CONFIDENCE = 0.95
_MOST_POINTS = 300


def comparison(runs: Sequence[Run]) -> View:
    """A table of runs, a table of the settings in which they differ, and charts by heading and form.

    Hypervolumes are shares of one box for all runs, and are left out if the objectives differ. Runs that differ only in
    seed, budget and workers form a group. A group's line is the mean over its runs at equal numbers of evaluations; its
    band, from two runs on, is the 95 % confidence interval of that mean (Student's t).
    """
    names = run_titles(runs)
    box = common_box(runs)
    tables = {name: history(run, box) for name, run in zip(names, runs, strict=True)}
    matched = min(len(table) for table in tables.values())
    charts: dict[str, dict[str, Chart]] = {"Fronts": _fronts(names, runs)}
    if box is not None:
        charts["Hypervolume"] = course(tables, "hypervolume")
        if matched:
            charts["Equal budgets"] = {"evaluation": _bands(runs, list(tables.values()), matched)}
    head = ["run", "seed", "evaluations", "searching", "front", "best"]
    head += ["hypervolume", f"hypervolume after {matched}"] if box is not None else []
    rows = []
    for run, (name, table) in zip(runs, tables.items(), strict=True):
        best = run.best
        main = run.main
        row = [name, str(run.started.config.get("seed", "")), str(run.evaluations), duration(run.active_seconds)]
        row += [str(len(run.front)), quantity(main, best.metrics[main.name]) if best else "–"]
        if box is not None:
            ends = [table["hypervolume"].iloc[:count] for count in (len(table), matched)]
            row += [f"{100 * end.iloc[-1]:.2f} %" if len(end) else "–" for end in ends]
        rows.append(row)
    settings = {"head": ["setting", *names], "rows": differing_settings([run.started for run in runs])}
    return {"head": head, "rows": rows, "settings": settings, "charts": charts}


def run_titles(runs: Sequence[Run]) -> list[str]:
    """The names of the runs, numbered where two are the same."""
    return _distinct([short(run.name, 60) for run in runs])


def _fronts(names: Sequence[str], runs: Sequence[Run]) -> dict[str, Chart]:
    """The fronts of the runs over each horizontal metric and the vertical one; open marks break a soft bound."""
    first, upwards, _ = plotted_metrics(runs[0])
    shared = [name for name in metric_names(runs[0]) if all(name in metric_names(run) for run in runs)]
    across = sorted((name for name in shared if name != upwards), key=lambda name: name != first)
    return (
        {runs[0].metric(name).title: _front(names, runs, name, upwards) for name in across} if upwards in shared else {}
    )


def _front(names: Sequence[str], runs: Sequence[Run], across: str, upwards: str) -> Chart:
    figure = go.Figure()
    frames = [_front_frame(run, across, upwards) for run in runs]
    every = pd.concat(frames)
    x, y = runs[0].metric(across), runs[0].metric(upwards)
    x_scale, y_scale = scale(x, every[across], logarithmic=False), scale(y, every[upwards], y.logarithmic)
    symbols = ("circle", "square", "triangle-up", "diamond", "triangle-down", "star")
    for number, (name, frame) in enumerate(zip(names, frames, strict=True)):
        place = number % len(SERIES)
        soft = beyond_soft(runs[number])
        figure.add_scatter(
            x=x_scale.at(frame[across]),
            y=y_scale.at(frame[upwards]),
            text=[
                f"{label(name)} #{n}: {quantity(y, up)}, {quantity(x, right)}"
                for n, right, up in zip(frame.index, frame[across], frame[upwards], strict=True)
            ],
            name=label(name),
            mode="lines+markers",
            line={"shape": "hv", "color": SERIES[place], "width": 2},
            marker={"symbol": [f"{symbols[place]}{'-open' if n in soft else ''}" for n in frame.index], "size": 9},
            hovertemplate="%{text}<extra></extra>",
        )
    figure.update_layout(
        xaxis_title=label(x_scale.label),
        yaxis={"title": label(y_scale.label)} | log_axis(y_scale),
        height=380,
        hovermode="closest",
    )
    return plain(figure)


def _front_frame(run: Run, across: str, upwards: str) -> pd.DataFrame:
    done = {
        number: {across: r.metrics[across], upwards: r.metrics[upwards], "broken": bool(run.problem.broken(r.metrics))}
        for number, r in run.records.items()
        if isinstance(r.outcome, Completed) and across in r.metrics and upwards in r.metrics
    }
    frame = pd.DataFrame.from_dict(done, orient="index", columns=[across, upwards, "broken"])
    return front_of_two(run, frame.astype({across: float, upwards: float, "broken": bool}), across, upwards)


def _bands(runs: Sequence[Run], tables: Sequence[pd.DataFrame], matched: int) -> Chart:
    groups: dict[str, list[int]] = {}
    for number, run in enumerate(runs):
        groups.setdefault(_but_for_seed(run), []).append(number)
    kinds = [_kind(runs[members[0]]) for members in groups.values()]
    at = np.unique(np.linspace(1, matched, min(matched, _MOST_POINTS)).astype(int))
    figure = go.Figure()
    for place, (kind, members) in enumerate(zip(_distinct(kinds), groups.values(), strict=True)):
        colour = SERIES[place % len(SERIES)]
        values = 100 * np.array([tables[number]["hypervolume"].to_numpy(float)[at - 1] for number in members])
        mean, count = values.mean(axis=0), len(members)
        words = f"{label(kind)}, {count} run{'s' if count > 1 else ''}"
        if count > 1:
            spread = values.std(axis=0, ddof=1) / np.sqrt(count) * stats.t.ppf((1 + _CONFIDENCE) / 2, count - 1)
            band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
            figure.add_scatter(x=at, y=np.clip(mean - spread, 0, 100), **band)
            red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
            shade = f"rgba({red},{green},{blue},.2)"
            figure.add_scatter(x=at, y=np.clip(mean + spread, 0, 100), fill="tonexty", fillcolor=shade, **band)
        figure.add_scatter(
            x=at,
            y=mean,
            name=words,
            line={"color": colour, "width": 2.5},
            hovertemplate="%{y:.2f} % at %{x}<extra></extra>",
        )
    figure.update_layout(xaxis_title="evaluations", yaxis_title="mean hypervolume, %", showlegend=True)
    return plain(figure)


def _but_for_seed(run: Run) -> str:
    """The settings that the runs of a group have in common, as a key."""
    kept = {name: value for name, value in run.started.config.items() if name not in (*ON_RESUME, "seed")}
    return json.dumps(kept, sort_keys=True)


def _kind(run: Run) -> str:
    algorithm = run.started.config.get("algorithm")
    return short(str(algorithm.get("type", "")) if isinstance(algorithm, dict) else "", 40) or "search"


def _distinct(names: Sequence[str]) -> list[str]:
    """The names; a name that occurs twice gets its place behind it."""
    return [f"{name} ({place})" if names.count(name) > 1 else name for place, name in enumerate(names, start=1)]
