"""The task of a search: trains a candidate, stage by stage, and scores it on the validation split."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Splits
from edgevolve.data.chosen import FRONT_END
from edgevolve.data.target import ERROR
from edgevolve.graph import LAYER_BITS, from_json, to_json
from edgevolve.metric import Metric
from edgevolve.runs import Job
from edgevolve.runs.task import Needs
from edgevolve.spelling import suggestion
from edgevolve.training import (
    Distil,
    Fit,
    FollowsRecipe,
    Progress,
    Stage,
    TakesOver,
    TrainingDiverged,
    TrainingSettings,
    TrainState,
    stages_under,
    unreported,
)
from edgevolve.training.distil import with_teaching
from edgevolve.training.session import configure_tensorflow, release_memory
from search_algorithms import Completed, Failed, Outcome


class OnTensorFlow:
    """A task that trains: before its first job, TensorFlow is set up with as many threads as it needs."""

    __slots__ = ()
    needs: Needs

    def prepare(self) -> None:
        """Import TensorFlow; called once in each worker."""
        configure_tensorflow(threads=self.needs.threads)


@dataclass(frozen=True, slots=True)
class Train(OnTensorFlow):
    """Train with `settings`, then run `stages`; return the `metrics` that the data's target scores.

    A candidate's recipe changes the stages that follow recipes, training included, and may leave stages out. With
    `distil` the training itself also learns from a teacher, with the settings of the task. A checkpoint is written
    every `checkpoint_s` seconds; an interrupted job continues from the last one.
    """

    settings: TrainingSettings
    metrics: tuple[Metric, ...] = (ERROR,)
    stages: tuple[Stage, ...] = ()
    checkpoint_s: float = 60.0
    needs: Needs = field(default_factory=Needs)
    distil: Distil | None = None

    @property
    def metric_names(self) -> Sequence[str]:
        """The metrics of the data's target."""
        return tuple(metric.name for metric in self.metrics)

    def check_recipe(self, recipe: Mapping[str, Any]) -> None:
        """Raise `ValueError` for a key that no stage reads, or a value that a stage cannot take."""
        stages = (Fit(self.settings), *self.stages)
        known = {key for stage in stages if isinstance(stage, FollowsRecipe) for key in stage.recipe_keys}
        for key in recipe:
            if key not in known and key != FRONT_END:
                near = suggestion(key, known) or f"; they read {', '.join(sorted(known - set(LAYER_BITS[1:])))}"
                raise ValueError(f"no stage of training reads {key!r} of a recipe{near}")
        stages_under(stages, recipe)

    def __call__(self, job: Job, splits: Splits, progress: Progress = unreported) -> Outcome:
        """Train from the job's seed, and from its weights if it has any. A loss that is not finite is a failure."""
        if job.weights is None and (job.continues is not None or job.inherits is not None):
            source = f"candidate {job.continues}" if job.inherits is None else f"{job.inherits.artefact}"
            return Failed("weights lost", f"there are no weights of {source} to go on from")
        first: Stage = Fit(replace(self.settings, epochs=job.epochs or self.settings.epochs), self.checkpoint_s)
        first, *others = stages_under((first, *self.stages), job.recipe)
        if others and isinstance(others[0], TakesOver) and isinstance(first, Fit):
            whole = others[0].in_place_of(first.settings)
            first, others = (whole, others[1:]) if whole else (first, others)
        if self.distil and isinstance(first, Fit):
            first = replace(self.distil, settings=first.settings, checkpoint_s=self.checkpoint_s)
        stages = [with_teaching(stage, lambda distil: distil.taught_by(job.prepared)) for stage in (first, *others)]
        return staged(stages, job, splits, progress, self.metric_names)


def staged(
    stages: Sequence[Stage], job: Job, splits: Splits, progress: Progress, metric_names: Sequence[str]
) -> Outcome:
    """Run the stages from the job's weights, or from its checkpoint; return the metrics of these names.

    A loss that is not finite is a failure.
    """
    state, begun = TrainState(job.graph, job.weights), 0
    if job.checkpoint is not None:
        state, begun = _restored(job.checkpoint)
    try:
        for number, stage in list(enumerate(stages))[begun:]:
            rng = np.random.default_rng([job.seed, number])
            state = stage(state, splits, rng, partial(_report, progress, number, state))
            state = replace(state, checkpoint=None)
    except TrainingDiverged as error:
        return Failed("diverged", str(error))
    finally:
        release_memory()
    metrics = {name: state.metrics[name] for name in metric_names}
    changed = None if state.graph == job.graph else state.graph
    return Completed(metrics, state.curves, state.weights, changed)


def _report(
    progress: Progress,
    number: int,
    before: TrainState,
    step: int,
    metrics: Mapping[str, float],
    checkpoint: Mapping[str, NDArray[Any]] | None = None,
) -> bool:
    """Report for stage `number`; a checkpoint also holds the results of the stages before it."""
    if checkpoint is None:
        return progress(step, metrics)
    about = {"stage": number, "graph": to_json(before.graph), "curves": before.curves, "metrics": before.metrics}
    arrays = {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
    arrays |= {f"weights/{name}": value for name, value in (before.weights or {}).items()}
    arrays |= {f"stage/{name}": value for name, value in checkpoint.items()}
    return progress(step, metrics, arrays)


def _restored(checkpoint: Mapping[str, NDArray[Any]]) -> tuple[TrainState, int]:
    """The state with which the stage of `_report` starts, with its checkpoint, and the stage's number."""

    def part(name: str) -> dict[str, NDArray[Any]]:
        return {key.partition("/")[2]: value for key, value in checkpoint.items() if key.startswith(f"{name}/")}

    about = json.loads(checkpoint["about"].tobytes())
    curves = {name: tuple(values) for name, values in about["curves"].items()}
    state = TrainState(from_json(about["graph"]), part("weights") or None, curves, about["metrics"])
    return replace(state, checkpoint=part("stage")), about["stage"]
