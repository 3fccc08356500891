"""What every search algorithm promises to the loop, run over all of them."""

import json
import shutil
from functools import cache
from pathlib import Path

import pytest

from edgevolve.runs import Run
from edgevolve.testing import ALGORITHM_CHECKS
from edgevolve.testing.algorithms import play
from resource_models import macs
from search_algorithms import STRATEGIES, AgingEvolution, Problem, at_most, minimise
from search_space import CnnSpace, MlpSpace

SMALL = {
    "AgingEvolution": {"population": 8, "sample_size": 4},
    "BayesianOptimisation": {"founders": 6, "parents": 2, "samples": 4},
    "LocalSearch": {"founders": 4},
    "NSGA3": {"population": 8},
    "Screened": {"strategy": AgingEvolution(population=8, sample_size=4), "children": 4},
    "SuccessiveHalving": {"strategy": AgingEvolution(population=8, sample_size=4)},
}
"""Settings on record in the golden files."""

QUICK = SMALL | {
    "BayesianOptimisation": {"founders": 4, "parents": 2, "samples": 2},
    "SurrogateEvolution": {"founders": 4, "parents": 2, "crossovers": 4, "samples": 4},
}
"""Those whose asks are expensive ask their models after a few founders, over small pools."""

GOLDEN = Path(__file__).parent.parent / "data" / "golden"
SPACE = CnnSpace((8, 8, 1), 10)

pytestmark = pytest.mark.parametrize("name", sorted(STRATEGIES))


def strategy(name):
    return STRATEGIES[name](**QUICK.get(name, {}))


@pytest.mark.parametrize("check", ALGORITHM_CHECKS, ids=lambda check: check.__name__)
def test_of_an_algorithm(check, name):
    check(strategy(name))


@cache
def macs_of(genotype):
    return {"macs": float(macs(SPACE.graph(genotype)))}


def asked(name):
    """The first 50 asks, where a fifth of the space keeps the bound and its metric is measured."""
    problem = Problem([minimise("error"), minimise("macs")], [at_most("error", 0.1, soft=True), at_most("macs", "35k")])
    algorithm = STRATEGIES[name](**SMALL.get(name, {})).start(SPACE, problem, 0, macs_of)
    proposals, _ = play(algorithm, SPACE, 50, 0)
    return [
        {"genotype": SPACE.to_json(p.genotype), "parents": list(p.parents), "change": p.change}
        | {name: value for name in ("epochs", "continues") if (value := getattr(p, name)) is not None}
        for p in proposals
    ]


def test_the_first_50_asks_are_those_on_record(name):
    """The golden files; when an algorithm is changed on purpose, delete its file and run this once."""
    lines = asked(name)
    path = GOLDEN / f"{name}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[\n" + ",\n".join(json.dumps(line) for line in lines) + "\n]\n")
        pytest.fail(f"{path.name} was missing and has been written; look at it and commit it")
    assert lines == json.loads(path.read_text())


def test_what_is_on_record_is_the_strategy_and_not_chance(name):
    records = {path.stem: json.loads(path.read_text()) for path in GOLDEN.glob("*.json")}
    assert set(records) == set(STRATEGIES)
    others = [lines for other, lines in records.items() if other != name]
    most = max(sum(line in lines for line in records[name]) for lines in others)
    assert most < 30, f"{most} asks of {name} are those of another strategy; smaller settings in SMALL make it differ"


@pytest.mark.parametrize(
    "cuts",
    [
        pytest.param(range(2, 40, 12), id="after some events"),
        pytest.param(range(40), id="after any event", marks=pytest.mark.slow),
    ],
)
def test_a_search_that_is_cut_and_resumed_equals_an_uninterrupted_one(name, cuts, config, run_search, tmp_path):
    seen = []

    def copy_as_a_kill_would_leave_it(run, event):
        if len(seen) in cuts:
            cut = tmp_path / f"cut-{len(seen)}"
            shutil.copytree(run.folder, cut)
            lines = (cut / run.path.name).read_bytes().splitlines()  # of rejections some are not on the disk
            assert len(lines) <= len(seen) + 1
        seen.append(event)

    settings = config(algorithm=strategy(name), evaluations=26)
    whole = run_search(settings, "whole", observe=copy_as_a_kill_would_leave_it)
    assert len(seen) > max(cuts)
    for cut in cuts:
        resumed = run_search(settings, f"cut-{cut}", resume=True)
        assert history(resumed) == history(whole), f"cut after event {cut}"


def history(run: Run):
    return [
        (r.number, r.genotype_json, r.parents, r.change, r.epochs, r.continues, r.outcome) for r in run.records.values()
    ]


def test_a_space_with_few_networks_is_exhausted_and_the_search_ends(name, config, run_search, monkeypatch):
    monkeypatch.setattr("edgevolve.engine.stopping.REJECTIONS_IN_A_ROW", 300)
    tiny = MlpSpace((8, 8, 1), 3, max_layers=1, max_units=12)
    run = run_search(config(space=tiny, algorithm=strategy(name), evaluations=100))
    assert run.stopped.cause == "exhausted"
    assert len({record.genotype_json for record in run.records.values()} - {""}) == 3
    assert run.evaluations == 3 + sum(record.continues is not None for record in run.records.values())
