"""The gradient search before a search: it can be killed, its costs are exact, and what follows from it is derived."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import tensorflow as tf
from pretend import Pretend

from edgevolve.data import Digits, load_splits
from edgevolve.engine.by_gradient import DARTS, ProxylessNAS
from edgevolve.engine.mixture_costs import LogarithmError, MixtureCosts
from edgevolve.runs import ConfigError, Job
from edgevolve.runs.devices import device_metrics
from edgevolve.runs.task import Resources
from edgevolve.training import TrainingSettings
from edgevolve.training.linear_costs import ABOVE_ZERO
from edgevolve.training.mixed import cost_of, factor_of
from predictors import device
from search_algorithms import (
    Completed,
    Derived,
    Exhausted,
    Failed,
    Problem,
    RandomSearch,
    at_least,
    at_most,
    maximise,
    minimise,
    target,
)
from search_space import CellSpace, CnnSpace, MobileSpace
from search_space.mixture import LOGITS

SPACE = CellSpace((8, 8, 1), 10, layers=3, nodes=2, concat=2, channels=2)
QUICK = DARTS(training=TrainingSettings(epochs=3, batch_size=256), checkpoint_s=0.0)


def trained(settings, objectives=("macs",), constraints=(), progress=lambda *_: True, **job):
    problem = Problem([minimise("error"), *map(minimise, objectives)], constraints)
    splits = load_splits(Digits())
    graph = SPACE.graph(SPACE.sample(np.random.default_rng(0)))
    task = settings.within(SPACE, problem, (Resources(),))
    task.prepare()
    return task(Job(-1, None, graph, 7, {}, **job), splits, progress)


@pytest.mark.slow
def test_killed_after_any_epoch_it_ends_as_it_would_have():
    checkpoints = []
    bound = (at_most("macs", 1000),)
    whole = trained(QUICK, constraints=bound, progress=lambda step, metrics, at: checkpoints.append(at) or True)
    assert isinstance(whole, Completed)
    assert len(checkpoints) == len(whole.curves["loss"]) == len(whole.weights["history"]) == 3
    for checkpoint in checkpoints[:-1]:
        again = trained(QUICK, constraints=bound, checkpoint=checkpoint)
        assert again.curves == whole.curves
        for name, value in whole.weights.items():
            np.testing.assert_array_equal(again.weights[name], value)


@pytest.mark.slow
def test_it_learns_and_journals_what_the_most_likely_network_costs():
    outcome = trained(replace(QUICK, training=TrainingSettings(epochs=5)))
    assert outcome.curves["loss"][-1] < 0.9 * outcome.curves["loss"][0]
    mixture = SPACE.mixture()
    likely = next(mixture.best(outcome.weights["history"][-1], QUICK.skips))
    assert outcome.curves["macs"][-1] == Resources()(SPACE.graph(mixture.genotype(likely)))["macs"]
    assert 0 < outcome.metrics["entropy"] <= 1


@pytest.mark.slow
def test_memory_and_compute_give_networks_that_are_lower_each_in_its_own_cost():
    heavy = replace(QUICK, cost=3.0, logits_rate=0.05, training=TrainingSettings(epochs=8))
    figures = {}
    for aim in ("macs", "model_size_bytes"):
        likely = next(SPACE.mixture().best(trained(heavy, (aim,)).weights[LOGITS], None))
        figures[aim] = Resources()(SPACE.graph(SPACE.mixture().genotype(likely)))
    plain = next(SPACE.mixture().best(trained(replace(heavy, cost=0.0)).weights[LOGITS], None))
    free = Resources()(SPACE.graph(SPACE.mixture().genotype(plain)))
    for aim, costs in figures.items():
        assert costs[aim] <= min(other[aim] for other in figures.values())
        assert costs[aim] < 0.8 * free[aim]


def test_it_ends_when_the_most_likely_network_no_longer_changes():
    still = replace(QUICK, logits_rate=1e-9, patience=1, training=TrainingSettings(epochs=20, batch_size=512))
    assert len(trained(still).curves["loss"]) == 2


def costs_of(*aims, constraints=()):
    mixture = SPACE.mixture()
    return mixture, MixtureCosts.of(SPACE, mixture, Problem(aims, constraints), (Resources(),))


def test_costs_around_a_network_are_exact_for_it_and_for_every_swap():
    mixture, book = costs_of(minimise("macs"), minimise("model_size_bytes"))
    selection = (3, 5, 0, 7)
    costs, figures = book.around(selection, np.ones(2), 1.0, np.ones(2))
    assert list(figures) == [Resources()(SPACE.graph(mixture.genotype(selection)))[name] for name in book.names]
    column = 0
    for place, decision in enumerate(mixture.decisions):
        for option in range(len(decision.options)):
            swapped = Resources()(SPACE.graph(mixture.genotype((*selection[:place], option, *selection[place + 1 :]))))
            np.testing.assert_allclose(figures + costs.slopes[:, column], [swapped[name] for name in book.names])
            column += 1


def test_memory_and_compute_pull_in_different_directions():
    _, book = costs_of(minimise("macs"), minimise("model_size_bytes"))
    costs, _ = book.around((3, 5, 0, 7), np.ones(2), 1.0, np.ones(2))
    compute, memory = (slope / np.linalg.norm(slope) for slope in costs.slopes)
    assert compute @ memory < 0.99


def test_bounds_count_where_they_are_broken_and_targets_by_distance():
    _, book = costs_of(
        target("macs", 5000), maximise("model_size_bytes"), constraints=(at_most("macs", 100), at_least("macs", 10**9))
    )
    costs, figures = book.around((0, 0, 0, 0), np.array([50.0, 20.0]), 0.5, np.array([1.0, 1.0, 1.0, 2.0]))
    assert book.names == ("macs", "model_size_bytes")
    macs, size = figures
    units = costs.bases * costs.scales + costs.offsets
    np.testing.assert_allclose(units, [macs / 5000 - 1, -size / 20, macs / 100 - 1, 1 - macs / 10**9], rtol=1e-5)
    assert list(costs.weights) == [0.5, 0.5, 1.0, 2.0]
    assert list(costs.kinds[2:]) == [ABOVE_ZERO] * 2
    assert list(book.off(figures)) == [True, False, True, True]
    assert list(book.off(np.array([4900.0, size]))) == [False, False, True, True]


def test_an_objective_may_multiply_the_loss_by_the_ratio_of_logarithms():
    mixture, book = costs_of(minimise("macs"), minimise("model_size_bytes"), constraints=(at_most("macs", 100),))
    costs, figures = book.around((3, 5, 0, 7), np.array([2000.0, 500.0]), 0.3, np.ones(3), multiply=True)
    logits = tf.constant(_certain_of((3, 5, 0, 7)))
    factor = factor_of(mixture.decisions, logits, costs.arrays())
    ratios = np.log(figures) / np.log([2000.0, 500.0])
    np.testing.assert_allclose(factor, np.prod(ratios**0.3), rtol=1e-4)
    np.testing.assert_allclose(cost_of(mixture.decisions, logits, costs.arrays()), figures[0] / 100 - 1, rtol=1e-4)
    with pytest.raises(LogarithmError, match="macs of the first network is 0.5: its logarithm must be above 0"):
        book.around((3, 5, 0, 7), np.array([0.5, 500.0]), 0.3, np.ones(3), multiply=True)


def test_without_a_factor_the_loss_is_as_it_is():
    mixture, book = costs_of(minimise("macs"))
    costs, _ = book.around((3, 5, 0, 7), np.array([2000.0]), 0.3, np.ones(1))
    assert factor_of(mixture.decisions, tf.zeros(mixture.size), costs.arrays()) == 1


def _certain_of(selection):
    """Logits that leave one option of each decision."""
    parts = []
    for decision, option in zip(SPACE.mixture().decisions, selection, strict=True):
        sizes = [group + decision.none for group in decision.groups]
        part = np.full(sum(sizes), -40.0, np.float32)
        group, place = divmod(option, decision.groups[0])
        part[group * sizes[0] + place + decision.none] = 40.0
        for other in range(len(sizes)):
            if other != group:
                part[other * sizes[0]] = 40.0
        parts.append(part)
    return np.concatenate(parts)


def derived(config, **fields):
    about = {
        "data": Digits(),
        "space": SPACE,
        "problem": Problem([minimise("error"), minimise("macs")]),
        "evaluations": 3,
    }
    return config(**{**about, "prepare": QUICK, "algorithm": Derived(), "task": Pretend(), **fields})


@pytest.mark.slow
def test_the_likely_networks_are_asked_for_in_their_order_and_a_bound_rejects_them(config, run_search):
    run = run_search(derived(config))
    mixture = SPACE.mixture()
    logits = run.artefacts.arrays(run.prepared.artefact)[LOGITS]
    assert set(run.prepared.metrics) == {"entropy", "skip_share"}
    order = mixture.best(logits, Derived().skips)
    for record in run.records.values():
        assert record.genotype == SPACE.to_json(mixture.genotype(next(order)))
    assert sum(isinstance(record.outcome, Completed) for record in run.records.values()) == 3

    bound = sorted(record.metrics["macs"] for record in run.records.values())[0]
    problem = Problem([minimise("error")], [at_most("macs", bound)])
    held = run_search(derived(config, problem=problem, evaluations=2), name="held")
    assert all(
        record.metrics["macs"] <= bound for record in held.records.values() if isinstance(record.outcome, Completed)
    )
    more = run_search(derived(config, problem=problem, evaluations=3), name="held", resume=True)
    numbers = [record.genotype for record in more.records.values()]
    assert all(a != b for i, a in enumerate(numbers) for b in numbers[:i])


def test_what_cannot_work_is_one_line_before_anything_is_written(config, run_search, tmp_path):
    with pytest.raises(ConfigError, match="Derived needs the result of a job before the search: give prepare"):
        run_search(derived(config, prepare=None))
    cnn = CnnSpace((8, 8, 1), 10)
    with pytest.raises(
        ConfigError, match="prepare: DARTS: CnnSpace is not a mixture of networks; use CellSpace or MobileSpace"
    ):
        run_search(derived(config, space=cnn, algorithm=RandomSearch()))
    with pytest.raises(ConfigError, match="those of CellSpace are mixed: use DARTS"):
        run_search(derived(config, prepare=ProxylessNAS()))
    with pytest.raises(ValueError, match="Derived: CnnSpace is not a mixture"):
        run_search(derived(config, space=cnn))
    assert not (tmp_path / "run").exists()


def test_alone_it_says_how_it_is_used():
    outcome = DARTS()(Job(0, None, SPACE.graph(SPACE.sample(np.random.default_rng(0))), 0, {}), None)
    assert isinstance(outcome, Failed)
    assert "SearchConfig(prepare=DARTS(), algorithm=Derived())" in outcome.reason


SMALL = MobileSpace((8, 8, 1), 10, max_stages=2, depths=(1, 2), max_filters=16, resolutions=(8,))


def macs_of(genotype):
    return Resources()(SMALL.graph(genotype))


@pytest.mark.slow
def test_networks_drawn_can_be_killed_and_end_as_they_would_have():
    settings = ProxylessNAS(
        training=TrainingSettings(epochs=4, batch_size=256), logits_rate=0.1, every=1, checkpoint_s=0.0
    )
    task = settings.within(SMALL, Problem([minimise("error"), target("macs", 40_000)]), (Resources(),))
    task.prepare()
    checkpoints = []
    job = Job(-1, None, SMALL.graph(SMALL.sample(np.random.default_rng(0))), 3, {})
    splits = load_splits(Digits())
    whole = task(job, splits, lambda step, metrics, at: checkpoints.append(at) or True)
    assert np.abs(whole.weights[LOGITS] - whole.weights["history"][0]).max() > 0.05
    again = task(replace(job, checkpoint=checkpoints[1]), splits)
    np.testing.assert_array_equal(again.weights[LOGITS], whole.weights[LOGITS])
    assert again.curves == whole.curves


def test_what_is_derived_lies_within_a_twentieth_of_a_target_and_keeps_the_bounds():
    mixture = SMALL.mixture()
    every = [mixture.genotype(selection) for selection in product(*(range(len(d.options)) for d in mixture.decisions))]
    costs = sorted(macs_of(genotype)["macs"] for genotype in every)
    rng = np.random.default_rng(0)
    for place, sure in product((0.1, 0.5, 0.9), (1, 20)):
        logits = sure * rng.standard_normal(mixture.size)
        aim = costs[int(place * len(costs))]
        problem = Problem([minimise("error"), target("macs", aim)], [at_most("macs", aim)])
        algorithm = Derived().start(SMALL, problem, 0, macs_of)
        algorithm.prepared({LOGITS: logits})
        derived_macs = macs_of(algorithm.ask(0).genotype)["macs"]
        assert 0.95 * aim <= derived_macs <= aim


def test_options_below_the_pruning_threshold_are_in_no_network_that_is_derived():
    mixture, rng = SMALL.mixture(), np.random.default_rng(0)
    logits = rng.standard_normal(mixture.size)
    kept = mixture.likely(logits, 0.1)
    assert not all(part.all() for part in kept)
    algorithm = Derived(pruning_threshold=0.1).start(SMALL, Problem([minimise("error")]), 0, macs_of)
    algorithm.prepared({LOGITS: logits})
    every = product(*(range(len(d.options)) for d in mixture.decisions))
    allowed = [s for s in every if all(part[option] for part, option in zip(kept, s, strict=True))]
    derived = []
    for number in range(len(allowed)):
        derived.append(algorithm.ask(number).genotype)
        algorithm.asked(None)
    assert len(set(derived)) == len(allowed)
    assert set(derived) == {mixture.genotype(selection) for selection in allowed}
    with pytest.raises(Exhausted):
        algorithm.ask(len(allowed))
    with pytest.raises(ValueError, match="pruning_threshold must be from 0 to 1, not 1.5"):
        Derived(pruning_threshold=1.5)


def test_the_learned_edge_tpu_is_a_differentiable_term_of_the_loss():
    providers = device_metrics((device("edge_tpu_v6"),), {"latency_ms"}, set())
    mixture, problem = SMALL.mixture(), Problem([minimise("error"), minimise("latency_ms")])
    book = MixtureCosts.of(SMALL, mixture, problem, providers)
    selection = tuple(len(decision.options) - 1 for decision in mixture.decisions)
    (before,) = book.figures(selection)
    costs, _ = book.around(selection, np.array([before]), 0.1, np.ones(1))
    logits = tf.zeros(mixture.size)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        cost = cost_of(mixture.decisions, logits, costs.arrays())
    gradient = tape.gradient(cost, logits).numpy()
    ends = np.cumsum([decision.size for decision in mixture.decisions])[:-1]
    assert all(np.abs(part).max() > 0 for part in np.split(gradient, ends))
    assert book.figures(next(mixture.best(-gradient)))[0] < before


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (DARTS, {"order": 3}, "order must be 1 or 2, not 3"),
        (DARTS, {"logits_share": 1.0}, "logits_share"),
        (DARTS, {"skips": -1}, "skips"),
        (ProxylessNAS, {"update": "three"}, "update must be two, full or reinforce"),
        (ProxylessNAS, {"warm_up": 1.0}, "warm_up"),
        (ProxylessNAS, {"every": 0}, "every"),
        (ProxylessNAS, {"form": "times"}, "form must be add or multiply, not 'times'"),
    ],
)
def test_impossible_settings_are_refused(kind, given, message):
    with pytest.raises(ValueError, match=message):
        kind(**given)
