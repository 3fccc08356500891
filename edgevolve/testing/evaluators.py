"""What an evaluator promises to the loop. Each check takes an evaluator of `Pretended` jobs."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgevolve.data import Split, Splits
from edgevolve.engine import Evaluator, JobResult
from edgevolve.graph import Dense, GraphBuilder
from edgevolve.runs import Job
from edgevolve.runs.artefacts import Arrays
from search_algorithms import Completed, Failed, Outcome

_PATIENCE_S = 300.0

MakeEvaluator = Callable[["Pretended", Splits], Evaluator]


@dataclass(frozen=True)
class Pretended:
    """A task that takes no time; its error follows from the seed, and every fourth job fails."""

    metric_names = ("error",)

    def prepare(self) -> None:
        """Nothing to prepare."""

    def __call__(self, job: Job, splits: Splits) -> Outcome:
        """Fail, or return metrics, a curve and weights, with the shared arrays and the checkpoint if there are any."""
        if job.number % 4 == 3:
            raise ValueError("on purpose")
        error = float(np.random.default_rng(job.seed).random())
        given = {"prepared": job.prepared, "checkpoint": job.checkpoint}
        weights = {name: arrays["w"] for name, arrays in given.items() if arrays is not None}
        return Completed({"error": error}, {"loss": (1.0, 0.5)}, {"w": np.array([error]), **weights})


def check_evaluator(make: MakeEvaluator) -> None:
    """Make an evaluator, run every check on it, and close it."""
    splits = Splits(*(Split(np.zeros((n, 8, 8, 1), np.float32), np.zeros(n, np.int64)) for n in (4, 2, 0)))
    evaluator = make(Pretended(), splits)
    try:
        for check in EVALUATOR_CHECKS:
            check(evaluator)
    finally:
        evaluator.close()


def every_job_ends_exactly_once(evaluator: Evaluator) -> None:
    """Each job has one result: none is lost, none comes twice."""
    assert sorted(result.number for result in _collect(evaluator, range(12))) == list(range(12))


def a_failure_is_a_result_and_the_evaluator_goes_on(evaluator: Evaluator) -> None:
    """An exception in a task is a `Failed` outcome."""
    results = {result.number: result.outcome for result in _collect(evaluator, range(8))}
    assert {number for number, outcome in results.items() if isinstance(outcome, Failed)} == {3, 7}
    assert all(isinstance(results[number], Completed) for number in (0, 1, 2, 4, 5, 6))


def the_outcome_follows_from_the_job_alone(evaluator: Evaluator) -> None:
    """The outcome depends neither on earlier jobs nor on the worker."""
    orders = (range(3), range(2, -1, -1))
    first, again = ({r.number: r.outcome for r in _collect(evaluator, numbers)} for numbers in orders)
    assert first == again


def metrics_known_before_are_among_those_of_the_outcome(evaluator: Evaluator) -> None:
    """An outcome has the job's own metrics, the task's metrics, curves and weights."""
    (result,) = _collect(evaluator, [1])
    outcome = result.outcome
    assert isinstance(outcome, Completed) and outcome.weights is not None
    assert outcome.metrics["macs"] == 192
    assert outcome.metrics["error"] > 0
    assert tuple(outcome.curves["loss"]) == (1.0, 0.5)
    assert outcome.weights["w"].shape == (1,)


def times_and_worker_are_given(evaluator: Evaluator) -> None:
    """A result names its worker and its times by the evaluator's own clock."""
    before = evaluator.now()
    (result,) = _collect(evaluator, [2])
    assert before <= result.started <= result.ended <= evaluator.now()
    assert result.worker
    assert result.attempts == 1


def what_is_shared_is_in_every_later_job(evaluator: Evaluator) -> None:
    """Shared arrays reach every job until something else is shared."""
    evaluator.share({"w": np.arange(3.0)})
    shared = _collect(evaluator, [4, 5])
    evaluator.share(None)
    for result in shared:
        assert isinstance(result.outcome, Completed) and result.outcome.weights is not None
        assert result.outcome.weights["prepared"].tolist() == [0, 1, 2]
    (result,) = _collect(evaluator, [6])
    assert isinstance(result.outcome, Completed) and "prepared" not in (result.outcome.weights or {})


def a_checkpoint_reaches_its_job(evaluator: Evaluator) -> None:
    """The task gets the checkpoint of its job unchanged."""
    (result,) = _collect(evaluator, [8], checkpoint={"w": np.array([0.25])})
    assert isinstance(result.outcome, Completed) and result.outcome.weights is not None
    assert result.outcome.weights["checkpoint"].tolist() == [0.25]


def what_is_withdrawn_never_ends_and_may_come_again(evaluator: Evaluator) -> None:
    """Withdrawn jobs, which waited for a worker, have no result; all others end."""
    numbers = set(range(10, 10 + evaluator.capacity))
    for number in numbers:
        evaluator.submit(_job(number))
    withdrawn = set(evaluator.withdraw())
    left = numbers - withdrawn
    assert withdrawn <= numbers
    until = time.monotonic() + _PATIENCE_S
    while left:
        assert time.monotonic() < until, f"{len(left)} jobs did not end"
        ended = {result.number for result in evaluator.wait(timeout_s=20)}
        assert ended <= left
        left -= ended
    assert {result.number for result in _collect(evaluator, sorted(withdrawn))} == withdrawn


def waiting_for_nothing_ends_with_the_time_given(evaluator: Evaluator) -> None:
    """With no job submitted, `wait` returns nothing within its time-out."""
    began = time.monotonic()
    assert list(evaluator.wait(timeout_s=0.2)) == []
    assert time.monotonic() - began < 10


def capacity_is_at_least_one_job_a_worker(evaluator: Evaluator) -> None:
    """The evaluator takes at least as many jobs as it has workers."""
    assert evaluator.capacity >= evaluator.workers >= 1


EVALUATOR_CHECKS: tuple[Callable[[Evaluator], None], ...] = (
    every_job_ends_exactly_once,
    a_failure_is_a_result_and_the_evaluator_goes_on,
    the_outcome_follows_from_the_job_alone,
    metrics_known_before_are_among_those_of_the_outcome,
    times_and_worker_are_given,
    what_is_shared_is_in_every_later_job,
    a_checkpoint_reaches_its_job,
    what_is_withdrawn_never_ends_and_may_come_again,
    waiting_for_nothing_ends_with_the_time_given,
    capacity_is_at_least_one_job_a_worker,
)
"""The checks; each takes an evaluator without unfinished jobs."""


def _job(number: int) -> Job:
    net = GraphBuilder()
    graph = net.build(net.add(Dense(3), net.flatten(net.input((1, 8, 8, 1)))))
    return Job(number, {"some": "genotype"}, graph, 100 + number, {"macs": 192.0})


def _collect(evaluator: Evaluator, numbers: Iterable[int], checkpoint: Arrays | None = None) -> Sequence[JobResult]:
    """Submit the jobs `numbers` as the loop does, and wait for all results."""
    waiting = list(numbers)
    wanted, results = len(waiting), list[JobResult]()
    until = time.monotonic() + _PATIENCE_S
    while len(results) < wanted:
        assert time.monotonic() < until, f"{wanted - len(results)} jobs did not end"
        while waiting and wanted - len(waiting) - len(results) < evaluator.capacity:
            evaluator.submit(replace(_job(waiting.pop(0)), checkpoint=checkpoint))
        results += evaluator.wait(timeout_s=20)
    return results
