"""Runs one job, and turns its result or exception into an outcome that the journal can hold."""

import inspect
import math
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from edgevolve.data import Splits
from edgevolve.data.chosen import features_of
from edgevolve.graph import Graph
from edgevolve.runs import Job, Task
from edgevolve.runs.artefacts import Arrays
from search_algorithms import Completed, Failed, Metrics, Outcome

_LONGEST_KIND, _LONGEST_REASON, _LONGEST_TRACEBACK = 100, 300, 20_000
_LONGEST_NAME = 200
_LONGEST_CURVE = 10_000
_MOST_NAMES = 1000


@dataclass(frozen=True, slots=True)
class JobProgress:
    """A report of a running job."""

    number: int
    step: int
    metrics: Metrics
    checkpoint: Arrays | None = None


class MetricError(ValueError):
    """A task returned a metric, curve or array that a journal cannot hold."""


def evaluate(
    task: Task, job: Job, splits: Splits, progressed: Callable[[JobProgress], bool] = lambda progress: True
) -> Completed | Failed:
    """Run a job, on the features of its own front end if it has one.

    An exception, or a metric that is missing or not finite, makes a `Failed` with a text that the journal can hold.
    """

    def progress(step: int, metrics: Metrics, checkpoint: Arrays | None = None) -> bool:
        arrays = None if checkpoint is None else _arrays("checkpoint", checkpoint)
        return progressed(JobProgress(job.number, int(step), _numbers(metrics), arrays))

    try:
        splits = features_of(job.recipe, splits)
        call: Callable[..., Outcome] = task
        outcome = call(job, splits, progress) if _takes_progress(type(task)) else call(job, splits)
        if isinstance(outcome, Failed):
            return _failed(outcome.kind, outcome.reason, outcome.traceback)
        if not isinstance(outcome, Completed):
            return Failed("TaskError", f"the task gave a {type(outcome).__name__}, not Completed or Failed")
        return _checked(outcome, job, task)
    except Exception as error:
        return _failed(type(error).__name__, error, traceback.format_exc())


@lru_cache(maxsize=64)
def _takes_progress(kind: type) -> bool:
    """Whether a task of this class takes `progress` after job and splits; a parameter with a default does not count."""
    try:
        third = list(inspect.signature(kind.__call__).parameters.values())[3]
    except (IndexError, TypeError, ValueError):
        return False
    positional = third.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return positional and (third.default is inspect.Parameter.empty or third.name == "progress")


def _failed(kind: Any, reason: Any, trace: Any) -> Failed:
    """A failure whose texts do not name the user's home folder."""
    said, trace = (_text(text).replace(str(Path.home()), "~") for text in (reason, trace))
    return Failed(_text(kind)[:_LONGEST_KIND], " ".join(said.split())[:_LONGEST_REASON], trace[-_LONGEST_TRACEBACK:])


def _text(value: Any) -> str:
    """The value as a text that can be encoded."""
    try:
        said = str(value)
    except Exception as error:
        said = f"(a text that cannot be shown: {type(error).__name__})"
    return said.encode("utf-8", "backslashreplace").decode()


def _checked(outcome: Completed, job: Job, task: Task) -> Completed:
    """The outcome as plain numbers and arrays, all finite and none missing. Raises `MetricError`."""
    given = _numbers(outcome.metrics)
    overwritten = [name for name in given if given[name] != job.metrics.get(name, given[name])]
    if overwritten := [name for name in overwritten if name not in task.metric_names]:
        raise MetricError(
            f"the task changed {overwritten[0]}, which was known before; list it in metric_names if the task decides it"
        )
    metrics = {**job.metrics, **given}
    curves = {_name(name): tuple(float(value) for value in values) for name, values in outcome.curves.items()}
    missing = [name for name in task.metric_names if name not in metrics]
    if missing:
        raise MetricError(f"{missing[0]} is missing; the task gave {', '.join(given)[:200] or 'no metric'}")
    long = [name for name, values in curves.items() if len(values) > _LONGEST_CURVE]
    if long:
        raise MetricError(f"curve {long[0]} has {len(curves[long[0]])} points; at most {_LONGEST_CURVE} are allowed")
    if len(metrics) + len(curves) > _MOST_NAMES:
        raise MetricError(f"{len(metrics) + len(curves)} metrics and curves; at most {_MOST_NAMES} are allowed")
    for name, values in curves.items():
        if not all(math.isfinite(value) for value in values):
            raise MetricError(f"curve {name} must be finite")
    if outcome.graph is not None and not isinstance(outcome.graph, Graph):
        raise MetricError(f"graph must be a Graph, not a {type(outcome.graph).__name__}")
    weights = None if outcome.weights is None else _arrays("weights", outcome.weights)
    return Completed(metrics, curves, weights, outcome.graph)


def _numbers(metrics: Mapping[Any, Any]) -> dict[str, float]:
    numbers = {_name(name): _number(name, value) for name, value in metrics.items()}
    odd = [name for name, value in numbers.items() if not math.isfinite(value)]
    if odd:
        raise MetricError(f"{odd[0]} must be finite, not {numbers[odd[0]]}")
    return numbers


def _number(name: Any, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise MetricError(f"{_name(name)} must be a number, not {repr(value)[:100]}") from None


def _name(given: Any) -> str:
    name = _text(given)
    if len(name) > _LONGEST_NAME:
        raise MetricError(f"a name has {len(name)} characters: {name[:50]}…; at most {_LONGEST_NAME} are allowed")
    return name


def _arrays(what: str, given: Arrays) -> dict[str, Any]:
    arrays = {_name(name): np.asarray(value) for name, value in given.items()}
    objects = [name for name, value in arrays.items() if value.dtype.hasobject]
    if objects:
        raise MetricError(f"{what} {objects[0]} must be numbers")
    return arrays
