import journals
import pytest

from edgevolve.reports.boards import Follower, boards, hyperparameters, write
from edgevolve.reports.history import common_box
from edgevolve.runs import Run
from search_algorithms import Completed

pytest.importorskip("tensorboardX")


def scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    board.Reload()
    return board, {tag: board.Scalars(tag) for tag in board.Tags()["scalars"]}


def test_tensorboard_reads_the_search_and_every_training(tmp_path):
    run = Run.open(journals.write(tmp_path / "run", *journals.long_history(12)))
    with boards("made", tmp_path / "board", None) as (board,):
        write(run, board)
    _, search = scalars(tmp_path / "board" / "search")
    assert [event.step for event in search["search/hypervolume"]] == list(range(1, 13))
    assert search["search/best_error"][-1].value == pytest.approx(run.best.metrics["error"])
    completed = [r for r in run.records.values() if isinstance(r.outcome, Completed)]
    for record in completed:
        board, series = scalars(tmp_path / "board" / f"candidate-{record.number}")
        assert series["error"][0].value == pytest.approx(record.metrics["error"])
        assert [e.value for e in series["training/loss"]] == pytest.approx(list(record.outcome.curves["loss"]))
        tags = board.PluginTagToContent("hparams")
        assert {"_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info"} <= set(tags)


def test_the_hparams_dashboard_finds_genotype_and_metrics(tmp_path):
    from tensorboard.plugins.hparams import plugin_data_pb2

    run = Run.open(journals.write(tmp_path / "run", *journals.long_history(2)))
    with boards("made", tmp_path / "board", None) as (board,):
        write(run, board)
    board, _ = scalars(tmp_path / "board" / "candidate-0")
    content = board.PluginTagToContent("hparams")
    start = plugin_data_pb2.HParamsPluginData.FromString(content["_hparams_/session_start_info"]).session_start_info
    assert start.hparams["layers.0.filters"].number_value == run.records[0].genotype["layers"][0]["filters"]
    experiment = plugin_data_pb2.HParamsPluginData.FromString(content["_hparams_/experiment"]).experiment
    assert {info.name.tag for info in experiment.metric_infos} == set(run.records[0].metrics)


def test_an_observer_writes_as_the_search_goes(config, run_search, tmp_path):
    with boards("made", tmp_path / "board", None) as (board,):
        run = run_search(config(evaluations=4), observe=Follower([board]))
    _, search = scalars(tmp_path / "board" / "search")
    assert [event.step for event in search["search/feasible_share"]] == [1, 2, 3, 4]
    assert search["search/best_error"][-1].value == pytest.approx(run.best.metrics["error"])
    assert len(list((tmp_path / "board").glob("candidate-*"))) == 4
    box = common_box([run])
    share = box.share([run.problem.costs(record.metrics) for record in run.front])
    assert search["search/hypervolume"][-1].value == pytest.approx(share)


def test_any_genotype_has_flat_hyperparameters():
    assert hyperparameters({"a": [{"b": 1}, {"b": None}], "c": [], "d": True}) == {
        "a.0.b": 1,
        "a.1.b": "None",
        "c": "[]",
        "d": True,
    }
    assert hyperparameters(3) == {"genotype": 3}
