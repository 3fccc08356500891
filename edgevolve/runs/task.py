"""What is computed for a candidate: cheap metrics from its graph, and a task for all others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from edgevolve.data import Splits
from edgevolve.graph import Graph, from_json, to_json
from edgevolve.runs.artefacts import Arrays
from edgevolve.training import Progress
from predictors import Estimated
from resource_models import (
    ARENA,
    CORTEX_M,
    FLASH,
    MACS,
    MODEL_SIZE,
    PEAK_MEMORY,
    Footprint,
    Target,
    in_bands,
    macs,
    measure,
    measure_in_bands,
    model_size,
    peak_memory,
)
from search_algorithms import Inherit, Metrics, Outcome, Problem
from search_space import SearchSpace


@dataclass(frozen=True, slots=True)
class Needs:
    """What one job of a task needs: processors, GPUs (None: an even share of all) and threads."""

    cpus: int = 1
    gpus: float | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        for name, least in (("cpus", 1), ("threads", 1)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise ValueError(f"Needs: {name} must be a whole number of at least {least}, not {value!r}")
        if self.gpus is not None and not self.gpus >= 0:
            raise ValueError(f"Needs: gpus must be at least 0, not {self.gpus!r}")


@dataclass(frozen=True, slots=True)
class Job:
    """One evaluation: everything that decides its outcome.

    `genotype` is in its JSON form; `graph` is in canonical order; `seed` is a function of the run's seed and the
    candidate's number; `metrics` are those known before the job. If the candidate `continues` another or `inherits`,
    `weights` are the weights to start from, or None if they are lost. `epochs` are the epochs to train for (None: those
    of the training settings); `recipe` is what the genotype says about training.

    `checkpoint` is what an earlier attempt at this job reported last. `prepared` is the result of the configuration's
    `prepare`. The job before the search has the number -1; its graph is only the network's input.
    """

    number: int
    genotype: Any
    graph: Graph
    seed: int
    metrics: Metrics
    epochs: int | None = None
    continues: int | None = None
    weights: Arrays | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    inherits: Inherit | None = None
    checkpoint: Arrays | None = None
    prepared: Arrays | None = None


@runtime_checkable
class Task(Protocol):
    """Turns a job into an outcome. It is sent to the workers by value.

    An attribute `metrics`, a tuple of `edgevolve.metric.Metric`, may describe its own metrics. A task may leave out
    `progress` and take two arguments. It may have an attribute `needs`, a `Needs`.
    """

    @property
    def metric_names(self) -> Sequence[str]:
        """The metrics that a completed job adds to those known before."""

    def prepare(self) -> None:
        """Import and set up; called once in each worker before its first job."""

    def __call__(self, job: Job, splits: Splits, progress: Progress) -> Outcome:
        """Evaluate the job. An exception counts as `Failed`. `splits.test` is empty."""


@runtime_checkable
class OfASearch(Protocol):
    """A task before the search that needs the configuration's space, problem and metrics."""

    def within(self, space: SearchSpace[Any], problem: Problem, providers: "Sequence[MetricProvider]") -> Task:
        """The task for a search. Raises `ValueError`, in one line, where it cannot work."""


@runtime_checkable
class ReadsRecipes(Protocol):
    """A task that can check recipes."""

    def check_recipe(self, recipe: Mapping[str, Any]) -> None:
        """Raise `ValueError`, in one line, for a key that it does not read or a value that it cannot take."""


@runtime_checkable
class MetricProvider(Protocol):
    """Gives metrics that follow from the graph alone, before training; `metrics` may describe them as in a `Task`."""

    @property
    def metric_names(self) -> Sequence[str]:
        """The names that `__call__` gives."""

    def __call__(self, graph: Graph) -> Mapping[str, float | Estimated]:
        """A value for each name, with an interval where its error is known.

        Raises `PredictorError` for a network that it cannot predict; such a candidate is rejected.
        """


@dataclass(frozen=True, slots=True)
class Resources:
    """Peak memory (network input counted), model size and multiply-accumulates.

    With `slower` above 0, multiply-accumulates are those of the network in bands (`resource_models.in_bands`), and peak
    memory that of the network without them.
    """

    slower: float = 0.0
    most_arena_bytes: int = 0

    @property
    def metric_names(self) -> Sequence[str]:
        """`peak_memory_bytes`, `model_size_bytes` and `macs`; `resource_models` says what each counts."""
        return (PEAK_MEMORY.name, MODEL_SIZE.name, MACS.name)

    def __call__(self, graph: Graph) -> Mapping[str, float]:
        """A value for each name."""
        return {
            PEAK_MEMORY.name: peak_memory(graph).peak_bytes,
            MODEL_SIZE.name: model_size(graph),
            MACS.name: _work(graph, self.slower, self.most_arena_bytes),
        }


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """The memory that the exported file will need under TensorFlow Lite Micro.

    Without a target the metrics are `arena_bytes` and `flash_bytes`, for a 32-bit Cortex-M with the reference kernels.
    With a target it is `arena_bytes@NAME` alone, since the file is the same for all targets. With `slower` above 0 they
    are those of the network in bands (`resource_models.in_bands`).
    """

    target: Target | None = None
    slower: float = 0.0
    most_arena_bytes: int = 0

    @property
    def metric_names(self) -> Sequence[str]:
        """The smallest arena that works under the file's memory plan, and the size of the `.tflite`."""
        return (f"{ARENA.name}@{self.target.name}",) if self.target else (ARENA.name, FLASH.name)

    def __call__(self, graph: Graph) -> Mapping[str, float]:
        """A value for each name, for the graph in canonical order, as it is exported."""
        footprint = _measured(_exported(graph), self.target or CORTEX_M, self.slower, self.most_arena_bytes)
        return dict(zip(self.metric_names, (footprint.arena_bytes, footprint.flash_bytes), strict=False))


def _exported(graph: Graph) -> Graph:
    """The graph in canonical order, in which it is exported."""
    return from_json(to_json(graph))


def _measured(graph: Graph, target: Target, slower: float, most_arena_bytes: int) -> Footprint:
    return measure_in_bands(graph, slower, most_arena_bytes, target) if slower > 0 else measure(graph, target)


def _work(graph: Graph, slower: float, most_arena_bytes: int) -> int:
    """Multiply-accumulates, with the extra work of bands."""
    more = in_bands(_exported(graph), slower, most_arena_bytes).slower if slower > 0 else 0.0
    return round(macs(graph) * (1 + more))


def enough_arena_bytes(problem: Problem) -> int:
    """The hard bound on `arena_bytes`; 0 where there is none, or where a smaller arena is better.

    It is better where the arena is an objective, has a soft bound, or is bounded for other kernels as well.
    """
    bounds = [one for one in problem.constraints if one.metric == ARENA.name and one.hard]
    asked = [*(one.metric for one in problem.objectives), *(one.metric for one in problem.constraints)]
    alone = len(bounds) == sum(name.partition("@")[0] == ARENA.name for name in asked)
    return int(min(one.bound for one in bounds)) if bounds and alone else 0
