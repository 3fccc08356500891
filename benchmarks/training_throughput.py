"""How many candidates an hour: the product's trainer against plain `model.fit`.

    python benchmarks/training_throughput.py [--data mnist.npz] [--quick]

Both train the same networks from the same first weights with the same optimiser, schedule, epochs, batch size and
validation after each epoch. A candidate's time is everything: building, compiling, training, validating, tidying up.
Processes train one candidate untimed to warm up, then start together. `fit` runs with NumPy arrays (as `fit` shuffles
and batches them) and with a `tf.data` pipeline; the ratio on 28×28 images is against the fastest arrangement of it.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from edgevolve.data import Digits, NpzImages, Split  # noqa: E402
from edgevolve.graph import (  # noqa: E402
    Activation,
    Add,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    Graph,
    GraphBuilder,
    MaxPool2D,
)
from edgevolve.training.settings import TrainingSettings  # noqa: E402

SETTINGS = {
    "digits": TrainingSettings(epochs=20, batch_size=64, weight_decay=0.0),
    "images28": TrainingSettings(epochs=3, batch_size=128, weight_decay=0.0),
}
ARRANGEMENTS = {
    "digits": [("ours", 1, 1), ("fit-numpy", 1, 1), ("fit-tfdata", 1, 1)],
    "images28": [
        ("ours", 2, 1),
        ("fit-numpy", 2, 1),
        ("fit-tfdata", 2, 1),
        ("fit-numpy", 1, 2),
        ("fit-tfdata", 1, 2),
    ],
}
"""(trainer, processes, threads of each)."""


def network(shape: tuple[int, ...], variant: int) -> Graph:
    """One of three networks of about 11 000 parameters: plain, residual, depthwise separable."""
    relu = Activation.RELU
    net = GraphBuilder()
    x = net.input((1, *shape))
    if variant == 0:
        x = net.add(Conv2D(16, (3, 3), activation=relu, batch_norm=True), x)
        x = net.add(MaxPool2D((2, 2), (2, 2)), x)
        x = net.add(Conv2D(24, (3, 3), activation=relu, batch_norm=True), x)
        x = net.add(MaxPool2D((2, 2), (2, 2)), x)
        x = net.add(Conv2D(32, (3, 3), activation=relu, batch_norm=True), x)
    elif variant == 1:
        x = net.add(Conv2D(12, (3, 3), activation=relu, batch_norm=True), x)
        x = net.add(MaxPool2D((2, 2), (2, 2)), x)
        x = left = net.add(Conv2D(24, (3, 3), activation=relu, batch_norm=True), x)
        x = net.add(DepthwiseConv2D((3, 3), activation=relu, batch_norm=True), x)
        x = net.add(Conv2D(24, (1, 1), batch_norm=True), x)
        x = net.add(Add(relu), x, left)
        x = net.add(MaxPool2D((2, 2), (2, 2)), x)
        x = net.add(Conv2D(32, (3, 3), activation=relu, batch_norm=True), x)
    else:
        x = net.add(Conv2D(16, (3, 3), (2, 2), activation=relu, batch_norm=True), x)
        for filters, stride in ((32, 1), (48, 2), (64, 1), (64, 1)):
            x = net.add(DepthwiseConv2D((3, 3), (stride, stride), activation=relu, batch_norm=True), x)
            x = net.add(Conv2D(filters, (1, 1), activation=relu, batch_norm=True), x)
    return net.build(net.add(Dense(10), net.add(GlobalAveragePool(), x)))


def load(case: str, data: str | None) -> tuple[Split, Split]:
    """Training and validation examples: 1 437 and 360 digits, or 10 000 and 2 000 images of 28×28."""
    if case == "digits":
        parts = Digits().load()
        x = np.concatenate([parts.train.x, parts.validation.x])
        return Split(x, np.concatenate([parts.train.y, parts.validation.y])), parts.test
    if data:
        splits = NpzImages(data).load()
        train = splits.train
        return Split(train.x[:10_000], train.y[:10_000]), Split(splits.test.x[:2000], splits.test.y[:2000])
    return gratings(10_000, seed=0), gratings(2_000, seed=1)


def gratings(number: int, seed: int) -> Split:
    """Noisy waves of 28×28 pixels in ten directions, which are the classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 10, number)
    angle, phase = (y * np.pi / 10)[:, None, None], rng.uniform(0, 2 * np.pi, (number, 1, 1))
    rows, columns = np.mgrid[:28, :28]
    waves = np.sin(1.5 * (columns * np.cos(angle) + rows * np.sin(angle)) + phase)
    x = (128 + 40 * waves + rng.normal(0, 120, waves.shape)).clip(0, 255).astype(np.uint8)
    return Split(x[..., np.newaxis], y)


def train_ours(graph: Graph, train: Split, validation: Split, settings: TrainingSettings, seed: int) -> float:
    """Accuracy after the last epoch."""
    from edgevolve.training.session import release_memory
    from edgevolve.training.trainer import train as train_candidate

    trained = train_candidate(graph, train, validation, settings, seed)
    release_memory()
    return 1 - trained.curves["validation_error"][-1]


def train_fit(
    graph: Graph, train: Split, validation: Split, settings: TrainingSettings, seed: int, pipeline: bool
) -> float:
    """Accuracy after the last epoch, with Keras' own loop."""
    import keras
    import tensorflow as tf

    from edgevolve.data import as_float
    from edgevolve.training.keras_model import keras_model
    from edgevolve.training.weights import initial_weights

    steps = -(-len(train) // settings.batch_size)
    model = keras_model(graph, initial_weights(graph, seed))
    rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.epochs * steps)
    model.compile(
        optimizer=keras.optimizers.SGD(rate, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    options: dict[str, Any] = {"epochs": settings.epochs, "verbose": 0}
    x, y, xv, yv = as_float(train.x), train.y, as_float(validation.x), validation.y
    if pipeline:
        pairs = tf.data.Dataset.from_tensor_slices((x, y)).cache().shuffle(len(y), seed=seed)
        held = tf.data.Dataset.from_tensor_slices((xv, yv)).batch(256).cache()
        fitted = model.fit(
            pairs.batch(settings.batch_size).prefetch(tf.data.AUTOTUNE), validation_data=held.prefetch(1), **options
        )
    else:
        fitted = model.fit(
            x, y, batch_size=settings.batch_size, validation_data=(xv, yv), validation_batch_size=256, **options
        )
    keras.backend.clear_session()
    return float(fitted.history["val_accuracy"][-1])


def worker(case: str, trainer: str, threads: int, candidates: int, first: int, data: str | None) -> None:
    """Warm up, say ready, wait for a line, train; then print the end time and accuracies as JSON."""
    from edgevolve.training.session import configure_tensorflow

    configure_tensorflow(threads)
    train, validation = load(case, data)
    graphs = [network(train.x.shape[1:], variant) for variant in range(3)]

    def candidate(number: int) -> float:
        graph = graphs[number % 3]
        if trainer == "ours":
            return train_ours(graph, train, validation, SETTINGS[case], number)
        return train_fit(graph, train, validation, SETTINGS[case], number, trainer == "fit-tfdata")

    candidate(0)
    print("ready", flush=True)
    sys.stdin.readline()
    accuracies = [candidate(first + i) for i in range(candidates)]
    print(json.dumps({"end": time.time(), "accuracies": accuracies}), flush=True)


def measure(case: str, arrangement: tuple[str, int, int], candidates: int, data: str | None) -> tuple[float, float]:
    """Candidates an hour and mean accuracy of one arrangement; each process trains `candidates`."""
    trainer, processes, threads = arrangement
    command = [sys.executable, __file__, "--worker", case, trainer, str(threads), str(candidates)]
    running = []
    for number in range(processes):
        extra = [str(number * candidates), *(["--data", data] if data else [])]
        running.append(
            subprocess.Popen(
                command + extra,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                cwd=ROOT,
            )
        )
    for process in running:
        if process.stdout is None or process.stdout.readline().strip() != "ready":
            raise SystemExit(f"{case} {arrangement}: a worker failed; run it by hand: {' '.join(command)} 0")
    start = time.time()
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [json.loads(process.communicate()[0]) for process in running]
    seconds = max(result["end"] for result in results) - start
    accuracies = [accuracy for result in results for accuracy in result["accuracies"]]
    return processes * candidates * 3600 / seconds, statistics.fmean(accuracies)


def compare(case: str, repeats: int, candidates: int, data: str | None) -> dict[str, tuple[float, float]]:
    """Median candidates an hour and mean accuracy by arrangement; arrangements take turns, so that noise is shared."""
    rounds: dict[str, list[tuple[float, float]]] = {}
    for _ in range(repeats):
        for trainer, processes, threads in ARRANGEMENTS[case]:
            label = f"{trainer} {processes}x{threads}"
            figures = measure(case, (trainer, processes, threads), candidates, data)
            rounds.setdefault(label, []).append(figures)
    return {
        label: (statistics.median(rate for rate, _ in figures), statistics.fmean(a for _, a in figures))
        for label, figures in rounds.items()
    }


def main() -> None:
    """Run both cases, print a table, then one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", help="an .npz of 28×28 images (x_train, y_train, x_test, y_test); generated if absent"
    )
    parser.add_argument("--quick", action="store_true", help="one repeat, fewer candidates")
    parser.add_argument("--worker", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    data = str(Path(options.data).resolve()) if options.data else None
    if options.worker:
        case, trainer, threads, candidates, first = options.worker
        worker(case, trainer, int(threads), int(candidates), int(first), data)
        return
    repeats = 1 if options.quick else 3
    digits = compare("digits", repeats, 3 if options.quick else 6, None)
    images = compare("images28", repeats, 1 if options.quick else 3, data)
    print(f"{'case':<10}{'arrangement (processes x threads)':<36}{'candidates/h':>13}{'accuracy':>10}")
    for case, table in (("digits", digits), ("images28", images)):
        for label, (rate, accuracy) in table.items():
            print(f"{case:<10}{label:<36}{rate:>13.0f}{accuracy:>10.3f}")
    best = max((label for label in images if label.startswith("fit")), key=lambda label: images[label][0])
    figures = {
        "digits_ratio_vs_fit": round(digits["ours 1x1"][0] / digits["fit-numpy 1x1"][0], 2),
        "digits_ratio_vs_fit_tfdata": round(digits["ours 1x1"][0] / digits["fit-tfdata 1x1"][0], 2),
        "images28_ratio_vs_fit": round(images["ours 2x1"][0] / images[best][0], 2),
        "images28_fastest_fit": best,
        "candidates_per_hour_digits": round(digits["ours 1x1"][0]),
        "candidates_per_hour_images28": round(images["ours 2x1"][0]),
        "accuracy_digits": round(digits["ours 1x1"][1], 4),
        "accuracy_digits_fit": round(digits["fit-numpy 1x1"][1], 4),
        "accuracy_images28": round(images["ours 2x1"][1], 4),
        "accuracy_images28_fit": round(images[best][1], 4),
        "images28_data": Path(data).name if data else "generated",
        "threads_per_process": 1,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
