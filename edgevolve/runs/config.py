"""The configuration of a search."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator

from edgevolve.data import Classes, DataError, DataSet, Fittable, target_of
from edgevolve.data.chosen import needs
from edgevolve.metric import Metric, int8_metric, metrics_of
from edgevolve.runs.devices import DeviceMetrics, device_metrics
from edgevolve.runs.earlier import as_begun
from edgevolve.runs.events import BoardUsed, DeviceUsed
from edgevolve.runs.phenotype import recipe_of
from edgevolve.runs.refused_field import in_one_line
from edgevolve.runs.task import (
    DeviceMemory,
    MetricProvider,
    OfASearch,
    ReadsRecipes,
    Resources,
    Task,
    enough_arena_bytes,
)
from edgevolve.spelling import suggestion
from edgevolve.training import Foresees, Stage, TrainingSettings, foreseen
from predictors import Board, Device, PredictorError, board, boards, device
from resource_models import TARGETS
from search_algorithms import AgingEvolution, Problem, ReadsPrepared, Scheduling, Strategy
from search_space import Elastic, SearchSpace, WithFrontEnd, WithRecipe, networks_of

_RECIPES_TRIED = 50
"""The number of random recipes that the task checks before a search."""

_NETWORKS_TRIED = 12
"""The number of random networks that the stages check before a search."""


class ConfigError(ValueError):
    """A configuration that cannot be run. The message is one line."""


class SearchConfig(BaseModel):
    """Everything that decides a search.

    `evaluations`, `minutes` and `worker_hours` are budgets; the search ends when the first of them is spent. Budgets,
    `workers`, `gpus_per_worker` and `deadline_minutes` may change when a run is resumed.

    `problem` is a `Problem`, or the mapping that `Problem.from_mapping` takes. `stages` follow the training of each
    candidate, such as `Prune()`; a space of `Recipes` sets them. `start` holds genotypes (or their JSON form) that are
    evaluated first. `metrics` adds providers to the resource model; `task` replaces training. `prepare` is a task that
    runs once, before the search: its weights are in `Job.prepared` of every candidate's job, and `Inherit("prepared")`
    refers to them.

    `workers` is by default the number of cores, `gpus_per_worker` an even share of the GPUs that Ray reports. A job
    that neither ends nor reports for `deadline_minutes` fails (default: 20 times the longest time seen, and at least
    2). The search stops after `failures_in_a_row` failures without a success.

    `devices` are packaged names, `.yaml` files or objects (`predictors.device`) whose predictions become metrics:
    `latency_ms` and so on for a single device, `latency_ms@NAME` for each of several. The problem may name a packaged
    device like this without listing it, and a build of TensorFlow Lite Micro as `arena_bytes@cortex-m-dsp`.

    `board` is `"NAME"` or `"NAME/FRAMEWORK"`; NAME is a packaged board or a `.yaml` file. It adds hard bounds on the
    arena of its kernels and on `flash_bytes` to `problem`, and its device to `devices`.

    `slower` is the share of extra work allowed for computing large maps in bands: 0.2 for 20 %. The arena of a
    candidate is then that of the plan with the least arena. Where the problem has a hard bound on `arena_bytes` and no
    other aim for the arena, no board and no front end, it is that of the least work within the bound. `macs` and the
    devices' predictions count the extra work, and export writes the file in bands.

    Raises `ConfigError` for a wrong type, an unknown name or a metric that nobody gives.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, strict=True)

    data: DataSet
    space: SearchSpace[Any]
    problem: Problem
    algorithm: Strategy = AgingEvolution()
    training: TrainingSettings = TrainingSettings()
    stages: tuple[Stage, ...] = ()
    task: Task | None = None
    prepare: Task | None = None
    metrics: tuple[MetricProvider, ...] = ()
    devices: tuple[Device, ...] = ()
    board: Board | None = None
    slower: float = Field(default=0.0, ge=0, le=10, allow_inf_nan=False)
    start: tuple[Any, ...] = ()
    seed: int = Field(default=0, ge=0)
    evaluations: int | None = Field(default=100, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    worker_hours: float | None = Field(default=None, gt=0)
    workers: int | None = Field(default=None, ge=1)
    gpus_per_worker: float | None = Field(default=None, ge=0)
    deadline_minutes: float | None = Field(default=None, gt=0)
    failures_in_a_row: int = Field(default=10, ge=1)
    _as_given: Problem = PrivateAttr()
    """The problem without the bounds of the board."""

    def __init__(self, **fields: Any) -> None:
        """Check every field, then whether they fit together."""
        try:
            super().__init__(**fields)
        except ValidationError as error:
            raise ConfigError(in_one_line(error, SearchConfig.model_fields)) from None
        self._as_given = self.problem
        if self.board:
            bounds = {metric: room.free_bytes for metric, room in self.board.rooms.items()}
            self.__dict__["problem"] = self.problem.within(bounds)
        if self.evaluations is None and self.minutes is None and self.worker_hours is None:
            raise ConfigError("give a budget: evaluations, minutes or worker_hours")
        self._check_fit()

    def _check_fit(self) -> None:
        """Raise `ConfigError` unless the networks fit the data's examples and its target."""
        try:
            target = target_of(self.data)
        except DataError as error:
            raise ConfigError(f"data: {error}") from error
        what, wanted = ("classes", target.number) if isinstance(target, Classes) else ("outputs", target.outputs)
        if self.task is not None and self.stages:
            raise ConfigError("stages need edgevolve's own training; with a task of your own, run them in the task")
        given = {name: getattr(self.space, name, None) for name in ("classes", "outputs")}
        fits = given[what] == wanted or given["outputs"] == target.outputs
        if tuple(self.space.input_shape) != tuple(self.data.input_shape) or not fits:
            name, count = ("outputs", given["outputs"]) if given["classes"] is None else ("classes", given["classes"])
            raise ConfigError(
                f"the space takes {self.space.input_shape} and gives {count} {name}, "
                f"the data has {tuple(self.data.input_shape)} and {wanted}{'' if name == what else f' {what}'}"
            )

    @field_validator("devices", mode="before")
    @classmethod
    def _as_devices(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise ValueError(f"write devices=({value!r},), a tuple, even of one")
        named = [given for given in value if isinstance(given, str) and given.partition("/")[0] in boards()]
        if named:
            raise ValueError(f"{named[0]} is a board: write board={named[0]!r}")
        devices = tuple(device(given) for given in value)
        twice = [name for name, count in Counter(listed.name for listed in devices).items() if count > 1]
        if twice:
            raise ValueError(f"two are named {twice[0]}")
        return devices

    @field_validator("board", mode="before")
    @classmethod
    def _as_board(cls, value: Any) -> Any:
        chosen = board(value) if isinstance(value, str) else value
        if isinstance(chosen, Board):
            chosen.device()  # raises here if something is missing
        return chosen

    @field_validator(
        "data",
        "space",
        "problem",
        "algorithm",
        "training",
        "stages",
        "task",
        "prepare",
        "metrics",
        "devices",
        mode="before",
    )
    @classmethod
    def _no_class(cls, value: Any) -> Any:
        for part in value if isinstance(value, list | tuple) else (value,):
            if isinstance(part, type):
                raise ValueError(f"the class {part.__name__}; write {part.__name__}(...)")
        return value

    @field_validator("problem", mode="before")
    @classmethod
    def _as_problem(cls, value: Any) -> Any:
        return Problem.from_mapping(value) if isinstance(value, Mapping) else value

    @field_validator("start", "stages", "metrics", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @property
    def _given(self) -> set[str]:
        """The metrics that the configuration's own parts give."""
        givers = (*self.metrics, *([self.task] if self.task else ()))
        return {name for giver in givers for name in giver.metric_names}

    @cached_property
    def providers(self) -> tuple[MetricProvider, ...]:
        """The resource model, the memory of devices where the problem asks for it, then the configuration's own."""
        wanted = self.problem.metrics - self._given
        memories = [DeviceMemory(target, *self._bands) for target in (None, *TARGETS.values())]
        asked = (memory for memory in memories if wanted & set(memory.metric_names))
        return (Resources(*self._bands), *asked, *self.metrics, *self.device_metrics)

    @property
    def _bands(self) -> tuple[float, int]:
        """The share of extra work allowed, and the bytes of arena that are small enough."""
        front_end = getattr(self.data, "front_end", None) is not None or isinstance(self.space, WithFrontEnd)
        return self.slower, 0 if front_end or self.board else enough_arena_bytes(self.problem)

    @cached_property
    def beside(self) -> Mapping[str, float]:
        """The costs of the data set's front end on the device, beside any network; empty without one."""
        front_end, raw = getattr(self.data, "front_end", None), getattr(self.data, "data", None)
        if not isinstance(front_end, Fittable) or raw is None:
            return {}
        return needs(front_end, tuple(raw.input_shape))

    @cached_property
    def device_metrics(self) -> tuple[DeviceMetrics, ...]:
        """The predictions of `devices`, of the board's device and of those that the problem names.

        Raises `ConfigError` for a name that is no device.
        """
        try:
            of_board = self.board.device() if self.board else None
            listed = (*self.devices, *((of_board,) if of_board else ()))
            return device_metrics(listed, self.problem.metrics, self._given, *self._bands)
        except PredictorError as error:
            raise ConfigError(f"problem: {error}") from error

    @property
    def devices_used(self) -> tuple[DeviceUsed, ...]:
        """Each device with its metrics and their provenance, for the journal."""
        return tuple(
            DeviceUsed(
                name=device_metric.name, provenance=device_metric.device.provenance, metrics=device_metric.metric_names
            )
            for device_metric in self.device_metrics
        )

    @property
    def board_used(self) -> BoardUsed | None:
        """The board in words, for the journal."""
        if self.board is None:
            return None
        return BoardUsed(name=self.board.name, target=self.board.target.name, words=self.board.words)

    def described(self, task: Task | None) -> tuple[Metric, ...]:
        """A description of every metric of the run, those of the task first, which training decides."""
        learned = (replace(one, learned=True) for one in metrics_of(task)) if task else ()
        return (*learned, *(one for provider in self.providers for one in metrics_of(provider)))

    def check(self, task: Task) -> None:
        """Check that the parts work together, without evaluating anything.

        Raises `ConfigError` when the problem names a metric that neither `task` nor a provider gives, or `start` holds
        an invalid genotype, and `ProblemError` when the algorithm cannot work on the problem or with the epochs.
        """
        providers = (*self.providers, DeviceMemory())
        known = {name for provider in providers for name in provider.metric_names} | set(task.metric_names)
        unknown = sorted(self.problem.metrics - known)
        if unknown:
            named = {name for target in TARGETS.values() for name in DeviceMemory(target).metric_names}
            if self.task is None:
                scores = target_of(self.data).metrics
                named |= {one.name for one in (*scores, *map(int8_metric, scores))}
            hint = "" if self.devices else "; for latency and energy name a device, as devices=('edge_tpu_v6',)"
            hint = suggestion(unknown[0], known | named) or hint
            raise ConfigError(f"unknown metric {unknown[0]!r} in problem: known are {', '.join(sorted(known))}{hint}")
        counts = Counter([*task.metric_names, *(name for one in self.providers for name in one.metric_names)])
        twice = [name for one in self.device_metrics for name in one.metric_names if counts[name] > 1]
        if twice:
            raise ConfigError(f"metric {twice[0]!r} is given by a device and by metrics or task: keep one of them")
        if isinstance(task, ReadsRecipes):
            rng = np.random.default_rng(self.seed)
            try:
                for _ in range(_RECIPES_TRIED if isinstance(self.space, WithRecipe) else 0):
                    task.check_recipe(recipe_of(self.space, self.space.sample(rng)))
            except ValueError as error:
                raise ConfigError(f"space: {error}") from error
        self._check_foreseen()
        self._check_inheritance(task)
        if isinstance(self.algorithm, Scheduling):
            self.algorithm.check_epochs(self.training.epochs)
        started = self.algorithm.start(self.space, self.problem, self.seed, lambda genotype: {})
        if isinstance(started, ReadsPrepared) and self.prepare is None:
            name = type(self.algorithm).__name__
            raise ConfigError(f"{name} needs the result of a job before the search: give prepare, such as DARTS()")
        _ = self.preparing
        try:
            for genotype in self.start_genotypes:
                self.space.graph(genotype)
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError(f"start: not a genotype of the space ({error})") from error

    def _check_foreseen(self) -> None:
        """Raise `ConfigError` where a stage makes networks that no runtime runs, of some networks of the space."""
        rng = np.random.default_rng(self.seed)
        stages = [stage for stage in self.stages if isinstance(stage, Foresees)]
        try:
            for _ in range(_NETWORKS_TRIED if stages else 0):
                genotype = self.space.sample(rng)
                foreseen(self.space.graph(genotype), stages, recipe_of(self.space, genotype))
        except ValueError as error:
            raise ConfigError(f"stages: {error}") from error

    def _check_inheritance(self, task: Task) -> None:
        """Raise `ConfigError` where weights are to be inherited and there are none, or only those of another space."""
        space, inherits = getattr(self.prepare, "space", self.space), isinstance(networks_of(self.space), Elastic)
        if space != self.space and not (inherits and space == networks_of(self.space)):
            raise ConfigError(
                f"prepare: it makes weights for {space}, but the search is over {self.space}; give one space to both"
            )
        if not getattr(task, "inherits", False):
            return
        name = type(task).__name__
        if self.prepare is None:
            raise ConfigError(f"task: {name} scores inherited weights; add prepare=Supernet(space, minutes=10)")
        if not inherits:
            kind = type(self.space).__name__
            raise ConfigError(f"task: {name} needs a space that has `inherit`, such as MobileSpace; {kind} has none")

    @property
    def preparing(self) -> Task | None:
        """The job before the search, made for the configuration's space and problem. Raises `ConfigError`."""
        if not isinstance(self.prepare, OfASearch):
            return self.prepare
        try:
            return self.prepare.within(self.space, self.problem, self.providers)
        except ValueError as error:
            raise ConfigError(f"prepare: {error}") from error

    def with_fields(self, **fields: Any) -> "SearchConfig":
        """A copy with other values, checked like the original."""
        kept = {name: getattr(self, name) for name in SearchConfig.model_fields} | {"problem": self._as_given}
        return SearchConfig(**{**kept, **fields})

    def as_begun(self, known: Mapping[str, Any]) -> "SearchConfig":
        """A copy that behaves like the run that began with `known`, the configuration in its journal.

        Parameters that are newer than the journal hold what was done before they existed (`runs.earlier`).
        """
        held = {name: getattr(self, name) for name in SearchConfig.model_fields}
        then = {name: as_begun(value, known.get(name)) for name, value in held.items()}
        changes = {name: value for name, value in then.items() if value is not held[name]}
        return self.with_fields(**changes) if changes else self

    @property
    def start_genotypes(self) -> list[Any]:
        """`start`, as genotypes of the space."""
        plain = [g if isinstance(g, dict | list) else self.space.to_json(g) for g in self.start]
        return [self.space.from_json(genotype) for genotype in plain]


ON_RESUME = ("evaluations", "minutes", "worker_hours", "workers", "gpus_per_worker", "deadline_minutes")
"""Fields that may differ between a journal and the configuration that resumes it."""
