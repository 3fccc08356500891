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


@pytest.fixture
def cells(tmp_path):
    """A file of 200 cells, each of another network as far as chance has it."""

    def write(**changes):
        rng = np.random.default_rng(0)
        arrays = {
            "edge_ops": np.unique(rng.integers(5, size=(200, 6)), axis=0).astype(np.uint8),
            "op_names": np.array(["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]),
        }
        rows = len(arrays["edge_ops"])
        arrays |= {
            "accuracy_percent": np.linspace(1, 99, rows),
            "latency_ms": np.ones(rows),
            "energy_mj": np.ones(rows),
        }
        arrays |= changes
        path = tmp_path / "cells.npz"
        np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
        return path

    return write


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


def test_units_are_those_of_the_metric_names(cells):
    task = Tabular.from_nasbench201(cells())
    assert task.metric_names == ("error", "latency_ms", "energy_uj")
    rows = np.array(list(task.table.rows.values()))
    assert rows[0] == pytest.approx([0.99, 1.0, 1000.0]) and rows[-1, 0] == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"edge_ops": None}, "has no array 'edge_ops'"),
        ({"op_names": np.array(["none", "magic"])}, "unknown operator 'magic'"),
        ({"op_names": np.array(["none", "skip_connect"])}, "index outside op_names"),
        ({"edge_ops": np.zeros((3, 5), np.uint8)}, "cells × 6"),
        ({"edge_ops": np.zeros((3, 6))}, "whole numbers"),
        ({"edges": np.array(["0-1", "0-2", "0-3", "1-2", "1-3", "2-3"])}, "order 0-1, 0-2, 1-2"),
        ({"latency_ms": np.ones(3)}, "latency_ms must hold one number"),
        ({"op_names": np.array([{}, 1], dtype=object)}, "plain arrays"),
        ({"accuracy_percent": None, "latency_ms": None, "energy_mj": None}, "no metrics"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(cells, changes, words):
    with pytest.raises(TableError, match=words) as error:
        Tabular.from_nasbench201(cells(**changes))
    assert "\n" not in str(error.value)


def test_no_file_and_no_archive_are_refused(tmp_path):
    with pytest.raises(TableError, match="not an .npz"):
        Tabular.from_nasbench201(tmp_path / "nothing.npz")
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(TableError, match="not an .npz"):
        Tabular.from_nasbench201(tmp_path / "text.npz")


def test_a_search_runs_on_a_table_and_its_journal_holds_the_fingerprint_alone(cells, run_search):
    task = Tabular.from_nasbench201(cells())
    settings = make_config(
        space=NasBench201Space((8, 8, 1), 3, cells=1),
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
