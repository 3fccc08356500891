"""Distillation: a network learns from the labels and from a larger network's answers (Hinton, Vinyals & Dean 2015)."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Classes, Rows, Splits, Target, classes_of
from edgevolve.graph import Graph, from_json
from edgevolve.training.settings import TrainingSettings
from edgevolve.training.stage import Arrays, Progress, TrainState

PREPARED = "prepared"
"""Names the teacher that `SearchConfig(prepare=Teach(...))` trained."""

ABOUT = "teacher"
"""The array, among a prepared teacher's weights, of its network's JSON."""

_SETTINGS = TrainingSettings(epochs=10, learning_rate=0.02)


class Teacher(Protocol):
    """A network that answers examples."""

    def outputs(self, x: Rows, target: Target) -> NDArray[np.float32]:
        """What it answers, (number, outputs): logits of classes, values of other targets."""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A `Teacher` that is a network of edgevolve."""

    graph: Graph
    weights: Arrays

    def outputs(self, x: Rows, target: Target) -> NDArray[np.float32]:
        """The outputs of the float network, batch norm folded."""
        from edgevolve.training.trainer import answered

        return answered(self.graph, self.weights, x, target)


@dataclass(frozen=True, slots=True)
class Distil:
    """A stage: training continues and also learns from a `teacher`.

    `Fit`, `Prune` and `Quantise` take one as `distil=`.

    `teacher` is a `.keras` file, a candidate as `RUN:N` or by a word of `--pick` whose weights were kept, or
    "prepared": what `SearchConfig(prepare=Teach(...))` trained. It must have learned from the same training split, so
    that it saw no validation data. The fingerprint in the run, or in the manifest next to the file, decides. A file
    from elsewhere has none; `elsewhere=True` states that it never saw these data.

    The loss is (1 - weight) · loss of the labels + weight · temperature² · cross-entropy between both networks' answers
    at that temperature; for values and the input itself, the squared distance of both answers takes its place. The
    teacher answers examples as they are, not augmented.
    """

    teacher: str | Teacher
    temperature: float = 4.0
    weight: float = 0.5
    elsewhere: bool = False
    settings: TrainingSettings = _SETTINGS
    checkpoint_s: float = 60.0

    def __post_init__(self) -> None:
        if isinstance(self.temperature, bool) or not 0 < self.temperature < math.inf:
            raise ValueError(f"Distil: temperature must be above 0, not {self.temperature!r}")
        if isinstance(self.weight, bool) or not 0 < self.weight <= 1:
            raise ValueError(f"Distil: weight must be above 0 and at most 1, not {self.weight!r}")
        named = self.teacher
        if isinstance(named, str) and not (named == PREPARED or named.endswith(".keras") or ":" in named):
            raise ValueError(
                f"Distil: teacher {named!r}: give FILE.keras, {PREPARED!r}, or RUN:N such as artifacts/digits:best"
            )

    def __call__(self, state: TrainState, data: Splits, rng: np.random.Generator, progress: Progress) -> TrainState:
        """Train for `data.target`; the epoch kept is that of the lowest validation loss, by the labels alone."""
        from edgevolve.training.trainer import train

        trained = train(
            state.graph,
            data.train,
            data.validation,
            self.settings,
            int(rng.integers(2**63)),
            state.weights,
            data.target,
            progress,
            state.checkpoint,
            self.checkpoint_s,
            lesson=self.lesson(state.graph, data, self.settings),
        )
        curves = {name: (*state.curves.get(name, ()), *values) for name, values in trained.curves.items()}
        return TrainState(state.graph, trained.weights, {**state.curves, **curves}, trained.metrics)

    def taught_by(self, prepared: Arrays | None) -> "Distil":
        """With the teacher that the job before the search trained; unchanged where `teacher` names another."""
        if self.teacher != PREPARED:
            return self
        if prepared is None or ABOUT not in prepared:
            raise ValueError("Distil: no teacher was prepared; add prepare=Teach(...) to the configuration")
        about = json.loads(bytes(prepared[ABOUT]))
        weights = {name: value for name, value in prepared.items() if name != ABOUT}
        return replace(self, teacher=Network(from_json(about["graph"]), weights))

    def lesson(self, graph: Graph, data: Splits, settings: TrainingSettings) -> Any:
        """What is learned from labels and teacher, a `trainer.Lesson`. Raises `ValueError` where they do not fit."""
        from edgevolve.training.losses import taught_loss
        from edgevolve.training.trainer import Lesson

        if isinstance(self.teacher, str):
            raise ValueError(f"Distil: {self.teacher} is a name; `with_teachers` of edgevolve.engine loads teachers")
        units = graph.outputs[0].shape[-1]
        target = data.target or classes_of(units)
        given = self.teacher.outputs(data.train.x, target)
        if isinstance(target, Classes):
            given = as_logits(given, units)
        if given.shape[1] != units:
            raise ValueError(f"Distil: a teacher of {given.shape[1]} outputs cannot teach a network of {units}")
        wanted = target.answers(data.train.y[:])
        own = np.zeros((len(given), 0), np.float32) if wanted is None else wanted.reshape(len(given), -1)
        answers = np.concatenate([own, given], axis=1, dtype=np.float32)
        return Lesson(answers, taught_loss(target, settings, own.shape[1], self.temperature, self.weight))


def with_teaching(stage: Any, change: Callable[[Distil], Distil]) -> Any:
    """The stage with its `Distil` changed, where it is one or has one as `distil`."""
    if isinstance(stage, Distil):
        return change(stage)
    names = [field.name for field in fields(stage)] if is_dataclass(stage) else []
    return replace(stage, distil=change(stage.distil)) if "distil" in names and stage.distil else stage


def as_logits(given: NDArray[np.float32], units: int) -> NDArray[np.float32]:
    """Logits of two classes as one, their difference, or as two, where a network of `units` outputs needs them so."""
    if units == 1 and given.shape[1] == 2:
        return given[:, 1:] - given[:, :1]
    if units == 2 and given.shape[1] == 1:
        return np.concatenate([np.zeros_like(given), given], axis=1)
    return given


def prepared_arrays(graph: Mapping[str, Any], weights: Arrays) -> dict[str, NDArray[Any]]:
    """A teacher as `Distil.taught_by` reads it: `graph` is its JSON."""
    return {**weights, ABOUT: np.frombuffer(json.dumps({"graph": graph}).encode(), np.uint8)}
