"""Two baselines on the splits that a search had: a standard network, and boosted trees on summaries."""

from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Classes, Split, Splits, as_float
from edgevolve.deployment.optimise import lean
from edgevolve.graph import Conv2D, DepthwiseConv2D, Graph
from edgevolve.quantisation import calibration_examples, int8_network, int8_scores
from edgevolve.training import TrainingSettings
from search_space import MlpSpace
from search_space.head import Hidden
from search_space.mlp import Mlp
from search_space.topologies import topology

_STEPS, _EPOCHS = 1500, (8, 60)
_HIDDEN = (64, 64)


@dataclass(frozen=True, slots=True)
class Reference:
    """A standard network, trained on the training split; the epoch kept is that of the lowest validation loss."""

    name: str
    accuracy_int8: float
    flash_bytes: int


def reference(splits: Splits, augment: tuple[str, ...], seed: int = 0) -> Reference:
    """DS-CNN S of MLPerf Tiny for the same features; of a table two dense layers of 64. int8, on the test split.

    Examples are augmented as those of the search.
    """
    from edgevolve.training.trainer import train

    target = splits.target
    assert isinstance(target, Classes)
    shape = tuple(int(side) for side in splits.train.x.shape[1:])
    if max(shape[:2]) == 1:
        name = "dense 64, 64"
        graph = MlpSpace(shape, target.number).graph(Mlp(tuple(map(Hidden, _HIDDEN))))
    else:
        name = "DS-CNN S"
        graph = _with_batch_norm(topology("ds_cnn_s", shape, target.outputs))
    batch = 16 if len(splits.train) < 500 else 64
    epochs = min(max(ceil(_STEPS * batch / len(splits.train)), _EPOCHS[0]), _EPOCHS[1])
    settings = TrainingSettings(epochs, batch, "adamw", 0.003, 0.01, augment=augment)
    trained = train(graph, splits.train, splits.validation, settings, seed, target=target)
    model = lean(int8_network(graph, trained.weights, calibration_examples(splits.train)).tflite())
    return Reference(name, 1 - int8_scores(model, splits.test, target)["error"], len(model))


def _with_batch_norm(graph: Graph) -> Graph:
    """As it is trained; the graph has its batch norm folded."""
    nodes = (
        replace(node, op=replace(node.op, batch_norm=True)) if isinstance(node.op, Conv2D | DepthwiseConv2D) else node
        for node in graph.nodes
    )
    return replace(graph, nodes=tuple(nodes))


def trees(splits: Splits, seed: int = 0) -> float:
    """Test accuracy of gradient-boosted trees on summaries; as many trees as the validation split likes best."""
    from xgboost import XGBClassifier

    model = XGBClassifier(
        n_estimators=300, max_depth=4, learning_rate=0.1, n_jobs=1, early_stopping_rounds=30, random_state=seed
    )
    x, y = {}, {}
    for part in ("train", "validation", "test"):
        split: Split = getattr(splits, part)
        x[part], y[part] = summaries(as_float(split.x[:])), np.asarray(split.y[:])
    model.fit(x["train"], y["train"], eval_set=[(x["validation"], y["validation"])], verbose=False)
    return float((model.predict(x["test"]) == y["test"]).mean())


def summaries(x: NDArray[Any]) -> NDArray[np.float32]:
    """Of a table the columns; of images 4×4 means; of signals and features statistics of each channel over time."""
    number, height, width, channels = x.shape
    if height == width == 1:
        return x.reshape(number, -1)
    if channels in (1, 3) and min(height, width) > 10 and height == width:
        cut = x[:, : height // 4 * 4, : width // 4 * 4]
        cells = cut.reshape(number, height // 4, 4, width // 4, 4, channels).mean(axis=(2, 4))
        return cells.reshape(number, -1).astype(np.float32)
    signal = x.reshape(number, height, width * channels)
    steps = np.abs(np.diff(signal, axis=1)).mean(axis=1)
    ends = [np.quantile(signal, share, axis=1) for share in (0.05, 0.25, 0.5, 0.75, 0.95)]
    thirds = [part.mean(axis=1) for part in np.array_split(signal, 3, axis=1)]
    return np.concatenate([signal.mean(axis=1), signal.std(axis=1), steps, *ends, *thirds], axis=1).astype(np.float32)
