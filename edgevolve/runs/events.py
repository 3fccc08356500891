"""The lines of a journal. Fields are only ever added, so that old journals can always be read."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from edgevolve.metric import Metric


class _Event(BaseModel):
    """Seconds since 1970 at which it was written."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    time: float


class DeviceUsed(BaseModel):
    """A device that predicts metrics of the candidates: their names, and their provenance in words."""

    model_config = ConfigDict(frozen=True)

    name: str
    provenance: str
    metrics: tuple[str, ...]


class BoardUsed(BaseModel):
    """The board whose bounds apply, with its description, its free memory and the sources of these figures in words.

    `target` names the build of TensorFlow Lite Micro that it runs.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    target: str
    words: tuple[str, ...]


class Inherited(BaseModel):
    """The JSON form of `search_algorithms.Inherit`."""

    model_config = ConfigDict(frozen=True)

    artefact: int | str
    how: dict[str, Any] = {}


class Started(_Event):
    """The first line: the whole configuration, the versions in use, the data's fingerprint, the metrics."""

    event: Literal["started"] = "started"
    version: Literal[1] = 1
    name: str
    config: dict[str, Any]
    versions: dict[str, str]
    data: dict[str, Any]
    workers: int
    devices: tuple[DeviceUsed, ...] = ()
    board: BoardUsed | None = None
    metrics: tuple[Metric, ...] = ()


class Resumed(_Event):
    """The run continues in a new process."""

    event: Literal["resumed"] = "resumed"
    config: dict[str, Any]
    versions: dict[str, str]
    workers: int


class _Asked(_Event):
    number: int = Field(ge=0)
    genotype: Any
    description: str
    change: str
    parents: tuple[int, ...]
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]] = {}
    epochs: int | None = None
    continues: int | None = None
    recipe: dict[str, Any] = {}
    inherits: Inherited | None = None


class Asked(_Asked):
    """A candidate is about to be evaluated; `metrics` are those known before training.

    `graph` is its canonical JSON. `intervals` hold (low, high) of the metrics whose error is known.
    """

    event: Literal["asked"] = "asked"
    graph_hash: str
    graph: dict[str, Any]


class Rejected(_Asked):
    """A candidate that breaks a hard bound, or whose network is that of candidate `twin`."""

    event: Literal["rejected"] = "rejected"
    reason: str
    twin: int | None = None
    broken: tuple[str, ...] = ()


class _Ran(_Event):
    started: float
    ended: float
    worker: str
    node: str
    attempts: int = 1


class Failure(BaseModel):
    """The JSON form of `search_algorithms.Failed`."""

    model_config = ConfigDict(frozen=True)

    kind: str
    reason: str
    traceback: str = ""


class Prepared(_Ran):
    """The job before the search ended; `artefact` holds its weights, if there are any."""

    event: Literal["prepared"] = "prepared"
    metrics: dict[str, float] = {}
    curves: dict[str, tuple[float, ...]] = {}
    artefact: str | None = None
    failure: Failure | None = None


class Progressed(_Event):
    """A report of a running job; `number` is None for the job before the search.

    `artefact` is a checkpoint from which the job continues if it is retried or resumed.
    """

    event: Literal["progressed"] = "progressed"
    number: int | None = Field(ge=0)
    step: int
    metrics: dict[str, float]
    artefact: str | None = None


class _Ended(_Ran):
    number: int = Field(ge=0)


class Finished(_Ended):
    """All metrics of an evaluated candidate, and its training curves by epoch.

    If training changed the network, `graph` is its canonical JSON, and `intervals` belong to it.
    """

    event: Literal["finished"] = "finished"
    metrics: dict[str, float]
    curves: dict[str, tuple[float, ...]] = {}
    graph: dict[str, Any] | None = None
    intervals: dict[str, tuple[float, float]] = {}


class Failed(_Ended):
    """An evaluation that gave no metrics."""

    event: Literal["failed"] = "failed"
    kind: str
    reason: str
    traceback: str = ""


class Retrained(_Ran):
    """A candidate trained again from scratch after the search; `artefact` holds its weights.

    `how` holds the options other than the epochs, such as `quantise` and `distil`. If training changed the network,
    `graph` is its canonical JSON.
    """

    event: Literal["retrained"] = "retrained"
    number: int = Field(ge=0)
    seed: int
    epochs: int
    metrics: dict[str, float] = {}
    curves: dict[str, tuple[float, ...]] = {}
    artefact: str | None = None
    failure: Failure | None = None
    how: dict[str, Any] = {}
    graph: dict[str, Any] | None = None


class Standard(_Ran):
    """A standard network of the field (`search_space.topologies`) trained beside the search, and all its metrics."""

    event: Literal["standard"] = "standard"
    name: str
    epochs: int
    metrics: dict[str, float] = {}
    curves: dict[str, tuple[float, ...]] = {}
    failure: Failure | None = None


class Tested(_Event):
    """The test split was used: the scores of a candidate's weights `artefact` on it, in float and in int8."""

    event: Literal["tested"] = "tested"
    number: int = Field(ge=0)
    artefact: str
    scores: dict[Literal["float", "int8"], dict[str, float]]


class Stopped(_Event):
    """The search ended, and why. If the run continues, the next line is `resumed`."""

    event: Literal["stopped"] = "stopped"
    cause: Literal["budget", "exhausted", "infeasible", "failures", "interrupted"]
    reason: str


Later = Retrained | Standard | Tested
"""Events after the search of a run."""

Event = Started | Resumed | Prepared | Asked | Rejected | Progressed | Finished | Failed | Later | Stopped

EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])
"""Reads and checks one line."""


def is_lasting(event: Event) -> bool:
    """Whether an event must be on the disk before the search goes on; `asked` and `rejected` can be recomputed."""
    if isinstance(event, Progressed):
        return event.artefact is not None
    return not isinstance(event, Asked | Rejected)
