"""Do inherited weights rank networks as training from scratch does? Random networks of a space, each judged both ways.

    python benchmarks/supernet_ranking.py --data FOLDER [--quick] [--networks N] [--minutes M] [--epochs E]

FOLDER holds `mnist_12k2k.npz` (images) and `har_phone.npz` (accelerometer and gyroscope, split by subject). Shared
weights are trained for M minutes by each method; each network is trained from scratch for E epochs with two seeds. All
errors are of the validation split. `--quick`: the images alone, at half their sides.

`tau`: Kendall's between the inherited error and that of a seed, the mean over the two; `tau_low`: the 2.5 % quantile of
it over 2000 bootstrap samples of the networks; `tau_ceiling`: between the two seeds; `tau_in_band`: over pairs of
networks whose multiply-accumulates differ by at most 20 %; `regret_points`: how much worse, in points of error, the
best of the five that inherited weights favour is than the best of all; `inherited_gap_points`: of those five, inherited
error less trained. The last line is JSON with these of the sandwich method on the first data set, and under each data
set of every method.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from edgevolve import MobileSpace, NpzImages, SensorTable, TrainingSettings
from edgevolve.data import load_splits
from edgevolve.graph import from_json, to_json
from edgevolve.training import TrainState, unreported
from edgevolve.training.recalibrate import Recalibrate
from edgevolve.training.session import configure_tensorflow, release_memory
from edgevolve.training.supernet import METHODS, SharedTraining
from resource_models import macs

BAND = 1.2
FAVOURITES = 5
BOOTSTRAPS = 2000
SETTINGS = TrainingSettings(batch_size=128, learning_rate=0.1)


def main() -> None:
    """Measure both data sets, print a table for each, then a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--networks", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    given = parser.parse_args()
    networks = given.networks or (16 if given.quick else 40)
    minutes, epochs = given.minutes or (2 if given.quick else 10), given.epochs or (3 if given.quick else 10)
    configure_tensorflow(threads=1)
    sets = {"mnist_12k2k": NpzImages(str(given.data / "mnist_12k2k.npz"))}
    if not given.quick:
        sets["har_phone"] = SensorTable(str(given.data / "har_phone.npz"), group="subject")
    divisor = 2 if given.quick else 1
    found = {
        name: measured(name, data, divisor, networks, minutes, epochs, given.methods) for name, data in sets.items()
    }
    first = next(iter(found.values()))
    print(json.dumps({**first.get("sandwich", next(iter(first.values()))), "methods": found}))


def measured(name, data, divisor, number, minutes, epochs, methods):
    """The figures of every method on a data set."""
    splits = load_splits(data)
    space = MobileSpace(
        tuple(data.input_shape),
        len(splits.target.names),
        max_stages=3,
        depths=(1, 2),
        max_filters=32,
        blocks=("mbconv",),
        activations=("relu6",),
        resolutions=(min(data.input_shape[:2]) // divisor,),
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
    found = {}
    for method in methods:
        begun = time.monotonic()
        shared = SharedTraining(space, SETTINGS, method, minutes, 0, 1e9).train(splits, unreported)
        spent = (time.monotonic() - begun) / 60
        inherited = np.array(
            [score(space, one, graph, shared, splits) for one, graph in zip(genotypes, graphs, strict=True)]
        )
        found[method] = figures(inherited, trained, costs)
        words = ", ".join(f"{key} {value}" for key, value in found[method].items())
        print(f"  {method}: {shared.steps} steps of {shared.networks} networks in {spent:.1f} min; {words}", flush=True)
        release_memory()
    return found


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
