"""The arena of known networks in bands, on TensorFlow Lite Micro, beside its own plan and the best plan without bands.

    python benchmarks/partial_execution.py [--slower 20%] [--random 75] [FILE.tflite ...]

Networks have random weights: memory does not depend on them. Outputs are compared to the bit on LiteRT and on
TensorFlow Lite Micro. Arenas are the least in which the host build of the wheel starts, and the prediction for a
Cortex-M. With `--random`, that many networks of each space follow, as a search would export them, and are counted
alone. Prints a table, then one line of JSON; `saving_NAME` is the share of the arena of the best plan without bands
that is saved, as predicted for a Cortex-M.
"""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.arena_fidelity import some_weights
from edgevolve.deployment.isolated import run_isolated
from edgevolve.deployment.micro import run_on_micro
from edgevolve.deployment.optimise import lean, random_inputs, replanned
from edgevolve.quantisation import int8_network
from edgevolve.quantity import quantity
from edgevolve.tflite import TARGETS, read_tflite
from resource_models import file_footprint
from search_space import CnnSpace, MlpSpace, MobileSpace, NasBench201Space


def vgg_cifar(keras: Any) -> Any:
    """Six convolutions of 3×3, two at a size, pooled twice."""
    layers = keras.layers
    model = keras.Sequential([keras.Input((32, 32, 3))])
    for filters in (32, 64, 128):
        for _ in range(2):
            model.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(10))
    return model


def resnet8_like(keras: Any) -> Any:
    """Three residual blocks, as MLPerf Tiny's network for CIFAR-10."""
    layers = keras.layers
    entry = keras.Input((32, 32, 3))
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(entry)
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        y = layers.Conv2D(filters, 3, strides=stride, padding="same", activation="relu")(x)
        y = layers.Conv2D(filters, 3, padding="same")(y)
        x = layers.Conv2D(filters, 1, strides=stride, padding="same")(x) if stride > 1 else x
        x = layers.ReLU()(layers.Add()([x, y]))
    return keras.Model(entry, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def application(name: str, side: int, alpha: float) -> Callable[[Any], Any]:
    """A network of Keras' collection for ten classes."""
    settings = {"weights": None, "classes": 10, "classifier_activation": None}
    return lambda keras: getattr(keras.applications, name)(input_shape=(side, side, 3), alpha=alpha, **settings)


NETWORKS: dict[str, Callable[[Any], Any]] = {
    "mobilenet_v1_050_160": application("MobileNet", 160, 0.5),
    "mobilenet_v2_035_144": application("MobileNetV2", 144, 0.35),
    "vgg_cifar": vgg_cifar,
    "resnet8_like": resnet8_like,
}


def int8_file(model: Any) -> bytes:
    """TensorFlow's conversion, with weights that keep activations from dying out."""
    import keras
    import tensorflow as tf

    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D | keras.layers.Dense):
            kernel, *rest = layer.get_weights()
            fan = np.prod(kernel.shape[:2] if isinstance(layer, keras.layers.DepthwiseConv2D) else kernel.shape[:-1])
            layer.set_weights([rng.normal(0, np.sqrt(2 / fan), kernel.shape), *rest])

    def examples() -> Iterator[list[Any]]:
        for _ in range(4):
            yield [rng.normal(size=(1, *model.input_shape[1:])).astype(np.float32)]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = examples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


SPACES = (
    CnnSpace((32, 32, 3), 4),
    MobileSpace((64, 64, 3), 4, resolutions=(64, 32)),
    NasBench201Space((32, 32, 3), 4),
    MlpSpace((16, 16, 1), 4),
)
_LARGEST_MAP = 100_000


def tally(number: int, slower: float) -> dict[str, float]:
    """Random networks of every space: how many, how many of them in bands, and shares of those that hold."""
    rng, held = np.random.default_rng(0), []
    for space in SPACES:
        of_space = 0
        while of_space < number:
            graph = space.graph(space.sample(rng))
            if max(math.prod(node.output.shape) for node in graph.nodes) > _LARGEST_MAP:
                continue
            of_space += 1
            examples = rng.normal(size=(4, *graph.inputs[0].shape[1:])).astype(np.float32)
            model = int8_network(graph, some_weights(graph, of_space), examples).tflite()
            found = measured(model, slower, lean(model, slower))
            held.append((found["equal"], found["exact"], found["cut"]))
    equal, exact, cut = (statistics.mean(column) for column in zip(*held, strict=True))
    return {
        "random": len(held),
        "random_in_bands": round(cut * len(held)),
        "random_outputs_equal_share": equal,
        "random_arena_exact_share": exact,
    }


def measured(model: bytes, slower: float, exported: bytes | None = None) -> dict[str, Any]:
    """Arenas before and after, and whether outputs are equal on both runtimes; of the file `exported`, where given."""
    begun = time.process_time()
    found = replanned(model, slower if exported is None else 0.0)
    plan_s = time.process_time() - begun
    arenas = found.arenas or ((0, 0.0),)
    if exported is not None:
        found = found._replace(model=exported)
    inputs, whole = random_inputs(read_tflite(model).graph.inputs), replanned(model).model
    runs = [run_on_micro(file, inputs, least_arena=True) for file in (model, whole, found.model)]
    litert = [run_isolated("litert_host.py", file, inputs, "[]").outputs for file in (model, found.model)]
    pairs = [*zip(runs[0].outputs, runs[2].outputs, strict=True), *zip(*litert, strict=True)]
    predicted = file_footprint(read_tflite(found.model), TARGETS["host"])
    head = predicted.greedy_head_bytes if predicted.stored_head_bytes is None else predicted.stored_head_bytes
    return {
        "own_plan": runs[0].least_arena_bytes,
        "best_plan": runs[1].least_arena_bytes,
        "in_bands": runs[2].least_arena_bytes,
        "cortex_m": (arenas[0][0], arenas[-1][0]),
        "work": arenas[-1][1],
        "cut": len(read_tflite(found.model).operators) > len(read_tflite(model).operators),
        "exact": (runs[2].head_bytes, runs[2].tail_bytes) == (head, predicted.tail_bytes),
        "equal": all(np.array_equal(a, b) for a, b in pairs),
        "plan_s": plan_s,
        "flash": len(found.model) / len(whole) - 1,
    }


def main() -> None:
    """Convert, cut, run, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--random", type=int, default=0)
    parser.add_argument("--slower", type=quantity, default=0.2)
    arguments = parser.parse_args()
    if arguments.files:
        models = {path.stem: path.read_bytes() for path in arguments.files}
    else:
        import keras

        keras.utils.set_random_seed(0)
        models = {name: int8_file(make(keras)) for name, make in NETWORKS.items()}
    table = Table(
        "network",
        "own plan, host",
        "best plan, host",
        "in bands, host",
        "on a Cortex-M",
        "saved",
        "more work",
        "more flash",
        "plan",
    )
    figures = {}
    for name, model in models.items():
        found = figures[name] = measured(model, arguments.slower)
        before, after = found["cortex_m"]
        sizes = (f"{found[key]} B" for key in ("own_plan", "best_plan", "in_bands"))
        shares = (f"{1 - after / before:.1%}", f"{found['work']:.1%}", f"{found['flash']:.1%}")
        table.add_row(name, *sizes, f"{before} → {after} B", *shares, f"{found['plan_s']:.1f} s")
    Console(width=180).print(table)
    summary = {
        "models": len(figures),
        "outputs_equal_share": statistics.mean(one["equal"] for one in figures.values()),
        "arena_exact_share": statistics.mean(one["exact"] for one in figures.values()),
        **{f"saving_{name}": round(1 - one["cortex_m"][1] / one["cortex_m"][0], 4) for name, one in figures.items()},
        "plan_ms_median": round(1000 * statistics.median(one["plan_s"] for one in figures.values())),
    }
    if arguments.random:
        summary |= tally(arguments.random, arguments.slower)
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
