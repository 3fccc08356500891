import json

import numpy as np
import pytest
from pretend import Noise, make_config

from edgevolve.engine import Inline, TableError, Tabular, VirtualTime
from edgevolve.graph import Dense, GraphBuilder
from edgevolve.runs import Job, config_json
from search_algorithms import Completed, Failed, Problem, RandomSearch, minimise
from search_space import MlpSpace, NasBench201Space
from search_space.mlp import Hidden, Mlp

SPACE = MlpSpace((8, 8, 1), 3)
GENOTYPES = [Mlp((Hidden(units),)) for units in (10, 11, 12)]


def job(genotype):
    net = GraphBuilder()
    graph = net.build(net.add(Dense(3), net.flatten(net.input((1, 8, 8, 1)))))
    return Job(0, json.loads(json.dumps(SPACE.to_json(genotype))), graph, 0, {"macs": 1.0})


@pytest.mark.parametrize("evaluator", [Inline, lambda task, splits: VirtualTime(task, splits, 2, lambda job: 1.0)])
def test_a_job_is_answered_from_its_row_on_any_evaluator(evaluator):
    task = Tabular.from_arrays(SPACE, GENOTYPES, {"error": [0.3, 0.2, 0.1], "latency_ms": [1, 2, 3]})
    running = evaluator(task, Noise().load())
    running.submit(job(GENOTYPES[1]))
    (result,) = running.wait(timeout_s=10)
    assert result.outcome == Completed({"macs": 1.0, "error": 0.2, "latency_ms": 2.0})
    assert task.metric_names == ("error", "latency_ms")


def test_a_genotype_without_a_row_fails():
    task = Tabular.from_arrays(SPACE, GENOTYPES, {"error": [0.3, 0.2, 0.1]})
    outcome = task(job(Mlp((Hidden(99),))), Noise().load())
    assert isinstance(outcome, Failed) and "99" in outcome.reason


@pytest.mark.parametrize(
    ("genotypes", "metrics", "words"),
    [
        (GENOTYPES, {}, "no metrics"),
        ([], {"error": []}, "no rows"),
        (GENOTYPES, {"error": [1, 2]}, "error must hold one number for each of 3"),
        (GENOTYPES, {"error": [1, np.nan, 3]}, "error is not finite in row 1"),
        (GENOTYPES, {"error": ["a", "b", "c"]}, "error is not a vector of numbers"),
        ([*GENOTYPES, GENOTYPES[0]], {"error": [1, 2, 3, 4]}, "two rows for dense 10"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(genotypes, metrics, words):
    with pytest.raises(TableError, match=words):
        Tabular.from_arrays(SPACE, genotypes, metrics)


def test_a_search_runs_on_a_table_and_its_journal_holds_the_fingerprint_alone(run_search):
    space, rng = NasBench201Space((8, 8, 1), 3, cells=1), np.random.default_rng(0)
    cells = list({space.sample(rng) for _ in range(200)})
    metrics = {"error": np.linspace(0.01, 0.99, len(cells)), "latency_ms": np.ones(len(cells))}
    task = Tabular.from_arrays(space, cells, metrics)
    settings = make_config(
        space=space,
        problem=Problem([minimise("error", scale=1.0), minimise("latency_ms", scale=1.0)]),
        algorithm=RandomSearch(),
        task=task,
        evaluations=400,
        failures_in_a_row=10_000,
    )
    run = run_search(settings)
    assert any(isinstance(record.outcome, Completed) for record in run.records.values())
    stored = config_json(settings, task)["task"]
    assert stored["fingerprint"] == task.fingerprint and len(json.dumps(stored)) < 300
