"""ProxylessNAS on images: given latencies on two devices, three budgets at once, memory of two paths against all."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgevolve import (
    Derived,
    MobileSpace,
    NpzImages,
    Problem,
    ProxylessNAS,
    TrainingSettings,
    at_most,
    minimise,
    target,
)
from edgevolve.data import Classes, load_splits
from edgevolve.runs import DeviceMemory, Job
from edgevolve.runs.devices import device_metrics
from edgevolve.runs.measure import measure
from edgevolve.training.in_turn import Weights
from edgevolve.training.linear_costs import Costs
from edgevolve.training.paths import Paths
from edgevolve.training.session import configure_tensorflow
from predictors import device
from search_space.mixture import LOGITS

DEVICES = ("cortex_m7", "coral_edge_tpu")
BUDGETS = ("latency_ms", "arena_bytes", "flash_bytes")
DRAWN = 40
"""Random networks from which targets and budgets follow."""
TRAINING = TrainingSettings(batch_size=64, learning_rate=0.05)


def space_of(shape, classes):
    """Three stages of nine kinds of blocks, one to three deep."""
    return MobileSpace(tuple(shape), classes, max_stages=3, depths=(1, 3), max_filters=32)


def measured(folder, quick):
    """The figures of the last line."""
    configure_tensorflow(threads=1)
    data = NpzImages(str(folder / "mnist_12k2k.npz"))
    splits = fewer(load_splits(data), 2000 if quick else 12_000)
    space, epochs = space_of(data.input_shape, data.classes), 6 if quick else 20
    worst = 0.0
    for name in DEVICES:
        worst = max(worst, *(missed(space, splits, name, share, epochs) for share in (0.25, 0.5, 0.75)))
    beyond = beyond_budgets(space, splits, epochs)
    each = {update: memory(update) for update in ("two", "full")}
    mebibytes = [f"{each[update] / 2**20:.0f} MiB" for update in ("two", "full")]
    print(f"memory of a step of the logits: two paths {mebibytes[0]}, all nine {mebibytes[1]}")
    figures = {"latency_target_max_error": worst, "budgets_max_excess": beyond}
    return figures | {"two_path_memory_ratio": each["two"] / each["full"]}


def fewer(splits, number):
    """The first examples of each split, the order of which is by chance."""
    train, validation = (part.take(np.arange(min(number, len(part)))) for part in (splits.train, splits.validation))
    return replace(splits, train=train, validation=validation)


def missed(space, splits, name, share, epochs):
    """By what share the derived network misses a latency that lies at `share` between random networks' extremes."""
    providers = device_metrics((device(name),), {"latency_ms"}, set())
    known = of_random(space, providers, "latency_ms")
    aim = known[0] + share * (known[-1] - known[0])
    problem = Problem([minimise("error"), target("latency_ms", aim)])
    plain, derived = searched(space, splits, problem, providers, epochs)
    print(f"{name}: target {aim:.4g} ms, most likely {plain['latency_ms']:.4g} ms, derived {derived['latency_ms']:.4g}")
    return abs(derived["latency_ms"] / aim - 1)


def beyond_budgets(space, splits, epochs):
    """By what share the derived network exceeds one of three budgets of one search: 0 or less where it meets all.

    Each budget is what a quarter of random networks keep.
    """
    providers = (*device_metrics((device(DEVICES[0]),), {"latency_ms"}, set()), DeviceMemory())
    most = {name: of_random(space, providers, name)[DRAWN // 4] for name in BUDGETS}
    problem = Problem([minimise("error")], [at_most(name, limit) for name, limit in most.items()])
    plain, derived = searched(space, splits, problem, providers, epochs)
    for name, limit in most.items():
        print(f"{name}: budget {limit:.5g}, most likely {plain[name]:.5g}, derived {derived[name]:.5g}", flush=True)
    return max(derived[name] / limit - 1 for name, limit in most.items())


def of_random(space, providers, name):
    """A metric of random networks, the smallest first."""
    mixture, rng = space.mixture(), np.random.default_rng(0)
    drawn = [tuple(int(rng.integers(len(d.options))) for d in mixture.decisions) for _ in range(DRAWN)]
    return sorted(measure(space, providers, mixture.genotype(selection)).metrics[name] for selection in drawn)


def searched(space, splits, problem, providers, epochs):
    """The metrics of the network that is the most likely after the search, and of the one derived from it."""
    method = ProxylessNAS(training=replace(TRAINING, epochs=epochs), patience=epochs)
    mixture = space.mixture()
    graph = space.graph(mixture.genotype((0,) * len(mixture.decisions)))
    trained = method.within(space, problem, providers)(Job(-1, None, graph, 0, {}), splits)
    algorithm = Derived().start(space, problem, 0, lambda one: measure(space, providers, one).metrics)
    algorithm.prepared(trained.weights)
    likely = mixture.genotype(next(mixture.best(trained.weights[LOGITS])))
    return [measure(space, providers, one).metrics for one in (likely, algorithm.ask(0).genotype)]


def memory(update):
    """Bytes that a step of the logits adds to a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-c", f"from gradient_sections import proxyless; proxyless.one_step({update!r})"],
        capture_output=True,
        text=True,
        cwd=__file__.rpartition("/gradient_sections")[0],
        check=True,
    )
    print(f"{update}: {ran.stdout.strip()}", flush=True)
    return int(ran.stdout.split()[0])


def one_step(update):
    """Print the bytes by which resident memory peaks above a step of 2 examples in one of 256, and seconds to compile.

    Both are calls of one compiled function, so that what compiling takes does not count.
    """
    import tensorflow as tf

    configure_tensorflow(threads=1)
    space = space_of((28, 28, 1), 10)
    weights = Weights.of(space.mixture(), Classes(10), TRAINING)
    method = Paths(weights, 0.02, every=1, warm_up=0, update=update)
    empty = np.zeros(0, np.float32)
    options = sum(len(d.options) for d in weights.mixture.decisions)
    free = Costs(empty, np.zeros((0, options), np.float32), empty, empty, empty, np.zeros(0, np.int32)).arrays()

    def step(state, x, y, done):
        seed = tf.stack([tf.constant(0, tf.int64), tf.cast(done, tf.int64)])
        return method.move_logits(state, (x, y), (x, y), free, done, 0.05, seed)[1]

    state = weights.first(0, 1e-3)
    signature = (
        tuple(tf.TensorSpec(part.shape, part.dtype) for part in state),
        tf.TensorSpec((None, 28, 28, 1), tf.float32),
        tf.TensorSpec((None,), tf.int64),
        tf.TensorSpec((), tf.int32),
    )
    compiled = tf.function(step, signature, autograph=False)

    def run(examples, done):
        x, y = np.zeros((examples, 28, 28, 1), np.float32), np.zeros(examples, np.int64)
        compiled(state, tf.constant(x), tf.constant(y), tf.constant(done))

    begun = time.monotonic()
    run(2, 0)
    seconds = time.monotonic() - begun
    for done in range(1, 4):
        run(2, done)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident("VmRSS")
    for done in range(8):
        run(256, done)
    print(f"{resident('VmHWM') - before} bytes of a step, {seconds:.0f} s to compile it")


def resident(name):
    """A line of the kernel's account of this process, in bytes."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
