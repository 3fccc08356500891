"""Jobs: who is a twin, where weights come from, progress and checkpoints, and the job before the search."""

import json
import time
from dataclasses import dataclass

import numpy as np
import pytest

from edgevolve.engine import Inline, search
from edgevolve.graph import to_json
from edgevolve.reports.follow import Follower
from edgevolve.reports.view import graphs
from edgevolve.runs import Run
from search_algorithms import Completed, Failed, Inherit, Problem, Proposal, Rejected, at_most, minimise
from search_space.head import Hidden
from search_space.mlp import Mlp
from tests.engine.jobs import STEPS, ElasticSpace, Proposing, SparseSpace, Stepwise

SHAPE = (8, 8, 1), 3
ERROR = Problem([minimise("error", scale=1)])


@dataclass(frozen=True)
class Doing:
    """Calls `act`."""

    act: object
    metric_names = ("error",)

    def prepare(self):
        pass

    def __call__(self, job, splits):
        return self.act(job)


def mlp(*units):
    return Mlp(tuple(Hidden(count) for count in units))


def lines(run):
    return [json.loads(line) for line in run.path.read_text().splitlines()]


def proposing(config, *proposals, watch=None, **fields):
    defaults = {"space": SparseSpace(*SHAPE), "problem": ERROR, "evaluations": 50}
    return config(algorithm=Proposing(proposals, watch), **{**defaults, **fields})


def test_twins_agree_in_graph_recipe_and_epochs(config, run_search):
    recipes = {}
    asked = [
        Proposal(mlp(10)),
        Proposal(mlp(10, 50)),
        Proposal(mlp(10, 60)),
        Proposal(mlp(10, 50)),
        Proposal(mlp(10), epochs=3),
        Proposal(mlp(10), epochs=3),
        Proposal(mlp(10)),
    ]

    def act(job):
        recipes[job.number] = job.recipe
        return Completed({"error": 0.5})

    run = run_search(proposing(config, *asked, task=Doing(act)))
    twins = {event["number"]: event["twin"] for event in lines(run) if event["event"] == "rejected"}
    assert twins == {3: 1, 5: 4, 6: 0}
    assert recipes == {0: {}, 1: {"sparsity": 0.5}, 2: {"sparsity": 0.6}, 4: {}}
    assert Run.open(run.folder).records[1].recipe == {"sparsity": 0.5}


@pytest.mark.parametrize(("kind", "twin"), [("worker lost", False), ("deadline", False), ("diverged", True)])
def test_only_a_failure_that_follows_from_the_job_bans_its_network(config, run_search, kind, twin):
    task = Doing(lambda job: Failed(kind, "") if job.number == 0 else Completed({"error": 0.5}))
    run = run_search(proposing(config, Proposal(mlp(10)), Proposal(mlp(10)), Proposal(mlp(10)), task=task))
    outcomes = [type(run.records[number].outcome) for number in range(3)]
    assert outcomes == ([Failed, Rejected, Rejected] if twin else [Failed, Completed, Rejected])


def test_a_candidate_inherits_the_weights_of_another_of_another_genotype(config, run_search):
    given = {}

    def act(job):
        given[job.number] = job.weights, job.inherits
        return Completed({"error": 0.5}, weights={"w": np.arange(100.0) + job.number})

    asked = Proposal(mlp(20)), Proposal(mlp(10), inherits=Inherit(0, {"keep": "first"}))
    run = run_search(proposing(config, *asked, space=ElasticSpace(*SHAPE), task=Doing(act)))
    weights, inherits = given[1]
    assert weights["w"].tolist() == list(range(10))
    assert inherits == Inherit(0, {"keep": "first"}) == Run.open(run.folder).records[1].inherits


def test_reports_are_journaled_and_a_checkpoint_goes_with_its_job(config, run_search):
    kept = []

    def observe(run, event):
        if event.event == "progressed":
            kept.append(len(list((run.folder / "artefacts").iterdir())))
            assert run.artefacts.arrays(event.artefact)["step"] == event.step == run.records[event.number].step

    run = run_search(config(task=Stepwise(), evaluations=3, problem=ERROR), workers=2, observe=observe)
    reports = [event for event in lines(run) if event["event"] == "progressed"]
    assert [sum(event["number"] == number for event in reports) for number in range(3)] == [STEPS] * 3
    assert 1 <= max(kept) <= 2
    assert not list((run.folder / "artefacts").iterdir())
    assert Run.open(run.folder).records == run.records


def interrupted_at_every_checkpoint(run_search, config, name):
    """Each session ends at the first checkpoint it journals; gives the run and the number of sessions."""

    def interrupt(run, event):
        if event.event == "progressed":
            raise KeyboardInterrupt

    for session in range(100):
        try:
            return run_search(config, name, resume=session > 0, observe=interrupt), session + 1
        except KeyboardInterrupt:
            continue
    raise AssertionError("the run never ends")


@pytest.mark.parametrize("evaluator", ["virtual", "inline"])
def test_a_job_killed_at_every_checkpoint_ends_with_bit_equal_weights(config, run_search, tmp_path, evaluator):
    def run_inline(config, name, **options):
        return search(config, name, out=tmp_path, evaluator=Inline, **options)

    chosen = {"virtual": run_search, "inline": run_inline}[evaluator]
    settings = config(task=Stepwise(), evaluations=2, problem=ERROR)
    whole = chosen(settings, "whole")
    cut, sessions = interrupted_at_every_checkpoint(chosen, settings, "cut")
    assert sessions == 2 * STEPS + 1
    assert [r.outcome for r in cut.records.values()] == [r.outcome for r in whole.records.values()]
    for record in whole.front:
        assert cut.weights(record.number)["walk"].tobytes() == whole.weights(record.number)["walk"].tobytes()


def test_a_checkpoint_that_is_damaged_begins_its_job_again(config, run_search, tmp_path):
    def interrupt(run, event):
        if event.event == "progressed" and event.step == 3:
            raise KeyboardInterrupt

    settings = config(task=Stepwise(), evaluations=1)
    whole = run_search(settings, "whole")
    with pytest.raises(KeyboardInterrupt):
        run_search(settings, observe=interrupt)
    for checkpoint in (tmp_path / "run" / "artefacts").iterdir():
        checkpoint.write_bytes(b"PK torn")
    again = run_search(settings, resume=True)
    assert again.records[0].outcome == whole.records[0].outcome


def test_a_strategy_that_watches_ends_a_job(config, run_search):
    def watch(candidate, step, metrics):
        assert "loss" in metrics
        return candidate.number == 0 or step < 2

    steps = []
    task = Stepwise(lambda job, step: steps.append((job.number, step)))
    run_search(proposing(config, Proposal(mlp(10)), Proposal(mlp(20)), watch=watch, task=task))
    assert steps == [*((0, step + 1) for step in range(STEPS)), (1, 1), (1, 2)]


def test_a_network_that_training_changes_is_measured_and_takes_the_place_of_the_other(config, run_search):
    space = SparseSpace(*SHAPE)
    smaller, larger = space.graph(mlp(4)), space.graph(mlp(200))
    changed = {0: smaller, 1: larger}
    task = Doing(lambda job: Completed({"error": 0.5}, weights={"w": np.ones(2)}, graph=changed.get(job.number)))
    problem = Problem([minimise("error", scale=1), minimise("macs", scale=1)], [at_most("macs", 64 * 100)])
    asked = [Proposal(mlp(units)) for units in (20, 30, 10)]
    run = run_search(proposing(config, *asked, task=task, problem=problem))
    assert [record.number for record in run.front] == [0]
    assert run.records[0].metrics["macs"] == 64 * 4 + 4 * 3
    assert run.problem.broken(run.records[1].metrics)
    opened = Run.open(run.folder)
    follower = Follower(run.path)
    follower.poll()
    assert to_json(opened.graph(0)) == to_json(smaller) == to_json(follower.graph(0)) == to_json(graphs(opened, [0])[0])
    assert to_json(opened.graph(2)) == to_json(space.graph(mlp(10)))
    assert opened.records == run.records


def preparing(config, prepare, **fields):
    space = ElasticSpace(*SHAPE)
    return config(space=space, problem=ERROR, evaluations=2, prepare=prepare, **fields)


def test_what_was_prepared_is_in_every_job_and_inherited_by_an_elastic_space(config, run_search):
    shared, jobs = {"w": np.arange(300.0)}, []

    def act(job):
        jobs.append(job)
        return Completed({"error": 0.5})

    prepare = Doing(lambda job: Completed({"error": 0.1}, weights=shared))
    run = run_search(preparing(config, prepare, task=Doing(act)))
    assert len(jobs) == 2
    for job in jobs:
        assert np.array_equal(job.prepared["w"], shared["w"])
        units = job.genotype["hidden"][0]["units"]
        assert job.inherits == Inherit("prepared")
        assert job.weights["w"].tolist() == list(range(units))
    assert run.prepared.metrics == {"error": 0.1}
    assert np.array_equal(run.artefacts.arrays(run.prepared.artefact)["w"], shared["w"])
    again = run_search(preparing(config, prepare, task=Doing(act)).with_fields(evaluations=3), resume=True)
    assert [event["event"] for event in lines(again)].count("prepared") == 1
    assert np.array_equal(jobs[2].prepared["w"], shared["w"])


def test_a_preparation_killed_at_every_checkpoint_is_the_same_in_the_end(config, run_search):
    task = Doing(lambda job: Completed({"error": float(abs(job.prepared["walk"][0]))}))
    settings = config(problem=ERROR, evaluations=1, prepare=Stepwise(), task=task)
    whole = run_search(settings, "whole")
    cut, sessions = interrupted_at_every_checkpoint(run_search, settings, "cut")
    assert sessions == STEPS + 1
    assert cut.prepared.artefact == whole.prepared.artefact
    assert cut.records[0].metrics == whole.records[0].metrics
    assert [path.name for path in (cut.folder / "artefacts").iterdir()] == [cut.prepared.artefact]


def test_a_preparation_that_fails_ends_the_run_and_is_tried_again_on_resume(config, run_search):
    outcomes = [Failed("diverged", "too fast"), Completed({"error": 0.1})]
    settings = config(problem=ERROR, evaluations=1, prepare=Doing(lambda job: outcomes.pop(0)))
    run = run_search(settings)
    assert (run.stopped.cause, run.stopped.reason) == ("failures", "prepare failed: diverged: too fast")
    assert run.failures[0].kind == "diverged"
    assert not run.records
    assert run_search(settings, resume=True).evaluations == 1


def test_the_time_of_a_preparation_counts(config, run_search):
    prepare = Doing(lambda job: Completed({"error": 0.1}))
    run = run_search(config(problem=ERROR, evaluations=None, minutes=1.0, prepare=prepare))
    assert run.stopped.reason == "1 minutes"
    assert not run.records


def test_short_jobs_leave_no_reports_and_others_one_in_ten_seconds(config, tmp_path):
    now = [0.0]

    def tick():
        now[0] += 0.5
        return now[0]

    @dataclass(frozen=True)
    class Chatty:
        steps: int
        metric_names = ("error",)

        def prepare(self):
            pass

        def __call__(self, job, splits, progress):
            assert all(progress(step, {"loss": 1.0}) for step in range(self.steps))
            return Completed({"error": 0.5})

    counts = {}
    for steps in (8, 100):
        settings = config(task=Chatty(steps), problem=ERROR, evaluations=1)
        run = search(
            settings, f"s{steps}", out=tmp_path, evaluator=lambda task, splits: Inline(task, splits, clock=tick)
        )
        counts[steps] = [event["step"] for event in lines(run) if event["event"] == "progressed"]
    assert counts[8] == []
    assert 3 <= len(counts[100]) <= 12


def test_a_system_clock_that_jumps_ends_no_search(config, tmp_path, monkeypatch):
    jumped = time.time() + 30 * 86400

    def act(job):
        monkeypatch.setattr("time.time", lambda: jumped)
        return Completed({"error": 0.5})

    settings = config(task=Doing(act), problem=ERROR, evaluations=3, minutes=5.0)
    run = search(settings, out=tmp_path, evaluator=Inline)
    assert run.stopped.reason == "3 evaluations"
    assert run.active_seconds < 60
    assert run.busy_seconds < 60
