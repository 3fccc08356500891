"""Gradient search as the job before a search: trains a whole space as one network, and a probability of each option."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Splits, hold_out
from edgevolve.data.rows import StoredArray
from edgevolve.engine.mixture_costs import LogarithmError, MixtureCosts
from edgevolve.metric import Metric
from edgevolve.runs import Job
from edgevolve.runs.task import MetricProvider, Needs
from edgevolve.training import Progress, TrainingDiverged, TrainingSettings, unreported
from edgevolve.training.session import configure_tensorflow, release_memory
from search_algorithms import Completed, Failed, Outcome, Problem
from search_space import SearchSpace
from search_space.mixture import CHANCES, LOGITS, OPTIONS, Mixable, Mixture

_RAMP = 1.3
_FIRST_DEVIATION = 1e-3
_LOGITS_PLACE = -3

ENTROPY = Metric("entropy", "entropy", better="lower")
SKIPS = Metric("skip_share", "skips", better="lower")


class _Gradient:
    """The base of both searches: metrics of the final logits, and a failure without a space."""

    __slots__ = ()

    @property
    def metric_names(self) -> Sequence[str]:
        """The metrics of the final logits."""
        return ENTROPY.name, SKIPS.name

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The decisions' mean entropy, at most 1, and the share of decisions whose likeliest option does nothing."""
        return ENTROPY, SKIPS

    def prepare(self) -> None:
        """Import TensorFlow."""
        configure_tensorflow(threads=1)

    def __call__(self, job: Job, splits: Splits, progress: Progress = unreported) -> Outcome:
        """Always a failure: `within` gives the job that knows its space."""
        return _ALONE


@dataclass(frozen=True, slots=True)
class DARTS(_Gradient):
    """Train the weights of a mixture of all networks and its logits in turn (Liu et al. 2019, arXiv 1806.09055).

    Weights and logits learn from disjoint parts of the training split: `logits_share` of it, by whole groups, is for
    the logits. An objective known before training, such as `macs`, is a term of the loss: `cost` times its ratio to
    the value in the first epoch. A hard bound adds its excess, whose weight grows by 1.3 after each epoch in which the
    likeliest network breaks the bound. Both are exact figures of whole networks: in each epoch every option is measured
    in its place in the likeliest network.

    `logits_rate` is larger than the paper's 0.0003, as searches on small data have some hundred steps, not 20 000.
    `order` 2 is the unrolled gradient. `beta_decay` keeps the logits together (Ye et al. 2022, arXiv 2203.01665), since
    they would otherwise end in skips; it grows with the epochs. At most `skips` nodes of a cell do nothing. The
    training ends early when the likeliest network stays the same for `patience` epochs.
    """

    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(epochs=30))
    logits_share: float = 0.5
    logits_rate: float = 0.01
    beta_decay: float = 0.5
    skips: int | None = 2
    cost: float = 0.1
    order: int = 1
    patience: int = 10
    checkpoint_s: float = 60.0

    def __post_init__(self) -> None:
        _check(self)
        if self.order not in (1, 2):
            raise ValueError(f"DARTS: order must be 1 or 2, not {self.order!r}")
        if not self.beta_decay >= 0:
            raise ValueError(f"DARTS: beta_decay must be at least 0, not {self.beta_decay!r}")

    def within(self, space: SearchSpace[Any], problem: Problem, providers: Sequence[MetricProvider]) -> "_Job":
        """The job for a search. Raises `ValueError` for a space that has no mixture."""
        return _Job.of(self, space, problem, providers)

    def method(self, weights: Any, steps: int) -> Any:
        """The steps of logits and weights; an epoch has `steps`."""
        from edgevolve.training.mixed import Mixed

        return Mixed(weights, self.logits_rate, self.order == 2)

    @property
    def multiplies(self) -> bool:
        """Whether objectives multiply the loss: no, they are added."""
        return False

    def decay(self, share: float) -> float:
        """The weight of the size of the logits after this share of the training."""
        return self.beta_decay * share


@dataclass(frozen=True, slots=True)
class ProxylessNAS(_Gradient):
    """Train a mixture like `DARTS`, but only the drawn paths (Cai, Zhu and Han 2019, arXiv 1812.00332).

    A step of the weights computes one option for each decision, a step of the logits two. Memory and time are therefore
    those of small networks, whatever the number of options. `update` "full" computes all options, "reinforce" compares
    whole networks. `warm_up` is the share of the training in which all options are equally likely; afterwards the
    logits move in one step of `every`. Objectives, targets and bounds count as with `DARTS`. With `form` "multiply" the
    loss is multiplied by (ln of an objective / ln of its value in the first epoch) to the power of `cost`: the authors'
    `mul#log`, with 0.3 in their code.
    """

    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(epochs=40))
    logits_share: float = 0.3
    logits_rate: float = 0.02
    warm_up: float = 0.25
    every: int = 2
    update: Literal["two", "full", "reinforce"] = "two"
    skips: int | None = None
    cost: float = 0.1
    form: Literal["add", "multiply"] = "add"
    patience: int = 20
    checkpoint_s: float = 60.0

    def __post_init__(self) -> None:
        _check(self)
        if self.update not in ("two", "full", "reinforce"):
            raise ValueError(f"ProxylessNAS: update must be two, full or reinforce, not {self.update!r}")
        if self.form not in ("add", "multiply"):
            raise ValueError(f"ProxylessNAS: form must be add or multiply, not {self.form!r}")
        if not 0 <= self.warm_up < 1:
            raise ValueError(f"ProxylessNAS: warm_up must be a share from 0 to below 1, not {self.warm_up!r}")
        if type(self.every) is not int or self.every < 1:
            raise ValueError(f"ProxylessNAS: every must be at least 1, not {self.every!r}")

    def within(self, space: SearchSpace[Any], problem: Problem, providers: Sequence[MetricProvider]) -> "_Job":
        """The job for a search. Raises `ValueError` for a space without decisions, or with decisions for nothing."""
        job = _Job.of(self, space, problem, providers)
        if any(decision.none or len(decision.groups) > 1 for decision in job.mixture.decisions):
            kind = type(space).__name__
            raise ValueError(f"ProxylessNAS draws one option for each decision; those of {kind} are mixed: use DARTS")
        return job

    def method(self, weights: Any, steps: int) -> Any:
        """The steps of logits and weights; an epoch has `steps`."""
        from edgevolve.training.paths import Paths

        warm_up = round(self.warm_up * steps * self.training.epochs)
        return Paths(weights, self.logits_rate, self.every, warm_up, self.update)

    @property
    def multiplies(self) -> bool:
        """Whether objectives multiply the loss."""
        return self.form == "multiply"

    def decay(self, share: float) -> float:
        """No decay."""
        return 0.0


_ALONE = Failed(
    "no space", "a gradient search is a job before a search: SearchConfig(prepare=DARTS(), algorithm=Derived())"
)


def _check(settings: DARTS | ProxylessNAS) -> None:
    name = type(settings).__name__
    for field_name, good, wanted in (
        ("logits_share", 0 < settings.logits_share < 1, "between 0 and 1"),
        ("logits_rate", settings.logits_rate > 0, "above 0"),
        ("skips", settings.skips is None or settings.skips >= 0, "at least 0, or None"),
        ("cost", settings.cost >= 0, "at least 0"),
        ("patience", settings.patience >= 1, "at least 1"),
    ):
        if not good:
            raise ValueError(f"{name}: {field_name} must be {wanted}, not {getattr(settings, field_name)!r}")


@dataclass(frozen=True, slots=True)
class _Job:
    """The job: `settings` on a mixture."""

    settings: DARTS | ProxylessNAS
    mixture: Mixture[Any]
    book: MixtureCosts
    needs: Needs = field(default_factory=Needs)

    @classmethod
    def of(
        cls,
        settings: DARTS | ProxylessNAS,
        space: SearchSpace[Any],
        problem: Problem,
        providers: Sequence[MetricProvider],
    ) -> "_Job":
        if not isinstance(space, Mixable):
            name = type(settings).__name__
            raise ValueError(
                f"{name}: {type(space).__name__} is not a mixture of networks; use CellSpace or MobileSpace"
            )
        mixture = space.mixture()
        return cls(settings, mixture, MixtureCosts.of(space, mixture, problem, providers))

    @property
    def metric_names(self) -> Sequence[str]:
        return self.settings.metric_names

    def prepare(self) -> None:
        self.settings.prepare()

    def __call__(self, job: Job, splits: Splits, progress: Progress = unreported) -> Outcome:
        """Train; the outcome's weights are the logits, those of every epoch, and the weights of the mixture."""
        if isinstance(splits.train.x, StoredArray):
            return Failed("data", "a gradient search needs the training examples in memory, and they lie in a file")
        try:
            return self._trained(job, splits, progress)
        except TrainingDiverged as error:
            return Failed("diverged", str(error))
        except LogarithmError as error:
            return Failed("problem", str(error))
        finally:
            release_memory()

    def _trained(self, job: Job, splits: Splits, progress: Progress) -> Outcome:
        from edgevolve.training.in_turn import Weights, epoch

        settings, book = self.settings, self.book
        assert splits.target is not None
        weights = Weights.of(self.mixture, splits.target, settings.training)
        train, other = hold_out(splits.train, settings.logits_share, job.seed % 2**32)
        method = settings.method(weights, -(-len(train) // settings.training.batch_size))
        one_epoch = epoch(method, train, other, splits.target, job.seed % 2**31)
        past = _Past.of(job.checkpoint) if job.checkpoint else _Past(weights.first(job.seed, _FIRST_DEVIATION), {})
        saved_at = time.monotonic()
        while len(past.history) < settings.training.epochs:
            logits = past.state[_LOGITS_PLACE]
            likely = next(self.mixture.best(np.asarray(logits), settings.skips))
            ramp = past.ramp if past.history else np.ones(len(book.terms))
            reference = past.reference if past.history else book.figures(likely)
            costs, figures = book.around(likely, reference, settings.cost, ramp, settings.multiplies)
            costs = replace(costs, decay=settings.decay(len(past.history) / settings.training.epochs))
            state, losses = one_epoch(past.state, len(past.history), costs)
            if not np.isfinite(losses).all():
                raise TrainingDiverged(len(past.history) + 1)
            said = dict(zip(("loss", "logits_loss"), map(float, losses), strict=True)) | self.scores(logits)
            said |= dict(zip(book.names, map(float, figures), strict=True))
            ramp = np.where(book.off(figures), ramp * _RAMP, ramp)
            past = past.after(state, said, np.asarray(logits), reference, ramp)
            due = time.monotonic() - saved_at >= settings.checkpoint_s
            saved_at = time.monotonic() if due else saved_at
            if not progress(len(past.history), said, past.arrays() if due else None) or self._settled(past):
                break
        final = np.asarray(past.state[_LOGITS_PLACE])
        values = weights.layout.values(np.asarray(past.state[0]), np.asarray(past.state[1]))
        looked_at = {OPTIONS: np.array(self.mixture.words), CHANCES: np.stack(list(map(self._chances, past.history)))}
        arrays = {
            LOGITS: final,
            "history": np.stack(past.history),
            **looked_at,
            **{f"values/{k}": v for k, v in values.items()},
        }
        return Completed(self.scores(final), past.curves, arrays)

    def _chances(self, logits: Any) -> NDArray[np.float32]:
        """The probability of every option; those of a decision add up to 1."""
        return np.concatenate([p / p.sum() for p in self.mixture.probabilities(np.asarray(logits))]).astype(np.float32)

    def scores(self, logits: Any) -> dict[str, float]:
        """The metrics of the logits, as `metrics` describes them."""
        shares = [p / p.sum() for p in self.mixture.probabilities(np.asarray(logits))]
        entropies = [-(p * np.log(np.maximum(p, 1e-12))).sum() / np.log(max(len(p), 2)) for p in shares]
        skips = [
            bool(d.skips and d.skips[int(p.argmax())]) for d, p in zip(self.mixture.decisions, shares, strict=True)
        ]
        return {ENTROPY.name: float(np.mean(entropies)), SKIPS.name: float(np.mean(skips))}

    def _settled(self, past: "_Past") -> bool:
        """Whether the likeliest network has been the same for `patience` epochs."""
        patience = self.settings.patience
        if len(past.history) <= patience or np.array_equal(past.history[-1], past.history[-patience - 1]):
            return False  # logits do not move during the warm-up
        last = [next(self.mixture.best(logits, self.settings.skips)) for logits in past.history[-patience - 1 :]]
        return len(set(last)) == 1


@dataclass(frozen=True, slots=True)
class _Past:
    """The epochs so far: all that later epochs depend on."""

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
        """The epochs so far and one more."""
        curves = {name: (*self.curves.get(name, ()), value) for name, value in said.items()}
        return _Past(state, curves, (*self.history, logits), reference, ramp)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The epochs so far as the arrays of a checkpoint."""
        parts = {f"state/{place}": np.asarray(array) for place, array in enumerate(self.state)}
        parts |= {f"curves/{name}": np.array(values) for name, values in self.curves.items()}
        return {**parts, "history": np.stack(self.history), "reference": self.reference, "ramp": self.ramp}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> "_Past":
        """The epochs so far from the arrays of a checkpoint."""
        states = sorted((name for name in arrays if name.startswith("state/")), key=lambda name: int(name[6:]))
        curves = {name[7:]: tuple(map(float, arrays[name])) for name in arrays if name.startswith("curves/")}
        state = tuple(arrays[name] for name in states)
        return cls(state, curves, tuple(arrays["history"]), arrays["reference"], arrays["ramp"])
