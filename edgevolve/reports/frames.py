"""A run as pandas frames, for notebooks, tables and charts.

>>> run = Run.open("artifacts/demo")
>>> candidates(run).query("status == 'completed'").nsmallest(5, run.main.name)
"""

from typing import Any

import pandas as pd

from edgevolve.reports.metrics import metric_names
from edgevolve.runs import Record, Run
from edgevolve.runs.journal import read
from search_algorithms import Completed, Failed, Rejected


def candidates(run: Run) -> pd.DataFrame:
    """A row a candidate, by `number`, and a column a metric, under its own name and NaN where it is not known.

    `status` is completed, failed, rejected or in flight; `reason` says why a candidate failed or was rejected. `front`
    marks the non-dominated candidates within all hard bounds, `broken` those that break a hard bound, `beyond_soft`
    those that break a soft one. `started_s` and `ended_s` are seconds since the start of the search, without the time
    between sessions; NaN of what was never evaluated. Where the error of a prediction is known, `METRIC low` and
    `METRIC high` are its interval.
    """
    front = {record.number for record in run.front}
    rows = [_row(run, record) | {"front": record.number in front} for record in run.records.values()]
    columns = ("number", "status", "reason", "front", "broken", "beyond_soft", "network", "change", "parents")
    timing = ("started_s", "ended_s", "worker", "node", "session")
    metrics = {name: [row["metrics"].get(name) for row in rows] for name in metric_names(run)}
    for name in dict.fromkeys(name for record in run.records.values() for name in record.intervals):
        ends = [record.intervals.get(name, (None, None)) for record in run.records.values()]
        metrics |= {f"{name} {end}": [pair[place] for pair in ends] for place, end in enumerate(("low", "high"))}
    frame = pd.DataFrame({name: [row[name] for row in rows] for name in (*columns, *timing)})
    measured = pd.DataFrame(metrics, dtype="float64", index=frame.index)
    clashing = [name for name in measured.columns if name in frame.columns]
    return frame.join(measured.drop(columns=clashing)).set_index("number")


def front(run: Run) -> pd.DataFrame:
    """The rows of `candidates` on the front, in the order of the front, with the genotype in its JSON form."""
    numbers = [record.number for record in run.front]
    frame = candidates(run).loc[numbers]
    return frame.assign(genotype=pd.Series([run.record(n).genotype for n in numbers], index=frame.index, dtype=object))


def events(run: Run) -> pd.DataFrame:
    """A row an event, in the journal's order: `time` in seconds since 1970, `event`, and `number` if it has one."""
    history = list(read(run.path))
    return pd.DataFrame(
        {
            "time": [event.time for event in history],
            "event": [event.event for event in history],
            "number": pd.array([getattr(event, "number", None) for event in history], dtype="Int64"),
        }
    )


def status(record: Record) -> str:
    """The status of a candidate: completed, failed, rejected or in flight."""
    match record.outcome:
        case Completed():
            return "completed"
        case Failed():
            return "failed"
        case Rejected():
            return "rejected"
    return "in flight"


def seconds_active(run: Run, record: Record) -> tuple[float | None, float | None]:
    """When the evaluation began and ended, in seconds of searching; None for what has not happened."""
    if not record.ended:
        return None, None
    gone = run.started.time + run.idle_seconds[record.session]
    return record.started - gone, record.ended - gone


def _row(run: Run, record: Record) -> dict[str, Any]:
    started, ended = seconds_active(run, record)
    reason = record.outcome.reason if isinstance(record.outcome, Failed | Rejected) else ""
    return {
        "number": record.number,
        "status": status(record),
        "reason": reason,
        "broken": bool(run.problem.broken(record.metrics)),
        "beyond_soft": run.problem.shortfall(record.metrics) > 0,
        "network": record.description,
        "change": record.change,
        "parents": record.parents,
        "started_s": started,
        "ended_s": ended,
        "worker": record.worker,
        "node": record.node,
        "session": record.session,
        "metrics": record.metrics,
    }
