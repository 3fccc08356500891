"""Candidates that continue others: their weights, and their place among the twins."""

import shutil

import pytest

from edgevolve.data import Digits
from edgevolve.engine import Inline, search
from edgevolve.runs import Run, SearchConfig
from edgevolve.training import TrainingSettings
from search_algorithms import (
    AgingEvolution,
    Completed,
    Failed,
    Problem,
    ProblemError,
    SuccessiveHalving,
    at_most,
    minimise,
)
from search_space import CnnSpace

HALVING = SuccessiveHalving(AgingEvolution(population=6, sample_size=3), epochs=20, least_epochs=2)


def continued(run):
    return [record for record in run.records.values() if record.continues is not None]


@pytest.mark.parametrize("workers", [1, 4])
def test_a_promotion_is_no_twin_and_goes_on_from_the_weights_of_the_one_it_continues(config, run_search, workers):
    run = run_search(config(algorithm=HALVING, evaluations=60), workers=workers)
    assert {record.epochs for record in continued(run)} == {4, 14}
    for record in continued(run):
        below = run.records[record.continues]
        assert isinstance(record.outcome, Completed)
        assert record.genotype == below.genotype
        assert 0.5 <= record.metrics["error"] / below.metrics["error"] < 1
    fresh = [r.genotype_json for r in run.records.values() if r.continues is None and r.genotype_json]
    assert len(set(fresh)) == len(fresh)
    assert Run.open(run.folder).records == run.records


def test_weights_that_may_be_continued_are_kept_and_no_others(config, run_search):
    counts = []

    def count(run, event):
        counts.append(len(list(run.folder.glob("weights/*"))) - len(run.front))

    run = run_search(config(algorithm=HALVING, evaluations=150), observe=count)
    assert max(counts) <= 2 * 30 + 2
    kept = {int(path.stem) for path in run.folder.glob("weights/*")}
    promoted = {record.continues for record in continued(run)}
    front = {record.number for record in run.front}
    assert front <= kept
    assert not promoted & kept - front
    assert all(run.records[number].epochs < 14 for number in kept - front)


def test_a_promotion_whose_weights_are_lost_fails_and_the_search_goes_on(config, run_search, tmp_path):
    run_search(config(algorithm=HALVING, evaluations=12))
    shutil.rmtree(tmp_path / "run" / "weights")
    run = run_search(config(algorithm=HALVING, evaluations=40), resume=True)
    lost = [record for record in continued(run) if isinstance(record.outcome, Failed)]
    assert {record.outcome.kind for record in lost} == {"weights lost"}
    assert run.evaluations == 40


def test_a_worker_that_dies_under_a_promotion_leaves_it_to_be_resumed(config, run_search, tmp_path):
    whole = run_search(config(algorithm=HALVING, evaluations=30), "whole")
    promotion = continued(whole)[2].number

    def interrupt(run, event):
        if event.event == "asked" and event.number == promotion:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_search(config(algorithm=HALVING, evaluations=30), "cut", observe=interrupt)
    assert [record.number for record in Run.open(tmp_path / "cut").in_flight] == [promotion]
    resumed = run_search(config(algorithm=HALVING, evaluations=30), "cut", resume=True)
    assert [record.outcome for record in resumed.records.values()] == [r.outcome for r in whole.records.values()]


def test_epochs_other_than_those_of_the_training_are_refused(config):
    odd = config(algorithm=SuccessiveHalving(epochs=9))
    with pytest.raises(ProblemError, match="has epochs=9 and training epochs=20"):
        odd.check(odd.task)


@pytest.mark.slow
def test_trained_on_digits_a_continued_candidate_starts_where_the_one_below_ended(tmp_path):
    data = Digits()
    config = SearchConfig(
        data=data,
        space=CnnSpace(data.input_shape, data.classes),
        problem=Problem([minimise("error")], [at_most("error", 0.1, soft=True), at_most("macs", 100_000)]),
        algorithm=SuccessiveHalving(AgingEvolution(3, 2), epochs=6, least_epochs=2),
        training=TrainingSettings(epochs=6),
        evaluations=5,
    )
    run = search(config, out=tmp_path, evaluator=Inline)
    (promotion,) = continued(run)
    below = run.records[promotion.continues]
    assert len(below.outcome.curves["loss"]) == 2
    assert len(promotion.outcome.curves["loss"]) == 4
    assert promotion.outcome.curves["loss"][0] < 0.7 * below.outcome.curves["loss"][0]
    assert promotion.metrics["error"] <= below.metrics["error"]
