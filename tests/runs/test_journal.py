import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from pretend import virtual

from edgevolve.engine import search
from edgevolve.reports.follow import Follower
from edgevolve.runs import Journal, JournalError, Run, create, events
from edgevolve.runs.events import Started
from edgevolve.runs.journal import Reader, read
from search_algorithms import Completed, Rejected


@pytest.fixture
def journal(config, run_search):
    return run_search(config(evaluations=8)).path


def rejected(number):
    return events.Rejected(
        time=1, number=number, genotype={}, description="", change="", parents=(), metrics={}, reason="breaks x"
    )


def test_a_second_writer_is_kept_out(journal):
    with Journal(journal), pytest.raises(JournalError, match="another search is writing"):
        Journal(journal)


def test_creating_a_journal_never_overwrites_one(journal, config):
    started = next(read(journal))
    content = journal.read_bytes()
    with pytest.raises(JournalError, match="exists; add --resume"):
        create(journal, started)
    assert journal.read_bytes() == content


@pytest.mark.parametrize("keep", [1, 10, 200])
def test_a_torn_last_line_is_left_out_by_readers_and_cut_off_by_the_writer(journal, keep):
    whole = journal.read_bytes()
    events = list(read(journal))
    journal.write_bytes(whole + b'{"time":5,"event":"finished","number":3,"metrics":{"error":0.1},'[:keep])
    assert list(read(journal)) == events
    assert len(Run.open(journal).records) > 0
    with Journal(journal) as writer:
        assert journal.read_bytes() == whole
        writer.append(rejected(len(Run.open(journal).records)))
    assert len(list(read(journal))) == len(events) + 1


def test_every_cut_in_the_last_event_reads_as_the_events_before(journal):
    whole = journal.read_bytes()
    lines = whole.splitlines(keepends=True)
    events = list(read(journal))
    last = len(lines[-1])
    for cut in range(1, last):
        journal.write_bytes(whole[: len(whole) - cut])
        assert list(read(journal)) == events[:-1]


def test_a_last_block_that_the_disk_never_got_is_cut_off(journal):
    whole = journal.read_bytes()
    journal.write_bytes(whole + b"\0" * 4096 + b"\n")
    with Journal(journal):
        assert journal.read_bytes() == whole


@pytest.mark.parametrize("odd", [b"\0" * 4096, b"[" * 2000 + b"]" * 2000, b"garbage"])
def test_a_bad_line_before_a_torn_one_is_refused_and_the_file_left_as_it_is(journal, odd):
    content = journal.read_bytes() + odd + b'\n{"time":146.0,"'
    journal.write_bytes(content)
    with pytest.raises(JournalError, match="not an event"):
        list(read(journal))
    with pytest.raises(JournalError, match="the line before the last is not an event; restore the file from a copy"):
        Journal(journal)
    assert journal.read_bytes() == content


def test_a_bad_line_in_the_middle_is_an_error_that_names_it(journal):
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:3], b'{"time": 1, "event": "asked"}\n', *lines[3:]]))
    with pytest.raises(JournalError, match="line 4: not an event") as caught:
        Run.open(journal)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello\n", b"{}\n", b'{"event": "started", "version": 99}\n', b"\x80\x04\x95pickle", b"[1, 2]\n" * 9],
)
def test_a_file_that_is_no_journal_is_refused_and_stays_as_it_was(tmp_path, content):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(content)
    for opening in (Run.open, Journal):
        with pytest.raises(JournalError, match=r"journal\.jsonl"):
            opening(path)
    assert path.read_bytes() == content


def test_a_missing_run_is_refused_by_its_name(tmp_path):
    with pytest.raises(JournalError, match="No such file"):
        Run.open(tmp_path / "nothing")


@pytest.mark.parametrize("swap", [(1, 2), (2, 3)])
def test_events_that_do_not_fit_together_are_refused(journal, swap):
    lines = [line for line in journal.read_bytes().splitlines(keepends=True) if b'"rejected"' not in line]
    journal.write_bytes(b"".join(lines))
    with pytest.raises(JournalError, match="contradict each other"):
        Run.open(journal)


def test_an_event_holds_no_value_that_json_cannot(journal):
    with pytest.raises(ValueError):
        events.Rejected(**{**rejected(0).model_dump(), "metrics": {"error": float("nan")}})


def test_the_journal_of_the_first_version_opens(request):
    old = request.path.parent.parent / "data" / "journals" / "0.1.0.jsonl"
    run = Run.open(old)
    assert run.evaluations == 12
    assert run.front
    for record in run.records.values():
        assert isinstance(record.outcome, Rejected) or (record.description and record.genotype)
    best = run.best
    assert run.graph(best.number).outputs[0].shape == (1, 3)
    assert best.outcome.curves["loss"]


def test_the_front_is_the_non_dominated_completed_within_the_hard_bounds(config, run_search):
    run = run_search(config(evaluations=60))
    done = [r for r in run.records.values() if isinstance(r.outcome, Completed) and not run.problem.broken(r.metrics)]
    costs = {r.number: np.array(run.problem.costs(r.metrics)) for r in done}
    front = {
        n
        for n, c in costs.items()
        if not any((d <= c).all() and ((d < c).any() or m < n) for m, d in costs.items() if m != n)
    }
    assert {r.number for r in run.front} == front
    assert run.best.metrics["error"] == min(r.metrics["error"] for r in done)


def test_counts_times_and_shares_follow_from_the_events(config, run_search):
    run = run_search(config(evaluations=12), workers=3)
    finished = [r for r in run.records.values() if r.ended]
    assert run.evaluations == 12 == len(finished)
    assert run.busy_seconds == pytest.approx(sum(r.ended - r.started for r in finished))
    assert 0.5 < run.utilisation <= 1
    assert run.active_seconds == pytest.approx(max(r.ended for r in finished))
    rejected_by_bound = sum(line.count(b'"broken":["') for line in run.path.read_bytes().splitlines())
    assert run.infeasible == rejected_by_bound
    assert run.feasible_share == 1 - rejected_by_bound / (len(run.records) - run.twins)


def test_nothing_in_a_journal_is_a_path_of_this_machine(journal, tmp_path):
    assert str(tmp_path) not in journal.read_text()


def test_the_first_line_holds_configuration_versions_and_data(journal):
    first = json.loads(journal.read_text().splitlines()[0])
    assert first["version"] == 1
    assert {"python", "tensorflow", "ray", "edgevolve"} <= first["versions"].keys()
    assert len(first["data"]["fingerprint"]) == 32
    assert first["config"]["problem"]["objectives"][0]["metric"] == "error"
    Started.model_validate(first)


def test_a_line_that_is_being_written_is_not_taken_for_a_broken_one(journal):
    whole = journal.read_bytes()
    lines = whole.splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]) + lines[-1][:30])
    reader = Reader(journal)
    reading = reader.new()
    seen = [next(reading) for _ in range(len(lines) - 2)]
    with journal.open("ab") as writer:
        writer.write(lines[-1][30:])
    assert len([*seen, *reading, *reader.new()]) == len(lines)


def test_control_characters_of_a_foreign_journal_do_not_reach_the_terminal(journal):
    journal.write_text(journal.read_text().replace('"change":"random"', '"change":"\\u001b[2Jrandom"'))
    assert not any("\x1b" in record.change for record in Run.open(journal).records.values())


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda path: path.unlink(), "was removed"),
        (lambda path: path.write_bytes(b""), "0 bytes in place of"),
        (lambda path: shutil.copy(path, path.with_name("copy")) and path.with_name("copy").replace(path), "replaced"),
        (lambda path: shutil.rmtree(path.parent), "was removed|No such file"),
        (lambda path: path.write_bytes(path.read_bytes() + b"{}\n"), "another program wrote to it"),
    ],
)
def test_a_journal_that_another_program_takes_away_or_changes_ends_the_search(tmp_path, config, fault, words):
    def evaluator(task, splits):
        pool = virtual()(task, splits)
        submit = pool.submit

        def submitting(job):
            if job.number >= 3 and not done:
                done.append(fault(tmp_path / "run" / "journal.jsonl"))
            submit(job)

        pool.submit = submitting
        return pool

    done = []
    with pytest.raises(JournalError, match=words):
        search(config(evaluations=30), "run", out=tmp_path, evaluator=evaluator)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_error_in_one_line(journal):
    with Journal(journal) as writer:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, writer._file.fileno())
        os.close(full)
        with pytest.raises(JournalError, match="No space left on device; what finished is kept") as caught:
            writer.append(rejected(0), sync=False)
    assert "\n" not in str(caught.value)


def test_a_file_system_without_hard_links_holds_a_run(journal, tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    started = next(read(journal))
    path = tmp_path / "exfat" / "journal.jsonl"
    create(path, started)
    assert next(read(path)) == started
    assert [file.name for file in path.parent.iterdir()] == ["journal.jsonl"]
    with pytest.raises(JournalError, match="exists; add --resume"):
        create(path, started)


def test_a_journal_has_the_rights_that_the_user_asks_for(journal, tmp_path):
    before = os.umask(0o077)
    try:
        create(tmp_path / "private" / "journal.jsonl", next(read(journal)))
    finally:
        os.umask(before)
    assert (tmp_path / "private" / "journal.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_made_is_named(journal, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(JournalError, match="link: no folder can be made there"):
        create(tmp_path / "link" / "journal.jsonl", next(read(journal)))


def test_what_has_no_end_is_no_journal(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(JournalError, match="not a regular file"):
            Run.open(path)


def test_a_second_started_line_is_refused_by_whoever_reads(journal):
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:4], lines[0], *lines[4:]]))
    for reading in (lambda: Run.open(journal), lambda: Follower(journal).poll()):
        with pytest.raises(JournalError, match="line 5: a journal has one 'started' event"):
            reading()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"objectives":[{', '"objectives":[5,{'),
        ('"bound":', '"bound":1' + "0" * 400 + ',"x":'),
        ('"direction":"minimise"', '"direction":[]'),
    ],
)
def test_a_problem_of_a_stranger_is_one_error(journal, before, after):
    text = journal.read_text()
    assert before in text
    journal.write_text(text.replace(before, after, 1))
    for reading in (lambda: Run.open(journal), lambda: Follower(journal).poll()):
        with pytest.raises(JournalError, match=r"journal\.jsonl"):
            reading()
