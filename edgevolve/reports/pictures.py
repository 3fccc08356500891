"""Plots for papers, by matplotlib: fronts, error against a resource, the course of a search.

The `..._figure` functions return a `matplotlib.figure.Figure`; `save` writes one as PNG and SVG.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, Locator, NullLocator, ScalarFormatter
from numpy.typing import NDArray

from edgevolve.printable import printable
from edgevolve.reports.axes import Scale, scale
from edgevolve.reports.colours import FAINT, FRONT, SCALE, SERIES
from edgevolve.reports.frames import candidates
from edgevolve.reports.history import common_box, history
from edgevolve.reports.metrics import beyond_soft, plotted_metrics
from edgevolve.reports.quantities import axis, short
from edgevolve.runs import Run

_LABEL_LENGTH = 40
_FAR = 3
"""A bound beyond this multiple of the largest value is not drawn: it would press all points to one side."""


def front_figure(run: Run, x: str | None = None, y: str | None = None, colour: str | None = None) -> Figure:
    """All completed candidates over two metrics, with a third metric as colour.

    It shows the bounds, the best candidate, and the front of these two metrics as a line. Rings are candidates beyond a
    soft bound, which the line leaves out. Points of the front and rings have error bars if the error of a prediction is
    known. The axis of an error is logarithmic, with a tick for 0 if a value is 0.
    """
    names = tuple(given or chosen for given, chosen in zip((x, y, colour), plotted_metrics(run), strict=True))
    across, upwards, third = names
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    done = _completed(run, names)
    scales = _label(axes, run, done, across, upwards)
    shown = _positions(done, across, upwards, scales)
    coloured = scale(run.metric(third), done[third], logarithmic=False)
    points = axes.scatter(*shown, c=coloured.at(done[third]), cmap=SCALE, s=28, zorder=2)
    equal = within_soft(run, done)
    beyond = done.drop(equal.index)
    if len(beyond):
        axes.scatter(*_positions(beyond, across, upwards, scales), color="white", s=12, linewidth=0, zorder=2)
    step = front_of_two(run, equal, across, upwards)
    stairs = _positions(step, across, upwards, scales)
    _error_bars(axes, run, front_of_two(run, done, across, upwards), across, upwards, scales)
    legend = f"front of {run.metric(upwards).title} and {run.metric(across).title}"
    axes.step(*stairs, where="post", color=FRONT, zorder=1, label=short(legend, 2 * _LABEL_LENGTH))
    if run.best and run.best.number in done.index:
        best = _positions(done.loc[[run.best.number]], across, upwards, scales)
        axes.scatter(*best, marker="*", s=220, color=FRONT, edgecolor="white", zorder=3, label="best")
    rings = "; rings: beyond a soft bound" if len(beyond) else ""
    name = short(run.name, _LABEL_LENGTH)
    axes.set_title(_plain(f"{name}: {run.evaluations} evaluations; grey: bounds (dashed: soft){rings}"))
    axes.legend(frameon=False)
    if len(done):
        figure.colorbar(points, label=_plain(short(coloured.label, _LABEL_LENGTH)))
    return figure


def fronts_figure(runs: Sequence[Run], x: str | None = None, y: str | None = None) -> Figure:
    """The fronts of several runs over two metrics, both axes logarithmic.

    Dominated candidates are faint; rings are candidates beyond a soft bound.
    """
    chosen = plotted_metrics(runs[0])
    across, upwards = x or chosen[0], y or chosen[1]
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    frames = [_completed(run, (across, upwards)) for run in runs]
    scales = _label(axes, runs[0], pd.concat(frames), across, upwards, both_logarithmic=True)
    for number, (run, done) in enumerate(zip(runs, frames, strict=True)):
        colour = SERIES[number % len(SERIES)]
        axes.scatter(*_positions(done, across, upwards, scales), color=colour, alpha=0.2, s=12, linewidth=0)
        best = front_of_two(run, done, across, upwards)
        front = _positions(best, across, upwards, scales)
        name = _plain(short(run.name, _LABEL_LENGTH))
        axes.step(*front, where="post", color=colour, marker=_MARKERS[number % len(_MARKERS)], ms=5, label=name)
        beyond = best.drop(within_soft(run, best).index)
        axes.scatter(*_positions(beyond, across, upwards, scales), color="white", s=6, linewidth=0, zorder=3)
    axes.legend(frameon=False)
    return figure


def progress_figure(runs: Sequence[Run], what: str = "hypervolume", over: str = "evaluation") -> Figure:
    """A column of `history` over `evaluation` or `seconds`, a line for each run; hypervolumes share one box."""
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    box = common_box(runs)
    metric = what.removeprefix("best ")
    tables = [history(run, box) for run in runs]
    label, divisor = (
        (what.replace("_", " "), 1.0)
        if what == metric
        else axis(runs[0].metric(metric), _largest(pd.concat(tables), what))
    )
    for number, (run, table) in enumerate(zip(runs, tables, strict=True)):
        name = _plain(short(run.name, _LABEL_LENGTH))
        line = (table[over], table[what].astype(float) / divisor)
        axes.step(*line, where="post", color=SERIES[number % len(SERIES)], label=name)
    upwards = label if what == metric else f"best {label}"
    axes.set(xlabel={"evaluation": "evaluations", "seconds": "seconds of searching"}[over])
    axes.set_ylabel(_plain(short(upwards, _LABEL_LENGTH)))
    axes.legend(frameon=False)
    return figure


def front_of_two(run: Run, frame: pd.DataFrame, across: str, upwards: str) -> pd.DataFrame:
    """The front of two metrics within all hard bounds, left to right, by their objectives or else what is better."""
    within = frame[~frame["broken"].astype(bool)]
    columns = {"x": across, "y": upwards}
    costs = pd.DataFrame({x: [run.cost(name, value) for value in within[name]] for x, name in columns.items()})
    costs.index = within.index
    ordered = costs.sort_values(["x", "y"])
    kept = ordered[ordered["y"] < ordered["y"].cummin().shift(fill_value=float("inf"))]
    return frame.loc[kept.index].sort_values(across)


def within_soft(run: Run, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of candidates within the soft bounds; all rows if the whole front of the run is beyond one."""
    return frame[~frame.index.isin(list(beyond_soft(run)))]


def save(figure: Figure, path: Path) -> list[Path]:
    """Write `path` with the endings .png (150 dots an inch) and .svg; return the two paths."""
    paths = [path.with_suffix(".png"), path.with_suffix(".svg")]
    figure.savefig(paths[0], dpi=150)
    figure.savefig(paths[1], metadata={"Date": None})
    return paths


@np.errstate(all="ignore")  # metrics near the largest number are not drawn
def write_pictures(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write every plot as PNG and SVG and its frame as CSV; with several runs names are numbered. Returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for number, run in enumerate(runs, start=1):
        suffix = f"-{number}" if len(runs) > 1 else ""
        frame = candidates(run)
        for name, rows in (("candidates", frame), ("front", frame.loc[[record.number for record in run.front]])):
            written.append(folder / f"{name}{suffix}.csv")
            _harmless(rows).to_csv(written[-1])
        written += save(front_figure(run), folder / f"front{suffix}")
    many: dict[str, Callable[[], Figure]] = {
        "fronts": lambda: fronts_figure(runs),
        "hypervolume": lambda: progress_figure(runs),
    }
    for name, figure in many.items():
        written += save(figure(), folder / name)
    return written


def _harmless(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame for a spreadsheet: an apostrophe before formulas, and no characters that reverse text."""
    return frame.map(_quoted).rename(columns=_quoted)


def _quoted(cell: Any) -> Any:
    """The cell as in the page's CSV; tabs and returns before a formula are not printable either."""
    if not isinstance(cell, str):
        return cell
    shown = printable(cell)
    return f"'{shown}" if re.match(r"[=+@]|-\D", shown) else shown


_MARKERS = "os^Dv*"
Scales = tuple[Scale, Scale]


def _completed(run: Run, names: Sequence[str]) -> pd.DataFrame:
    frame = candidates(run)
    frame = frame[frame["status"] == "completed"]
    return frame.reindex(columns=list(dict.fromkeys([*names, "broken"]))).dropna()


def _label(
    axes: Axes, run: Run, done: pd.DataFrame, across: str, upwards: str, both_logarithmic: bool = False
) -> Scales:
    """Name the axes and draw the bounds, but for those far from every value; return the scales."""
    x = scale(run.metric(across), done[across], both_logarithmic)
    y = scale(run.metric(upwards), done[upwards], run.metric(upwards).logarithmic)
    axes.set_xlabel(_plain(short(x.label, _LABEL_LENGTH)))
    axes.set_ylabel(_plain(short(y.label, _LABEL_LENGTH)))
    _mark(axes, "x", x)
    _mark(axes, "y", y)
    for bound in run.problem.constraints:
        style = "-" if bound.hard else "--"
        if bound.metric in (across, upwards) and abs(bound.bound) > _FAR * done[bound.metric].abs().max():
            continue
        if bound.metric == across:
            axes.axvline(bound.bound / x.divisor, color=FAINT, linestyle=style, linewidth=1)
        elif bound.metric == upwards:
            axes.axhline(bound.bound / y.divisor, color=FAINT, linestyle=style, linewidth=1)
    return x, y


def _mark(axes: Axes, name: str, shown: Scale) -> None:
    """Set the ticks of a logarithmic axis, written in full, or those of a linear axis without an offset."""
    axis = axes.xaxis if name == "x" else axes.yaxis
    if shown.zero is None:
        axis.set_major_formatter(ScalarFormatter(useOffset=False))
        return
    axes.set(**{f"{name}scale": "log"})
    axis.set_major_locator(_Ticks(shown))
    axis.set_major_formatter(FuncFormatter(lambda place, _: shown.words(place)))
    axis.set_minor_locator(NullLocator())


class _Ticks(Locator):
    """Finds the ticks of a scale for any range of the axis."""

    def __init__(self, shown: Scale) -> None:
        self._shown = shown

    def __call__(self) -> list[float]:
        """The places of the ticks, in the unit of the axis."""
        assert self.axis is not None
        return list(self._shown.ticks(*sorted(self.axis.get_view_interval())))


def _positions(
    frame: pd.DataFrame, across: str, upwards: str, scales: Scales
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return scales[0].at(frame[across]), scales[1].at(frame[upwards])


def _error_bars(axes: Axes, run: Run, front: pd.DataFrame, across: str, upwards: str, scales: Scales) -> None:
    x_lengths = _lengths(run, front, across) / scales[0].divisor
    y_lengths = _lengths(run, front, upwards) / scales[1].divisor
    if x_lengths.any() or y_lengths.any():
        bars = {"xerr": x_lengths, "yerr": y_lengths, "elinewidth": 1, "capsize": 2}
        x, y = _positions(front, across, upwards, scales)
        axes.errorbar(x, y, fmt="none", ecolor=FAINT, zorder=1, **bars)  # type: ignore[arg-type]


def _lengths(run: Run, frame: pd.DataFrame, metric: str) -> NDArray[np.float64]:
    """The lengths of the intervals below and above each value, (2, number); 0 where no interval is known."""
    values = frame[metric].to_numpy(float)
    ends = [run.record(number).intervals.get(metric) for number in frame.index]
    low, high = np.array([pair or (at, at) for pair, at in zip(ends, values, strict=True)]).reshape(-1, 2).T
    lengths: NDArray[np.float64] = np.maximum([values - low, high - values], 0.0)
    return lengths


def _largest(frame: pd.DataFrame, name: str) -> float:
    return float(frame[name].max()) if len(frame) else 0.0


def _plain(text: str) -> str:
    """Without matplotlib's mathematical notation."""
    return text.replace("$", r"\$")
