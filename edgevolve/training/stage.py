"""Training as stages: fit, distil, prune, quantise. Each takes a network with its weights and gives another.

A stage is a frozen object; TensorFlow is loaded when it is called, not when it is made.
"""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Splits
from edgevolve.graph import Graph
from edgevolve.training.settings import TrainingSettings

Arrays = Mapping[str, NDArray[Any]]


class Progress(Protocol):
    """A function that a task calls while it works; a call is cheap and may be frequent."""

    def __call__(self, step: int, metrics: Mapping[str, float], checkpoint: Arrays | None = None) -> bool:
        """Report, and return whether to continue. False asks the task to end with what it has.

        The deadline of a job counts from its last report. A job that is tried again, on another worker or after a
        resume, finds the last `checkpoint` in `Job.checkpoint`. It must hold all that the job needs to end as it would
        have without the interruption.
        """


def unreported(step: int, metrics: Mapping[str, float], checkpoint: Arrays | None = None) -> bool:
    """A `Progress` that records nothing and always continues."""
    return True


@dataclass(frozen=True, slots=True)
class TrainState:
    """The input and output of a stage: the network, its weights (None: not trained yet), and curves by epoch.

    `metrics` are the target's scores on the validation split with these weights. `checkpoint` is the last one that an
    earlier attempt at the stage reported.
    """

    graph: Graph
    weights: Arrays | None = None
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    checkpoint: Arrays | None = None

    def continued(self, curves: Mapping[str, Sequence[float]]) -> dict[str, Sequence[float]]:
        """The state's curves, followed by the `curves` of a further training."""
        return {**self.curves, **{name: (*self.curves.get(name, ()), *values) for name, values in curves.items()}}


@runtime_checkable
class Stage(Protocol):
    """A step of training. Everything random comes from `rng`; `data.test` is empty."""

    def __call__(self, state: TrainState, data: Splits, rng: np.random.Generator, progress: Progress) -> TrainState:
        """The network, weights, curves and scores after the stage. Raises `TrainingDiverged`, `ValueError`."""


@runtime_checkable
class FollowsRecipe(Protocol):
    """A stage that takes values from a candidate's recipe: `Prune` takes `sparsity`, for example."""

    @property
    def recipe_keys(self) -> Collection[str]:
        """The keys of a recipe that the stage reads."""

    def under(self, recipe: Mapping[str, Any]) -> Stage | None:
        """The stage with the recipe's values; None if it has nothing to do.

        Without any of its keys in the recipe, it is the stage itself. Raises `ValueError` for values that cannot work.
        """


@runtime_checkable
class Foresees(Protocol):
    """A stage that changes the network and can foresee roughly how: hard bounds are judged by this before training."""

    def foreseen(self, graph: Graph) -> Graph:
        """A network that costs about as much as the one that the stage will make."""


@runtime_checkable
class TakesOver(Protocol):
    """A stage that may be the training itself instead of following it: `Prune` with `training=None`, for example."""

    def in_place_of(self, settings: TrainingSettings) -> Stage | None:
        """The stage that trains by these settings in place of `Fit`; None if this stage follows the training."""


def foreseen(graph: Graph, stages: Sequence[Stage], recipe: Mapping[str, Any]) -> Graph:
    """The network that these stages will make under a recipe, as far as they foresee it."""
    for stage in stages_under(stages, recipe):
        graph = stage.foreseen(graph) if isinstance(stage, Foresees) else graph
    return graph


def stages_under(stages: Sequence[Stage], recipe: Mapping[str, Any]) -> tuple[Stage, ...]:
    """The stages with a recipe's values, without those that have nothing to do. Raises as `FollowsRecipe.under`."""
    set_stages = (stage.under(recipe) if isinstance(stage, FollowsRecipe) else stage for stage in stages)
    return tuple(stage for stage in set_stages if stage is not None)


@dataclass(frozen=True, slots=True)
class Fit:
    """Train by gradient descent, from the given weights or from scratch, with a checkpoint every `checkpoint_s`."""

    settings: TrainingSettings
    checkpoint_s: float = 60.0

    @property
    def recipe_keys(self) -> Set[str]:
        """The names of all settings but the numbers of epochs, which the search decides."""
        return {field.name for field in fields(TrainingSettings)} - {"epochs", "inherited_epochs"}

    def under(self, recipe: Mapping[str, Any]) -> "Fit":
        """The stage with the settings that the recipe names."""
        chosen = {name: recipe[name] for name in self.recipe_keys & recipe.keys()}
        return replace(self, settings=replace(self.settings, **chosen)) if chosen else self

    def __call__(self, state: TrainState, data: Splits, rng: np.random.Generator, progress: Progress) -> TrainState:
        """Train for `data.target`; the epoch kept is that of the lowest validation loss."""
        from edgevolve.training.trainer import train_on

        trained = train_on(state, data, self.settings, int(rng.integers(2**63)), progress, self.checkpoint_s)
        return TrainState(state.graph, trained.weights, state.continued(trained.curves), trained.metrics)
