"""The contents of a run's page as plain JSON values: no HTML, and not yet escaped for it.

Metrics come as values, for sorting and drawing, and in words, so that the page shows the numbers of the terminal.
"""

import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from edgevolve.graph import Graph, form_in_words, from_json, reordered
from edgevolve.reports import charts
from edgevolve.reports.axes import scale
from edgevolve.reports.device_tables import board_lines
from edgevolve.reports.drawing import drawing
from edgevolve.reports.exported import class_rows, exported_classes
from edgevolve.reports.frames import seconds_active, status
from edgevolve.reports.gradient import charts_before
from edgevolve.reports.history import history
from edgevolve.reports.inherited import inherited_lines
from edgevolve.reports.metrics import beyond_soft, luck, metric_names, plotted_metrics
from edgevolve.reports.network import OPERATOR_COLUMNS, facts, inspect_network, operator_rows, operator_words
from edgevolve.reports.quantities import duration, interval, quantity
from edgevolve.reports.standard import standard_lines
from edgevolve.reports.terminal import metric_words, network_words, summary
from edgevolve.runs import Record, Run
from edgevolve.runs.events import Asked, Finished
from edgevolve.runs.journal import read
from edgevolve.runs.provenance import has_packaged_data
from resource_models import deployed, peak_memory, placed_buffers
from search_algorithms import Completed, Failed, Rejected

View = dict[str, Any]

_MOST_REJECTED = 1500
_LONGEST_TEXT = 2000
_MOST_NUMBERS = 50


def run_view(run: Run) -> View:
    """All of a run except its rows, networks and charts."""
    names = metric_names(run)
    return {
        "name": _cut(run.name, 120),
        "summary": summary(run),
        "luck": [*luck(run), *(f"{line}." for line in (*inherited_lines(run), *standard_lines(run)))],
        "ended": run.stopped is not None,
        "metrics": [_metric(run, name) for name in names],
        "front": [record.number for record in run.front],
        "beyond_soft": sorted(beyond_soft(run)),
        "best": run.best.number if run.best else None,
        "knee": run.knee.number if run.knee else None,
        "axes": [names.index(name) for name in plotted_metrics(run)],
        "beyond": [
            n for n, r in run.records.items() if isinstance(r.outcome, Completed) and run.problem.broken(r.metrics)
        ],
        "rejected": _rejected(run),
        "devices": [_cut(f"{d.name}: {d.provenance}", 300) for d in run.devices],
        "operator_columns": OPERATOR_COLUMNS,
        "tiles": _tiles(run),
        "facts": _facts(run),
        "failures": _failures(run),
    }


def rows_view(run: Run, records: Sequence[Record]) -> list[list[Any]]:
    """A row a candidate: number, status, words, change, parents, seconds, then value and words of each metric.

    The metrics are those of `run_view`, in its order; an unknown one is null, with empty words. Last come intervals,
    [low, high] by the index of the metric, where the error of a prediction is known.
    """
    names = metric_names(run)
    rows = []
    for record in records:
        words = metric_words(run, record)
        row = [record.number, status(record), _cut(network_words(record)), _cut(record.change), list(record.parents)]
        known, texts = [record.metrics.get(name) for name in names], [words.get(name, "") for name in names]
        ranges = {place: record.intervals[name] for place, name in enumerate(names) if name in record.intervals}
        rows.append([*row, seconds_active(run, record)[1], known, texts, ranges])
    return rows


def charts_view(run: Run, table: pd.DataFrame | None = None) -> dict[str, Any]:
    """The charts of the search by heading; some have two forms, over evaluations and over seconds."""
    table = history(run) if table is None else table
    named = {run.name: table}
    drawn: dict[str, Any] = {"Hypervolume": charts.course(named, "hypervolume")} if len(table) else {}
    for objective in run.problem.objectives:
        column = f"best {objective.metric}"
        if table[column].notna().any():
            metric = run.metric(objective.metric)
            drawn[f"Best {_cut(metric.title, 60)}"] = charts.course(named, column, metric)
    if len(table):
        drawn["Feasible share"] = charts.course(named, "feasible_share")
        drawn["Workers"] = {"seconds": charts.gantt(run)}
    return drawn | charts_before(run)


def network_view(run: Run, record: Record, graph: Graph, command: str) -> View:
    """A network of the run: drawing, operators, memory, training, classes; `command` is RUN as the user gave it.

    The planned memory is the head of the arena of the exported operators under TensorFlow Lite Micro. Accuracies of
    classes come from the candidate's export in the run's folder, if there is one: the data set is not loaded. The page
    shows every chart in `charts`, in order.
    """
    inspected = inspect_network(graph, run.target)
    words = [operator_words(node) for node in inspected.graph.nodes]
    views = {"Graph": drawing(graph), "Live memory": charts.live_memory(inspected.live_bytes, words)}
    operators_run = deployed(graph).graph
    exported = reordered(operators_run, peak_memory(operators_run).order)
    names = [operator_words(node) for node in exported.nodes]
    views["Planned memory on a microcontroller"] = charts.arena_map(placed_buffers(exported, run.target), names)
    curves = record.outcome.curves if isinstance(record.outcome, Completed) else {}
    if any(len(values) for values in curves.values()):
        views["Training"] = charts.training(
            {name: values for name, values in curves.items() if len(values)}, run.metrics
        )
    classes = exported_classes(run, record)
    if classes and classes.confusion:
        views[f"Confusion, {form_in_words(graph)} on the test split"] = charts.confusion(
            classes.names, classes.confusion
        )
    return {
        "charts": views,
        "predictions": _predictions(run, record),
        "operators": operator_rows(inspected),
        "totals": list(facts(inspected).items()),
        "classes": class_rows(classes) if classes else [],
        "export": f"python driver.py export {shlex.quote(command)} --pick {record.number}"
        + ("" if has_packaged_data(run) else " --config CONFIG.py"),
    }


def graphs(run: Run, numbers: Sequence[int]) -> dict[int, Graph]:
    """The networks of several evaluated or running candidates, by number, from one reading of the journal."""
    wanted = set(numbers)
    records = {
        event.number: event.graph
        for event in read(run.path)
        if isinstance(event, Asked | Finished) and event.number in wanted and event.graph is not None
    }
    return {number: from_json(graph) for number, graph in records.items()}


def _tiles(run: Run) -> list[list[str]]:
    """The run in a few figures."""
    best = run.best
    main = run.main
    tiles = [[f"best {_cut(main.title, 40)}", quantity(main, best.metrics[main.name])]] if best else []
    tiles += [["evaluations", f"{run.evaluations}"], ["on the front", f"{len(run.front)}"]]
    tiles += [["within the bounds", f"{run.feasible_share:.1%}"], ["searching", duration(run.active_seconds)]]
    if run.utilisation is not None:
        tiles.append(["workers busy", f"{run.utilisation:.1%}"])
    return tiles


def _metric(run: Run, name: str) -> View:
    values = [
        r.metrics[name] for r in run.records.values() if name in r.metrics and not isinstance(r.outcome, Rejected)
    ]
    metric = run.metric(name)
    shown = scale(metric, values, logarithmic=True)
    aims = [o.direction for o in run.problem.objectives if o.metric == name]
    bounds = [
        {
            "value": c.bound,
            "hard": c.hard,
            "words": f"{'≤' if c.sense == 'at_most' else '≥'} {quantity(metric, c.bound)}",
        }
        for c in run.problem.constraints
        if c.metric == name
    ]
    return {
        "name": _cut(name),
        "title": _cut(metric.title, 60),
        "axis": charts.label(shown.label),
        "divisor": shown.divisor,
        "zero": shown.zero,
        "log_axis": charts.log_axis(shown),
        "aim": aims[0] if aims else None,
        "bounds": bounds,
        "better": metric.better,
        "logarithmic": metric.logarithmic,
    }


def _predictions(run: Run, record: Record) -> list[list[str]]:
    """A row a figure that a device's predictor gave: metric, value, interval, device, provenance."""
    return [
        [
            _cut(run.metric(name).title, 60),
            quantity(run.metric(name), record.metrics[name]),
            interval(run.metric(name), *record.intervals[name]) if name in record.intervals else "not known",
            _cut(device.name, 60),
            _cut(device.provenance),
        ]
        for device in run.devices
        for name in device.metrics
        if name in record.metrics
    ]


def _rejected(run: Run) -> View:
    """Each metric of rejected candidates; of very many, an evenly spaced part."""
    beyond = [r.metrics for r in run.records.values() if isinstance(r.outcome, Rejected) and r.outcome.broken]
    chosen = np.linspace(0, len(beyond) - 1, min(len(beyond), _MOST_REJECTED)).astype(int)
    return {"count": len(beyond), "metrics": [[beyond[i].get(name) for i in chosen] for name in metric_names(run)]}


def _facts(run: Run) -> list[list[str]]:
    """Space, strategy, data and settings of the search, as pairs of words."""
    config = run.started.config

    def kind(name: str) -> str:
        entry = config.get(name)
        return str(entry.get("type", "")) if isinstance(entry, Mapping) else ""

    objectives = [f"{o.direction} {run.metric(o.metric).title}" for o in run.problem.objectives]
    bounds = [
        f"{metric['title']} {bound['words']}{'' if bound['hard'] else ' (soft)'}"
        for metric in map(partial(_metric, run), dict.fromkeys(c.metric for c in run.problem.constraints))
        for bound in metric["bounds"]
    ]
    pairs = {
        "objectives": ", ".join(objectives),
        "bounds": ", ".join(bounds) or "none",
        "board": "; ".join(line.strip() for line in board_lines(run.board)).removeprefix("board "),
        "algorithm": kind("algorithm"),
        "space": kind("space"),
        "data": kind("data"),
        "seed": str(config.get("seed", "")),
        "workers": ", then ".join(map(str, run.sessions)),
        "searching": duration(run.active_seconds),
        "candidates": f"{len(run.records)} asked for, {run.twins} of them twice, {run.infeasible} beyond a hard bound",
        "versions": ", ".join(f"{name} {version}" for name, version in run.started.versions.items()),
    }
    return [[name, _cut(text)] for name, text in pairs.items() if text]


def _failures(run: Run) -> list[View]:
    """Failures by kind and reason, the most frequent first."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for record in run.records.values():
        if isinstance(record.outcome, Failed):
            groups.setdefault((record.outcome.kind, record.outcome.reason), []).append(record)
    failures = []
    for (kind, reason), records in sorted(groups.items(), key=lambda item: -len(item[1])):
        assert isinstance(records[0].outcome, Failed)
        numbers = [record.number for record in records]
        trace = records[0].outcome.traceback
        failures.append(
            {
                "kind": _cut(kind, 60),
                "reason": _cut(reason),
                "count": len(numbers),
                "numbers": numbers[:_MOST_NUMBERS],
                "traceback": trace[-4 * _LONGEST_TEXT :],
            }
        )
    return failures[:_MOST_NUMBERS]


def _cut(text: str, length: int = _LONGEST_TEXT) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
