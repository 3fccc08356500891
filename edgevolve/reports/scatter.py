"""The front as a small scatter in the terminal, drawn by plotext."""

import math
from collections.abc import Sequence

import plotext
from rich.text import Text

from edgevolve.reports.colours import FAINT, FRONT
from edgevolve.reports.metrics import plotted_metrics
from edgevolve.reports.quantities import axis, short
from edgevolve.runs import Record, Run
from search_algorithms import Completed

_HEIGHT = 14
_LARGEST = 1e100
_WIDEST = 100
_FAINT, _FRONT, _BEST = "·", "●", "★"


def front_scatter(run: Run, records: Sequence[Record], width: int) -> Text:
    """The axes of `reports.pictures.front_figure`: `records` as discs, the best as a star, what else completed as dots.

    Nothing where fewer than two records have both metrics. `width` is in columns.
    """
    across, upwards, _ = plotted_metrics(run)
    done = [r for r in run.records.values() if isinstance(r.outcome, Completed)]
    chosen = [r for r in records if isinstance(r.outcome, Completed)]
    groups = {_FAINT: done, _FRONT: chosen, _BEST: [r for r in chosen if run.best and r.number == run.best.number]}
    groups = {mark: [r for r in group if _drawable(r, across, upwards)] for mark, group in groups.items()}
    if len(groups[_FRONT]) < 2:
        return Text("")
    every = groups[_FAINT]
    x_label, x_divisor = axis(run.metric(across), max(r.metrics[across] for r in every))
    y_label, y_divisor = axis(run.metric(upwards), max(r.metrics[upwards] for r in every))
    logarithmic = run.metric(upwards).logarithmic and all(r.metrics[upwards] > 0 for r in every)
    figure = plotext.figure
    figure.clear()
    figure.plot_size(min(width, _WIDEST), _HEIGHT)
    for mark, group in groups.items():
        if group:
            xs, ys = [r.metrics[across] / x_divisor for r in group], [r.metrics[upwards] / y_divisor for r in group]
            figure.draw(figure.signal(xs, ys, marker=mark))
    figure.label(_printable(x_label), "x")
    figure.label(_printable(y_label), "y")
    if logarithmic:
        figure.ruler("y").scale("log")
    text = Text(plotext.uncolorize(str(figure.build())))
    for mark, style in ((_FAINT, FAINT), (_FRONT, FRONT), (_BEST, f"bold {FRONT}")):
        text.highlight_words([mark], style)
    return text


def _drawable(record: Record, *metrics: str) -> bool:
    """Whether it has these metrics, and none so large that a scale cannot be computed."""
    return all(abs(record.metrics.get(name, math.inf)) < _LARGEST for name in metrics)


def _printable(text: str) -> str:
    return short("".join(c if c.isprintable() else "�" for c in text), 40)
