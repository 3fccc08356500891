"""Bounds and devices after a final training: what the network, as it is exported, keeps and takes."""

import pytest
from rich.console import Console

from edgevolve.data import Digits
from edgevolve.engine import Inline, final_task, how_trained, search, train_again
from edgevolve.reports.hardware import hardware_table, measured
from edgevolve.runs import Run, SearchConfig
from edgevolve.runs.provenance import load_data
from edgevolve.training import TrainingSettings
from predictors import device
from resource_models import model_size
from search_algorithms import Problem, RandomSearch, at_most, minimise
from search_space import MlpSpace


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    config = SearchConfig(
        data=Digits(),
        space=MlpSpace((8, 8, 1), 10, max_layers=1, max_units=16),
        problem=Problem(
            [minimise("error", scale=0.1), minimise("latency_ms@coral_edge_tpu", scale=1)],
            [
                at_most("model_size_bytes", 5_000),
                at_most("error", 0.01, soft=True),
                at_most("energy_uj@coral_edge_tpu", 1e9),
            ],
        ),
        devices=("coral_edge_tpu",),
        algorithm=RandomSearch(),
        training=TrainingSettings(epochs=1),
        evaluations=1,
    )
    run = search(config, "digits", out=tmp_path_factory.mktemp("runs"), evaluator=Inline)
    data, number = load_data(run), run.best.number
    train_again(run, number, final_task(run, data, 2, bits=4), data, 1, how_trained(4, None), evaluator=Inline)
    return Run.open(run.path)


@pytest.mark.slow
def test_bounds_are_those_of_the_network_that_is_exported(run):
    number = run.best.number
    values, graph = measured(run, number), run.final_graph(number)
    assert values["model_size_bytes"] == model_size(graph) < run.best.metrics["model_size_bytes"]
    assert values["latency_ms@coral_edge_tpu"] == device("coral_edge_tpu").predict(graph)["latency_ms"].value


@pytest.mark.slow
def test_the_table_names_kept_and_missed_bounds_and_the_rates_of_each_device(run):
    console = Console(width=140, record=True)
    console.print(hardware_table(run, run.best.number))
    lines = console.export_text().splitlines()
    assert any(line.startswith("model size") and line.rstrip().endswith("kept") for line in lines)
    assert any(line.startswith("error") and "beyond the soft bound" in line for line in lines)
    latency, energy = (measured(run, run.best.number)[f"{name}@coral_edge_tpu"] for name in ("latency_ms", "energy_uj"))
    assert any(line.startswith("power@coral_edge_tpu") and f"{energy / latency:.4g} mW" in line for line in lines)
    assert any(line.startswith("operations/s@coral_edge_tpu") for line in lines)
