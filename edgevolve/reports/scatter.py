"""The front as a small scatter in the terminal, drawn by plotext."""

import math
from collections.abc import Sequence

import numpy as np
import plotext
from rich.text import Text

from edgevolve.printable import printable
from edgevolve.reports.axes import scale
from edgevolve.reports.colours import FAINT, FRONT
from edgevolve.reports.metrics import beyond_soft, plotted_metrics
from edgevolve.reports.quantities import short
from edgevolve.runs import Record, Run
from search_algorithms import Completed

_HEIGHT = 14
_LARGEST = 1e100
_WIDEST = 100
_FAINT, _RING, _FRONT, _BEST = "·", "○", "●", "★"


def front_scatter(run: Run, records: Sequence[Record], width: int) -> Text:
    """A scatter on the axes of `reports.pictures.front_figure`, `width` columns wide.

    `records` are discs, the best is a star, candidates of the front beyond a soft bound are rings, other completed
    candidates are dots. The text is empty if fewer than two records have both metrics.
    """
    across, upwards, _ = plotted_metrics(run)
    done = [r for r in run.records.values() if isinstance(r.outcome, Completed)]
    chosen = [r for r in records if isinstance(r.outcome, Completed)]
    soft = beyond_soft(run)
    groups = {
        _FAINT: done,
        _RING: [r for r in run.front if r.number in soft],
        _FRONT: [r for r in chosen if r.number not in soft],
        _BEST: [r for r in chosen if run.best and r.number == run.best.number],
    }
    groups = {mark: [r for r in group if _drawable(r, across, upwards)] for mark, group in groups.items()}
    if len(groups[_FRONT]) + len(groups[_RING]) < 2:
        return Text("")
    right, up = ([r.metrics[name] for r in groups[_FAINT]] for name in (across, upwards))
    x = scale(run.metric(across), right, logarithmic=False)
    y = scale(run.metric(upwards), up, run.metric(upwards).logarithmic)
    upright = np.log10 if y.zero else np.asarray
    figure = plotext.figure
    figure.clear()
    figure.plot_size(min(width, _WIDEST), _HEIGHT)
    for mark, group in groups.items():
        if group:
            xs, ys = x.at([r.metrics[across] for r in group]), upright(y.at([r.metrics[upwards] for r in group]))
            figure.draw(figure.signal(xs.tolist(), ys.tolist(), marker=mark))
    figure.label(short(printable(x.label), 40), "x")
    figure.label(short(printable(y.label), 40), "y")
    if y.zero:  # the library's own logarithmic rulers take no ticks, and ticks move the ends of both axes
        ends = [(places.min(), places.max()) for places in (x.at(right), y.at(up))]
        ticks = y.ticks(*ends[1])
        figure.ruler("y").ticks(np.log10(list(ticks)).tolist(), list(ticks.values()))
        figure.ruler("x").lim(*map(float, ends[0]))
        figure.ruler("y").lim(*map(float, np.log10(ends[1])))
    text = Text(plotext.uncolorize(str(figure.build())))
    for mark, style in ((_FAINT, FAINT), (_RING, FRONT), (_FRONT, FRONT), (_BEST, f"bold {FRONT}")):
        text.highlight_words([mark], style)
    return text


def _drawable(record: Record, *metrics: str) -> bool:
    """Whether the record has these metrics, and none so large that a scale cannot be computed."""
    return all(abs(record.metrics.get(name, math.inf)) < _LARGEST for name in metrics)
