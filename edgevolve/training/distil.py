"""Distillation: a network learns from the labels and from a larger network's outputs (Hinton, Vinyals & Dean 2015)."""

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
"""The name of the teacher that `SearchConfig(prepare=Teach(...))` trained."""

ABOUT = "teacher"
"""The name of the array, among a prepared teacher's weights, that holds its network's JSON."""

_SETTINGS = TrainingSettings(epochs=10, learning_rate=0.02)


class Teacher(Protocol):
    """A network that gives outputs for examples."""

    def outputs(self, x: Rows, target: Target) -> NDArray[np.float32]:
        """Its outputs, (number, outputs): logits of classes, values of other targets."""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A `Teacher` from a graph and its weights."""

    graph: Graph
    weights: Arrays

    def outputs(self, x: Rows, target: Target) -> NDArray[np.float32]:
        """The outputs of the float network, batch norm folded."""
        from edgevolve.training.trainer import answered

        return answered(self.graph, self.weights, x, target)


@dataclass(frozen=True, slots=True)
class Distil:
    """A stage: training continues, and the network also learns from a `teacher`.

    `teacher` is a `.keras` file, a candidate whose weights were kept, as `RUN:N` or `RUN:` with a word of `--pick`, or
    "prepared": the network that `SearchConfig(prepare=Teach(...))` trained. It must have learned from the same training
    split, so that it saw no validation data; the fingerprint in the run, or in the manifest next to the file, decides.
    A file from elsewhere has none: `elsewhere=True` states that it never saw these data.

    The loss is (1 - weight) · loss of the labels + weight · temperature² · cross-entropy between the outputs of both
    networks at that temperature. For values and for the input itself, the mean squared difference of both outputs
    replaces the second term, without the temperature. The teacher sees examples as they are, not augmented.

    Other stages take a `Distil` as `distil=`. Raises `ValueError` for settings that cannot work.
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
        from edgevolve.training.trainer import train_on

        seed, lesson = int(rng.integers(2**63)), self.lesson(state.graph, data, self.settings)
        trained = train_on(state, data, self.settings, seed, progress, self.checkpoint_s, lesson=lesson)
        return TrainState(state.graph, trained.weights, state.continued(trained.curves), trained.metrics)

    def taught_by(self, prepared: Arrays | None) -> "Distil":
        """This stage with the teacher that the job before the search trained; unchanged where it names another.

        Raises `ValueError` where no teacher was prepared.
        """
        if self.teacher != PREPARED:
            return self
        if prepared is None or ABOUT not in prepared:
            raise ValueError("Distil: no teacher was prepared; add prepare=Teach(...) to the configuration")
        about = json.loads(bytes(prepared[ABOUT]))
        weights = {name: value for name, value in prepared.items() if name != ABOUT}
        return replace(self, teacher=Network(from_json(about["graph"]), weights))

    def lesson(self, graph: Graph, data: Splits, settings: TrainingSettings) -> Any:
        """The `trainer.Lesson` of labels and teacher. Raises `ValueError` where teacher and network do not fit."""
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
    """The stage with its `Distil` changed, where it is a `Distil` or has one as `distil`."""
    if isinstance(stage, Distil):
        return change(stage)
    names = [field.name for field in fields(stage)] if is_dataclass(stage) else []
    return replace(stage, distil=change(stage.distil)) if "distil" in names and stage.distil else stage


def as_logits(given: NDArray[np.float32], units: int) -> NDArray[np.float32]:
    """Logits of two classes in the form that a network of `units` outputs has: one, the difference, or two."""
    if units == 1 and given.shape[1] == 2:
        return given[:, 1:] - given[:, :1]
    if units == 2 and given.shape[1] == 1:
        return np.concatenate([np.zeros_like(given), given], axis=1)
    return given


def prepared_arrays(graph: Mapping[str, Any], weights: Arrays) -> dict[str, NDArray[Any]]:
    """A teacher as the arrays that `Distil.taught_by` reads; `graph` is the network as JSON."""
    return {**weights, ABOUT: np.frombuffer(json.dumps({"graph": graph}).encode(), np.uint8)}
