"""The Coral Edge TPU from its spec sheet, against latencies that Coral published.

Three figures of the sheet are fitted to published latencies (overhead, link, slowdown of the array); each row is
therefore also predicted with the three fitted to all models but itself.
"""

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from predictor_sections.cells import spearman
from scipy.optimize import nnls

from edgevolve.graph import Graph
from predictors import Figure, Sheet, sheet
from predictors.models.systolic import Breakdown, breakdown

OTHERS = {
    "ResNet-50 V1": 49.0,
    "ResNet-152 V2": 128.0,
    "VGG19": 308.0,
    "Inception v1": 3.4,
    "SqueezeNet": 2.1,
    "EfficientNet-EdgeTpu-S": 5.1,
    "EfficientNet-EdgeTpu-M": 8.7,
    "EfficientNet-EdgeTpu-L": 25.3,
}
"""More rows of the same column (coral.ai, Edge TPU performance benchmarks, table 1, USB accelerator), in ms."""

ASIDE = {
    "Inception-ResNet V2": "55.7 MB of weights, 8 MB of memory: 57 ms would need 0.84 GB/s, USB 3 carries 0.5",
    "DenseNet": "the page does not say which; 20 ms lie between DenseNet-121, taken here, and DenseNet-169, below it",
}
"""Rows that are predicted and counted, but fit nothing: what they measured cannot be known."""

_FITTED = ("overhead_ms", "link_bytes_per_second", "systolic_slowdown")


def run(folder: Path, seeds: int) -> dict[str, float]:
    """Print every row; keys are `coral_median_ape`, `coral_within_10_share` and so on.

    They are of the file's rows, each predicted by constants that were fitted without it.
    """
    with (folder / "coral_edge_tpu_v1.csv").open() as file:
        named = {row["model"]: float(row["usb_edge_tpu_ms"]) for row in csv.DictReader(file)}
    published = {**named, **{name: ms for name, ms in OTHERS.items() if name not in named}}
    graphs = {name: network(name) for name in published}
    coral = sheet("coral_edge_tpu")
    parts = {name: _parts(coral, graph) for name, graph in graphs.items()}
    print("Coral Edge TPU over USB, published and predicted, ms; 'held out': constants fitted to the other models")
    print(f"{'model':<24}{'published':>10}{'sheet':>9}{'error':>8}{'held out':>10}{'error':>8}  bound by")
    held_out = {}
    for name, true in published.items():
        fitted = fit({other: parts[other] for other in parts if other != name and other not in ASIDE}, published)
        held_out[name] = float(parts[name] @ fitted)
        estimate = breakdown(coral, graphs[name])
        print(
            f"{name:<24}{true:>10.1f}{estimate.latency_ms:>9.2f}{estimate.latency_ms / true - 1:>8.1%}"
            f"{held_out[name]:>10.2f}{held_out[name] / true - 1:>8.1%}  {bound(estimate)}"
        )
    everything = fit({name: parts[name] for name in parts if name not in ASIDE}, published)
    larger = float(_parts(coral, network("DenseNet-169")) @ everything)
    true = published["DenseNet"]
    print(f"{'  if it is DenseNet-169':<24}{true:>10.1f}{'':>17}{larger:>10.2f}{larger / true - 1:>8.1%}")
    for name, reason in ASIDE.items():
        print(f"set aside: {name}: {reason}")
    print(
        "fitted to all the rest: "
        + ", ".join(
            f"{name} {value:.4g}"
            for name, value in zip(_FITTED, (everything[0], 1e9 / everything[1], everything[2]), strict=True)
        )
    )
    return _figures(named, held_out, published)


def _figures(
    named: Mapping[str, float], held_out: Mapping[str, float], published: Mapping[str, float]
) -> dict[str, float]:
    true, predicted = np.array([*named.values()]), np.array([held_out[name] for name in named])
    others = [abs(held_out[name] / published[name] - 1) for name in published if name not in named]
    return {
        "coral_median_ape": 100 * float(np.median(abs(predicted / true - 1))),
        "coral_within_10_share": float(np.mean(abs(predicted / true - 1) <= 0.1)),
        "coral_worst_ratio_all": float(np.maximum(predicted / true, true / predicted).max()),
        "coral_spearman": spearman(predicted, true),
        "coral_other_models_median_ape": 100 * float(np.median(others)),
        "coral_other_models_within_10_share": float(np.mean(np.array(others) <= 0.1)),
    }


def bound(of: Breakdown) -> str:
    """The part that takes longest: compute, weights, activations, host or overhead."""
    parts = {
        "compute": of.compute_ms,
        "weights": of.weights_ms,
        "activations": of.transfer_ms,
        "host": of.host_ms,
        "overhead": of.overhead_ms,
    }
    return max(parts, key=lambda name: parts[name])


def _parts(coral: Sheet, graph: Graph) -> NDArray[np.float64]:
    """What the fitted constants multiply: one, ms on a link of 1 GB/s, ms of systolic cycles; then the rest."""
    ideal = coral.model_copy(update={"figures": {**coral.figures, "systolic_slowdown": _one(1)}})
    twice = coral.model_copy(update={"figures": {**coral.figures, "systolic_slowdown": _one(2)}})
    parts, slower = breakdown(ideal, graph), breakdown(twice, graph)
    systolic = slower.compute_ms - parts.compute_ms
    moved = (parts.streamed_bytes + parts.transfer_bytes) / 1e6
    return np.array([1.0, moved, systolic, parts.compute_ms - systolic + parts.host_ms])


def _one(value: float) -> Figure:
    return Figure(value=value, provenance="assumed", source="to take the sum apart")


def fit(parts: Mapping[str, NDArray[np.float64]], published: Mapping[str, float]) -> NDArray[np.float64]:
    """Least absolute relative error, by least squares that are weighted again and again; at least zero."""
    true = np.array([published[name] for name in parts])
    rows = np.array(list(parts.values()))
    target = 1 - rows[:, 3] / true
    weight = np.ones(len(true))
    for _ in range(50):
        factors = nnls(rows[:, :3] / true[:, None] * weight[:, None], target * weight)[0]
        weight = 1 / np.sqrt(abs(rows[:, :3] @ factors / true - target) + 0.01)
    return np.append(factors, 1.0)


def network(name: str) -> Graph:
    """The graph of a published model, from Keras applications without weights or from its paper."""
    from predictor_sections import published_networks as papers

    written: Mapping[str, Any] = {
        "Inception v1": papers.inception_v1,
        "SqueezeNet": papers.squeezenet,
        "EfficientNet-EdgeTpu-S": lambda: papers.efficientnet_edgetpu(224, 1.0, 1.0),
        "EfficientNet-EdgeTpu-M": lambda: papers.efficientnet_edgetpu(240, 1.0, 1.1),
        "EfficientNet-EdgeTpu-L": lambda: papers.efficientnet_edgetpu(300, 1.2, 1.4),
    }
    if name in written:
        graph: Graph = written[name]()
        return graph
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    from predictor_sections.keras_networks import keras_graph

    function, size = {
        "DenseNet": ("DenseNet121", 224),
        "DenseNet-169": ("DenseNet169", 224),
        "Inception-ResNet V2": ("InceptionResNetV2", 299),
        "MobileNet v1": ("MobileNet", 224),
        "MobileNet v2": ("MobileNetV2", 224),
        "ResNet-50 V1": ("ResNet50", 299),
        "ResNet-50 V2": ("ResNet50V2", 299),
        "ResNet-152 V2": ("ResNet152V2", 299),
        "VGG16": ("VGG16", 224),
        "VGG19": ("VGG19", 224),
    }[name]
    built = getattr(keras.applications, function)(weights=None, input_shape=(size, size, 3))
    graph = keras_graph(built)
    keras.backend.clear_session()
    return graph
