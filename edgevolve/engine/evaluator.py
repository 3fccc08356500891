"""How jobs run: the seam between the loop and the workers, with the two evaluators that need no Ray."""

import heapq
import math
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from edgevolve.data import Splits
from edgevolve.runs import Job, Task
from search_algorithms import Completed, Failed, Outcome


class WorkersLostError(RuntimeError):
    """No worker can be started. The message is one line."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """The outcome of a job, when and where it ran (seconds since 1970), and how often it was tried."""

    number: int
    outcome: Completed | Failed
    started: float
    ended: float
    worker: str
    node: str = ""
    attempts: int = 1


class Evaluator(Protocol):
    """Runs jobs. Submit at most `capacity` at a time."""

    @property
    def workers(self) -> int:
        """How many jobs run at once."""

    @property
    def capacity(self) -> int:
        """How many jobs may be in flight, those included that wait for a worker."""

    def submit(self, job: Job) -> None:
        """Take a job; returns at once."""

    def wait(self, timeout_s: float) -> Sequence[JobResult]:
        """Jobs that ended, at least one unless the time runs out.

        A job's own failure is a result; raises `WorkersLostError` when no job can ever run.
        """

    def now(self) -> float:
        """Seconds since 1970, by the clock that job times refer to."""

    def close(self) -> None:
        """Let go of the workers; jobs in flight are abandoned."""


def evaluate(task: Task, job: Job, splits: Splits) -> Completed | Failed:
    """Run a job. An exception, or metrics that are missing or not finite, are a failure."""
    try:
        outcome: Outcome = task(job, splits)
        if isinstance(outcome, Failed):
            return outcome
        if not isinstance(outcome, Completed):
            return Failed("TaskError", f"the task gave a {type(outcome).__name__}, not Completed or Failed")
        return _checked(outcome, job, task)
    except Exception as error:
        reason, trace = " ".join(str(error).split())[:300], traceback.format_exc()
        home = str(Path.home())
        return Failed(type(error).__name__, reason.replace(home, "~"), trace.replace(home, "~"))


def _checked(outcome: Completed, job: Job, task: Task) -> Completed | Failed:
    """The outcome as plain numbers and arrays, all finite and all there."""
    metrics = {**job.metrics, **{str(name): float(value) for name, value in outcome.metrics.items()}}
    curves = {str(name): tuple(float(value) for value in values) for name, values in outcome.curves.items()}
    weights = None
    if outcome.weights is not None:
        weights = {str(name): np.asarray(value) for name, value in outcome.weights.items()}
        objects = [name for name, value in weights.items() if value.dtype.hasobject]
        if objects:
            return Failed("MetricError", f"weights {objects[0]} are not numbers")
    missing = [name for name in task.metric_names if name not in metrics]
    if missing:
        return Failed("MetricError", f"{missing[0]} is missing")
    for name, values in {**{name: (value,) for name, value in metrics.items()}, **curves}.items():
        if not all(math.isfinite(value) for value in values):
            return Failed("MetricError", f"{name} is not finite")
    return Completed(metrics, curves, weights)


class Inline:
    """One job at a time in this process."""

    workers = capacity = 1

    def __init__(self, task: Task, splits: Splits, clock: Callable[[], float] = time.time) -> None:
        """Prepare the task here."""
        self._task, self._splits, self._clock = task, splits, clock
        self._waiting: deque[Job] = deque()
        task.prepare()

    def submit(self, job: Job) -> None:
        """Queue the job; it runs in `wait`."""
        self._waiting.append(job)

    def wait(self, timeout_s: float) -> Sequence[JobResult]:
        """Run the oldest job to its end, however long."""
        if not self._waiting:
            return []
        job = self._waiting.popleft()
        started = self._clock()
        outcome = evaluate(self._task, job, self._splits)
        return [JobResult(job.number, outcome, started, self._clock(), "inline")]

    def now(self) -> float:
        """The clock's time."""
        return self._clock()

    def close(self) -> None:
        """Forget queued jobs."""
        self._waiting.clear()


class VirtualTime:
    """Any number of workers on a clock of its own, for tests and simulations.

    A job is computed when it is submitted and ends `duration_s(job)` virtual seconds after a worker
    became free; `wait` moves the clock to the next end.
    """

    def __init__(self, task: Task, splits: Splits, workers: int, duration_s: Callable[[Job], float]) -> None:
        """The clock starts at 0."""
        self.workers = self.capacity = workers
        self._task, self._splits, self._duration_s = task, splits, duration_s
        self._now = 0.0
        self._running: list[tuple[float, int, JobResult]] = []
        self._free = [(0.0, worker) for worker in range(workers)]
        task.prepare()

    def submit(self, job: Job) -> None:
        """Start the job on the worker that became free first."""
        free_since, worker = heapq.heappop(self._free)
        started = max(self._now, free_since)
        ended = started + self._duration_s(job)
        outcome = evaluate(self._task, job, self._splits)
        heapq.heappush(self._running, (ended, job.number, JobResult(job.number, outcome, started, ended, str(worker))))

    def wait(self, timeout_s: float) -> Sequence[JobResult]:
        """The job that ends next."""
        if not self._running or self._running[0][0] > self._now + timeout_s:
            self._now += timeout_s
            return []
        ended, _, result = heapq.heappop(self._running)
        self._now = max(self._now, ended)
        heapq.heappush(self._free, (ended, int(result.worker)))
        return [result]

    def now(self) -> float:
        """Virtual seconds."""
        return self._now

    def close(self) -> None:
        """Abandon what runs."""
        self._running.clear()
