"""What every search algorithm promises to the loop, run over all of them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from edgevolve.runs import Run
from search_algorithms import STRATEGIES, AgingEvolution, Completed, Failed, Problem, Rejected, at_most, minimise
from search_space import CnnSpace, MlpSpace
from tests.pretend import unmeasured

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
"""Those whose asks are dear ask their models after a few founders, over small pools."""

GOLDEN = Path(__file__).parent.parent / "data" / "golden"
PROBLEM = Problem([minimise("error"), minimise("macs")], [at_most("error", 0.1, soft=True), at_most("macs", 10_000)])
SPACES = [CnnSpace((8, 8, 1), 10), MlpSpace((4, 4, 1), 2)]

pytestmark = pytest.mark.parametrize("name", sorted(STRATEGIES))


def strategy(name):
    return STRATEGIES[name](**QUICK.get(name, {}))


def outcome_of(candidate, space):
    """Every kind of outcome, as a function of the candidate alone."""
    dice = np.random.default_rng([7, candidate.number]).random()
    macs = float(sum(node.macs for node in space.graph(candidate.genotype).nodes))
    if dice < 0.1:
        return Failed("pretended", "on purpose")
    if dice < 0.3:
        return Rejected({"macs": macs}, "on purpose")
    curves = {"validation_loss": (1.0, 1 / (1 + np.log1p(macs)))}
    return Completed({"error": curves["validation_loss"][-1] + 0.1 * dice, "macs": macs}, curves)


def play(algorithm, space, number_of_asks, order_seed=None, lag=4):
    """Ask and tell with up to `lag` in flight, telling in a random order."""
    rng = np.random.default_rng(order_seed)
    asks, calls, in_flight = [], [], []
    while len(asks) < number_of_asks:
        proposal = algorithm.ask(len(asks))
        if proposal is not None:
            candidate = proposal.under(len(asks))
            asks.append(proposal)
            algorithm.asked(candidate)
            calls.append((candidate, None))
            in_flight.append(candidate)
        while in_flight and (proposal is None or len(in_flight) > rng.integers(lag + 1)):
            candidate = in_flight.pop(int(rng.integers(len(in_flight))))
            outcome = outcome_of(candidate, space)
            algorithm.tell(candidate, outcome)
            calls.append((candidate, outcome))
            proposal = 0
    return asks, calls


@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
@pytest.mark.parametrize("order_seed", range(3))
def test_the_same_calls_give_the_same_asks(name, space, order_seed):
    first, _ = play(strategy(name).start(space, PROBLEM, 1, unmeasured), space, 60, order_seed)
    again, _ = play(strategy(name).start(space, PROBLEM, 1, unmeasured), space, 60, order_seed)
    assert first == again


def test_another_seed_gives_other_asks(name):
    space = SPACES[0]
    asks = [play(strategy(name).start(space, PROBLEM, seed, unmeasured), space, 20, 0)[0] for seed in (1, 2)]
    assert asks[0] != asks[1]


def test_an_algorithm_rebuilt_from_the_calls_goes_on_as_if_nothing_had_been(name):
    space = SPACES[0]
    asks, calls = play(strategy(name).start(space, PROBLEM, 1, unmeasured), space, 60, 3)
    for cut in (0, 1, 7, 23, len(asks) - 1):
        rebuilt = strategy(name).start(space, PROBLEM, 1, unmeasured)
        asked = 0
        for candidate, outcome in calls:
            if outcome is not None:
                rebuilt.tell(candidate, outcome)
            elif asked < cut:
                rebuilt.asked(candidate)
                asked += 1
            else:
                break
        assert rebuilt.ask(cut) == asks[cut], f"cut before ask {cut}"


def test_parents_are_candidates_that_were_asked_before(name):
    asks, _ = play(strategy(name).start(SPACES[0], PROBLEM, 1, unmeasured), SPACES[0], 80, 2)
    for number, proposal in enumerate(asks):
        assert all(0 <= parent < number for parent in proposal.parents)
        assert proposal.change


def test_nothing_but_failures_and_rejections_is_survived(name):
    algorithm = strategy(name).start(SPACES[1], PROBLEM, 0, unmeasured)
    for number in range(50):
        proposal = algorithm.ask(number)
        candidate = proposal.under(number)
        algorithm.asked(candidate)
        algorithm.tell(candidate, Failed("x", "y") if number % 2 else Rejected({}, "z"))


def test_the_first_50_asks_are_those_on_record(name):
    """The golden files; when an algorithm is changed on purpose, delete its file and run this once."""
    space = SPACES[0]
    asks, _ = play(STRATEGIES[name](**SMALL.get(name, {})).start(space, PROBLEM, 0, unmeasured), space, 50, 0)
    lines = [{"genotype": space.to_json(p.genotype), "parents": list(p.parents), "change": p.change} for p in asks]
    path = GOLDEN / f"{name}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("[\n" + ",\n".join(json.dumps(line) for line in lines) + "\n]\n")
        pytest.fail(f"{path.name} was missing and has been written; look at it and commit it")
    assert lines == json.loads(path.read_text())


def test_a_search_that_is_cut_and_resumed_equals_an_uninterrupted_one(name, config, run_search, tmp_path):
    cuts = range(0, 40, 3)
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
