"""What every evaluator promises to the loop, run over all of them."""

import time

import pytest
from pretend import Noise, Pretend

from edgevolve.engine import Inline, VirtualTime
from edgevolve.engine.ray_pool import RayPool
from edgevolve.graph import Dense, GraphBuilder
from edgevolve.runs import Job
from search_algorithms import Completed, Failed

MAKERS = {
    "inline": Inline,
    "virtual time": lambda task, splits: VirtualTime(task, splits, 3, lambda job: 10 + job.number),
    "ray": lambda task, splits: RayPool(task, splits, workers=2),
}


@pytest.fixture(scope="module", params=sorted(MAKERS))
def evaluator(request):
    made = MAKERS[request.param](Pretend(fails_every=4), Noise().load())
    yield made
    made.close()


def job(number):
    net = GraphBuilder()
    graph = net.build(net.add(Dense(3), net.flatten(net.input((1, 8, 8, 1)))))
    return Job(number, {"some": "genotype"}, graph, 100 + number, {"macs": 192.0})


def collect(evaluator, numbers):
    """Submit as the loop does, and wait for everything."""
    waiting, results = list(numbers), []
    while len(results) < len(numbers):
        while waiting and len(numbers) - len(waiting) - len(results) < evaluator.capacity:
            evaluator.submit(job(waiting.pop(0)))
        results += evaluator.wait(timeout_s=20)
    return results


def test_every_job_ends_exactly_once(evaluator):
    results = collect(evaluator, range(12))
    assert sorted(result.number for result in results) == list(range(12))


def test_a_failure_is_a_result_and_the_evaluator_goes_on(evaluator):
    results = {result.number: result.outcome for result in collect(evaluator, range(8))}
    assert {number for number, outcome in results.items() if isinstance(outcome, Failed)} == {3, 7}
    assert all(isinstance(results[number], Completed) for number in (0, 1, 2, 4, 5, 6))


def test_the_outcome_follows_from_the_job_alone(evaluator):
    first, again = (
        {r.number: r.outcome for r in collect(evaluator, numbers)} for numbers in (range(6), range(5, -1, -1))
    )
    assert first == again


def test_metrics_known_before_are_among_those_of_the_outcome(evaluator):
    (result,) = collect(evaluator, [1])
    assert result.outcome.metrics["macs"] == 192
    assert result.outcome.metrics["error"] > 0
    assert result.outcome.curves["loss"] == (1.0, 0.5)
    assert result.outcome.weights["w"].shape == (1,)


def test_times_and_worker_are_given(evaluator):
    before = evaluator.now()
    (result,) = collect(evaluator, [2])
    assert before <= result.started <= result.ended <= evaluator.now()
    assert result.worker
    assert result.attempts == 1


def test_waiting_for_nothing_ends_with_the_time_given(evaluator):
    began = time.monotonic()
    assert list(evaluator.wait(timeout_s=0.2)) == []
    assert time.monotonic() - began < 10


def test_capacity_is_at_least_one_job_a_worker(evaluator):
    assert evaluator.capacity >= evaluator.workers >= 1
