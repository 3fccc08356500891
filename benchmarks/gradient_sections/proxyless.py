"""ProxylessNAS on images: networks of given latencies on two devices, and the memory of two paths against all."""

import resource
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgevolve import Derived, MobileSpace, NpzImages, Problem, ProxylessNAS, TrainingSettings, minimise, target
from edgevolve.data import load_splits
from edgevolve.runs import Job
from edgevolve.runs.devices import device_metrics
from edgevolve.runs.measure import measure
from edgevolve.training.session import configure_tensorflow
from predictors import device
from search_space.mixture import LOGITS

DEVICES = ("cortex_m7", "edge_tpu_v1")
TRAINING = TrainingSettings(batch_size=64, learning_rate=0.05)


def space_of(data):
    """Three stages of nine kinds of blocks, one to three deep."""
    return MobileSpace(tuple(data.input_shape), data.classes, max_stages=3, depths=(1, 3), max_filters=32)


def measured(folder, quick):
    """The figures of the last line."""
    configure_tensorflow(threads=1)
    data = NpzImages(str(folder / "mnist_12k2k.npz"))
    splits = fewer(load_splits(data), 2000 if quick else 12_000)
    space, epochs = space_of(data), 6 if quick else 20
    worst = 0.0
    for name in DEVICES:
        worst = max(worst, *(missed(space, splits, name, share, epochs) for share in (0.25, 0.5, 0.75)))
    each = {update: memory(folder, update) for update in ("two", "full")}
    print(f"memory of an epoch: two paths {each['two'] / 2**20:.0f} MiB, all nine {each['full'] / 2**20:.0f} MiB")
    return {"latency_target_max_error": worst, "two_path_memory_ratio": each["two"] / each["full"]}


def fewer(splits, number):
    """The first examples of each split, the order of which is by chance."""
    train, validation = (part.take(np.arange(min(number, len(part)))) for part in (splits.train, splits.validation))
    return replace(splits, train=train, validation=validation)


def missed(space, splits, name, share, epochs):
    """By what share the derived network misses a latency that lies at `share` between random networks' extremes."""
    providers = device_metrics((device(name),), {"latency_ms"}, set())
    mixture, rng = space.mixture(), np.random.default_rng(0)
    drawn = [tuple(int(rng.integers(len(d.options))) for d in mixture.decisions) for _ in range(40)]
    known = sorted(latency(space, providers, mixture.genotype(selection)) for selection in drawn)
    aim = known[0] + share * (known[-1] - known[0])
    problem = Problem([minimise("error"), target("latency_ms", aim)])
    method = ProxylessNAS(training=replace(TRAINING, epochs=epochs), patience=epochs)
    graph = space.graph(mixture.genotype(drawn[0]))
    found = method.within(space, problem, providers)(Job(-1, None, graph, 0, {}), splits)
    algorithm = Derived().start(space, problem, 0, lambda one: measure(space, providers, one).metrics)
    algorithm.prepared(found.weights)
    derived = latency(space, providers, algorithm.ask(0).genotype)
    plain = latency(space, providers, mixture.genotype(next(mixture.best(found.weights[LOGITS]))))
    print(f"{name}: target {aim:.4g} ms, most likely {plain:.4g} ms, derived {derived:.4g} ms", flush=True)
    return abs(derived / aim - 1)


def latency(space, providers, genotype):
    """As predicted, in milliseconds."""
    return measure(space, providers, genotype).metrics["latency_ms"]


def memory(folder, update):
    """Bytes that an epoch adds to a process of its own."""
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from gradient_sections import proxyless; proxyless.one_epoch({str(folder)!r}, {update!r})",
        ],
        capture_output=True,
        text=True,
        cwd=__file__.rpartition("/gradient_sections")[0],
        check=True,
    )
    return int(ran.stdout.split()[-1])


def one_epoch(folder, update):
    """Print the bytes by which the peak of resident memory grows in an epoch that moves the logits at every step."""
    configure_tensorflow(threads=1)
    data = NpzImages(str(Path(folder) / "mnist_12k2k.npz"))
    splits, space = fewer(load_splits(data), 512), space_of(data)
    method = ProxylessNAS(training=replace(TRAINING, epochs=1, batch_size=128), warm_up=0, every=1, update=update)
    graph = space.graph(space.sample(np.random.default_rng(0)))
    task = method.within(space, Problem([minimise("error")]), ())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    task(Job(-1, None, graph, 0, {}), splits)
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
