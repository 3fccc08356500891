"""A board in a configuration: hard bounds, the arena of its kernels, its latency; all of it in the journal."""

import json
from pathlib import Path

import pytest
import yaml

from edgevolve.quantity import size
from edgevolve.reports.terminal import front_table
from edgevolve.reports.view import network_view, run_view
from edgevolve.runs import ConfigError, Run
from predictors.board import FOLDER
from search_algorithms import AgingEvolution, Constraint, Problem, ProblemError, at_most, minimise
from tests.runs.test_devices import printed

ARENA = "arena_bytes@cortex-m-dsp"
ERROR = Problem([minimise("error")])


def own(folder, ram):
    """A board of one's own with so much RAM, in a file."""
    payload = yaml.safe_load((FOLDER / "nano33ble.yaml").read_text())
    payload["name"] = "mine"
    payload["ram"]["sram"]["value"] = ram
    path = Path(folder) / "mine.yaml"
    path.write_text(yaml.safe_dump(payload, sort_keys=False))
    return str(path)


def bounds(config):
    return {one.metric: one.bound for one in config.problem.constraints if one.hard}


def test_a_board_gives_hard_bounds_and_its_metrics_by_name_alone(config):
    of_board = config(board="nano33ble", problem=ERROR)
    assert bounds(of_board) == {ARENA: 199_000, "flash_bytes": 806_040}
    assert [one.name for one in of_board.device_metrics] == ["nano33ble"]
    names = {name for provider in of_board.providers for name in provider.metric_names}
    assert {ARENA, "flash_bytes", "latency_ms"} <= names
    of_board.check(of_board.task)


def test_a_name_says_the_framework_too(config):
    assert bounds(config(board="nano33ble/zephyr", problem=ERROR))[ARENA] == 229_376


@pytest.mark.parametrize(("given", "left"), [(at_most("flash_bytes", "64k"), [64_000]), (None, [806_040])])
def test_a_tighter_bound_of_the_problems_own_stands_alone(config, given, left):
    problem = Problem([minimise("error")], [given] if given else [])
    bounded = config(board="nano33ble", problem=problem).problem
    assert [one.bound for one in bounded.constraints if one.metric == "flash_bytes"] == left


def test_a_looser_bound_and_a_soft_one_leave_the_boards(config):
    problem = Problem([minimise("error")], [at_most("flash_bytes", "2M"), at_most("flash_bytes", "9k", soft=True)])
    bounded = config(board="nano33ble", problem=problem).problem
    assert Constraint("flash_bytes", 806_040) in bounded.constraints
    assert len(bounded.constraints) == 4


def test_copies_have_the_bounds_once_and_another_board_has_its_own(config):
    first = config(board="nano33ble", problem=ERROR)
    assert first.with_fields(seed=3).problem == first.problem
    assert bounds(first.with_fields(board="esp32s3")) == {"arena_bytes": 266_000, "flash_bytes": 910_720}
    assert first.with_fields(board=None).problem == ERROR


def test_the_error_of_an_objective_without_scale_names_the_bounded_arena(config):
    problem = Problem([minimise("error"), minimise("arena_bytes")])
    with pytest.raises(ProblemError, match=f"arena_bytes has no scale: .*; the bound is on '{ARENA}'"):
        config(board="nano33ble", problem=problem).problem.scales()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nano33", "board: unknown board 'nano33': .*did you mean 'nano33ble'"),
        ("max78000", "board: board max78000 is not supported"),
        ("no.yaml", "board: no.yaml: No such file"),
        (33, "board must be a Board, not int"),
    ],
)
def test_a_board_that_is_none_is_a_config_error(config, given, message):
    with pytest.raises(ConfigError, match=message):
        config(board=given)


def test_the_error_of_a_board_among_the_devices_says_where_it_belongs(config):
    with pytest.raises(ConfigError, match="devices: nano33ble/sdk is a board: write board='nano33ble/sdk'"):
        config(devices=("nano33ble/sdk",))


def test_networks_beyond_the_board_are_never_trained(config, run_search, tmp_path):
    board = own(tmp_path, 63_144 + 4_000)
    run = run_search(config(board=board, problem=ERROR, algorithm=AgingEvolution(population=4), evaluations=12))
    assert run.broken[f"{ARENA} ≤ 4000"] > 0
    assert all(record.metrics[ARENA] <= 4_000 for record in run.front)


def test_the_journal_keeps_what_the_board_gave(config, run_search, tmp_path):
    board = own(tmp_path, 200_000)
    run = Run.open(run_search(config(board=board, problem=ERROR, evaluations=4)).path)
    Path(board).unlink()
    assert {one.metric: one.bound for one in run.problem.constraints} == {ARENA: 136_856, "flash_bytes": 806_040}
    journaled = run.started.config["board"]
    assert journaled["framework"] == "arduino" and journaled["sheet"]["ram"]["sram"]["value"] == 200_000
    assert journaled["sheet"]["ram"]["sram"]["source"] and str(tmp_path) not in json.dumps(journaled)
    assert (run.board.name, run.board.target) == ("mine/arduino", "cortex-m-dsp")
    assert "sram: 195.31 KiB (published), less mbed and sketch 61.66 KiB (assumed)" in run.board.words[1]
    assert "board mine/arduino: Arduino Nano 33 BLE" in printed(front_table(run, run.front))
    (record, *_) = run.front
    arena = dict(network_view(run, record, run.graph(record.number), "RUN")["totals"])["arena"]
    assert size(record.metrics[ARENA]) in arena and "on cortex-m-dsp" in arena
    assert any(name == "board" and "mine/arduino" in text for name, text in run_view(run)["facts"])


def test_a_run_goes_on_with_the_same_figures_alone(config, run_search, tmp_path):
    board = own(tmp_path, 200_000)
    run_search(config(board=board, problem=ERROR, evaluations=4))
    assert run_search(config(board=board, problem=ERROR, evaluations=6), resume=True).evaluations == 6
    with pytest.raises(ConfigError, match=r"board.sheet.ram.sram.value: 200000.0 → 210000.0"):
        run_search(config(board=own(tmp_path, 210_000), problem=ERROR, evaluations=8), resume=True)
    with pytest.raises(ConfigError, match="board: "):
        run_search(config(problem=ERROR, evaluations=8), resume=True)
