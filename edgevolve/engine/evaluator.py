"""The interface between the loop and the workers, and the two evaluators that need no Ray."""

import heapq
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from edgevolve.data import Splits
from edgevolve.engine.evaluation import JobProgress, evaluate
from edgevolve.runs import Job, Task
from edgevolve.runs.artefacts import Arrays
from search_algorithms import Completed, Failed


class WorkersLostError(RuntimeError):
    """No worker can be started. The message is one line."""


Progressed = Callable[[JobProgress], bool]
"""Called with each report of a job; returns whether the job is to continue."""


def steady_clock() -> Callable[[], float]:
    """A clock of seconds since 1970 that runs evenly: the system's clock is read only once, here."""
    ahead = time.time() - time.monotonic()
    return lambda: ahead + time.monotonic()


def _on(progress: JobProgress) -> bool:
    return True


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

    @property
    def ran(self) -> dict[str, Any]:
        """When and where it ran, and how often it was tried, as events of the journal hold it."""
        return {name: getattr(self, name) for name in ("started", "ended", "worker", "node", "attempts")}


class Evaluator(Protocol):
    """Runs jobs. Submit at most `capacity` at a time; `workers` and `capacity` shrink while workers are lost."""

    @property
    def workers(self) -> int:
        """The number of jobs that run at once."""

    @property
    def capacity(self) -> int:
        """The most jobs in flight, including those that wait for a worker."""

    def submit(self, job: Job) -> None:
        """Take a job, and return at once."""

    def withdraw(self) -> Sequence[int]:
        """Take back the jobs that wait for a worker; return their numbers."""

    def share(self, prepared: Arrays | None) -> None:
        """Set `Job.prepared` of all later jobs; it is sent once, not with each job."""

    def wait(self, timeout_s: float, progressed: Progressed = _on) -> Sequence[JobResult]:
        """Wait for jobs that end, at least one unless the time runs out; call `progressed` with reports of other jobs.

        A failed job is a result too. Raises `WorkersLostError` when no job can ever run.
        """

    def now(self) -> float:
        """Seconds since 1970, by the clock that job times refer to."""

    def close(self) -> None:
        """Release the workers; jobs in flight are abandoned."""


def results_of(evaluator: Evaluator, jobs: Iterable[Job], progressed: Progressed = _on) -> Iterator[JobResult]:
    """Run all jobs, as many at a time as the evaluator takes; give each result when its job ends."""
    left, running = deque(jobs), 0
    while left or running:
        while left and running < evaluator.capacity:
            evaluator.submit(left.popleft())
            running += 1
        for result in evaluator.wait(1.0, progressed):
            running -= 1
            yield result


class Inline:
    """Runs one job at a time in this process."""

    workers = capacity = 1

    def __init__(self, task: Task, splits: Splits, clock: Callable[[], float] | None = None) -> None:
        """Prepare the task in this process."""
        self._task, self._splits, self._clock = task, splits, clock or steady_clock()
        self._waiting: deque[Job] = deque()
        self._prepared: Arrays | None = None
        task.prepare()

    def share(self, prepared: Arrays | None) -> None:
        """Keep the arrays for later jobs."""
        self._prepared = prepared

    def submit(self, job: Job) -> None:
        """Queue the job; it runs in `wait`."""
        self._waiting.append(job)

    def withdraw(self) -> Sequence[int]:
        """Drop the queued jobs; return their numbers."""
        numbers = [job.number for job in self._waiting]
        self._waiting.clear()
        return numbers

    def wait(self, timeout_s: float, progressed: Progressed = _on) -> Sequence[JobResult]:
        """Run the oldest job to its end, however long."""
        if not self._waiting:
            return []
        job = replace(self._waiting.popleft(), prepared=self._prepared)
        started = self._clock()
        outcome = evaluate(self._task, job, self._splits, progressed)
        return [JobResult(job.number, outcome, started, self._clock(), "inline")]

    def now(self) -> float:
        """The clock's time."""
        return self._clock()

    def close(self) -> None:
        """Forget queued jobs."""
        self._waiting.clear()


class VirtualTime:
    """Simulates any number of workers on a virtual clock, for tests and simulations.

    A job ends `duration_s(job)` virtual seconds after a worker became free. `wait` moves the clock to the next end, and
    computes that job.
    """

    def __init__(self, task: Task, splits: Splits, workers: int, duration_s: Callable[[Job], float]) -> None:
        """The clock starts at 0."""
        self.workers = self.capacity = workers
        self._task, self._splits, self._duration_s = task, splits, duration_s
        self._now = 0.0
        self._running: list[tuple[float, int, float, int, Job]] = []  # end, number, start, worker, job
        self._free = [(0.0, worker) for worker in range(workers)]
        self._prepared: Arrays | None = None
        task.prepare()

    def share(self, prepared: Arrays | None) -> None:
        """Keep the arrays for later jobs."""
        self._prepared = prepared

    def submit(self, job: Job) -> None:
        """Start the job on the worker that became free first."""
        free_since, worker = heapq.heappop(self._free)
        started = max(self._now, free_since)
        heapq.heappush(self._running, (started + self._duration_s(job), job.number, started, worker, job))

    def withdraw(self) -> Sequence[int]:
        """Withdraw nothing: no job waits."""
        return ()

    def wait(self, timeout_s: float, progressed: Progressed = _on) -> Sequence[JobResult]:
        """The job that ends next."""
        if not self._running or self._running[0][0] > self._now + timeout_s:
            self._now += timeout_s
            return []
        ended, number, started, worker, job = heapq.heappop(self._running)
        outcome = evaluate(self._task, replace(job, prepared=self._prepared), self._splits, progressed)
        self._now = max(self._now, ended)
        heapq.heappush(self._free, (ended, worker))
        return [JobResult(number, outcome, started, ended, str(worker))]

    def now(self) -> float:
        """Virtual seconds."""
        return self._now

    def close(self) -> None:
        """Abandon what runs."""
        self._running.clear()
