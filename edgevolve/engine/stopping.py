"""Decides when a search ends, and for which reason."""

from edgevolve.runs import Run, SearchConfig, events

REJECTIONS_IN_A_ROW = 10_000
"""The search ends after this many rejected candidates in a row."""


def reason_to_stop(config: SearchConfig, run: Run, now: float) -> events.Stopped | None:
    """The reason why nothing more is asked at `now`, None if there is none. Jobs in flight count as evaluations."""
    begun = run.evaluations + len(run.in_flight)
    if len(run.failures) >= config.failures_in_a_row:
        first = run.failures[0]
        reason = f"{len(run.failures)} failures in a row; the first: {first.kind}: {first.reason}"
        return events.Stopped(time=now, cause="failures", reason=reason)
    spent = time_spent(config, run, now)
    if config.evaluations is not None and (run.evaluations if spent else begun) >= config.evaluations:
        return events.Stopped(time=now, cause="budget", reason=f"{config.evaluations} evaluations")
    if spent:
        return events.Stopped(time=now, cause="budget", reason=spent)
    if run.rejections_in_a_row >= REJECTIONS_IN_A_ROW:
        return _nothing_left(run, now)
    return None


def time_spent(config: SearchConfig, run: Run, now: float) -> str | None:
    """The budget of time that is spent at `now`, in words; no job begins after that. None if none is spent."""
    minutes = (run.active_seconds + now - run.last_time) / 60
    if config.minutes is not None and minutes >= config.minutes:
        return f"{config.minutes:g} minutes"
    if config.worker_hours is not None and run.busy_seconds / 3600 >= config.worker_hours:
        return f"{config.worker_hours:g} worker-hours"
    return None


def _nothing_left(run: Run, now: float) -> events.Stopped:
    if run.infeasible and not run.evaluations:
        bound, count = run.broken.most_common(1)[0]
        share = count / len(run.records)
        reason = f"no network within the bounds in {len(run.records)} attempts: {share:.1%} break {bound}; loosen it"
        if run.nearest:
            broken = run.problem.broken(run.nearest.metrics)
            values = ", ".join(f"{run.nearest.metrics[c.metric]:g} where {c}" for c in broken)
            reason += f" (the nearest, candidate {run.nearest.number}, has {values})"
        return events.Stopped(time=now, cause="infeasible", reason=reason)
    reason = f"{run.rejections_in_a_row} candidates in a row were known already or broke a bound"
    return events.Stopped(time=now, cause="exhausted", reason=reason)
