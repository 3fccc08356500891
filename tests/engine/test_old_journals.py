"""Journals that earlier versions wrote, one of each family of strategies: they open, show, report and resume."""

import importlib.util
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from edgevolve.engine import Inline, search
from edgevolve.reports.page import report_page
from edgevolve.reports.terminal import front_json, front_table
from edgevolve.runs import ConfigError, Run
from edgevolve.runs.events import Resumed
from edgevolve.runs.journal import read
from search_algorithms import Completed
from tests.reports.test_page import data

JOURNALS = Path(__file__).parent.parent / "data" / "journals"
FAMILIES = ("evolution", "surrogate", "halving")


def configuration(family):
    spec = importlib.util.spec_from_file_location(f"old_{family}", JOURNALS / "configs" / f"{family}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.config


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture
def folder(family, tmp_path):
    (tmp_path / family).mkdir()
    shutil.copy(JOURNALS / f"0.1.0-{family}.jsonl", tmp_path / family / "journal.jsonl")
    return tmp_path / family


def test_an_old_journal_opens_and_is_shown(folder):
    run = Run.open(folder)
    assert run.evaluations == 10
    assert run.best is not None
    console = Console(width=200, record=True)
    console.print(front_table(run, run.front))
    shown = console.export_text()
    assert all(str(record.number) in shown for record in run.front)
    assert {entry["number"] for entry in front_json(run, run.front)} == {record.number for record in run.front}
    (view,) = data(report_page([run], [str(folder)]))["runs"]
    assert view["front"] == [record.number for record in run.front]


def test_an_old_journal_is_resumed_with_the_configuration_that_began_it(folder, family):
    before = Run.open(folder)
    config = configuration(family).with_fields(evaluations=11)
    run = search(config, family, out=folder.parent, resume=True, evaluator=Inline)
    assert run.evaluations == 11
    assert [run.records[number] for number in before.records if before.records[number].ended] == [
        record for record in before.records.values() if record.ended
    ]
    assert isinstance(run.records[len(run.records) - 1].outcome, Completed)


def test_what_began_without_clipping_goes_on_without_it(folder, family):
    """These journals were written when there was no `clip_norm`."""
    config = configuration(family).with_fields(evaluations=11)
    assert config.training.clip_norm == 1.0
    search(config, family, out=folder.parent, resume=True, evaluator=Inline)
    last = [event for event in read(folder / "journal.jsonl") if isinstance(event, Resumed)][-1]
    assert last.config["training"]["clip_norm"] is None
    assert last.config["task"]["settings"]["clip_norm"] is None


def test_a_clip_norm_that_an_old_journal_was_not_trained_with_is_refused(folder, family):
    given = configuration(family)
    config = given.with_fields(training=replace(given.training, clip_norm=0.5), evaluations=11)
    with pytest.raises(ConfigError, match=r"training\.clip_norm: None → 0\.5"):
        search(config, family, out=folder.parent, resume=True, evaluator=Inline)
