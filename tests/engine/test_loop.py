import json
from dataclasses import dataclass
from itertools import count

import numpy as np
import pytest
from pretend import Pretend

from edgevolve.engine import Inline, search
from edgevolve.runs import ConfigError, Run
from search_algorithms import Completed, Failed, Problem, ProblemError, Rejected, at_most, minimise
from search_space import MlpSpace


def numbers(run, kind):
    return [n for n, r in run.records.items() if isinstance(r.outcome, kind)]


@dataclass(frozen=True)
class Scripted:
    """Does what `act` says of a job."""

    act: object
    metric_names = ("error",)

    def prepare(self):
        pass

    def __call__(self, job, splits):
        return self.act(job, splits)


def test_a_search_spends_its_budget_of_evaluations_exactly(config, run_search):
    for workers in (1, 3, 8):
        run = run_search(config(evaluations=17), f"w{workers}", workers)
        assert run.evaluations == 17 == len(numbers(run, Completed))
        assert (run.stopped.cause, run.stopped.reason) == ("budget", "17 evaluations")


def test_a_search_stops_asking_after_its_minutes(config, run_search):
    run = run_search(config(evaluations=None, minutes=10.0))
    ends = [r.ended for r in run.records.values() if r.ended]
    assert run.stopped.reason == "10 minutes"
    assert max(r.started for r in run.records.values()) <= 600 <= max(ends) < 600 + 121


class Queued(Inline):
    """A job waits for the worker while another runs; each look at the clock takes ten seconds."""

    capacity = 2

    def __init__(self, task, splits):
        super().__init__(task, splits, clock=count(0.0, 10.0).__next__)


def test_what_waits_for_a_worker_when_the_minutes_are_over_is_left_for_a_resume(config, tmp_path):
    run = search(config(evaluations=None, minutes=5.0), "run", out=tmp_path, evaluator=Queued)
    assert run.stopped.reason == "5 minutes"
    (waiting,) = run.in_flight
    begun = len(run.in_flight) + run.evaluations
    both = search(config(evaluations=begun, minutes=5.0), "both", out=tmp_path, evaluator=Queued)
    assert (both.stopped.reason, len(both.in_flight)) == ("5 minutes", 1)
    assert max(r.started for r in run.records.values() if r.ended) <= 300
    resumed = search(config(evaluations=None, minutes=8.0), "run", out=tmp_path, evaluator=Queued, resume=True)
    assert isinstance(resumed.records[waiting.number].outcome, Completed)


def test_worker_hours_count_every_worker(config, run_search):
    run = run_search(config(evaluations=None, worker_hours=0.5), workers=4)
    assert run.stopped.reason == "0.5 worker-hours"
    assert 1800 <= run.busy_seconds < 1800 + 4 * 121


def test_a_resumed_search_may_have_a_larger_budget_and_its_minutes_go_on_counting(config, run_search):
    run_search(config(evaluations=None, minutes=5.0))
    run = run_search(config(evaluations=None, minutes=9.0), resume=True)
    assert run.active_seconds == pytest.approx(9 * 60, abs=121)
    assert len(run.sessions) == 2


def test_a_candidate_beyond_a_hard_bound_is_never_evaluated(config, run_search):
    run = run_search(config(evaluations=30))
    for record in run.records.values():
        beyond = bool(run.problem.broken(record.metrics))
        assert beyond == (isinstance(record.outcome, Rejected) and "breaks" in record.outcome.reason)


def test_no_network_is_evaluated_twice(config, run_search):
    space = MlpSpace((8, 8, 1), 3, max_layers=1, max_units=60)
    run = run_search(config(space=space, evaluations=40))
    networks = [r.genotype_json for r in run.records.values() if isinstance(r.outcome, Completed)]
    assert len(set(networks)) == 40
    assert run.twins > 0
    events = [json.loads(line) for line in run.path.read_text().splitlines()]
    genotypes = {event["number"]: event["genotype"] for event in events if "genotype" in event}
    twins = [event for event in events if event.get("twin") is not None]
    assert len(twins) == run.twins
    assert all(genotypes[event["twin"]] == event["genotype"] for event in twins)


def test_bounds_that_no_network_meets_end_the_search_and_the_binding_one_is_named(config, run_search, monkeypatch):
    monkeypatch.setattr("edgevolve.engine.stopping.REJECTIONS_IN_A_ROW", 200)
    problem = Problem([minimise("error", scale=1)], [at_most("model_size_bytes", 10), at_most("macs", 50_000)])
    run = run_search(config(problem=problem))
    assert run.stopped.cause == "infeasible"
    assert "100.0% break model_size_bytes ≤ 10" in run.stopped.reason
    nearest = min(run.records.values(), key=lambda record: record.metrics["model_size_bytes"])
    size = f"{nearest.metrics['model_size_bytes']:g} where model_size_bytes ≤ 10"
    assert f"the nearest, candidate {nearest.number}, has {size}" in run.stopped.reason
    assert run.evaluations == 0


def test_given_genotypes_are_evaluated_first(config, run_search):
    first = run_search(config(), "first")
    run = run_search(config(start=first.front_genotypes()), "second")
    given = [r.genotype for r in run.records.values() if r.change == "given"]
    assert given == list(first.front_genotypes())
    assert [r.number for r in run.records.values() if r.change == "given"] == list(range(len(given)))


def test_failures_are_outcomes_and_count_as_evaluations(config, run_search):
    run = run_search(config(task=Pretend(fails_every=3), evaluations=30))
    failed = numbers(run, Failed)
    assert failed
    assert all(number % 3 == 2 for number in failed)
    assert len(failed) + len(numbers(run, Completed)) == 30
    assert not {parent for r in run.records.values() for parent in r.parents} & set(failed)


@pytest.mark.parametrize(
    ("act", "kind", "reason"),
    [
        (lambda job, splits: 1 / 0, "ZeroDivisionError", "division by zero"),
        (lambda job, splits: None, "TaskError", "gave a NoneType"),
        (lambda job, splits: Rejected({}, "no"), "TaskError", "gave a Rejected"),
        (lambda job, splits: Completed({}), "MetricError", "error is missing; the task gave no metric"),
        (lambda job, splits: Completed({"error": "bad"}), "MetricError", "error must be a number, not 'bad'"),
        (lambda job, splits: Completed({"error": float("nan")}), "MetricError", "error must be finite, not nan"),
        (lambda job, splits: Completed({"error": float("inf")}), "MetricError", "error must be finite, not inf"),
        (lambda job, splits: Completed(None), "AttributeError", "items"),
        (
            lambda job, splits: Completed({"error": 0.1}, {"loss": [1, float("nan")]}),
            "MetricError",
            "curve loss must be finite",
        ),
        (
            lambda job, splits: Completed({"error": 0.1}, weights={"w": [{}]}),
            "MetricError",
            "weights w must be numbers",
        ),
    ],
)
def test_a_task_that_misbehaves_fails_its_candidate_and_in_the_end_the_run(config, tmp_path, act, kind, reason):
    run = search(config(task=Scripted(act), failures_in_a_row=4), out=tmp_path, evaluator=Inline)
    assert run.stopped.cause == "failures"
    assert run.stopped.reason.startswith(f"4 failures in a row; the first: {kind}: ")
    assert reason in run.stopped.reason
    assert run.evaluations == 4


def test_a_success_in_between_starts_the_count_of_failures_again(config, run_search):
    run = run_search(config(task=Pretend(fails_every=2), failures_in_a_row=6, evaluations=40))
    assert run.stopped.cause == "budget"


def test_workers_never_see_the_test_split(config, tmp_path):
    def act(job, splits):
        assert len(splits.test) == 0
        assert len(splits.train) == 12
        return Completed({"error": 0.5})

    run = search(config(task=Scripted(act), evaluations=3), out=tmp_path, evaluator=Inline)
    assert len(numbers(run, Completed)) == 3


def test_the_job_of_a_candidate_is_a_function_of_seed_and_number(config, tmp_path):
    jobs = {}

    def act(job, splits):
        jobs.setdefault(job.number, []).append((job.seed, job.genotype, job.graph, job.metrics))
        return Completed({"error": 0.5})

    for name in ("a", "b"):
        search(config(task=Scripted(act), evaluations=6), name, out=tmp_path, evaluator=Inline)
    assert all(first == second for first, second in jobs.values())
    assert len({seed for ((seed, *_), _) in jobs.values()}) == 6


def test_the_weights_of_the_front_are_kept_and_no_others(config, run_search):
    run = run_search(config(evaluations=40))
    kept = {int(path.stem) for path in (run.folder / "weights").iterdir()}
    assert kept == {record.number for record in run.front}
    for record in run.front:
        assert run.weights(record.number)["w"] == pytest.approx(record.metrics["error"])


def test_an_interrupt_is_journaled_and_the_rest_is_evaluated_on_resume(config, run_search, tmp_path):
    whole = run_search(config(), "whole", workers=1)

    def interrupt(run, event):
        if run.evaluations == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_search(config(), "cut", observe=interrupt)
    cut = Run.open(tmp_path / "cut")
    assert cut.stopped.cause == "interrupted"
    resumed = run_search(config(), "cut", resume=True)
    assert [r.outcome for r in resumed.records.values()] == [r.outcome for r in whole.records.values()]


def test_the_run_that_search_returns_is_the_one_its_journal_tells(config, run_search):
    run = run_search(config(), workers=3)
    opened = Run.open(run.folder)
    assert opened.records == run.records
    assert opened.front == run.front
    assert (opened.busy_seconds, opened.broken, opened.twins) == (run.busy_seconds, run.broken, run.twins)


def test_a_metric_of_the_users_own_is_measured_and_bounded(config, run_search):
    class Depth:
        metric_names = ("depth",)

        def __call__(self, graph):
            return {"depth": len(graph.nodes)}

    problem = Problem([minimise("error", scale=0.1), minimise("depth", scale=10)], [at_most("depth", 8)])
    run = run_search(config(metrics=[Depth()], problem=problem, evaluations=15))
    assert all(r.metrics["depth"] <= 8 for r in run.records.values() if isinstance(r.outcome, Completed))


def test_many_workers_ask_without_waiting_for_each_other(config, run_search):
    run = run_search(config(evaluations=200), workers=16)
    assert run.utilisation > 0.9
    assert np.unique([r.worker for r in run.records.values() if r.worker]).size == 16


def test_weights_of_any_name_are_kept(config, tmp_path):
    weights = {"file": np.ones(3), "a/b": np.arange(2.0)}
    config = config(task=Scripted(lambda job, splits: Completed({"error": 0.5}, weights=weights)), evaluations=2)
    run = search(config, out=tmp_path, evaluator=Inline)
    assert {name: value.tolist() for name, value in run.weights(run.best.number).items()} == {
        "file": [1, 1, 1],
        "a/b": [0, 1],
    }


@pytest.mark.parametrize(
    ("gives", "message"),
    [
        (lambda graph: {"depth": float("nan")}, "metric Odd: depth is not finite"),
        (lambda graph: {}, "metric Odd declares .'depth'. but gives"),
        (lambda graph: 1 / 0, "metric Odd: ZeroDivisionError"),
    ],
)
def test_a_metric_that_breaks_its_promise_is_named(config, run_search, gives, message):
    class Odd:
        metric_names = ("depth",)

        def __call__(self, graph):
            return gives(graph)

    with pytest.raises(ProblemError, match=message):
        run_search(config(metrics=[Odd()]))


@pytest.mark.parametrize("name", ["", "..", "../up", "/tmp/x", "a/b", ".hidden"])
def test_a_name_that_leads_elsewhere_is_refused(config, run_search, name):
    with pytest.raises(ConfigError, match="is not a valid name for a run"):
        run_search(config(), name)


class Unsayable(Exception):
    def __str__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (lambda: ValueError("caf\udce9.png: not an image"), "ValueError"),
        (lambda: Unsayable(), "Unsayable"),
        (lambda: Failed("k\udce9", {1: 2}, 3), "k\\udce9"),
        (lambda: Failed("odd", "x" * 10**6, "y" * 10**6), "odd"),
        (lambda: Completed({"error": 0.5, "n\udce9": 1}), None),
        (lambda: Completed({"error": 0.5, "n" * 1000: 1}), "MetricError"),
        (lambda: Completed({"error": 0.5}, {"loss": [1.0] * 10_001}), "MetricError"),
        (lambda: Completed({"error": 0.5}, {str(n): [1.0] for n in range(2000)}), "MetricError"),
        (lambda: Completed({"error": 0.5, "macs": 1}), "MetricError"),
        (lambda: Completed({"error": 0.5}, graph="conv"), "MetricError"),
    ],
)
def test_whatever_a_task_says_is_one_outcome_of_bounded_size_and_the_search_goes_on(config, tmp_path, act, kind):
    def say(job, splits):
        if job.number == 1:
            answer = act()
            if isinstance(answer, Exception):
                raise answer
            return answer
        return Completed({"error": 0.5})

    settings = config(task=Scripted(say), evaluations=4, problem=Problem([minimise("error", scale=1)]))
    run = search(settings, out=tmp_path, evaluator=Inline)
    assert run.evaluations == 4
    outcome = Run.open(run.folder).records[1].outcome
    assert getattr(outcome, "kind", None) == kind
    assert max(map(len, run.path.read_bytes().splitlines())) < 50_000
