import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import ray
from pretend import Noise, make_config

from edgevolve.engine import ClusterError, Inline, WorkersLostError, search
from edgevolve.engine.ray_pool import RayPool
from edgevolve.graph import Dense, GraphBuilder
from edgevolve.runs import Job, Needs, Run
from search_algorithms import Completed, Failed
from tests.engine.jobs import STEPS, Killed, Stepwise


@dataclass(frozen=True)
class Unruly:
    """Does as the job's genotype says; `folder` remembers what was done once."""

    folder: str = ""
    metric_names = ("error",)

    def prepare(self):
        if os.path.exists(os.path.join(self.folder, "no worker starts")):
            raise RuntimeError("out of luck")

    def __call__(self, job, splits):
        assert not splits.train.x.flags.writeable or not ray.is_initialized()  # a trial before the search has a copy
        once = os.path.join(self.folder, str(job.number))
        if job.genotype == "dies always":
            os.kill(os.getpid(), signal.SIGKILL)
        if job.genotype == "dies once" and not os.path.exists(once):
            open(once, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        if job.genotype == "hangs":
            time.sleep(3600)
        if job.genotype == "raises":
            raise ValueError("two\nlines")
        written = Path(self.folder, f"pid{os.getpid()}")
        written.write_text(str(os.getpid()))
        written.replace(Path(self.folder, "pid"))
        time.sleep(0.1)
        return Completed({"error": 0.25})


def job(number, genotype=""):
    net = GraphBuilder()
    graph = net.build(net.add(Dense(3), net.flatten(net.input((1, 8, 8, 1)))))
    return Job(number, genotype, graph, number, {})


def collect(pool, number_of_results, patience_s=60):
    results, until = [], time.monotonic() + patience_s
    while len(results) < number_of_results and time.monotonic() < until:
        results += pool.wait(timeout_s=1)
    return {result.number: result for result in results}


@pytest.fixture(scope="module")
def cluster():
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture
def pool(cluster, tmp_path):
    made = RayPool(Unruly(str(tmp_path)), Noise().load(), workers=2, deadline_s=4)
    yield made
    made.close()


def test_a_job_whose_worker_dies_is_done_again_by_another(pool):
    pool.submit(job(0, "dies once"))
    pool.submit(job(1))
    results = collect(pool, 2)
    assert isinstance(results[0].outcome, Completed)
    assert results[0].attempts == 2
    assert results[1].attempts == 1


def test_a_job_that_kills_every_worker_fails_after_three(pool):
    pool.submit(job(0, "dies always"))
    pool.submit(job(1))
    results = collect(pool, 2)
    assert isinstance(results[1].outcome, Completed)
    assert results[0].outcome.kind == "worker lost"
    assert results[0].attempts == 3
    pool.submit(job(2))
    assert isinstance(collect(pool, 1)[2].outcome, Completed)


def test_a_hung_job_is_killed_at_its_deadline_and_not_tried_again(pool):
    pool.submit(job(0, "hangs"))
    pool.submit(job(1))
    results = collect(pool, 2)
    assert results[0].outcome == Failed("deadline", "took longer than 0.0666667 minutes")
    assert results[0].attempts == 1
    assert 4 <= results[0].ended - results[0].started < 10
    pool.submit(job(2))
    assert isinstance(collect(pool, 1)[2].outcome, Completed)


def test_an_exception_is_a_failure_with_its_traceback_and_not_tried_again(pool):
    pool.submit(job(0, "raises"))
    result = collect(pool, 1)[0]
    assert (result.outcome.kind, result.outcome.reason) == ("ValueError", "two lines")
    assert "in __call__" in result.outcome.traceback
    assert result.attempts == 1


def test_a_worker_is_replaced_after_its_share_of_jobs(pool, monkeypatch):
    monkeypatch.setattr("edgevolve.engine.ray_pool._JOBS_PER_WORKER", 2)
    for number in range(9):
        pool.submit(job(number))
    results = collect(pool, 9)
    assert all(isinstance(result.outcome, Completed) for result in results.values())


@pytest.mark.slow
def test_workers_that_never_start_end_the_search_with_the_reason(cluster, tmp_path):
    (tmp_path / "no worker starts").touch()
    pool = RayPool(Unruly(str(tmp_path)), Noise().load(), workers=1)
    pool.submit(job(0))
    with pytest.raises(WorkersLostError, match="no worker starts: .*out of luck"):
        collect(pool, 1)
    pool.close()


def test_a_ray_that_does_not_start_is_one_line(monkeypatch):
    def timed_out(*address, **settings):
        raise Exception("The current node timed out\nduring startup")

    monkeypatch.setattr("ray.is_initialized", lambda: False)
    monkeypatch.setattr("ray.init", timed_out)
    with pytest.raises(ClusterError, match="Ray does not start .*: The current node timed out during startup"):
        RayPool(Unruly(), Noise().load(), workers=1)


def test_a_node_with_other_versions_is_refused(cluster, tmp_path, monkeypatch):
    pool = RayPool(Unruly(str(tmp_path)), Noise().load(), workers=1)
    monkeypatch.setattr("edgevolve.engine.ray_pool.installed_versions", lambda: {"python": "3.99"})
    pool.submit(job(0))
    with pytest.raises(ClusterError, match=r"has python 3\.1\d\.\d+, not 3\.99; install the same versions there"):
        collect(pool, 1)
    pool.close()


def test_a_worker_killed_from_outside_during_a_search_loses_nothing(cluster, tmp_path):
    killed = []

    def kill_one(run, event):
        if run.evaluations == 5 and not killed:
            killed.append(int((tmp_path / "pid").read_text()))
            os.kill(killed[0], signal.SIGKILL)

    config = make_config(task=Unruly(str(tmp_path)), evaluations=20, workers=2)
    run = search(config, "run", out=tmp_path, observe=kill_one)
    assert killed
    assert run.evaluations == 20
    ended = [record.outcome for record in Run.open(run.folder).records.values() if record.ended]
    assert [outcome for outcome in ended if not isinstance(outcome, Completed)] == []


@pytest.mark.slow
def test_a_job_whose_worker_is_killed_at_every_checkpoint_ends_with_bit_equal_weights(cluster, tmp_path):
    evaluator = Inline(Stepwise(), Noise().load())
    evaluator.submit(job(0))
    (whole,) = evaluator.wait(1)
    pool = RayPool(Stepwise(Killed(str(tmp_path))), Noise().load(), workers=1)
    pool.submit(job(0))
    result = collect(pool, 1, patience_s=300)[0]
    pool.close()
    assert len(list(tmp_path.iterdir())) == STEPS == result.attempts - 1
    assert result.outcome.weights["walk"].tobytes() == whole.outcome.weights["walk"].tobytes()


@dataclass(frozen=True)
class Slow:
    """Takes 6 s, and reports each half second if its genotype says so; ends early where it is asked to."""

    metric_names = ("error",)

    def prepare(self):
        pass

    def __call__(self, job, splits, progress):
        for step in range(12):
            time.sleep(0.5)
            if job.genotype == "reports" and not progress(step, {}):
                return Completed({"error": step})
        return Completed({"error": float(job.prepared["w"][0])})


def test_a_job_that_reports_outlives_its_deadline_and_one_that_does_not_is_killed(cluster):
    pool = RayPool(Slow(), Noise().load(), workers=2, deadline_s=4)
    pool.share({"w": np.array([0.75])})
    pool.submit(job(0, "reports"))
    pool.submit(job(1, "is silent"))
    results = collect(pool, 2)
    pool.close()
    assert results[0].outcome.metrics["error"] == 0.75
    assert results[0].ended - results[0].started > 4
    assert results[1].outcome.kind == "deadline"


def test_a_job_ends_with_what_it_has_where_it_is_asked_to(cluster):
    pool = RayPool(Slow(), Noise().load(), workers=1)
    pool.submit(job(0, "reports"))
    steps, results = [], []

    def progressed(progress):
        steps.append(progress.step)
        return False

    while not results:
        results += pool.wait(1, progressed)
    pool.close()
    assert steps and steps[0] <= results[0].outcome.metrics["error"] < 11


def test_a_deadline_that_is_not_given_follows_from_what_was_seen(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("edgevolve.engine.ray_pool._LEAST_DEADLINE_S", 3)
    pool = RayPool(Unruly(str(tmp_path)), Noise().load(), workers=1)
    pool.submit(job(0))
    assert isinstance(collect(pool, 1)[0].outcome, Completed)
    pool.submit(job(1, "hangs"))
    failed = collect(pool, 1)[1]
    pool.close()
    assert failed.outcome.kind == "deadline"
    assert 3 <= failed.ended - failed.started < 60


@dataclass(frozen=True)
class OnOneNode:
    """A task that only one worker at a time can prepare."""

    folder: str
    metric_names = ("error",)

    def prepare(self):
        Path(self.folder, "taken").touch(exist_ok=False)

    def __call__(self, job, splits):
        return Completed({"error": 0.25})


def test_a_place_where_no_worker_starts_is_given_up_and_the_others_work_on(cluster, tmp_path):
    pool = RayPool(OnOneNode(str(tmp_path)), Noise().load(), workers=2)
    for number in range(3):
        pool.submit(job(number))
    assert len(collect(pool, 3)) == 3
    until = time.monotonic() + 60
    while pool.workers == 2 and time.monotonic() < until:
        pool.wait(1)
    assert (pool.workers, pool.capacity) == (1, 2)
    pool.submit(job(3))
    assert isinstance(collect(pool, 1)[3].outcome, Completed)
    pool.close()


@dataclass(frozen=True)
class Wide(OnOneNode):
    """A task whose jobs take two processors each."""

    needs = Needs(cpus=2)


def test_a_task_that_needs_two_processors_has_half_the_workers(cluster, tmp_path):
    pool = RayPool(Wide(str(tmp_path)), Noise().load())
    pool.submit(job(0))
    assert pool.workers == 1
    assert isinstance(collect(pool, 1)[0].outcome, Completed)
    pool.close()
    with pytest.raises(ClusterError, match="2 workers need 4 CPUs"):
        RayPool(Wide(str(tmp_path)), Noise().load(), workers=2)
