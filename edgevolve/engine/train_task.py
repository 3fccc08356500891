"""The task of a search: train a candidate and measure its validation error."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgevolve.data import Splits
from edgevolve.data.target import ERROR
from edgevolve.runs import Job
from edgevolve.runs.task import Progress, unheard
from edgevolve.training import TrainingDiverged, TrainingSettings
from search_algorithms import Completed, Failed, Outcome


@dataclass(frozen=True, slots=True)
class Train:
    """Train with `settings`; gives `error`, the fraction of the validation split that the kept weights get wrong."""

    settings: TrainingSettings

    @property
    def metric_names(self) -> Sequence[str]:
        """`error`."""
        return (ERROR.name,)

    def prepare(self) -> None:
        """Import TensorFlow, one thread a worker."""
        from edgevolve.training.session import configure_tensorflow

        configure_tensorflow(threads=1)

    def __call__(self, job: Job, splits: Splits, progress: Progress = unheard) -> Outcome:
        """Train from the job's seed, and from its weights if it continues. A loss that is not finite is a failure."""
        from edgevolve.training.session import release_memory
        from edgevolve.training.trainer import train

        if job.weights is None and (job.continues is not None or job.inherits is not None):
            source = f"candidate {job.continues}" if job.inherits is None else f"{job.inherits.artefact}"
            return Failed("weights lost", f"there are no weights of {source} to go on from")
        settings = replace(self.settings, epochs=job.epochs or self.settings.epochs)
        try:
            trained = train(job.graph, splits.train, splits.validation, settings, job.seed, job.weights)
        except TrainingDiverged as error:
            return Failed("diverged", str(error))
        finally:
            release_memory()
        return Completed({ERROR.name: trained.error}, trained.curves, trained.weights)
