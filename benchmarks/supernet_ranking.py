"""Do inherited weights rank networks as training from scratch does? Random networks of a space, each judged both ways.

    python benchmarks/supernet_ranking.py --data FOLDER [--quick] [--networks N] [--shared E] [--epochs E] [--only SET]

FOLDER holds `mnist_12k2k.npz` (images) and `har_phone.npz` (accelerometer and gyroscope, split by subject). Shared
weights are trained by each method for as many passes over the examples as `--shared` says, random sampling for four
times as many, since its steps have one network and not four; each network is trained from scratch for `--epochs` with
two seeds. All errors are of the validation split. `--quick`: scikit-learn's 8×8 digits in place of both.
`--rank-alone`: without the surrogate, whose 400 networks take minutes. `--pixels 14`: all networks see the images at
this resolution, which takes a quarter of the time.

`tau`: Kendall's between the inherited error and that of a seed, the mean over the two; `tau_low`: the 2.5 % quantile of
it over 2000 bootstrap samples of the networks; `tau_ceiling`: between the two seeds; `tau_in_band`: over pairs of
networks whose multiply-accumulates differ by at most 20 %; `regret_points`: how much worse, in points of error, the
best of the five that inherited weights favour is than the best of all; `inherited_gap_points`: of those five, inherited
error less trained. `predictor_tau_100` and `_300`: of the surrogate of `Screened`, fitted to so many inherited errors,
on 100 networks that it has not seen, with the 95 % interval of a bootstrap. The last line is JSON with these of the
sandwich method on the first data set, and under each data set of every method.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from edgevolve import Digits, MobileSpace, NpzImages, SensorTable, TrainingSettings
from edgevolve.data import load_splits
from edgevolve.graph import from_json, to_json
from edgevolve.training import TrainState, unreported
from edgevolve.training.recalibrate import Recalibrate
from edgevolve.training.session import configure_tensorflow, release_memory
from edgevolve.training.supernet import METHODS, SharedTraining
from resource_models import macs
from search_algorithms.surrogate import Evidence, Trees

BAND = 1.2
FAVOURITES = 5
BOOTSTRAPS = 2000
SETTINGS = TrainingSettings(batch_size=64, learning_rate=0.1)


def main() -> None:
    """Measure both data sets, print a table for each, then a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path())
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--networks", type=int)
    parser.add_argument("--shared", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--only", choices=("mnist_12k2k", "har_phone"))
    parser.add_argument("--rank-alone", action="store_true")
    parser.add_argument("--pixels", type=int, help="the resolution of all networks, else that of the images")
    given = parser.parse_args()
    networks = given.networks or (16 if given.quick else 40)
    shared, epochs = given.shared or (25 if given.quick else 30), given.epochs or (8 if given.quick else 10)
    configure_tensorflow(threads=1)
    sets = {"digits": Digits()}
    if not given.quick:
        images, signals = (str(given.data / f"{name}.npz") for name in ("mnist_12k2k", "har_phone"))
        sets = {"mnist_12k2k": NpzImages(images), "har_phone": SensorTable(signals, group="subject")}
        sets = {name: data for name, data in sets.items() if given.only in (None, name)}
    how = networks, shared, epochs, given.methods, not given.rank_alone, given.pixels
    figures = {name: measured(name, data, *how) for name, data in sets.items()}
    first = next(iter(figures.values()))
    print(json.dumps({**first.get("sandwich", next(iter(first.values()))), "methods": figures}))


def measured(name, data, number, shared_epochs, epochs, methods, with_surrogate, pixels=None):
    """The figures of every method on a data set."""
    splits = load_splits(data)
    space = MobileSpace(
        tuple(data.input_shape),
        splits.target.number,
        max_stages=2,
        depths=(1, 2),
        max_filters=24,
        blocks=("mbconv",),
        activations=("relu6",),
        resolutions=(pixels or min(side for side in data.input_shape[:2] if side > 1),),
        max_head=160,
    )
    rng = np.random.default_rng(11)
    genotypes = [space.sample(rng) for _ in range(number)]
    graphs = [from_json(to_json(space.graph(one))) for one in genotypes]
    begun = time.monotonic()
    trained = np.array([[scratch(graph, splits, epochs, seed) for graph in graphs] for seed in (0, 1)])
    spent = (time.monotonic() - begun) / 60
    print(f"{name}: {number} networks, 2 × {epochs} epochs each in {spent:.1f} min; errors", end=" ")
    print(f"{trained.mean(axis=0).min():.2%} to {trained.mean(axis=0).max():.2%}", flush=True)
    costs = np.array([macs(graph) for graph in graphs])
    by_way = {}
    for method in methods:
        begun = time.monotonic()
        passes = shared_epochs * (4 if method == "random" else 1)
        training = SharedTraining(space, replace(SETTINGS, epochs=passes), method, None, 0, 1e9)
        shared = training.train(splits, unreported)
        spent = (time.monotonic() - begun) / 60
        inherited = np.array(
            [score(space, one, graph, shared, splits) for one, graph in zip(genotypes, graphs, strict=True)]
        )
        by_way[method] = figures(inherited, trained, costs)
        if method == methods[0] and with_surrogate:
            by_way[method] |= predicted(space, shared, splits)
        words = ", ".join(f"{key} {value}" for key, value in by_way[method].items())
        print(f"  {method}: {shared.steps} steps of {shared.networks} networks in {spent:.1f} min; {words}", flush=True)
        release_memory()
    return by_way


def scratch(graph, splits, epochs, seed):
    """The validation error of a network after training from scratch."""
    from edgevolve.training.trainer import train

    settings = replace(SETTINGS, epochs=epochs)
    error = train(graph, splits.train, splits.validation, settings, seed, target=splits.target).metrics["error"]
    release_memory()
    return error


def score(space, genotype, graph, shared, splits):
    """The validation error of inherited weights."""
    state = TrainState(graph, space.inherit(genotype, shared.arrays))
    return Recalibrate()(state, splits, np.random.default_rng(0), unreported).metrics["error"]


def figures(inherited, trained, costs):
    """What the last line holds, from inherited errors (networks,), trained ones (2, networks), and costs."""
    mean = trained.mean(axis=0)
    rng, number = np.random.default_rng(0), len(inherited)
    samples = rng.integers(0, number, (BOOTSTRAPS, number))
    taus = [ranked(inherited[rows], trained[:, rows]) for rows in samples]
    favourites = np.argsort(inherited, kind="stable")[:FAVOURITES]
    figures = {
        "tau": ranked(inherited, trained),
        "tau_low": float(np.nanquantile(taus, 0.025)),
        "tau_high": float(np.nanquantile(taus, 0.975)),
        "tau_ceiling": tau(trained[0], trained[1]),
        "tau_in_band": in_band(inherited, mean, costs),
        "tau_of_macs": -tau(costs, mean),
        "regret_points": 100 * float(mean[favourites].min() - mean.min()),
        "inherited_gap_points": 100 * float((inherited - mean)[favourites].mean()),
    }
    return {name: round(value, 3) for name, value in figures.items()}


def predicted(space, shared, splits):
    """How well the surrogate ranks networks by inherited errors that it has not seen."""
    rng = np.random.default_rng(5)
    genotypes = [space.sample(rng) for _ in range(400)]
    errors = np.array([score(space, one, from_json(to_json(space.graph(one))), shared, splits) for one in genotypes])
    encoded, correlations = np.array([space.encode(one) for one in genotypes]), {}
    for number in (100, 300):
        values = errors[:number, np.newaxis]
        evidence = Evidence(encoded[:number], values, values, values, np.empty((0, encoded.shape[1])))
        guesses = Trees(0).fit(evidence).predict(encoded[300:], evidence).mean
        pairs = np.column_stack([np.ravel(guesses), errors[300:]])
        taus = [tau(*pairs[rng.integers(0, len(pairs), len(pairs))].T) for _ in range(BOOTSTRAPS)]
        low, high = np.nanquantile(taus, (0.025, 0.975))
        correlations[f"predictor_tau_{number}"] = [round(float(value), 3) for value in (tau(*pairs.T), low, high)]
    return correlations


def tau(a, b):
    """Kendall's τ-b."""
    return float(kendalltau(a, b).statistic)


def ranked(inherited, trained):
    """The mean τ with each seed."""
    return float(np.mean([tau(inherited, seed) for seed in trained]))


def in_band(a, b, costs):
    """Kendall's τ over the pairs whose costs differ by a fifth at most; ties count for neither."""
    i, j = np.triu_indices(len(costs), 1)
    close = np.maximum(costs[i], costs[j]) <= BAND * np.minimum(costs[i], costs[j])
    signs = (np.sign(a[i] - a[j]) * np.sign(b[i] - b[j]))[close]
    return float(signs.mean()) if len(signs) else float("nan")


if __name__ == "__main__":
    main()
