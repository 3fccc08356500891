"""DARTS on cells for phone sensors: collapse, derived against random cells, both modes, both orders, evolution."""

import os
import tempfile
import time
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

import numpy as np

from edgevolve import (
    DARTS,
    AgingEvolution,
    CellSpace,
    Inline,
    Problem,
    SearchConfig,
    SensorTable,
    TrainingSettings,
    at_most,
    minimise,
    search,
)
from edgevolve.data import load_splits
from edgevolve.graph import from_json, to_json
from edgevolve.runs import Job
from edgevolve.runs.task import Resources
from edgevolve.training.session import configure_tensorflow, release_memory
from edgevolve.training.trainer import train
from search_space.mixture import LOGITS

TRAINING = TrainingSettings(epochs=15, batch_size=128, learning_rate=0.05)


def measured(folder, quick):
    """The figures of the last line."""
    configure_tensorflow(threads=1)
    data, space, splits = known(folder)
    seeds = range(2 if quick else 10)
    epochs = 6 if quick else 25
    method = DARTS(training=replace(TRAINING, epochs=epochs), skips=None, patience=epochs)
    shares = {}
    with get_context("spawn").Pool(len(os.sched_getaffinity(0))) as pool:
        for beta in (method.beta_decay, 0.0):
            results = pool.map(partial(searched_for_error, folder, replace(method, beta_decay=beta)), seeds, 1)
            shares[beta] = float(np.mean([share for share, _ in results]))
            collapsed = sum(share > 0.5 for share, _ in results)
            print(f"β-decay {beta}: {shares[beta]:.0%} of {len(seeds)} seeds' nodes do nothing; {collapsed} collapsed")
            if beta:
                derived = [space.mixture().genotype(next(space.mixture().best(logits, 2))) for _, logits in results]
        better = against_random(space, derived, partial(pool.starmap, partial(error_of, folder)), quick)
    modes = both_modes(space, method, splits)
    orders(space, method, splits)
    if not quick:
        evolution(data, space, method, splits)
    return {"skip_share": shares[method.beta_decay], "derived_minus_random_se": better, "modes_differ": modes}


def known(folder):
    """The data set, its space of cells and its splits."""
    data = SensorTable(str(folder / "har_phone.npz"), group="subject")
    return data, CellSpace(data.input_shape, data.classes, layers=3, channels=4), load_splits(data)


def searched_for_error(folder, method, seed):
    """The share of nodes that do nothing and the logits of a search without a cost, in a process of its own."""
    configure_tensorflow(threads=1)
    _, space, splits = known(folder)
    result = searched(space, method, splits, seed, ())
    return result.metrics["skip_share"], result.weights[LOGITS]


def error_of(folder, genotype, epochs):
    """The validation error of a network, in a process of its own."""
    configure_tensorflow(threads=1)
    _, space, splits = known(folder)
    return error(space, genotype, splits, 0, epochs)


def searched(space, method, splits, seed, objectives=("macs",), progress=lambda *_: True):
    """What a gradient search gives."""
    problem = Problem([minimise("error"), *map(minimise, objectives)])
    graph = space.graph(space.sample(np.random.default_rng(0)))
    task = method.within(space, problem, (Resources(),))
    return task(Job(-1, None, graph, seed, {}), splits, progress)


def error(space, genotype, splits, seed, epochs):
    """The validation error of a network after training from scratch."""
    graph = from_json(to_json(space.graph(genotype)))
    settings = replace(TRAINING, epochs=epochs)
    validation_error = train(graph, splits.train, splits.validation, settings, seed, target=splits.target).metrics[
        "error"
    ]
    release_memory()
    return validation_error


def against_random(space, derived, errors_of, quick):
    """How many standard errors the derived networks' mean error lies below that of random ones of equal size."""

    def size(genotype):
        return Resources()(space.graph(genotype))["model_size_bytes"]

    epochs = 4 if quick else 15
    rng, random = np.random.default_rng(1), []
    wanted = 4 if quick else 20
    while len(random) < wanted:
        drawn = space.sample(rng)
        aim = size(derived[len(random) % len(derived)])
        if abs(size(drawn) - aim) <= 0.1 * aim:
            random.append(drawn)
    errors = [np.array(errors_of([(one, epochs) for one in group])) for group in (derived, random)]
    spread = np.sqrt(sum(np.var(group, ddof=1) / len(group) for group in errors))
    words = [f"{group.mean():.2%} ± {group.std(ddof=1):.2%} ({len(group)})" for group in errors]
    print(f"derived {words[0]}, random of equal size {words[1]}, {epochs} epochs each", flush=True)
    return float((errors[1].mean() - errors[0].mean()) / spread)


def both_modes(space, method, splits):
    """Whether Compute and Memory give different networks, each the lower in its own cost."""
    heavy = replace(method, cost=1.0, logits_rate=0.02)
    figures = {}
    for aim in ("macs", "model_size_bytes"):
        result = searched(space, heavy, splits, 0, (aim,))
        selection = next(space.mixture().best(result.weights[LOGITS], 2))
        figures[aim] = {**Resources()(space.graph(space.mixture().genotype(selection))), "selection": selection}
        print(f"{aim}: {figures[aim]['macs']:.0f} MACs, {figures[aim]['model_size_bytes']:.0f} bytes", flush=True)
    compute, memory = figures["macs"], figures["model_size_bytes"]
    lower = compute["macs"] <= memory["macs"] and memory["model_size_bytes"] <= compute["model_size_bytes"]
    return bool(lower and compute["selection"] != memory["selection"])


def orders(space, method, splits):
    """Seconds of an epoch, first and second order, without the first one, which compiles."""
    for order in (1, 2):
        marks = []
        one = replace(method, order=order, training=replace(method.training, epochs=4))
        searched(space, one, splits, 0, progress=lambda *_, marks=marks: marks.append(time.monotonic()) or True)
        print(f"order {order}: {np.median(np.diff(marks)):.2f} s an epoch", flush=True)


def evolution(data, space, method, splits):
    """Evolution on the same space, as long as gradient search and the training of three derived networks take."""
    begun = time.monotonic()
    selection = next(space.mixture().best(searched(space, method, splits, 0).weights[LOGITS], 2))
    derived = error(space, space.mixture().genotype(selection), splits, 0, TRAINING.epochs)
    minutes = (time.monotonic() - begun) / 60
    size = Resources()(space.graph(space.mixture().genotype(selection)))["macs"]
    config = SearchConfig(
        data=data,
        space=space,
        problem=Problem([minimise("error"), minimise("macs", scale=size)], [at_most("macs", size)]),
        algorithm=AgingEvolution(population=10, sample_size=4),
        training=TRAINING,
        evaluations=None,
        minutes=minutes,
    )
    with tempfile.TemporaryDirectory() as out:
        run = search(config, "evolution", out=out, evaluator=Inline)
        best = run.best.metrics["error"] if run.best else float("nan")
    print(f"{minutes:.1f} min each, at most {size:.0f} MACs: derived {derived:.2%}, evolution {best:.2%}", flush=True)
