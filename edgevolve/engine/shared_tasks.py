"""Once-for-All as two tasks: one trains shared weights before the search, one scores candidates that inherit them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Splits, fingerprint
from edgevolve.data.target import ERROR
from edgevolve.engine.train_task import OnTensorFlow, staged
from edgevolve.graph import from_json, to_json
from edgevolve.metric import Metric
from edgevolve.runs import Job
from edgevolve.runs.task import Needs
from edgevolve.spelling import suggestion
from edgevolve.training import Fit, Progress, Stage, TrainingDiverged, TrainingSettings, TrainState, unreported
from edgevolve.training.recalibrate import Recalibrate
from edgevolve.training.session import release_memory
from edgevolve.training.supernet import METHODS, Method, SharedTraining
from search_algorithms import Completed, Failed, Outcome
from search_space import networks_of
from search_space.shared import ABOUT, Sharing

LARGEST_BYTES = 512 << 20
"""The most bytes of shared weights; training takes three times as much memory."""


@dataclass(frozen=True, slots=True)
class Supernet(OnTensorFlow):
    """Train one set of weights for all networks of `space`: `SearchConfig(prepare=Supernet(space, minutes=10))`.

    `method` is "sandwich" (in each step the largest network, and the smallest and two random ones, which learn from it
    and from labels), "progressive" (Once-for-All's shrinking, with a teacher) or "random" (one random network a step).
    The budget is `minutes`, or the epochs of `training` where that is None. A checkpoint is written every
    `checkpoint_s` seconds. Raises `ValueError` for a space whose networks cannot share weights.
    """

    space: Any
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(epochs=60))
    method: Method = "sandwich"
    minutes: float | None = None
    checkpoint_s: float = 60.0
    needs: Needs = field(default_factory=Needs)

    def __post_init__(self) -> None:
        if not isinstance(self.space, Sharing):
            kind = type(self.space).__name__
            there = isinstance(networks_of(self.space), Sharing)
            way = "give it the space within" if there else "those of MobileSpace and CnnSpace can"
            raise ValueError(f"Supernet: the networks of {kind} cannot share weights; {way}")
        if self.method not in METHODS:
            near = suggestion(str(self.method), METHODS)
            raise ValueError(f"Supernet: method must be one of {', '.join(METHODS)}, not {self.method!r}{near}")
        if self.minutes is not None and not self.minutes > 0:
            raise ValueError(f"Supernet: minutes must be above 0, not {self.minutes!r}")
        for name in ("average", "inherited_epochs"):
            if getattr(self.training, name):
                raise ValueError(f"Supernet: training.{name} is not for shared weights; leave it out")
        if 4 * self.space.program.size > LARGEST_BYTES:
            raise ValueError(
                f"Supernet: shared weights of this space take {4 * self.space.program.size / 1e6:,.0f} MB, "
                f"{LARGEST_BYTES / 1e6:,.0f} MB are the most; give it fewer filters, layers or kinds of blocks"
            )

    @property
    def metric_names(self) -> Sequence[str]:
        """The numbers of steps, and of networks trained in them."""
        return ("steps", "networks")

    def __call__(self, job: Job, splits: Splits, progress: Progress = unreported) -> Outcome:
        """Train; the outcome's weights are the shared ones, its metrics the scores of the largest and the smallest."""
        training = SharedTraining(self.space, self.training, self.method, self.minutes, job.seed, self.checkpoint_s)
        try:
            trained = training.train(splits, progress, job.checkpoint)
        except TrainingDiverged as error:
            return Failed("diverged", str(error))
        finally:
            release_memory()
        metrics = {"steps": float(trained.steps), "networks": float(trained.networks)}
        genotype = self.space.sample(np.random.default_rng(job.seed))
        for name, one in (
            ("largest", self.space.largest(genotype, self.space.parts)),
            ("smallest", self.space.smallest(genotype)),
        ):
            scored = self._scored(one, trained.arrays, splits)
            metrics |= {f"{metric}_of_{name}": value for metric, value in scored.items()}
        about = {"space": repr(self.space), "method": self.method, "data": data_fingerprint(splits)}
        arrays = trained.arrays | {ABOUT: np.frombuffer(json.dumps(about).encode(), np.uint8)}
        return Completed(metrics, trained.curves, arrays)

    def _scored(self, genotype: Any, arrays: Mapping[str, NDArray[Any]], splits: Splits) -> Mapping[str, float]:
        graph = from_json(to_json(self.space.graph(genotype)))
        state = TrainState(graph, self.space.inherit(genotype, arrays))
        return Recalibrate()(state, splits, np.random.default_rng(0), unreported).metrics


def data_fingerprint(splits: Splits) -> str:
    """The fingerprint of what workers see: the training and validation split."""
    return fingerprint(replace(splits, test=splits.test.take(np.arange(0))))


@dataclass(frozen=True, slots=True)
class Inherited(OnTensorFlow):
    """Score candidates with inherited weights, in a fraction of a second: `SearchConfig(task=Inherited())`.

    First the statistics of batch norm are estimated anew from `recalibrate` training examples. Then the weights are
    trained for `fine_tune` epochs as `training` says. The scores are the `metrics` of the data's target. `stages`
    follow, such as `ScoreInt8()`.
    """

    recalibrate: int = 2000
    fine_tune: int = 0
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(learning_rate=0.01))
    metrics: tuple[Metric, ...] = (ERROR,)
    stages: tuple[Stage, ...] = ()
    checkpoint_s: float = 60.0
    needs: Needs = field(default_factory=Needs)

    inherits = True
    """Jobs of this task need inherited weights."""

    def __post_init__(self) -> None:
        Recalibrate(self.recalibrate)
        if type(self.fine_tune) is not int or self.fine_tune < 0:
            raise ValueError(f"Inherited: fine_tune must be a whole number of epochs, not {self.fine_tune!r}")

    @property
    def metric_names(self) -> Sequence[str]:
        """The metrics of the data's target."""
        return tuple(metric.name for metric in self.metrics)

    def __call__(self, job: Job, splits: Splits, progress: Progress = unreported) -> Outcome:
        """Score the inherited weights. A job without any is a failure."""
        if job.weights is None:
            return Failed("weights lost", "there are no weights that this candidate can inherit")
        first: list[Stage] = [Recalibrate(self.recalibrate)]
        if self.fine_tune:
            first.append(Fit(replace(self.training, epochs=self.fine_tune), self.checkpoint_s))
        return staged((*first, *self.stages), job, splits, progress, self.metric_names)
