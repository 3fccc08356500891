"""Jobs on Ray actors: one job at a time each, with a deadline, and replaced when they die."""

import os
import sys
import sysconfig
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray import exceptions
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from edgevolve.data import Splits
from edgevolve.engine.cluster import ClusterError
from edgevolve.engine.evaluator import JobResult, WorkersLostError, evaluate
from edgevolve.engine.versions import installed_versions
from edgevolve.runs import Job, Task
from search_algorithms import Completed, Failed

_ATTEMPTS = 3
"""A job whose worker is lost is tried again, up to this many times in all."""
_JOBS_PER_WORKER = 500
_WORKER_MEMORY_BYTES = 4 << 30
"""A worker is replaced after so many jobs, or above so much resident memory: TensorFlow grows."""
_START_DEADLINE_S = 300.0
_PACKAGES = ("edgevolve", "predictors", "resource_models", "search_algorithms", "search_space")


@dataclass(frozen=True, slots=True)
class _Ran:
    outcome: Completed | Failed
    started: float
    ended: float
    memory_bytes: int


class _Worker:
    """The actor. It never sees the test split."""

    def __init__(self, task: Task, splits: Splits) -> None:
        self._task, self._splits = task, splits
        task.prepare()

    def versions(self) -> dict[str, str]:
        return installed_versions()

    def node(self) -> str:
        return str(ray.get_runtime_context().get_node_id())[:8]

    def run(self, job: Job) -> _Ran:
        started = time.time()
        outcome = evaluate(self._task, job, self._splits)
        return _Ran(outcome, started, time.time(), _resident_bytes())


@dataclass(slots=True)
class _Slot:
    """A worker's place: its actor, the node it runs on, and how many jobs the actor has done.

    `pinned` is the node that every actor of this place runs on, where there is one.
    """

    name: str
    actor: Any
    node: str = ""
    jobs: int = 0
    pinned: str | None = None


@dataclass(frozen=True, slots=True)
class _Running:
    slot: _Slot
    job: Job
    attempt: int
    submitted: float


class RayPool:
    """An evaluator on a Ray cluster: the one at `address`, or one of its own on this machine.

    `workers` is one a CPU unless given, and one on each node with `one_a_node`; `gpus_per_worker` an even share of
    the GPUs unless given. The task and the data travel once through the object store. See that the cluster answers
    first: `engine.cluster`.
    """

    def __init__(
        self,
        task: Task,
        splits: Splits,
        *,
        workers: int | None = None,
        gpus_per_worker: float | None = None,
        deadline_s: float = 3600.0,
        address: str | None = None,
        one_a_node: bool = False,
    ) -> None:
        """Connect, and begin to start the workers."""
        self._owns_cluster = _connect(address, workers)
        resources = ray.cluster_resources()
        nodes = _nodes() if one_a_node else []
        self.workers = len(nodes) or workers or max(1, int(resources.get("CPU", 1)))
        self.capacity = self.workers + max(1, self.workers // 4)  # those that wait hide the time it takes to ask
        gpus = resources.get("GPU", 0.0)
        share = min(1.0, gpus / self.workers) if gpus_per_worker is None else gpus_per_worker
        _require(resources, self.workers, share, gpus)
        self._actor_class = ray.remote(num_cpus=1, num_gpus=share, max_restarts=0, max_task_retries=0)(_Worker)
        _ship_by_value(task)
        self._task, self._splits = ray.put(task), ray.put(splits)
        self._deadline_s = deadline_s
        self._queue: deque[tuple[Job, int]] = deque()
        self._idle: deque[_Slot] = deque()
        self._busy: dict[Any, _Running] = {}
        self._starting: dict[Any, _Slot] = {}
        self._failed_starts = 0
        self._starting_since = time.monotonic()
        for index in range(self.workers):
            self._start(str(index), nodes[index] if nodes else None)

    def submit(self, job: Job) -> None:
        """Give the job to a free worker, or to the first that becomes free."""
        self._queue.append((job, 1))
        self._dispatch()

    def wait(self, timeout_s: float) -> Sequence[JobResult]:
        """Jobs that ended; also replaces lost workers and kills overdue ones."""
        until = time.monotonic() + timeout_s
        results: list[JobResult] = []
        while not results and (remaining := until - time.monotonic()) > 0:
            waiting = [*self._busy, *self._starting]
            if not waiting:  # idle: nothing to wait for
                time.sleep(remaining)
                break
            ready, _ = ray.wait(waiting, num_returns=1, timeout=remaining)
            for reference in ready:
                if reference in self._starting:
                    self._started(reference)
                else:
                    results += self._ended(reference)
            results += self._overdue()
            self._check_starts()
            self._dispatch()
        return results

    def now(self) -> float:
        """The wall clock."""
        return time.time()

    def close(self) -> None:
        """Kill the workers, and leave the cluster."""
        for slot in [*self._idle, *self._starting.values(), *(running.slot for running in self._busy.values())]:
            ray.kill(slot.actor)
        if self._owns_cluster:
            ray.shutdown()

    def _check_starts(self) -> None:
        """Nothing has ever started: say so, rather than wait for ever for what others hold."""
        waited_s = time.monotonic() - self._starting_since
        if not self._idle and not self._busy and self._starting and waited_s > _START_DEADLINE_S:
            free = ray.available_resources().get("CPU", 0)
            raise WorkersLostError(f"no worker has started in {waited_s:.0f} s; the cluster has {free:g} CPUs free")
        if self._idle or self._busy:
            self._starting_since = time.monotonic()

    def _start(self, name: str, pinned: str | None = None) -> None:
        where = NodeAffinitySchedulingStrategy(pinned, soft=False) if pinned else "DEFAULT"
        actor = self._actor_class.options(scheduling_strategy=where).remote(self._task, self._splits)
        slot = _Slot(name, actor, pinned=pinned)
        self._starting[slot.actor.versions.remote()] = slot

    def _started(self, reference: Any) -> None:
        slot = self._starting.pop(reference)
        try:
            versions = ray.get(reference)
            slot.node = ray.get(slot.actor.node.remote())
        except exceptions.RayError as error:
            self._failed_starts += 1
            if self._failed_starts >= _ATTEMPTS * self.workers:
                raise WorkersLostError(f"no worker starts: {_last_line(error)}") from error
            self._start(slot.name, slot.pinned)
            return
        mine = installed_versions()
        other = [f"{name} {versions.get(name)}, not {mine[name]}" for name in mine if versions.get(name) != mine[name]]
        if other:
            raise ClusterError(f"node {slot.node} has {', '.join(other)}; install the same versions there")
        self._failed_starts = 0
        self._idle.append(slot)

    def _dispatch(self) -> None:
        while self._queue and self._idle:
            job, attempt = self._queue.popleft()
            slot = self._idle.popleft()
            self._busy[slot.actor.run.remote(job)] = _Running(slot, job, attempt, time.monotonic())

    def _ended(self, reference: Any) -> list[JobResult]:
        running = self._busy.pop(reference)
        try:
            ran: _Ran = ray.get(reference)
        except exceptions.RayTaskError as error:
            self._idle.append(running.slot)
            return [_failure(running, type(error.cause).__name__, _last_line(error))]
        except exceptions.RayError as error:
            self._replace(running.slot)
            if running.attempt < _ATTEMPTS:
                self._queue.appendleft((running.job, running.attempt + 1))
                return []
            return [_failure(running, "worker lost", f"{running.attempt} workers died on it: {_last_line(error)}")]
        running.slot.jobs += 1
        if running.slot.jobs >= _JOBS_PER_WORKER or ran.memory_bytes > _WORKER_MEMORY_BYTES:
            self._replace(running.slot)
        else:
            self._idle.append(running.slot)
        return [_result(running, ran.outcome, ran.started, ran.ended)]

    def _overdue(self) -> list[JobResult]:
        now = time.monotonic()
        late = [reference for reference, r in self._busy.items() if now - r.submitted > self._deadline_s]
        done, _ = ray.wait(late, num_returns=len(late), timeout=0) if late else ([], [])
        results = []
        for reference in late:
            if reference in done:
                results += self._ended(reference)
                continue
            running = self._busy.pop(reference)
            self._replace(running.slot)
            results.append(_failure(running, "deadline", f"took longer than {self._deadline_s / 60:g} minutes"))
        return results

    def _replace(self, slot: _Slot) -> None:
        ray.kill(slot.actor)
        self._start(slot.name, slot.pinned)


def _result(running: _Running, outcome: Completed | Failed, started: float, ended: float) -> JobResult:
    slot = running.slot
    return JobResult(running.job.number, outcome, started, ended, slot.name, slot.node, running.attempt)


def _failure(running: _Running, kind: str, reason: str) -> JobResult:
    now = time.time()
    return _result(running, Failed(kind, reason), now - (time.monotonic() - running.submitted), now)


def _connect(address: str | None, workers: int | None) -> bool:
    """Join or start a cluster; says whether it is ours to shut down."""
    if ray.is_initialized():
        return False
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    root = Path(__file__).resolve().parents[2]
    if address is None:
        cores = workers or os.cpu_count() or 1
        try:
            ray.init(address="local", num_cpus=cores, include_dashboard=False, **quiet)
        except Exception as error:  # Ray raises no narrower one where a machine is too busy for it
            reason = " ".join(str(error).split())[:200]
            raise ClusterError(
                f"Ray does not start on this machine, try again when it is less busy: {reason}"
            ) from error
        return True
    ray.init(address=address, runtime_env={"py_modules": [str(root / name) for name in _PACKAGES]}, **quiet)
    return True


def _nodes() -> list[str]:
    """The nodes that are alive and have a CPU to run on."""
    return [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]


def _require(resources: dict[str, float], workers: int, share: float, gpus: float) -> None:
    """Raise `ClusterError` when the cluster as a whole cannot hold the workers: they would be waited for for ever."""
    cpus = resources.get("CPU", 0.0)
    if share > 1 and share != int(share):
        raise ClusterError(f"gpus_per_worker must be at most 1 or a whole number, not {share:g}")
    if workers > cpus or workers * share > gpus + 1e-9:
        need = f"{workers} CPUs and {workers * share:g} GPUs"
        raise ClusterError(f"{workers} workers need {need}, the cluster has {cpus:g} and {gpus:g}; ask for fewer")


def _ship_by_value(task: Task) -> None:
    """Send along the code of a task of the user's own: it is neither ours nor installed on other nodes."""
    module = sys.modules[type(task).__module__]
    path = Path(getattr(module, "__file__", None) or "").resolve()
    installed = path.is_relative_to(Path(sysconfig.get_path("purelib")).resolve())
    if module.__name__.partition(".")[0] not in (*_PACKAGES, "__main__") and not installed:
        ray.cloudpickle.register_pickle_by_value(module)


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _resident_bytes() -> int:
    """Resident memory of this process; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
