"""Final trainings as a table: each seed, mean and spread, and the scores on the test split."""

import statistics

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgevolve.graph import form_in_words
from edgevolve.metric import QUANTISATION_DROP, Metric, int8_metric
from edgevolve.reports.inherited import inherited_lines
from edgevolve.reports.quantities import quantity
from edgevolve.runs import Run, events


def trained_line(run: Run, event: events.Retrained) -> str:
    """One final training that ended, in a line."""
    if event.failure:
        return f"seed {event.seed}: failed: {event.failure.kind}: {event.failure.reason}"
    words = (f"{metric.title} {quantity(metric, event.metrics[metric.name])}" for metric in _shown(run, event))
    return f"seed {event.seed}: {', '.join(words)}, {event.ended - event.started:.0f} s"


def final_table(run: Run, number: int) -> RenderableType:
    """The completed final trainings of a candidate, and the latest scores on the test split."""
    trained, final = run.retrained.get(number, []), run.final(number)
    if not final:
        return Text(f"candidate {number}: no training gave weights")
    table = Table(box=None, pad_edge=False, header_style="bold")
    metrics = _shown(run, final)
    for title in ("", "epochs", "seed", *(metric.title for metric in metrics)):
        table.add_column(title, justify="right")
    for one in (one for one in trained if one.how == final.how):
        figures = (quantity(metric, one.metrics[metric.name]) for metric in metrics)
        table.add_row("★" if one is final else "", str(one.epochs), str(one.seed), *figures)
    alike = [one for one in trained if one.epochs == final.epochs and one.how == final.how]
    for title, statistic in (("mean", statistics.mean), ("spread", statistics.stdev)) if len(alike) > 1 else ():
        figures = (quantity(metric, statistic([one.metrics[metric.name] for one in alike])) for metric in metrics)
        table.add_row("", str(final.epochs), title, *figures)
    inherited = [Text(line) for line in inherited_lines(run) if line.startswith(f"candidate {number}:")]
    spread = Text("of the validation split; spread: standard deviation; ★ best, it is exported")
    return Group(table, spread, *inherited, *_test(run))


def _test(run: Run) -> list[Text]:
    if not run.tested:
        return []
    last, main = run.tested[-1], run.score
    forms = {"int8": form_in_words(run.final_graph(last.number))}
    named_scores = ((forms.get(form, form), scores) for form, scores in last.scores.items() if main.name in scores)
    words = (f"{form} {quantity(main, scores[main.name])}" for form, scores in named_scores)
    looks = len(run.tested)
    return [
        Text(f"test {main.title} of candidate {last.number}: {', '.join(words)}; look {looks} of this run at the test")
    ]


def _shown(run: Run, event: events.Retrained) -> list[Metric]:
    """The main metric of the float and of the int8 network and their difference, as far as they were scored."""
    shown = (run.score, int8_metric(run.score), QUANTISATION_DROP)
    return [metric for metric in shown if metric.name in event.metrics]
