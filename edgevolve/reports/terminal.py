"""Tables for the terminal: a run's front, and its exports."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from edgevolve.graph import form_in_words, from_json
from edgevolve.quantity import size
from edgevolve.reports.colours import FRONT
from edgevolve.reports.device_tables import board_lines
from edgevolve.reports.inherited import inherited_lines
from edgevolve.reports.metrics import beyond_soft, front_metrics, luck, provenance, sources
from edgevolve.reports.quantities import PERCENTAGE, duration, interval, quantity, short
from edgevolve.reports.standard import standard_lines
from edgevolve.reports.trade_off import trade_off_table
from edgevolve.runs import Record, Run
from resource_models import MODEL_SIZE
from search_algorithms import Failed, Rejected

MARKS = "\n★ best, ◆ knee"
_WIDTH_OF_A_FILE = 120
_AGREES = 0.05
"""Scores agree if they differ by less than this share of the larger one, or of 1."""


def console() -> Console:
    """Standard output, as wide as the terminal, or 120 columns if it is no terminal."""
    return Console() if sys.stdout.isatty() else Console(width=_WIDTH_OF_A_FILE)


def within_soft_bounds(run: Run) -> list[Record]:
    """The candidates of the front within the soft bounds; the whole front if none is."""
    beyond = beyond_soft(run)
    return [record for record in run.front if record.number not in beyond]


def front_table(run: Run, records: Sequence[Record], left_out: int = 0) -> RenderableType:
    """The records as rows, with the best of the run starred and its knee marked; below, the run in one line.

    `left_out` counts candidates of the front beyond a soft bound that are not among the records.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", width=1)
    table.add_column("#", justify="right")
    names = front_metrics(run)
    for name in names:
        table.add_column(run.metric(name).title, justify="right", no_wrap=True)
    table.add_column("network", overflow="fold")
    best, knee = run.best, run.knee
    for record in records:
        known = metric_words(run, record)
        mark = "◆" if knee and record.number == knee.number else ""
        mark = "★" if best and record.number == best.number else mark
        table.add_row(
            Text(mark, style=FRONT),
            str(record.number),
            *(known.get(name, "") for name in names),
            Text(network_words(record)),
        )
    unspent = run.stopped is not None and run.stopped.cause == "budget" and not run.evaluations
    notes = (
        *(("no training ended within the budget: add --resume with a larger one",) if unspent else ()),
        *luck(run),
        *inherited_lines(run),
        *standard_lines(run),
        *sources(run.devices, names),
        *board_lines(run.board),
    )
    lines = "\n".join([summary(run), *notes])
    more = f"\n{left_out} more of the front {'is' if left_out == 1 else 'are'} beyond a soft bound: show --all"
    return Group(table, Text(""), Text(f"{lines}{more if left_out else ''}{MARKS}"))


def metric_words(run: Run, record: Record) -> dict[str, str]:
    """Each known metric in words: value and unit, `!` if it breaks a soft bound, and the interval of a prediction."""
    soft = {c.metric for c in run.problem.constraints if not c.hard and c.broken(record.metrics)}
    words = {
        name: quantity(run.metric(name), value) + (" !" if name in soft else "")
        for name, value in record.metrics.items()
    }
    ranges = {name: interval(run.metric(name), *ends) for name, ends in record.intervals.items() if name in words}
    return words | {name: f"{words[name]} {between}" for name, between in ranges.items()}


def network_words(record: Record) -> str:
    """The network in words, and, if it has no more metrics, why."""
    if isinstance(record.outcome, Failed | Rejected):
        return f"{record.description} ({type(record.outcome).__name__.lower()}: {record.outcome.reason})".strip()
    return record.description


def summary(run: Run) -> str:
    """The run in one line: number of evaluations, feasible share, how busy the workers were, why it ended."""
    parts = [
        f"{run.evaluations} evaluations in {duration(run.active_seconds)}",
        f"{run.feasible_share:.1%} of {len(run.records) - run.twins} networks within the bounds",
    ]
    if run.utilisation is not None:
        parts.append(f"workers {run.utilisation:.1%} busy")
    if run.in_flight:
        parts.append(f"{len(run.in_flight)} in flight")
    parts.append(f"ended: {run.stopped.reason}" if run.stopped else "not ended")
    soft = any(not constraint.hard for constraint in run.problem.constraints)
    return ", ".join(parts) + (" (! beyond a soft bound)" if soft else "")


def front_json(run: Run, records: Sequence[Record]) -> list[dict[str, Any]]:
    """The records as plain values: number, genotype, network in words, metrics.

    A run with devices adds intervals, [low, high] by metric, and the provenance of each predicted metric.
    """
    rows = [
        {"number": r.number, "genotype": r.genotype, "network": r.description, "metrics": dict(r.metrics)}
        for r in records
    ]
    if run.devices or any(record.intervals for record in records):
        for row, record in zip(rows, records, strict=True):
            row["intervals"] = {name: list(ends) for name, ends in record.intervals.items()}
            row["provenance"] = provenance(run.devices)
    return rows


def export_table(run: Run, folder: Path, record: Record, manifest: Mapping[str, Any]) -> RenderableType:
    """The files of an export, and the scores of its int8 model if it was run."""
    table = Table(box=None, pad_edge=False, show_header=False)
    form = form_in_words(from_json(manifest["graph"]))
    rows = {
        **_scores(run, manifest, form),
        **_other_than_searched(run, record, manifest),
        **_worst_class(manifest["classes"] or (), form),
        f"{form} model": f"{manifest['tflite_bytes']} bytes",
        "model size": size(record.metrics[MODEL_SIZE.name]) + " of weights",
        "peak memory": size(manifest["peak_memory_bytes"]),
        "arena": _arena(manifest["arena"]),
    }
    beyond = {name: checked for name, checked in manifest["formats"].items() if name != "tflite"}
    for name, checked in beyond.items():
        about = f"{checked['largest_difference']:.2g} from Keras at most, {checked['examples']} examples"
        rows[name] = f"{about} on {checked['checked_on']}; outputs reach {checked['largest_output']:.3g}"
        if "host_arena_minimum_bytes" in checked:
            rows["arena on this host"] = size(checked["host_arena_minimum_bytes"])
            rows |= {f"c {part}": checked[part] for part in ("arrays", "main", "answer") if part in checked}
    for name, value in rows.items():
        table.add_row(name, value)
    return Group(Text(f"candidate {record.number} → {folder}: {', '.join(manifest['files'])}, manifest.json"), table)


def set_table(folder: Path, manifest: Mapping[str, Any]) -> RenderableType:
    """A row a network of a set with what it needs; then flash and arena of the whole set."""
    table = Table(box=None, pad_edge=False)
    for head in ("network", "int8 error", "arena", "MACs", "latency", "its own file", ""):
        table.add_column(head, justify="left" if head in ("network", "") else "right")
    rows = zip(manifest["networks"], manifest["single_bytes"], manifest["words"], strict=True)
    for number, (cost, file_bytes, words) in enumerate(rows):
        latency = f"{cost['latency_ms']:.3g} ms" if cost["latency_ms"] else "not known"
        figures = f"{cost['error']:.2%}", size(cost["arena_bytes"]), f"{cost['macs']:,}", latency, size(file_bytes)
        table.add_row(str(number), *figures, words)
    alone, together = sum(manifest["single_bytes"]), manifest["flash_bytes"]
    lines = [
        f"flash of the set: {size(together)}; of the single files together: {size(alone)} ({together / alone:.0%})",
        f"arena of the set, that of the largest: {size(manifest['arena_bytes'])} on {manifest['target']}",
        *(f"c {part}: {manifest['checks'][part]}" for part in ("arrays", "main", "answer")),
    ]
    return Group(Text(f"{folder}: networks, c, set.json"), table, Text("\n".join(lines)))


def _other_than_searched(run: Run, record: Record, manifest: Mapping[str, Any]) -> dict[str, str]:
    """A row if the weights score differently on validation than they did in the search; empty if they agree."""
    name, score = next(iter(manifest["scores"]["validation"].get("float", {}).items()), ("", 0.0))
    searched = record.metrics.get(name)
    if manifest.get("final") or searched is None:
        return {}
    if abs(score - searched) <= _AGREES * max(abs(score), abs(searched), 1.0):
        return {}
    metric = run.metric(name)
    words = f"{quantity(metric, score)} with these weights, {quantity(metric, searched)} in the search"
    return {f"validation {metric.title}": f"{words}: does the task learn and score what the data's target asks?"}


def _worst_class(classes: Sequence[Mapping[str, Any]], form: str) -> dict[str, str]:
    """The class with the lowest accuracy; empty if all accuracies are equal."""
    there = [entry for entry in classes if entry["examples"]]
    worst = min(there, key=lambda entry: entry["accuracy"], default=None)
    if worst is None or worst["accuracy"] == max(entry["accuracy"] for entry in there):
        return {}
    words = f"{short(worst['name'], 40)}: {quantity(PERCENTAGE, worst['accuracy'])} of {worst['examples']} examples"
    return {f"{form} worst class": words}


def _scores(run: Run, manifest: Mapping[str, Any], form: str) -> dict[str, str]:
    """A row a metric on the test split; for classes the accuracy replaces the first metric."""
    rows, test = {}, manifest["scores"]["test"]
    names = list(test["int8"])
    if "int8_test_accuracy" in manifest:
        float_words = quantity(PERCENTAGE, manifest["float_test_accuracy"])
        rows[f"{form} test accuracy"] = f"{quantity(PERCENTAGE, manifest['int8_test_accuracy'])} (float {float_words})"
        rows[f"{form} validation accuracy"] = quantity(PERCENTAGE, manifest["int8_validation_accuracy"])
        del names[0]
    for name in names:
        metric = run.metric(name)
        words = {of: quantity(metric, scores[name]) for of, scores in test.items()}
        rows[f"{form} test {metric.title}"] = f"{words['int8']} (float {words['float']})"
    return rows


def optimised_table(path: Path, bytes_before: int, result: Mapping[str, Any]) -> RenderableType:
    """What `optimise` saved, by the replica of the planner and on TensorFlow Lite Micro itself."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "before", "after"):
        table.add_column(name, justify="right" if name else "left")
    rows = {"planned memory, predicted": result["head_bytes"]}
    if result["micro_head_bytes"]:
        rows["planned memory, TensorFlow Lite Micro"] = result["micro_head_bytes"]
    rows["file"] = (bytes_before, len(result["model"]))
    for name, values in rows.items():
        table.add_row(name, *(f"{value} B" for value in values))
    before, after = result["head_bytes"]
    saved = f"{1 - after / before:.1%} of the planned memory saved" if after < before else "no plan needs less memory"
    notes = [saved if after < before or result["exact"] else "no better plan found"]
    if after < before and not result["exact"]:
        notes.append("a better plan may exist")
    parts: list[RenderableType] = [Text(str(path)), table]
    if len(result["arenas"]) > 1:
        notes[0] = "in bands: the last line was written; arena on cortex-m, work in multiply-accumulates, "
        notes[0] += "time on cortex_m4, modelled from assumed cycles with what is copied"
        parts.append(trade_off_table(result["arenas"]))
    if result["litert_says"]:
        notes.append(f"checked on TensorFlow Lite Micro alone; LiteRT: {result['litert_says']}")
    if result["micro_says"]:
        notes.append(result["micro_says"])
    return Group(*parts, Text("; ".join(notes)))


def _arena(arena: Mapping[str, Any]) -> str:
    """The smallest arena that works, and how it was checked."""
    words = f"{size(arena['arena_bytes'])} on {arena['target']}"
    if arena["planned"]:
        words += f", its head {1 - arena['head_bytes'] / arena['greedy_head_bytes']:.0%} smaller by the memory plan"
    host = arena["host"]
    if host is None:
        return f"{words} (predicted; not run on TensorFlow Lite Micro)"
    agrees = host["head_bytes"] == host["predicted_head_bytes"]
    return f"{words}; head on TensorFlow Lite Micro {host['head_bytes']} B{', as predicted' if agrees else ''}"
