"""What shared weights cost: is a path the built network, is it traced once, how long is a step beside a static graph.

    python benchmarks/supernet_cost.py [--quick]

Networks at random of a space of inverted residuals on 28×28 pixels, in one thread. A step is forward, backward and the
update of the weights; it is measured in processor seconds, so that other work on the machine counts little. The last
line is JSON: `path_max_difference` of logits over all networks, `traces`, and a step along the path relative to one of
a static graph of the same network, for the smallest network, the median of some at random and the largest
(`smallest_step_ratio`, `median_step_ratio`, `largest_step_ratio`); `sandwich_ratio` is a sandwich step over its four
parts.
"""

import argparse
import json
import statistics
import time
from functools import partial

import numpy as np

from edgevolve import MobileSpace, TrainingSettings
from edgevolve.data import Classes
from edgevolve.graph import from_json, to_json
from edgevolve.training.session import configure_tensorflow

SPACE = MobileSpace(
    (28, 28, 1), 10, max_stages=3, depths=(1, 2), max_filters=32, blocks=("mbconv",), activations=("relu6",)
)
SETTINGS = TrainingSettings(batch_size=64)
BATCH = 64


def main() -> None:
    """Measure, print a table, then a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="50 networks and 3 static graphs instead of 500 and 9")
    quick = parser.parse_args().quick
    configure_tensorflow(threads=1)
    difference, path_traces = paths(50 if quick else 500)
    times, traces, sandwich = steps(3 if quick else 9)
    print(f"{'network':>10} {'path ms':>9} {'static ms':>10} {'ratio':>6}")
    for name, path_s, static_s in times:
        print(f"{name:>10} {1000 * path_s:9.1f} {1000 * static_s:10.1f} {path_s / static_s:6.2f}")
    ratios = {name: path_s / static_s for name, path_s, static_s in times}
    result = {
        "path_max_difference": difference,
        "traces": max(traces, path_traces),
        "smallest_step_ratio": round(ratios["smallest"], 2),
        "median_step_ratio": round(statistics.median(ratio for name, ratio in ratios.items() if name[0] == "#"), 2),
        "largest_step_ratio": round(ratios["largest"], 2),
        "sandwich_ratio": round(sandwich, 2),
    }
    print(json.dumps(result))


def paths(number):
    """The largest difference of logits between paths and built networks, and how often the path was traced."""
    import tensorflow as tf

    from edgevolve.training.forward import forward
    from edgevolve.training.shared_descent import first_arrays
    from edgevolve.training.shared_forward import shared_forward
    from edgevolve.training.shared_layout import SharedLayout
    from edgevolve.training.weights import folded

    rng, program, traces = np.random.default_rng(0), SPACE.program, 0
    arrays = first_arrays(program, 0, {})
    for name, value in arrays.items():  # statistics that are not those of a fresh network
        if name.endswith(("/mean", "/beta", "/bias")):
            arrays[name] = value + 0.1 * rng.normal(size=value.shape).astype(np.float32)
        if name.endswith("/variance"):
            arrays[name] = value + 0.3 * np.abs(rng.normal(size=value.shape)).astype(np.float32)
    layout = SharedLayout.of(program, program.shapes)
    values = layout.flat(arrays)

    def call(row, numbers, parts, x):
        nonlocal traces
        traces += 1
        return shared_forward(program, layout.tensors(numbers, parts), row, x, training=False)

    numbers, parts = tf.TensorSpec((None,), tf.float32), tf.TensorSpec((len(program.shapes), 4), tf.int32)
    likes = tf.TensorSpec((program.width,), tf.int32), numbers, parts, tf.TensorSpec((None, *SPACE.input_shape))
    compiled = tf.function(call, autograph=False, input_signature=likes)
    x = tf.constant(rng.normal(size=(8, *SPACE.input_shape)).astype(np.float32))
    worst = 0.0
    for _ in range(number):
        genotype = SPACE.sample(rng)
        graph = from_json(to_json(SPACE.graph(genotype)))
        weights = folded(graph, SPACE.inherit(genotype, arrays))
        wanted, _ = forward(graph, weights, x, graph.outputs[0].name)
        row = SPACE.path(genotype).vector
        used = layout.used(row)
        given = compiled(tf.constant(row), tf.constant(values[used.places]), tf.constant(used.shapes), x)
        worst = max(worst, float(np.abs(given.numpy() - wanted.numpy()).max()))
    return worst, traces


def steps(number):
    """Seconds of a step along the path and by a static graph, for some networks; traces; a sandwich over its parts."""
    import tensorflow as tf

    from edgevolve.training.shared_descent import SharedDescent, Turn, first_arrays

    rng = np.random.default_rng(1)
    target = Classes(tuple(map(str, range(10))))
    descent = SharedDescent(SPACE.program, SETTINGS, target, first_arrays(SPACE.program, 0, {}))
    x = tf.constant(rng.normal(size=(BATCH, *SPACE.input_shape)).astype(np.float32))
    y, seed = tf.constant(rng.integers(0, 10, BATCH).astype(np.int32)), tf.constant([0, 0], tf.int64)
    taught = tf.zeros((BATCH, 10))

    def path_step(*rows):
        for row in rows:
            descent.learn(Turn(row, 1.0, 0.0), x, y, taught, seed)
        float(descent.step(0.01, 0, rows))

    drawn = [SPACE.sample(rng) for _ in range(number)]
    largest, smallest = SPACE.largest(drawn[0], SPACE.parts), SPACE.smallest(drawn[0])
    named = {"largest": largest, "smallest": smallest, **{f"#{i}": one for i, one in enumerate(drawn)}}
    rows = {name: SPACE.path(one).vector for name, one in named.items()}
    static = {name: static_step(SPACE.graph(one), x, y, target) for name, one in named.items()}
    rows_of_steps = [(name, *fastest(partial(path_step, rows[name]), static[name])) for name in named]
    four = ("largest", "smallest", "#0", "#1")
    whole, apart = fastest(
        partial(path_step, *(rows[name] for name in four)), lambda: [path_step(rows[n]) for n in four]
    )
    return rows_of_steps, descent.traces, whole / apart


def static_step(graph, x, y, target):
    """A step of a graph that was compiled for this network alone, on the project's own trainer."""
    import tensorflow as tf

    from edgevolve.training.descent import Descent, Layout, Plain
    from edgevolve.training.losses import batch_loss
    from edgevolve.training.weights import initial_weights

    descent = Descent(Plain(graph, graph.outputs[0].name), Layout.of(graph), SETTINGS, batch_loss(target, SETTINGS))
    state, bounds = descent.start(initial_weights(graph, 0)), tf.constant([0, BATCH])
    compiled = tf.function(
        lambda state: descent.steps(x, y, bounds, state, tf.constant([0, 0], tf.int64), tf.constant(0), 10),
        autograph=False,
    )
    return lambda: float(compiled(state)[1])


def fastest(*calls, repeats=15):
    """Processor seconds of the quickest of some runs of each call, in turns."""
    for call in calls:
        call()
    times = [[] for _ in calls]
    for _ in range(repeats):
        for call, seconds in zip(calls, times, strict=True):
            begun = time.process_time()
            call()
            seconds.append(time.process_time() - begun)
    return [min(seconds) for seconds in times]


if __name__ == "__main__":
    main()
