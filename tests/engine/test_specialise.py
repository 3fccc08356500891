"""One training of shared weights, a front for each of several boards."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from driver import app
from edgevolve import (
    Digits,
    Inherited,
    Inline,
    JournalError,
    MobileSpace,
    Problem,
    RandomSearch,
    SearchConfig,
    SharedFrom,
    Supernet,
    TrainingSettings,
    minimise,
    search,
)
from edgevolve.data import load_splits
from edgevolve.deployment import ExportError
from edgevolve.deployment.export import export
from edgevolve.deployment.micro import arena_needed
from edgevolve.engine import family, final_task, specialised, train_again
from edgevolve.engine.evaluation import evaluate
from edgevolve.graph import GraphBuilder
from edgevolve.reports.final_trainings import final_table
from edgevolve.reports.inherited import inherited_lines
from edgevolve.reports.terminal import front_table
from edgevolve.runs import ConfigError, Job, Run
from edgevolve.runs.provenance import facts
from predictors import board

SPACE = MobileSpace(
    (8, 8, 1),
    10,
    max_stages=2,
    depths=(1, 2),
    max_filters=8,
    resolutions=(8,),
    blocks=("mbconv",),
    activations=("relu6",),
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A run that trained shared weights and scored five candidates."""
    Inherited().prepare()
    config = SearchConfig(
        data=Digits(),
        space=SPACE,
        problem=Problem([minimise("error"), minimise("macs")]),
        algorithm=RandomSearch(),
        prepare=Supernet(SPACE, TrainingSettings(epochs=6, batch_size=64, learning_rate=0.3)),
        task=Inherited(recalibrate=200),
        evaluations=5,
    )
    return search(config, "shared", out=tmp_path_factory.mktemp("runs"), evaluator=Inline)


@pytest.mark.slow
def test_two_boards_get_a_front_each_whose_files_keep_every_bound(prepared, tmp_path):
    shared = prepared.prepared.artefact
    for name in ("rp2040", "nano33ble"):
        run = specialised(prepared, name, evaluations=4, out=tmp_path)
        assert run.name == f"shared_{name}" and run.front and not run.failures
        assert run.prepared.artefact == shared
        rooms = {metric: room.free_bytes for metric, room in board(name).rooms.items()}
        assert all(not run.problem.broken(record.metrics) for record in run.front)
        assert all(record.metrics[metric] <= rooms[metric] for record in run.front for metric in rooms)
        best, folder = run.best, tmp_path / f"{name}_file"
        export(folder, run.graph(best.number), run.weights(best.number), load_splits(Digits()), facts(run, best.number))
        content = next(Path(folder).glob("*.tflite")).read_bytes()
        assert 0 <= best.metrics["flash_bytes"] - len(content) <= 96  # equal scales are known after training alone
        assert arena_needed(content)[2] <= next(room for metric, room in rooms.items() if metric.startswith("arena"))


@pytest.mark.slow
def test_the_verb_makes_a_run_for_each_board_and_overwrites_none(prepared, tmp_path):
    arguments = ["specialise", str(prepared.folder), "--board", "rp2040", "--evaluations", "3", "--out", str(tmp_path)]
    said = CliRunner().invoke(app, arguments)
    assert said.exit_code == 0, said.output
    assert "shared_rp2040: 3 candidates in" in said.output
    assert Run.open(tmp_path / "shared_rp2040").evaluations == 3
    with pytest.raises(JournalError, match="exists"):
        specialised(prepared, "rp2040", evaluations=3, out=tmp_path)


@pytest.mark.slow
def test_shared_weights_of_another_space_or_other_data_are_one_line(prepared):
    net, whole = GraphBuilder(), load_splits(Digits())
    job = Job(-1, None, net.build(net.input((1, 8, 8, 1))), 0, {})
    other = SharedFrom(str(prepared.folder), replace(SPACE, max_filters=16))
    assert evaluate(other, job, whole).kind == "another space"
    fewer = replace(whole, train=whole.train.take(np.arange(100)))
    failed = evaluate(SharedFrom(str(prepared.folder), SPACE), job, fewer)
    assert (failed.kind, "another data set or split" in failed.reason) == ("other data", True)


def deepest(run):
    """The candidate of the most blocks that has a family: two networks of its weights at least are worth their cost."""
    splits = load_splits(Digits())
    blocks = {r.number: sum(stage["depth"] for stage in r.genotype["stages"]) for r in run.records.values()}
    for number in sorted(blocks, key=lambda number: -blocks[number]):
        try:
            family(run, number, 2, splits)
        except ConfigError:
            continue
        return number
    raise AssertionError("no candidate has a family")


@pytest.mark.slow
def test_a_set_is_networks_of_the_same_kernels_in_one_bundle_smaller_than_their_files(prepared, tmp_path):
    run, out = Run.open(prepared.folder), tmp_path / "set"
    number = deepest(run)
    asked = ["export", str(run.folder), "--pick", str(number), "--set", "2", "--out", str(out)]
    said = CliRunner().invoke(app, asked)
    assert said.exit_code == 0, said.exception
    figures = json.loads((out / "set.json").read_text())
    assert "of the single files together" in said.output
    assert figures["flash_bytes"] < sum(figures["single_bytes"]) and len(figures["networks"]) == 2
    assert figures["arena_bytes"] == max(one["arena_bytes"] for one in figures["networks"])
    assert figures["networks"][0]["error"] <= figures["networks"][1]["error"]
    files = [(out / "networks" / str(i) / "model.tflite").read_bytes() for i in range(2)]
    assert [len(file) for file in files] == figures["single_bytes"]
    again = CliRunner().invoke(app, asked)
    assert isinstance(again.exception, ExportError) and "is there already" in str(again.exception)


@pytest.mark.slow
def test_members_of_a_family_take_all_their_kernels_from_the_candidate(prepared):
    run, splits = Run.open(prepared.folder), load_splits(Digits())
    number = deepest(run)
    whole = SPACE.from_json(run.record(number).genotype)
    allowed = set(SPACE.path(whole).uses)
    members = family(run, number, 3, splits)
    assert 2 <= len(members) <= 3
    for member in members:
        assert set(SPACE.path(SPACE.from_json(member.genotype)).uses) <= allowed
    errors, costs = [m.error for m in members], [m.macs for m in members]
    assert errors == sorted(errors) and costs == sorted(costs, reverse=True)


def test_a_run_without_shared_weights_is_one_line(tmp_path, run_search, config):
    run = run_search(config(evaluations=2), "plain")
    with pytest.raises(JournalError, match="it prepared no shared weights"):
        family(run, 0, 3, load_splits(Digits()))
    with pytest.raises(ValueError, match="it prepared no shared weights; search with prepare=Supernet"):
        SharedFrom(str(run.folder), SPACE)
    with pytest.raises(JournalError, match="it prepared no shared weights"):
        specialised(run, "rp2040")


@pytest.mark.slow
def test_what_inherited_is_trained_from_scratch_and_the_reports_show_both(prepared):
    run, number, splits = Run.open(prepared.folder), prepared.best.number, load_splits(Digits())
    assert "shared weights were prepared in" in inherited_lines(run)[0]
    train_again(run, number, final_task(run, splits, epochs=1), splits, seeds=1, evaluator=Inline)
    (line,) = inherited_lines(run)[1:]
    assert line.startswith(f"candidate {number}: error") and "inherited" in line and "from scratch" in line
    text = io.StringIO()
    Console(file=text, width=200).print(front_table(run, run.front), final_table(run, number))
    assert text.getvalue().count(line) == 2
