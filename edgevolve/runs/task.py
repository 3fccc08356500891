"""What is computed for a candidate: cheap metrics from the graph, and a task for the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from edgevolve.data import Splits
from edgevolve.graph import Graph, from_json, to_json
from predictors import Estimated
from resource_models import CORTEX_M, Target, macs, measure, model_size, peak_memory
from search_algorithms import Metrics, Outcome


@dataclass(frozen=True, slots=True)
class Job:
    """One evaluation: everything that decides its outcome.

    `genotype` is the JSON form; `graph` stands in canonical order; `seed` is a function of the run's seed
    and the candidate's number; `metrics` are those known before the job. Where the candidate `continues` another,
    `weights` are those that one ended with, or None where they are lost; `epochs` are those to train for, None for as
    many as the training settings say.
    """

    number: int
    genotype: Any
    graph: Graph
    seed: int
    metrics: Metrics
    epochs: int | None = None
    continues: int | None = None
    weights: Mapping[str, NDArray[Any]] | None = None


@runtime_checkable
class Task(Protocol):
    """How a job becomes an outcome. Sent to the workers by value."""

    @property
    def metric_names(self) -> Sequence[str]:
        """The metrics that a completed job has beside those known before."""

    def prepare(self) -> None:
        """Called once in each worker before its first job, to import and set up."""

    def __call__(self, job: Job, splits: Splits) -> Outcome:
        """Evaluate. An exception counts as `Failed`. `splits.test` is empty here."""


@runtime_checkable
class MetricProvider(Protocol):
    """Metrics that follow from the graph alone, before training."""

    @property
    def metric_names(self) -> Sequence[str]:
        """The names that `__call__` gives."""

    def __call__(self, graph: Graph) -> Mapping[str, float | Estimated]:
        """A value for each name, with an interval where its error is known.

        Raises `PredictorError` for a network of which it cannot tell; such a candidate is rejected.
        """


@dataclass(frozen=True, slots=True)
class Resources:
    """Peak memory (network input counted), model size and multiply-accumulates."""

    @property
    def metric_names(self) -> Sequence[str]:
        """Three names; `resource_models` says what each counts."""
        return ("peak_memory_bytes", "model_size_bytes", "macs")

    def __call__(self, graph: Graph) -> Mapping[str, float]:
        """A value for each name."""
        return {
            "peak_memory_bytes": peak_memory(graph).peak_bytes,
            "model_size_bytes": model_size(graph),
            "macs": macs(graph),
        }


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """What the exported file will need on a device that runs TensorFlow Lite Micro.

    Without a target the metrics are `arena_bytes` and `flash_bytes`, for a 32-bit Cortex-M with the reference
    kernels; with one they are `arena_bytes@NAME` alone, as the file is the same for all.
    """

    target: Target | None = None

    @property
    def metric_names(self) -> Sequence[str]:
        """The smallest arena that works, with the file's memory plan, and the size of the `.tflite`."""
        return (f"arena_bytes@{self.target.name}",) if self.target else ("arena_bytes", "flash_bytes")

    def __call__(self, graph: Graph) -> Mapping[str, float]:
        """A value for each name, for the graph in canonical order, as it is exported."""
        found = measure(from_json(to_json(graph)), self.target or CORTEX_M)
        return dict(zip(self.metric_names, (found.arena_bytes, found.flash_bytes), strict=False))
