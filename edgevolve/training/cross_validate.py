"""Cross-validation: a network is trained once for each of several divisions of the data, and its scores are averaged.

A search compares many networks. If a single speaker, or a dozen examples, are held out, it finds those that suit them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Split, Splits
from edgevolve.metric import Metric, cross_validated
from edgevolve.metric import metric as described
from edgevolve.training.settings import TrainingSettings
from edgevolve.training.stage import Fit, Progress, TrainState


@dataclass(frozen=True, slots=True)
class CrossValidate:
    """Train a candidate from scratch for each of up to `folds` divisions of training and validation examples.

    The first division is the data set's own; weights, curves and other scores are those of its training. The others
    hold out one part of the training examples each, by whole groups where there are groups, and train on all the rest.
    `NAME_cross_validated` is the mean of `metric` over all divisions. As the first of the stages, with `training` None,
    it takes the place of the candidate's training.
    """

    folds: int = 5
    metric: str = "error"
    training: TrainingSettings | None = None

    def __post_init__(self) -> None:
        if type(self.folds) is not int or self.folds < 3:
            raise ValueError(f"CrossValidate: folds must be a whole number of at least 3, not {self.folds!r}")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metric that the stage adds to the target's scores."""
        return (cross_validated(described(self.metric)),)

    def in_place_of(self, settings: TrainingSettings) -> "CrossValidate | None":
        """The stage as a candidate's own training; None where it has training settings of its own."""
        return replace(self, training=settings) if self.training is None else None

    def __call__(self, state: TrainState, data: Splits, rng: np.random.Generator, progress: Progress) -> TrainState:
        """The network as trained for the first division, with the mean score; a checkpoint after each division.

        Raises `ValueError` without `training`, for a network that has weights already, since these have learned from
        what is held out, and for examples that are not in memory.
        """
        if self.training is None:
            raise ValueError("CrossValidate must be the first of the stages: it trains in place of the candidate")
        if state.weights is not None:
            raise ValueError("CrossValidate trains from scratch: leave out what inherits or continues weights")
        seeds = rng.integers(2**63, size=self.folds)
        scores, kept = ([], None) if state.checkpoint is None else _restored(state.graph, state.checkpoint)
        for fold, divided in enumerate([data, *divisions(data, self.folds - 1)]):
            if fold < len(scores):
                continue
            reports = _Reports(progress, fold * self.training.epochs)
            own = np.random.default_rng(int(seeds[fold]))
            trained = Fit(self.training)(TrainState(state.graph), divided, own, reports)
            kept = kept or trained
            scores.append(trained.metrics[self.metric])
            if not reports.goes_on or not progress(reports.last, {}, _saved(scores, kept)):
                break
        assert kept
        return replace(kept, metrics={**kept.metrics, self.metrics[0].name: float(np.mean(scores))}, checkpoint=None)


def divisions(data: Splits, parts: int) -> Iterator[Splits]:
    """The splits with each of up to `parts` parts of the training examples held out, and the rest to train on.

    Parts are whole groups if there are groups, else they have equal shares of each class. Raises `ValueError` for
    examples that are not in memory.
    """
    from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold

    if not isinstance(data.train.x, np.ndarray):
        raise ValueError("CrossValidate needs examples in memory, and these are read from a file")
    whole = _joined(data.train, data.validation)
    labels = np.asarray(data.train.y[:])
    if data.train.groups is not None:
        groups = np.unique(data.train.groups, return_inverse=True)[1]
        parts = min(parts, int(groups.max()) + 1)
        cuts = GroupKFold(parts).split(labels, labels, groups) if parts > 1 else iter(())
    elif np.issubdtype(labels.dtype, np.integer) and np.unique(labels, return_counts=True)[1].min() >= parts:
        cuts = StratifiedKFold(parts, shuffle=True, random_state=0).split(labels, labels)
    else:
        cuts = KFold(parts, shuffle=True, random_state=0).split(labels)
    for _, held in cuts:
        rest = np.setdiff1d(np.arange(len(whole)), held)
        yield replace(data, train=whole.take(rest), validation=whole.take(held))


def _joined(first: Split, second: Split) -> Split:
    def column(name: str) -> Any:
        parts = getattr(first, name), getattr(second, name)
        return None if parts[0] is None else np.concatenate([part[:] for part in parts])

    return Split(*map(column, ("x", "y", "groups", "names")))


@dataclass(slots=True)
class _Reports:
    """A `Progress` that counts steps on from `before`, leaves out checkpoints, and remembers whether to go on."""

    progress: Progress
    before: int
    last: int = 0
    goes_on: bool = True

    def __call__(
        self, step: int, metrics: Mapping[str, float], checkpoint: Mapping[str, NDArray[Any]] | None = None
    ) -> bool:
        self.last = self.before + step
        self.goes_on = self.progress(self.last, metrics)
        return self.goes_on


def _saved(scores: list[float], kept: TrainState) -> dict[str, NDArray[Any]]:
    parts = {"weights": kept.weights or {}, "curves": kept.curves, "metrics": kept.metrics}
    arrays = {f"{part}/{name}": np.asarray(value) for part, values in parts.items() for name, value in values.items()}
    return {"scores": np.array(scores), **arrays}


def _restored(graph: Any, checkpoint: Mapping[str, NDArray[Any]]) -> tuple[list[float], TrainState]:
    def part(name: str) -> dict[str, NDArray[Any]]:
        return {key.partition("/")[2]: value for key, value in checkpoint.items() if key.startswith(f"{name}/")}

    curves = {name: tuple(map(float, values)) for name, values in part("curves").items()}
    metrics = {name: float(value) for name, value in part("metrics").items()}
    return checkpoint["scores"].tolist(), TrainState(graph, part("weights"), curves, metrics)
