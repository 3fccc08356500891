import json

import pytest
from pretend import Noise

from edgevolve.data import DataError
from edgevolve.runs import ConfigError, JournalError, Run
from search_algorithms import AgingEvolution, Completed


def history(run):
    return [(r.number, r.genotype_json, r.parents, r.change, r.metrics, r.outcome) for r in run.records.values()]


def cut_copy(run, folder, length):
    folder.mkdir()
    (folder / "journal.jsonl").write_bytes(run.path.read_bytes()[:length])


def test_a_run_cut_after_any_event_resumes_to_the_uninterrupted_one(config, run_search, tmp_path):
    whole = run_search(config(evaluations=15), "whole")
    content = whole.path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == ord("\n")]
    assert len(ends) > 40
    for position, end in enumerate(ends[:-1]):
        cut_copy(whole, tmp_path / f"cut{position}", end)
        resumed = run_search(config(evaluations=15), f"cut{position}", resume=True)
        assert history(resumed) == history(whole)
        assert {p.stem for p in resumed.folder.glob("weights/*")} <= {str(r.number) for r in resumed.front}


@pytest.mark.parametrize("fraction", [0.3, 0.47, 0.61, 0.83, 0.97])
def test_a_run_cut_in_the_middle_of_a_line_resumes_to_the_uninterrupted_one(config, run_search, tmp_path, fraction):
    whole = run_search(config(evaluations=15), "whole")
    cut_copy(whole, tmp_path / "cut", int(fraction * whole.path.stat().st_size))
    assert history(run_search(config(evaluations=15), "cut", resume=True)) == history(whole)


@pytest.mark.parametrize("workers", [2, 5])
def test_with_several_workers_nothing_that_finished_is_lost_or_repeated(config, run_search, tmp_path, workers):
    whole = run_search(config(evaluations=20), "whole", workers)
    content = whole.path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == ord("\n")]
    for position in range(1, len(ends) - 1, 7):
        name = f"cut{position}"
        cut_copy(whole, tmp_path / name, ends[position])
        before = Run.open(tmp_path / name)
        resumed = run_search(config(evaluations=20), name, workers, resume=True)
        assert resumed.evaluations == 20
        assert not resumed.in_flight
        for number, record in before.records.items():
            if record.outcome is not None:
                assert resumed.records[number] == record
            else:
                assert resumed.records[number].outcome == whole.records[number].outcome
        finished = [json.loads(line) for line in resumed.path.read_text().splitlines()]
        ended = [event["number"] for event in finished if event["event"] in ("finished", "failed")]
        assert len(ended) == len(set(ended)) == 20


def test_a_run_resumed_again_and_again_is_still_the_same(config, run_search):
    whole = run_search(config(evaluations=12), "whole")
    for evaluations in (2, 5, 6, 12):
        run = run_search(config(evaluations=evaluations), "steps", resume=evaluations > 2)
    assert history(run) == history(whole)
    assert len(run.sessions) == 4


def test_a_finished_run_resumed_with_the_same_budget_changes_nothing_but_its_sessions(config, run_search):
    first = run_search(config(evaluations=5))
    again = run_search(config(evaluations=5), resume=True)
    assert history(again) == history(first)
    assert again.stopped.cause == "budget"


def test_another_configuration_is_refused_with_the_difference_and_nothing_is_written(config, run_search):
    run = run_search(config(evaluations=5))
    content = run.path.read_bytes()
    with pytest.raises(ConfigError, match="algorithm.population: 6 → 9; seed: 0 → 4"):
        run_search(config(algorithm=AgingEvolution(population=9, sample_size=3), seed=4), resume=True)
    assert run.path.read_bytes() == content


def test_other_data_under_the_same_name_is_refused(config, run_search, monkeypatch):
    run_search(config(evaluations=3))
    load = Noise.load
    monkeypatch.setattr(Noise, "load", lambda self: load(Noise(seed=5)))
    with pytest.raises(ConfigError, match="data.fingerprint"):
        run_search(config(evaluations=5), resume=True)


def test_a_run_that_exists_is_not_started_again_and_one_that_does_not_is_not_resumed(config, run_search):
    run = run_search(config(evaluations=3))
    content = run.path.read_bytes()
    with pytest.raises(JournalError, match="exists; add --resume"):
        run_search(config(evaluations=3))
    with pytest.raises(JournalError, match="no run to resume"):
        run_search(config(evaluations=3), "other", resume=True)
    assert run.path.read_bytes() == content


def test_bad_input_leaves_no_folder_behind(config, run_search, tmp_path):
    class Broken:
        input_shape, classes = (8, 8, 1), 3

        def load(self):
            raise DataError("broken")

    with pytest.raises(DataError):
        run_search(config(data=Broken()))
    assert list(tmp_path.iterdir()) == []


def test_temporary_weights_of_a_killed_writer_do_no_harm(config, run_search):
    run = run_search(config(evaluations=5))
    (run.folder / "weights" / ".weights-abc").write_bytes(b"torn")
    again = run_search(config(evaluations=9), resume=True)
    assert again.evaluations == 9
    assert all(isinstance(r.outcome, Completed) for r in again.front)


def test_a_run_resumed_on_fewer_workers_submits_no_more_than_they_hold(config, run_search, tmp_path):
    whole = run_search(config(evaluations=20), "whole", workers=8)
    ends = [i + 1 for i, byte in enumerate(whole.path.read_bytes()) if byte == ord("\n")]
    cut_copy(whole, tmp_path / "cut", ends[25])
    assert len(Run.open(tmp_path / "cut").in_flight) > 2
    resumed = run_search(config(evaluations=20), "cut", workers=2, resume=True)
    assert resumed.evaluations == 20
    assert not resumed.in_flight
