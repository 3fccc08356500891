"""Differentiable search as the job before a search: all of a space as one network, and how likely each option is."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Splits, hold_out
from edgevolve.data.rows import StoredArray
from edgevolve.engine.mixture_costs import MixtureCosts
from edgevolve.metric import Metric
from edgevolve.runs import Job
from edgevolve.runs.task import MetricProvider, Needs
from edgevolve.training import Progress, TrainingDiverged, TrainingSettings, unreported
from search_algorithms import Completed, Failed, Outcome, Problem
from search_space import SearchSpace
from search_space.mixture import LOGITS, Mixable, Mixture

_RAMP = 1.3
_FIRST_DEVIATION = 1e-3
_LOGITS_PLACE = -3

ENTROPY = Metric("entropy", "entropy", better="lower")
SKIPS = Metric("skip_share", "skips", better="lower")


@dataclass(frozen=True, slots=True)
class DARTS:
    """Train a mixture of all networks and its logits in turn (Liu et al. 2019, arXiv 1806.09055).

    Weights and logits learn from disjoint parts of the training split: `logits_share` of it, by whole groups, is for
    the logits. An objective known before training, such as `macs`, is a term of the loss: `cost` times its ratio to
    that of the first epoch. A hard bound adds its excess, and 1.3 times as much after each epoch in which the most
    likely network breaks it. Both are exact figures of whole networks: each epoch, every option is measured in the
    most likely network's place.

    `order` 2 is the unrolled gradient. `beta_decay` keeps logits together (Ye et al. 2022, arXiv 2203.01665), which
    else end in skips; it grows with the epochs. At most `skips` nodes of a cell do nothing. The training ends early
    when the most likely network stays the same for `patience` epochs.
    """

    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(epochs=30))
    logits_share: float = 0.5
    logits_rate: float = 0.003
    beta_decay: float = 0.5
    skips: int | None = 2
    cost: float = 0.1
    order: int = 1
    patience: int = 10
    checkpoint_s: float = 60.0

    def __post_init__(self) -> None:
        for name, good, wanted in (
            ("logits_share", 0 < self.logits_share < 1, "between 0 and 1"),
            ("logits_rate", self.logits_rate > 0, "above 0"),
            ("beta_decay", self.beta_decay >= 0, "at least 0"),
            ("skips", self.skips is None or self.skips >= 0, "at least 0, or None"),
            ("cost", self.cost >= 0, "at least 0"),
            ("order", self.order in (1, 2), "1 or 2"),
            ("patience", self.patience >= 1, "at least 1"),
        ):
            if not good:
                raise ValueError(f"DARTS: {name} must be {wanted}, not {getattr(self, name)!r}")

    @property
    def metric_names(self) -> Sequence[str]:
        """Of the logits in the end."""
        return ENTROPY.name, SKIPS.name

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Mean entropy of the decisions, of 1 at most; share of decisions whose most likely option does nothing."""
        return ENTROPY, SKIPS

    def within(self, space: SearchSpace[Any], problem: Problem, providers: Sequence[MetricProvider]) -> "_Darts":
        """The job for a search. Raises `ValueError` for a space that has no mixture."""
        if not isinstance(space, Mixable):
            raise ValueError(f"DARTS: {type(space).__name__} is no mixture of networks; CellSpace is")
        mixture = space.mixture()
        return _Darts(self, mixture, MixtureCosts.of(space, mixture, problem, providers))

    def prepare(self) -> None:
        """Import TensorFlow."""
        from edgevolve.training.session import configure_tensorflow

        configure_tensorflow(threads=1)

    def __call__(self, job: Job, splits: Splits, progress: Progress = unreported) -> Outcome:
        """A failure: `within` says which space."""
        return Failed("no space", "DARTS is a job before a search: SearchConfig(prepare=DARTS(), algorithm=Derived())")


@dataclass(frozen=True, slots=True)
class _Darts:
    """The job: `settings` on a mixture."""

    settings: DARTS
    mixture: Mixture[Any]
    book: MixtureCosts
    needs: Needs = field(default_factory=Needs)

    @property
    def metric_names(self) -> Sequence[str]:
        return self.settings.metric_names

    def prepare(self) -> None:
        self.settings.prepare()

    def __call__(self, job: Job, splits: Splits, progress: Progress = unreported) -> Outcome:
        """The logits, those of every epoch, and the weights of the mixture."""
        from edgevolve.training.session import release_memory

        if isinstance(splits.train.x, StoredArray):
            return Failed("data", "DARTS needs the training examples in memory, and they lie in a file")
        try:
            return self._trained(job, splits, progress)
        except TrainingDiverged as error:
            return Failed("diverged", str(error))
        finally:
            release_memory()

    def _trained(self, job: Job, splits: Splits, progress: Progress) -> Outcome:
        from edgevolve.training.mixed import MixtureDescent

        settings, book = self.settings, self.book
        assert splits.target is not None
        more = {name: getattr(settings, name) for name in ("logits_rate", "beta_decay")}
        descent = MixtureDescent.of(
            self.mixture, splits.target, settings.training, second_order=settings.order == 2, **more
        )
        train, other = hold_out(splits.train, settings.logits_share, job.seed % 2**32)
        epoch = descent.epoch(train, other, splits.target, job.seed % 2**31)
        past = _Past.of(job.checkpoint) if job.checkpoint else _Past(descent.first(job.seed, _FIRST_DEVIATION), {})
        saved_at = time.monotonic()
        while len(past.history) < settings.training.epochs:
            logits = past.state[_LOGITS_PLACE]
            likely = next(self.mixture.best(np.asarray(logits), settings.skips))
            ramp = past.ramp if past.history else np.ones(len(book.bounds))
            reference = past.reference if past.history else book.figures(likely)
            costs, figures = book.around(likely, reference, settings.cost, ramp)
            state, losses = epoch(past.state, len(past.history), costs)
            if not np.isfinite(losses).all():
                raise TrainingDiverged(len(past.history) + 1)
            said = dict(zip(("loss", "logits_loss"), map(float, losses), strict=True)) | self.scores(logits)
            said |= dict(zip(book.names, map(float, figures), strict=True))
            ramp = np.where(book.broken(figures), ramp * _RAMP, ramp)
            past = past.after(state, said, np.asarray(logits), reference, ramp)
            due = time.monotonic() - saved_at >= settings.checkpoint_s
            saved_at = time.monotonic() if due else saved_at
            if not progress(len(past.history), said, past.arrays() if due else None) or self._settled(past):
                break
        final = np.asarray(past.state[_LOGITS_PLACE])
        values = descent.layout.values(np.asarray(past.state[0]), np.asarray(past.state[1]))
        arrays = {LOGITS: final, "history": np.stack(past.history), **{f"values/{k}": v for k, v in values.items()}}
        return Completed(self.scores(final), past.curves, arrays)

    def scores(self, logits: Any) -> dict[str, float]:
        """The metrics of logits."""
        shares = [p / p.sum() for p in self.mixture.probabilities(np.asarray(logits))]
        entropies = [-(p * np.log(np.maximum(p, 1e-12))).sum() / np.log(max(len(p), 2)) for p in shares]
        skips = [
            bool(d.skips and d.skips[int(p.argmax())]) for d, p in zip(self.mixture.decisions, shares, strict=True)
        ]
        return {ENTROPY.name: float(np.mean(entropies)), SKIPS.name: float(np.mean(skips))}

    def _settled(self, past: "_Past") -> bool:
        """Whether the most likely network has been the same for as many epochs as the settings say."""
        patience = self.settings.patience
        if len(past.history) <= patience:
            return False
        last = [next(self.mixture.best(logits, self.settings.skips)) for logits in past.history[-patience - 1 :]]
        return len(set(last)) == 1


@dataclass(frozen=True, slots=True)
class _Past:
    """The epochs so far: all that those to come depend on."""

    state: tuple[Any, ...]
    curves: Mapping[str, tuple[float, ...]]
    history: tuple[NDArray[Any], ...] = ()
    reference: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    ramp: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def after(
        self,
        state: tuple[Any, ...],
        said: Mapping[str, float],
        logits: NDArray[Any],
        reference: NDArray[np.float64],
        ramp: NDArray[np.float64],
    ) -> "_Past":
        """One epoch on."""
        curves = {name: (*self.curves.get(name, ()), value) for name, value in said.items()}
        return _Past(state, curves, (*self.history, logits), reference, ramp)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """A checkpoint."""
        parts = {f"state/{place}": np.asarray(one) for place, one in enumerate(self.state)}
        parts |= {f"curves/{name}": np.array(values) for name, values in self.curves.items()}
        return {**parts, "history": np.stack(self.history), "reference": self.reference, "ramp": self.ramp}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> "_Past":
        """What `arrays` gave."""
        states = sorted((name for name in arrays if name.startswith("state/")), key=lambda name: int(name[6:]))
        curves = {name[7:]: tuple(map(float, arrays[name])) for name in arrays if name.startswith("curves/")}
        state = tuple(arrays[name] for name in states)
        return cls(state, curves, tuple(arrays["history"]), arrays["reference"], arrays["ramp"])
