"""Runs jobs on Ray actors, one at a time each, with a deadline; actors that die are replaced."""

import os
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_worker_niceness", "0")
if not os.environ.get("RAY_ADDRESS", "set"):
    del os.environ["RAY_ADDRESS"]  # empty is unset

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from edgevolve.data import Splits
from edgevolve.engine.cluster import ClusterError, Heartbeat, cores, own_signals, temporary_folder
from edgevolve.engine.evaluation import JobProgress
from edgevolve.engine.evaluator import JobResult, Progressed, WorkersLostError, steady_clock
from edgevolve.engine.own_code import PACKAGES, ship_by_value
from edgevolve.engine.ray_worker import Ran, Worker
from edgevolve.engine.versions import installed_versions
from edgevolve.runs import Job, Task
from edgevolve.runs.artefacts import Arrays
from edgevolve.runs.task import Needs
from search_algorithms import Completed, Failed

_ATTEMPTS = 3
"""The most attempts at a job whose worker is lost, counted from its last checkpoint, and at a worker's start."""
_JOBS_PER_WORKER = 500
_WORKER_MEMORY_BYTES = 4 << 30
"""A worker is replaced after `_JOBS_PER_WORKER` jobs, or above this resident memory, since TensorFlow's grows."""
_START_DEADLINE_S = 300.0
_FIRST_DEADLINE_S, _LEAST_DEADLINE_S, _TIMES_THE_LONGEST = 3600.0, 120.0, 20
"""Default deadlines: before any job has ended, then at least, and as a multiple of the longest time seen."""
_ASK_EVERY_S = 1.0


@dataclass(slots=True)
class _Slot:
    """A worker's place: its actor, the node it runs on, and the number of jobs that the actor has done.

    `pinned` is the node on which every actor of this place runs, if any; `failed_starts` counts failed starts in a row.
    """

    name: str
    actor: Any
    node: str = ""
    jobs: int = 0
    pinned: str | None = None
    failed_starts: int = 0


@dataclass(frozen=True, slots=True)
class _Try:
    """A job, the number of this attempt, and that of the first attempt since its last checkpoint."""

    job: Job
    attempt: int = 1
    since: int = 1


@dataclass(slots=True, eq=False)
class _Running:
    slot: _Slot
    tried: _Try
    submitted: float
    heard: float
    asked: float
    reported: bool = False
    going_on: bool = True


class RayPool:
    """An evaluator on a Ray cluster: the one at `address`, or one of its own on this machine.

    By default there are as many `workers` as the CPUs allow for what the task needs; with `one_a_node` there is one on
    each node. `gpus_per_worker` is by default what the task needs, or an even share of the GPUs. The task and the data
    are sent once through the object store. Check first that the cluster answers (`engine.cluster`).

    A job that neither ends nor reports for `deadline_s` fails. The default is 20 times the longest time that a job has
    taken so far, and at least 2 minutes.
    """

    def __init__(
        self,
        task: Task,
        splits: Splits,
        *,
        workers: int | None = None,
        gpus_per_worker: float | None = None,
        deadline_s: float | None = None,
        address: str | None = None,
        one_a_node: bool = False,
    ) -> None:
        """Connect, and begin to start the workers."""
        self._owns_cluster = _connect(address, workers)
        self._heartbeat, self._lost = _heartbeat(), False
        resources = ray.cluster_resources()
        nodes = _nodes() if one_a_node else []
        needs = getattr(task, "needs", None) or Needs()
        self.workers = len(nodes) or workers or max(1, int(resources.get("CPU", 1)) // needs.cpus)
        gpus = resources.get("GPU", 0.0)
        asked = needs.gpus if gpus_per_worker is None else gpus_per_worker
        share = min(1.0, gpus / self.workers) if asked is None else asked
        _require(resources, self.workers, needs.cpus, share, gpus)
        self._actor_class = ray.remote(
            num_cpus=needs.cpus, num_gpus=share, max_restarts=0, max_task_retries=0, concurrency_groups={"news": 1}
        )(Worker)
        ship_by_value(task)
        self._task, self._splits = ray.put(task), ray.put(splits)
        self._prepared: Any = None
        self._deadline_s = deadline_s
        self._longest_s = 0.0
        self._clock = steady_clock()
        self._queue: deque[_Try] = deque()
        self._idle: deque[_Slot] = deque()
        self._busy: dict[Any, _Running] = {}
        self._starting: dict[Any, _Slot] = {}
        self._asked: dict[Any, _Running] = {}
        self._starting_since = time.monotonic()
        for index in range(self.workers):
            self._start(str(index), nodes[index] if nodes else None)

    @property
    def capacity(self) -> int:
        """The workers and one job more for every four: waiting jobs hide the time that asking takes."""
        return self.workers + max(1, self.workers // 4)

    def submit(self, job: Job) -> None:
        """Give the job to a free worker, or to the first that becomes free."""
        self._queue.append(_Try(job))
        self._dispatch()

    def withdraw(self) -> Sequence[int]:
        """Take back the jobs that no worker has yet; return their numbers."""
        numbers = [tried.job.number for tried in self._queue]
        self._queue.clear()
        return numbers

    def share(self, prepared: Arrays | None) -> None:
        """Put the arrays into the object store, from which they are fetched once a node."""
        self._prepared = None if prepared is None else ray.put(dict(prepared))

    def wait(self, timeout_s: float, progressed: Progressed = lambda progress: True) -> Sequence[JobResult]:
        """Jobs that ended; also replaces lost workers and kills overdue ones."""
        until = time.monotonic() + timeout_s
        results: list[JobResult] = []
        while not results and (remaining := until - time.monotonic()) > 0:
            self._require_ray()
            self._ask_for_news()
            waiting = [*self._busy, *self._starting, *self._asked]
            if not waiting:  # nothing runs
                time.sleep(remaining)
                break
            ready, _ = ray.wait(waiting, num_returns=1, timeout=min(remaining, _ASK_EVERY_S))
            for reference in ready:
                if reference in self._starting:
                    self._started(reference)
                elif reference in self._asked:
                    self._hear(self._asked.pop(reference), reference, progressed)
                else:
                    results += self._ended(reference)
            results += self._overdue()
            self._check_starts()
            self._dispatch()
        return results

    def now(self) -> float:
        """Seconds since 1970, by a clock that runs evenly."""
        return self._clock()

    def close(self) -> None:
        """Kill the workers and leave the cluster, unless its processes died."""
        if self._lost:
            return
        for slot in [*self._idle, *self._starting.values(), *(running.slot for running in self._busy.values())]:
            ray.kill(slot.actor)
        if self._owns_cluster:
            ray.shutdown()

    def _require_ray(self) -> None:
        try:
            self._heartbeat.require()
        except WorkersLostError:
            self._lost = True
            raise

    def _check_starts(self) -> None:
        """Raise `WorkersLostError` where no worker has ever started, instead of waiting for ever for resources."""
        waited_s = time.monotonic() - self._starting_since
        if not self._idle and not self._busy and self._starting and waited_s > _START_DEADLINE_S:
            free = ray.available_resources().get("CPU", 0)
            raise WorkersLostError(f"no worker has started in {waited_s:.0f} s; the cluster has {free:g} CPUs free")
        if self._idle or self._busy:
            self._starting_since = time.monotonic()

    def _start(self, name: str, pinned: str | None = None, failed_starts: int = 0) -> None:
        where = NodeAffinitySchedulingStrategy(pinned, soft=False) if pinned else "DEFAULT"
        actor = self._actor_class.options(scheduling_strategy=where).remote(self._task, self._splits)
        slot = _Slot(name, actor, pinned=pinned, failed_starts=failed_starts)
        self._starting[slot.actor.versions.remote()] = slot

    def _started(self, reference: Any) -> None:
        slot = self._starting.pop(reference)
        try:
            versions = ray.get(reference)
            slot.node = ray.get(slot.actor.node.remote())
        except exceptions.RayError as error:
            if slot.failed_starts + 1 < _ATTEMPTS:
                self._start(slot.name, slot.pinned, slot.failed_starts + 1)
                return
            if not (self._starting or self._idle or self._busy):
                raise WorkersLostError(f"no worker starts: {_last_line(error)}") from error
            self.workers -= 1  # give this place up; others go on
            return
        mine = installed_versions()
        other = [f"{name} {versions.get(name)}, not {mine[name]}" for name in mine if versions.get(name) != mine[name]]
        if other:
            raise ClusterError(f"node {slot.node} has {', '.join(other)}; install the same versions there")
        slot.failed_starts = 0
        self._idle.append(slot)

    def _dispatch(self) -> None:
        while self._queue and self._idle:
            tried, slot, now = self._queue.popleft(), self._idle.popleft(), time.monotonic()
            reference = slot.actor.run.remote(tried.job, self._prepared)
            self._busy[reference] = _Running(slot, tried, submitted=now, heard=now, asked=now + _ASK_EVERY_S)

    def _ask_for_news(self) -> None:
        """Ask jobs that have run for some seconds for reports; short jobs are not asked."""
        now, asked = time.monotonic(), {id(running) for running in self._asked.values()}
        for running in self._busy.values():
            if now - running.asked >= _ASK_EVERY_S and id(running) not in asked:
                running.asked = now
                self._asked[running.slot.actor.news.remote(running.going_on)] = running

    def _hear(self, running: _Running, reference: Any, progressed: Progressed) -> None:
        if running not in self._busy.values():
            return
        try:
            news: list[JobProgress] = ray.get(reference)
        except exceptions.RayError:
            return  # the job's own reference fails too
        for progress in news:
            self._take(running, progress, progressed)

    def _take(self, running: _Running, progress: JobProgress, progressed: Progressed) -> None:
        now = time.monotonic()
        self._longest_s = max(self._longest_s, now - running.heard)
        running.heard, running.reported = now, True
        if progress.checkpoint is not None:
            job = replace(running.tried.job, checkpoint=progress.checkpoint)
            running.tried = replace(running.tried, job=job, since=running.tried.attempt + 1)
        running.going_on = progressed(progress)

    def _ended(self, reference: Any) -> list[JobResult]:
        running = self._busy.pop(reference)
        try:
            ran: Ran = ray.get(reference)
        except exceptions.RayTaskError as error:
            self._idle.append(running.slot)
            return [self._failure(running, type(error.cause).__name__, _last_line(error))]
        except exceptions.RayError as error:
            self._replace(running.slot)
            tried = running.tried
            if tried.attempt - tried.since + 1 < _ATTEMPTS:
                self._queue.appendleft(replace(tried, attempt=tried.attempt + 1))
                return []
            return [self._failure(running, "worker lost", f"{tried.attempt} workers died on it: {_last_line(error)}")]
        self._longest_s = max(self._longest_s, time.monotonic() - running.heard)
        running.slot.jobs += 1
        if running.slot.jobs >= _JOBS_PER_WORKER or ran.memory_bytes > _WORKER_MEMORY_BYTES:
            self._replace(running.slot)
        else:
            self._idle.append(running.slot)
        return [self._result(running, ran.outcome, ran.seconds)]

    def _overdue(self) -> list[JobResult]:
        now = time.monotonic()
        seen_s = max(_LEAST_DEADLINE_S, _TIMES_THE_LONGEST * self._longest_s) if self._longest_s else _FIRST_DEADLINE_S
        deadline_s = self._deadline_s or seen_s
        late = [reference for reference, r in self._busy.items() if now - r.heard > deadline_s]
        done, _ = ray.wait(late, num_returns=len(late), timeout=0) if late else ([], [])
        results = []
        for reference in late:
            if reference in done:
                results += self._ended(reference)
                continue
            running = self._busy.pop(reference)
            self._replace(running.slot)
            what = "reported nothing for" if running.reported else "took longer than"
            results.append(self._failure(running, "deadline", f"{what} {deadline_s / 60:g} minutes"))
        return results

    def _replace(self, slot: _Slot) -> None:
        ray.kill(slot.actor)
        self._start(slot.name, slot.pinned)

    def _result(self, running: _Running, outcome: Completed | Failed, seconds: float) -> JobResult:
        """The result of a job that took `seconds`, in times of this process's clock, not of other nodes'."""
        now, slot, tried = self._clock(), running.slot, running.tried
        return JobResult(tried.job.number, outcome, now - seconds, now, slot.name, slot.node, tried.attempt)

    def _failure(self, running: _Running, kind: str, reason: str) -> JobResult:
        return self._result(running, Failed(kind, reason), time.monotonic() - running.submitted)


def _connect(address: str | None, workers: int | None) -> bool:
    """Join or start a cluster; return whether we have to shut it down."""
    if ray.is_initialized():
        return False
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    root = Path(__file__).resolve().parents[2]
    if not address:  # empty means none
        try:
            with own_signals():
                folder = temporary_folder()
                ray.init("local", num_cpus=workers or cores(), include_dashboard=False, _temp_dir=folder, **quiet)
        except Exception as error:  # Ray raises nothing narrower on a machine that is too busy
            reason = " ".join(str(error).split())[:200]
            busy = "timed out" in reason or "imeout" in reason
            advice = ", try again when it is less busy" if busy else ""
            if isinstance(error, OSError):
                advice = ", set HOME and TMPDIR to folders that it can write to"
            raise ClusterError(f"Ray does not start on this machine{advice}: {reason}") from error
        return True
    with own_signals():
        ray.init(address=address, runtime_env={"py_modules": [str(root / name) for name in PACKAGES]}, **quiet)
    return True


def _heartbeat() -> Heartbeat:
    node = getattr(getattr(ray, "_private", None), "worker", None)
    local = getattr(getattr(node, "_global_node", None), "raylet_socket_name", None)
    return Heartbeat(ray.get_runtime_context().gcs_address, local)


def _nodes() -> list[str]:
    """The nodes that are alive and have a CPU to run on."""
    return [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]


def _require(resources: dict[str, float], workers: int, each: int, share: float, gpus: float) -> None:
    """Raise `ClusterError` when the whole cluster cannot hold the workers: the search would wait for ever."""
    cpus = resources.get("CPU", 0.0)
    if share > 1 and share != int(share):
        raise ClusterError(f"gpus_per_worker must be at most 1 or a whole number, not {share:g}")
    if workers * each > cpus or workers * share > gpus + 1e-9:
        need = f"{workers * each} CPUs and {workers * share:g} GPUs"
        raise ClusterError(f"{workers} workers need {need}, the cluster has {cpus:g} and {gpus:g}; ask for fewer")


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
