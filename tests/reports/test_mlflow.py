"""What MLflow reads back; skipped where it is not installed."""

import journals
import pytest

from edgevolve.reports.boards import Follower, boards, hyperparameters, write
from edgevolve.runs import Run
from search_algorithms import Completed

mlflow = pytest.importorskip("mlflow", reason="needs MLflow: pip install 'edgevolve[mlflow]'")
pytestmark = pytest.mark.filterwarnings("ignore")  # of MLflow's own


def client_and_runs(folder, name):
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(name)
    return client, {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def test_mlflow_reads_the_search_and_every_training(tmp_path):
    run = Run.open(journals.write(tmp_path / "run", *journals.long_history(12)))
    with boards(run.started.name, None, tmp_path / "board") as (board,):
        write(run, board)
    client, runs = client_and_runs(tmp_path / "board", "made")
    completed = [r for r in run.records.values() if isinstance(r.outcome, Completed)]
    assert set(runs) == {"search", *(f"candidate {r.number}" for r in completed)}
    assert {each.info.status for each in runs.values()} == {"FINISHED"}
    volumes = client.get_metric_history(runs["search"].info.run_id, "hypervolume")
    assert sorted(metric.step for metric in volumes) == list(range(1, 13))
    assert runs["search"].data.metrics["best_error"] == pytest.approx(run.best.metrics["error"])
    for record in completed:
        seen = runs[f"candidate {record.number}"]
        known = {name: value for name, value in seen.data.metrics.items() if not name.startswith("training/")}
        assert known == dict(record.metrics)
        assert seen.data.params == {name: str(value) for name, value in hyperparameters(record.genotype).items()}
        curve = client.get_metric_history(seen.info.run_id, "training/loss")
        assert [metric.value for metric in curve] == list(record.outcome.curves["loss"])
        assert seen.info.end_time == round(1000 * record.ended)


def test_an_observer_adds_to_what_stands_there(config, run_search, tmp_path):
    for seed in (0, 1):
        with boards("twice", None, tmp_path) as (board,):
            run_search(config(evaluations=3, seed=seed), name=str(seed), observe=Follower([board]))
    client, _ = client_and_runs(tmp_path, "twice")
    assert len(client.search_experiments(filter_string="name = 'twice'")) == 1
    assert len(client.search_runs([client.get_experiment_by_name("twice").experiment_id])) == 2 * (3 + 1)


def test_names_that_mlflow_does_not_take_are_changed_and_break_nothing(tmp_path):
    run = Run.open(journals.write(tmp_path / "run", *journals.hostile_history()))
    with boards(run.started.name, None, tmp_path / "board") as (board,):
        write(run, board)
    assert [path.name for path in (tmp_path / "board").iterdir()] == ["mlflow.db"]
