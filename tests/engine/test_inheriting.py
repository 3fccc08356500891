"""Children that start from their parents' weights."""

import shutil

import numpy as np
import pytest

from edgevolve import (
    NSGA3,
    AgingEvolution,
    Digits,
    Failed,
    Inline,
    LocalSearch,
    MlpSpace,
    Run,
    SearchConfig,
    TrainingSettings,
    search,
)
from edgevolve.graph import graph_hash
from edgevolve.runs.phenotype import identity
from search_algorithms import Completed, Problem, Rejected, minimise

SPACE = MlpSpace((8, 8, 1), 10, max_layers=2, max_units=30)


def config(**fields):
    return SearchConfig(
        data=Digits(),
        space=SPACE,
        problem=Problem([minimise("error", scale=0.1), minimise("model_size_bytes", scale=3000)]),
        **{
            "algorithm": AgingEvolution(population=3, sample_size=2),
            "training": TrainingSettings(epochs=3, inherited_epochs=1),
            "evaluations": 8,
            **fields,
        },
    )


def children(run):
    return [r for r in run.records.values() if r.parents and not isinstance(r.outcome, Rejected)]


def slow(case):
    return pytest.param(case, marks=pytest.mark.slow)


def history(run):
    return [(r.number, r.genotype_json, r.parents, r.epochs, r.inherits, r.metrics) for r in run.records.values()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return search(config(), "whole", out=tmp_path_factory.mktemp("runs"), evaluator=Inline)


def test_children_start_from_their_first_parent_and_are_trained_for_less(whole):
    founders = [r for r in whole.records.values() if not r.parents and isinstance(r.outcome, Completed)]
    assert all(r.inherits is None and len(r.outcome.curves["loss"]) == 3 for r in founders)
    assert len(children(whole)) >= 4
    for record in children(whole):
        assert record.inherits.artefact == record.parents[0]
        assert record.epochs == len(record.outcome.curves["loss"]) == 1


def test_they_begin_where_their_parents_ended(whole):
    """The first epoch's loss is far below that of a network from scratch."""
    fresh = [r.outcome.curves["loss"][0] for r in whole.records.values() if not r.parents]
    begun = [r.outcome.curves["loss"][0] for r in children(whole)]
    assert np.median(begun) < 0.6 * min(fresh)


def test_the_journal_says_so_and_opens_again(whole):
    assert history(Run.open(whole.folder)) == history(whole)


@pytest.mark.parametrize(
    "strategy", [NSGA3(population=4, founders=3), LocalSearch(founders=3)], ids=["nsga3", "local search"]
)
def test_other_strategies_inherit_as_well(tmp_path, strategy):
    run = search(config(algorithm=strategy, evaluations=6), "run", out=tmp_path, evaluator=Inline)
    assert any(record.inherits for record in children(run))
    assert all(isinstance(record.outcome, Completed) for record in children(run))


def test_without_the_parents_weights_a_child_is_trained_from_scratch(tmp_path):
    def lose(run, event):
        shutil.rmtree(run.folder / "weights", ignore_errors=True)

    run = search(config(evaluations=5), "run", out=tmp_path, evaluator=Inline, observe=lose)
    assert children(run) and not any(record.inherits for record in children(run))
    assert not any(isinstance(record.outcome, Failed) for record in run.records.values())


def test_a_network_is_a_twin_however_it_was_begun(whole):
    """Epochs after a parent's weights stand for a whole training: the same network is not trained again."""
    record = children(whole)[0]
    assert record.epochs == 1
    assert whole.twin(identity(graph_hash(whole.graph(record.number)), {}, None)) == record


@pytest.mark.parametrize("stop_after", [slow(6), 9, slow(13), slow(16)])
def test_interrupted_anywhere_it_ends_as_if_undisturbed(whole, tmp_path, stop_after):
    """To the last bit: its history, and the weights that are kept."""
    seen = []

    def interrupt(run, event):
        seen.append(event)
        if len(seen) == stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(config(), "whole", out=tmp_path, evaluator=Inline, observe=interrupt)
    resumed = search(config(), "whole", out=tmp_path, evaluator=Inline, resume=True)
    assert history(resumed) == history(whole)
    kept = sorted(path.name for path in whole.folder.glob("weights/*"))
    assert kept == sorted(path.name for path in resumed.folder.glob("weights/*")) and kept
    for name in kept:
        assert (whole.folder / "weights" / name).read_bytes() == (resumed.folder / "weights" / name).read_bytes()
