"""A worker's process on Ray: one task, one job at a time."""

import os
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import ray

from edgevolve.data import Splits
from edgevolve.engine.evaluation import JobProgress, evaluate
from edgevolve.engine.versions import installed_versions
from edgevolve.runs import Job, Task
from edgevolve.runs.artefacts import Arrays
from search_algorithms import Completed, Failed

_MOST_NEWS = 100
"""The most reports that wait to be fetched; the oldest are dropped first, but never the last checkpoint."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A worker's result of a job: the outcome, its duration, and the worker's resident memory."""

    outcome: Completed | Failed
    seconds: float
    memory_bytes: int


class Worker:
    """The actor. It never sees the test split. `news` is called while `run` is at work."""

    def __init__(self, task: Task, splits: Splits) -> None:
        """Prepare the task in this process."""
        self._task, self._splits = task, splits
        self._news: list[JobProgress] = []
        self._lock = threading.Lock()
        self._going_on = True
        task.prepare()

    def versions(self) -> dict[str, str]:
        """The versions of the packages on this node."""
        return installed_versions()

    def node(self) -> str:
        """The beginning of the node's id."""
        return str(ray.get_runtime_context().get_node_id())[:8]

    def run(self, job: Job, prepared: Arrays | None) -> Ran:
        """Evaluate a job to its end."""
        started = time.monotonic()
        self._going_on = True
        outcome = evaluate(self._task, replace(job, prepared=prepared), self._splits, self._report)
        self._news = []  # the outcome replaces them
        return Ran(outcome, time.monotonic() - started, _resident_bytes())

    @ray.method(concurrency_group="news")  # type: ignore[untyped-decorator]
    def news(self, going_on: bool) -> list[JobProgress]:
        """The reports since the last call, with only the last checkpoint; `going_on` says whether the job continues."""
        with self._lock:
            news, self._news = self._news, []
            self._going_on = going_on
        return news

    def _report(self, progress: JobProgress) -> bool:
        with self._lock:
            if progress.checkpoint is not None:
                self._news = [replace(old, checkpoint=None) for old in self._news]
            self._news.append(progress)
            if len(self._news) > _MOST_NEWS:
                self._news.pop(self._news[0].checkpoint is not None)
            return self._going_on


def _resident_bytes() -> int:
    """The resident memory of this process; 0 where the system does not report it."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
