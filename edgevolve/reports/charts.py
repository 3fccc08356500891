"""Plotly figures of the page, as plain JSON values without a template: the page sets the colours of its theme."""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import plotly.io

from edgevolve.metric import BYTES, Metric, metric
from edgevolve.quantity import size
from edgevolve.reports.axes import Scale
from edgevolve.reports.colours import FAILED, FAINT, FRONT, SERIES
from edgevolve.reports.frames import seconds_active, status
from edgevolve.reports.quantities import PERCENTAGE, axis, duration, quantity, short
from edgevolve.runs import Run
from resource_models import PlacedBuffer

Chart = dict[str, Any]

_MOST_POINTS = 1000
_MOST_BARS = 1500
_MOST_COUNTED = 20
_MOST_NAMED = 30
_OVER = {"evaluation": "evaluations", "seconds": "seconds of searching"}


def plain(figure: go.Figure) -> Chart:
    """A figure as JSON values, with null for NaN and infinities."""
    chart: Chart = json.loads(plotly.io.to_json(figure, validate=False))
    chart["layout"].pop("template", None)
    return chart


def label(text: str, length: int = 40) -> str:
    """Text for plotly, cut to `length` letters and with markup escaped."""
    return escape(short(text, length), quote=False)


def log_axis(shown: Scale) -> dict[str, Any]:
    """Plotly's settings of a logarithmic axis, or of a linear one if `shown` is linear.

    Ticks depend on the range: powers of ten, 1, 2 and 5, every digit, or even steps.
    """
    if shown.zero is None:
        return {"type": "linear"}
    words = {_plotly_words(shown.zero): shown.zero_words} if shown.zero_words else {}
    return {"type": "log", "nticks": 5, "tickformat": "~g", "labelalias": words}


def _plotly_words(place: float) -> str:
    """A power of ten as plotly writes it in the format `~g`."""
    return (
        f"{place:.0e}".replace("e-0", "e-").replace("e+0", "e+")
        if not 1e-6 <= place < 1e6
        else f"{place:.6f}".rstrip("0").rstrip(".")
    )


def course(tables: Mapping[str, pd.DataFrame], what: str, metric: Metric | None = None) -> dict[str, Chart]:
    """A column of `history` as steps, a line for each run: over evaluations, and over seconds of searching."""
    values = [table[what].astype(float) for table in tables.values()]
    largest = max((float(v.max()) for v in values if v.notna().any()), default=0.0)
    words, divisor = axis(metric, largest) if metric else (f"{what.replace('_', ' ')}, %", 0.01)
    charts = {}
    for over, across in _OVER.items():
        figure = go.Figure()
        for number, (name, table) in enumerate(tables.items()):
            kept = _thinned(table, what)
            figure.add_scatter(
                x=kept[over].to_numpy(float),
                y=kept[what].to_numpy(float) / divisor,
                text=[quantity(metric or PERCENTAGE, float(value)) for value in kept[what]],
                name=label(name),
                mode="lines" if len(kept) > 1 else "markers",
                line={"shape": "hv", "width": 2.5, "color": SERIES[number % len(SERIES)]},
                hovertemplate="%{text} at %{x:.4~g}<extra></extra>",
            )
        figure.update_layout(
            xaxis_title=across,
            yaxis_title=label(words),
            showlegend=len(tables) > 1,
            hovermode="closest",
            meta={"alt": _spoken(tables, what, over, metric or PERCENTAGE)},
        )
        charts[over] = plain(figure)
    return charts


def gantt(run: Run) -> Chart:
    """Which candidate each worker trained when; in long runs jobs without a visible gap are one bar."""
    jobs = [
        (f"{r.node} worker {r.worker}".strip(), *seconds_active(run, r), status(r), r.number)
        for r in run.records.values()
        if r.ended
    ]
    frame = pd.DataFrame(jobs, columns=["worker", "started", "ended", "status", "number"]).sort_values(
        ["worker", "started"]
    )
    frame["jobs"] = 1
    if len(frame) > _MOST_BARS:
        frame = _merged(frame)
    figure = go.Figure()
    for what, colour in (("completed", SERIES[0]), ("failed", FAILED)):
        rows = frame[frame["status"] == what]
        spans = rows["ended"] - rows["started"]
        first = [
            f"candidate {n}" if j == 1 else f"{j} candidates" for n, j in zip(rows["number"], rows["jobs"], strict=True)
        ]
        figure.add_bar(
            base=rows["started"].to_numpy(float),
            x=spans.to_numpy(float),
            y=[label(worker) for worker in rows["worker"]],
            orientation="h",
            name=what,
            marker={"color": colour, "line": {"width": 1 if len(frame) < 40 else 0, "color": "rgba(255,255,255,.6)"}},
            text=[f"{words}: {what}, {duration(span)}" for words, span in zip(first, spans, strict=True)],
            textposition="none",
            hovertemplate="%{text}<extra></extra>",
        )
    workers = frame["worker"].nunique()
    figure.update_layout(
        barmode="overlay",
        xaxis_title=_OVER["seconds"],
        yaxis={"type": "category", "autorange": "reversed"},
        height=130 + 34 * max(workers, 1),
        showlegend=bool((frame["status"] == "failed").any()),
    )
    return plain(figure)


def live_memory(live: Sequence[int], steps: Sequence[str]) -> Chart:
    """Bytes of live activations at each step, with the peak marked."""
    peak = max(live)
    words, divisor = axis(Metric("live", "live", BYTES), peak)
    numbers = list(range(1, len(live) + 1))
    figure = go.Figure()
    figure.add_bar(
        x=numbers,
        y=[value / divisor for value in live],
        marker_color=[FRONT if value == peak else SERIES[0] for value in live],
        text=[f"{step}. {label(name)}: {size(value)}" for step, name, value in zip(numbers, steps, live, strict=True)],
        textposition="none",
        hovertemplate="%{text}<extra></extra>",
    )
    figure.add_annotation(
        x=live.index(peak) + 1, y=peak / divisor, text=f"peak {size(peak)}", showarrow=False, yshift=10
    )
    figure.update_layout(
        xaxis={"title": "step", "dtick": max(1, len(live) // 15)},
        yaxis={"title": words, "range": [0, 1.15 * peak / divisor]},
        meta={"alt": f"Live memory: peak {size(peak)} at step {live.index(peak) + 1} of {len(live)}."},
    )
    return plain(figure)


def arena_map(buffers: Sequence[PlacedBuffer], steps: Sequence[str]) -> Chart:
    """The place of each buffer in a memory plan: steps to the right, bytes upwards; the peak's buffers are coloured."""
    tops = [
        max((b.offset_bytes + b.size_bytes for b in buffers if b.first_step <= step <= b.last_step), default=0)
        for step in range(len(steps))
    ]
    peak = max(tops, default=0)
    highest = tops.index(peak) if tops else 0
    words, divisor = axis(Metric("planned", "planned", BYTES), peak)
    kept = [b for b in buffers if b.size_bytes]
    at_peak = {b.name for b in kept if b.first_step <= highest <= b.last_step}
    figure = go.Figure()
    figure.add_bar(
        base=[b.offset_bytes / divisor for b in kept],
        y=[b.size_bytes / divisor for b in kept],
        x=[1 + (b.first_step + b.last_step) / 2 for b in kept],
        width=[b.last_step - b.first_step + 1 for b in kept],
        marker={
            "color": [SERIES[0] if b.name in at_peak else FAINT for b in kept],
            "line": {"width": 1, "color": "white"},
        },
        text=[
            f"{label(b.name)}: {size(b.size_bytes)} at {b.offset_bytes}, steps {b.first_step + 1} to {b.last_step + 1}"
            for b in kept
        ],
        textposition="none",
        hovertemplate="%{text}<extra></extra>",
    )
    figure.update_layout(
        barmode="overlay",
        xaxis={"title": "step", "range": [0.5, max(len(steps), 1) + 0.5], "dtick": max(1, len(steps) // 15)},
        yaxis={"title": words, "range": [0, 1.08 * peak / divisor or 1]},
        meta={"alt": f"Planned memory: {len(kept)} buffers below {size(peak)}, highest at {highest + 1}."},
    )
    return plain(figure)


def confusion(names: Sequence[str], counts: Sequence[Sequence[int]]) -> Chart:
    """A confusion matrix.

    A row holds the examples of one class, a column those answered with one class; shades are shares of the row.
    """
    matrix = np.asarray(counts, float)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    words = [label(name, 24) for name in names]
    figure = go.Figure()
    figure.add_heatmap(
        z=shares.tolist(),
        zmin=0,
        zmax=1,
        colorscale=[[0, "rgba(0,114,178,0)"], [1, "rgba(0,114,178,.8)"]],
        showscale=False,
        xgap=1,
        ygap=1,
        text=[
            [
                f"{size:.0f} of {row.sum():.0f} {name}: answered {answer}"
                for answer, size in zip(words, row, strict=True)
            ]
            for name, row in zip(words, matrix, strict=True)
        ],
        hovertemplate="%{text}<extra></extra>",
    )
    if len(names) <= _MOST_COUNTED:
        for row, column in np.argwhere(matrix > 0).tolist():
            figure.add_annotation(x=column, y=row, text=f"{matrix[row, column]:.0f}", showarrow=False)
    places = list(range(len(names)))
    step = -(-len(names) // _MOST_NAMED)
    ticks = {"tickvals": places[::step], "ticktext": words[::step], "showgrid": False, "zeroline": False}
    figure.update_layout(
        xaxis={"title": "answered", **ticks},
        yaxis={"title": "class", "autorange": "reversed", **ticks},
        height=max(240, 120 + min(len(names), _MOST_NAMED) * 30),
        meta={"alt": f"{matrix.trace():.0f} of {matrix.sum():.0f} test examples answered with their class."},
    )
    return plain(figure)


def training(curves: Mapping[str, Sequence[float]], metrics: Mapping[str, Metric]) -> Chart:
    """Training curves by epoch; a measure and its `validation_` twin share one plot. `metrics` describe them."""
    groups: dict[str, list[str]] = {}
    for name in curves:
        groups.setdefault(name.removeprefix("validation_"), []).append(name)
    figure = go.Figure()
    axes, legends = {}, set()
    for row, (group, names) in enumerate(groups.items(), start=1):
        words, divisor = axis(metric(group, metrics), 1.0)
        place = f"y{row}".removesuffix("y1") or "y"
        axes[place.replace("y", "yaxis")] = {"title": {"text": label(words)}}
        for name in names:
            validation = name != group
            figure.add_scatter(
                x=list(range(1, len(curves[name]) + 1)),
                y=np.asarray(curves[name], dtype=float) / divisor,
                name="validation" if validation else "training",
                legendgroup=str(validation),
                showlegend=validation not in legends,
                line={"color": SERIES[1] if validation else SERIES[0], "dash": "solid" if validation else "dot"},
                yaxis=place,
            )
            legends.add(validation)
    grid = {
        "rows": len(groups),
        "columns": 1,
        "ygap": 0.15,
        "subplots": [[f"x{name.replace('axis', '')}"] for name in axes],
    }
    figure.update_layout(axes, xaxis_title="epoch", grid=grid, height=90 + 170 * len(groups), hovermode="x unified")
    return plain(figure)


def _spoken(tables: Mapping[str, pd.DataFrame], what: str, over: str, metric: Metric) -> str:
    """A chart of `course` as a sentence for each run, for screen readers."""
    sentences = []
    for name, table in tables.items():
        known = table[table[what].notna()]
        if len(known):
            first, last = (
                f"{quantity(metric, float(row[what]))} after {row[over]:.0f}" for row in (known.iloc[0], known.iloc[-1])
            )
            sentences.append(f"{short(name, 40)}: {short(what.replace('_', ' '), 60)} {first}, {last} {_OVER[over]}.")
    return " ".join(sentences)


def _thinned(table: pd.DataFrame, what: str) -> pd.DataFrame:
    """The rows where the value changes, and the last row; every n-th of them if they are still too many."""
    known = table[table[what].notna()]
    changed = known[known[what].ne(known[what].shift())]
    step = -(-len(changed) // _MOST_POINTS) or 1
    return pd.concat([changed.iloc[::step], known.tail(1)]).drop_duplicates("evaluation")


def _merged(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for successive jobs of a worker with one outcome and gaps too narrow to see."""
    narrow = (frame["ended"].max() - frame["started"].min()) / 1000
    same = (frame["worker"] == frame["worker"].shift()) & (frame["status"] == frame["status"].shift())
    begins = ~(same & (frame["started"] - frame["ended"].shift() < narrow))
    return (
        frame.groupby(begins.cumsum())
        .agg(
            {"worker": "first", "started": "first", "ended": "max", "status": "first", "number": "first", "jobs": "sum"}
        )
        .reset_index(drop=True)
    )
