"""The stage that prunes a network: training continues with masks, then masked channels are removed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Splits
from edgevolve.graph import Graph, channels_of
from edgevolve.metric import BYTES, Metric, register
from edgevolve.training.distil import Distil
from edgevolve.training.settings import TrainingSettings
from edgevolve.training.stage import Progress, TrainState
from resource_models import model_size

_EVERY = 16
"""Steps between two computations of the masks, as in Lin et al. 2020."""

SPARSE_SIZE = Metric("sparse_size_bytes", "size if sparse", BYTES, learned=True)
"""The size for a runtime that reads sparse kernels; no runtime that edgevolve exports to does."""

register(SPARSE_SIZE)


@dataclass(frozen=True, slots=True)
class Prune:
    """Remove a share `sparsity` of a network's channels, by Dynamic Pruning with Feedback (arXiv 2006.07253).

    Training continues as `training` says, with masks that follow the weights while the masked share grows. After the
    part `end` of the training the masks stay fixed. Then the masked channels are removed, with their biases and batch
    norm: channels that are added, multiplied, concatenated or flattened together are removed together. With
    `training=None` a candidate is pruned within its own training, from the first step on; it takes no more epochs than
    the training of other candidates.

    `by` ranks channels by "magnitude", relative to the mean of their kernel, or by "taylor", a first-order estimate of
    their effect on the loss. `scope` "global" ranks all channels together, "layer" removes the same share of each
    layer.

    `structured=False` sets single weights to 0 instead, a share of the weights of all kernels except the last. The
    network stays as large as it was, since no runtime that edgevolve exports to reads sparse kernels; the metric
    `sparse_size_bytes` says what such a runtime would store.

    With `distil` the network learns from a teacher as well.

    A recipe's `sparsity` takes the place of the stage's own; at 0 there is nothing to do. Raises `ValueError` for
    settings that cannot work.
    """

    sparsity: float = 0.5
    training: TrainingSettings | None = field(default_factory=lambda: TrainingSettings(epochs=10))
    by: Literal["magnitude", "taylor"] = "magnitude"
    scope: Literal["global", "layer"] = "global"
    structured: bool = True
    end: float = 0.5
    checkpoint_s: float = 60.0
    distil: Distil | None = None

    def __post_init__(self) -> None:
        for name in ("sparsity", "end"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
                raise ValueError(f"Prune: {name} must be from 0 to below 1, not {value!r}")
        for name, known in (("by", ("magnitude", "taylor")), ("scope", ("global", "layer"))):
            if getattr(self, name) not in known:
                raise ValueError(f"Prune: {name} must be {known[0]!r} or {known[1]!r}, not {getattr(self, name)!r}")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metric that the stage adds to the target's scores, if any."""
        return () if self.structured else (SPARSE_SIZE,)

    @property
    def recipe_keys(self) -> Collection[str]:
        """The key of the share to remove."""
        return ("sparsity",)

    def under(self, recipe: Mapping[str, Any]) -> "Prune | None":
        """The stage with the recipe's share; None where the share is 0 and channels would be removed."""
        chosen = replace(self, sparsity=recipe.get("sparsity", self.sparsity))
        return chosen if chosen.sparsity or not self.structured else None

    def in_place_of(self, settings: TrainingSettings) -> "Prune | None":
        """The stage as a candidate's own training; None where it has training settings of its own."""
        return replace(self, training=settings) if self.training is None else None

    def foreseen(self, graph: Graph) -> Graph:
        """The graph without that share of each layer's channels; training decides which channels go, and where."""
        from edgevolve.training.shrink import evenly_shrunk

        return evenly_shrunk(graph, self.sparsity) if self.structured else graph

    def __call__(self, state: TrainState, data: Splits, rng: np.random.Generator, progress: Progress) -> TrainState:
        """The pruned network with its scores. The epoch kept is the best one with the final masks.

        Raises `ValueError` for `training=None` outside a candidate's training.
        """
        from edgevolve.training.descent import Layout
        from edgevolve.training.masks import Masking, channel_groups, weight_groups
        from edgevolve.training.shrink import shrunk
        from edgevolve.training.trainer import train_on

        if self.training is None:
            raise ValueError("Prune: training=None takes the place of a candidate's training, and there is none here")
        layout, channels = Layout.of(state.graph), channels_of(state.graph)
        groups = channel_groups(state.graph, channels, layout) if self.structured else weight_groups(layout)
        if state.curves and not (groups.number and self.sparsity):  # already trained, and nothing to prune
            return self._scored(state)
        masking = Masking(groups, self.sparsity, self.by, self.scope == "layer", _EVERY, self.end)
        seed = int(rng.integers(2**63))
        lesson = self.distil.lesson(state.graph, data, self.training) if self.distil else None
        trained = train_on(state, data, self.training, seed, progress, self.checkpoint_s, lesson=lesson, regime=masking)
        graph, weights = state.graph, trained.weights
        if self.structured:
            kept = channels.fixed.copy()
            kept[~channels.fixed] = trained.own[0] > 0
            graph, weights = shrunk(graph, weights, channels, kept)
        return self._scored(TrainState(graph, weights, state.continued(trained.curves), trained.metrics))

    def _scored(self, state: TrainState) -> TrainState:
        """The state with the stage's own metric."""
        if self.structured:
            return replace(state, checkpoint=None)
        size = sparse_size(state.graph, state.weights or {})
        return replace(state, metrics={**state.metrics, SPARSE_SIZE.name: size}, checkpoint=None)


def sparse_size(graph: Graph, weights: Mapping[str, NDArray[Any]]) -> int:
    """Bytes of constants of the int8 model for a runtime that reads sparse kernels; none here does.

    It is `resource_models.model_size`, except that a kernel takes a bit for each weight and a byte for each weight that
    is not 0, unless that is more than the dense kernel.
    """
    saved = 0
    for name, value in weights.items():
        if name.endswith("/kernel"):
            saved += max(0, value.size - int(np.count_nonzero(value)) - -(-value.size // 8))
    return model_size(graph) - saved
