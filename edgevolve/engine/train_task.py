"""The task of a search: train a candidate, stage by stage, and score it on the validation split."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgevolve.data import Splits
from edgevolve.data.target import ERROR
from edgevolve.metric import Metric
from edgevolve.runs import Job
from edgevolve.training import Fit, Progress, Stage, TrainingDiverged, TrainingSettings, TrainState, unheard
from search_algorithms import Completed, Failed, Outcome


@dataclass(frozen=True, slots=True)
class Train:
    """Train with `settings`, then go through `stages`; gives the `metrics` that the data's target scores."""

    settings: TrainingSettings
    metrics: tuple[Metric, ...] = (ERROR,)
    stages: tuple[Stage, ...] = ()

    @property
    def metric_names(self) -> Sequence[str]:
        """Those of `metrics`."""
        return tuple(metric.name for metric in self.metrics)

    def prepare(self) -> None:
        """Import TensorFlow, one thread a worker."""
        from edgevolve.training.session import configure_tensorflow

        configure_tensorflow(threads=1)

    def __call__(self, job: Job, splits: Splits, progress: Progress = unheard) -> Outcome:
        """Train from the job's seed, and from its weights if it continues. A loss that is not finite is a failure."""
        from edgevolve.training.session import release_memory

        if job.weights is None and (job.continues is not None or job.inherits is not None):
            source = f"candidate {job.continues}" if job.inherits is None else f"{job.inherits.artefact}"
            return Failed("weights lost", f"there are no weights of {source} to go on from")
        first = Fit(replace(self.settings, epochs=job.epochs or self.settings.epochs))
        state = TrainState(job.graph, job.weights)
        try:
            for number, stage in enumerate((first, *self.stages)):
                state = stage(state, splits, np.random.default_rng([job.seed, number]), progress)
        except TrainingDiverged as error:
            return Failed("diverged", str(error))
        finally:
            release_memory()
        found = {name: state.metrics[name] for name in self.metric_names}
        changed = None if state.graph == job.graph else state.graph
        return Completed(found, state.curves, state.weights, changed)
