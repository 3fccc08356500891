"""What a task promises. Each check takes the task, a job and splits; a broken promise is an `AssertionError`."""

import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from edgevolve.data import Splits
from edgevolve.engine.evaluation import JobProgress, evaluate
from edgevolve.runs import Job, Task
from edgevolve.runs.artefacts import Arrays
from search_algorithms import Completed

Check = Callable[[Task, Job, Splits], None]


def check_task(task: Task, job: Job, splits: Splits) -> None:
    """Prepare the task and run every check; the job runs a few times, once more for each of its checkpoints."""
    task.prepare()
    for check in TASK_CHECKS:
        check(task, job, splits)


def it_travels_to_workers(task: Task, job: Job, splits: Splits) -> None:
    """The task can be pickled."""
    assert isinstance(task, Task)
    pickle.loads(pickle.dumps(task))


def a_job_completes_with_every_metric(task: Task, job: Job, splits: Splits) -> None:
    """The outcome has all of `metric_names`, each a finite number."""
    outcome = _completed(task, job, splits)
    assert set(task.metric_names) <= set(outcome.metrics)


def equal_jobs_have_equal_outcomes(task: Task, job: Job, splits: Splits) -> None:
    """Equal jobs have equal metrics and weights."""
    first, again = (_completed(task, job, splits) for _ in range(2))
    _assert_equal(first, again)


def a_job_killed_at_any_checkpoint_ends_as_if_undisturbed(task: Task, job: Job, splits: Splits) -> None:
    """Run again from any checkpoint, the job gives the same metrics and weights to the last bit."""
    kept: list[Arrays] = []

    def progress(reported: JobProgress) -> bool:
        if reported.checkpoint is not None:
            kept.append({name: np.array(value) for name, value in reported.checkpoint.items()})
        return True

    whole = evaluate(task, job, splits, progress)
    assert isinstance(whole, Completed)
    for checkpoint in kept:
        _assert_equal(whole, _completed(task, replace(job, checkpoint=checkpoint), splits))


TASK_CHECKS: tuple[Check, ...] = (
    it_travels_to_workers,
    a_job_completes_with_every_metric,
    equal_jobs_have_equal_outcomes,
    a_job_killed_at_any_checkpoint_ends_as_if_undisturbed,
)


def _completed(task: Task, job: Job, splits: Splits) -> Completed:
    outcome = evaluate(task, job, splits)
    assert isinstance(outcome, Completed), outcome
    return outcome


def _assert_equal(first: Completed, second: Completed) -> None:
    assert dict(first.metrics) == dict(second.metrics)
    assert (first.weights is None) == (second.weights is None)
    for name, value in (first.weights or {}).items():
        assert second.weights is not None and np.array_equal(value, second.weights[name]), name
