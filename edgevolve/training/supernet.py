"""Train shared weights: by the sandwich rule, by progressive shrinking or by plain random sampling.

Sandwich rule with in-place distillation: Yu and Huang 2019 (arXiv 1903.05134) and BigNAS, Yu et al. 2020 (arXiv
2003.11142). In every step the largest network learns from the labels; the smallest and some random ones learn from the
labels and from the largest in equal parts. (In the papers they learn from the largest alone, which has nothing to teach
in a training of minutes.)

Progressive shrinking: Cai et al. 2020 (Once-for-All, arXiv 1908.09791). The largest network is trained first. It then
teaches networks whose kernels, then depths, then widths vary as well.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Splits
from edgevolve.training.settings import TrainingDiverged, TrainingSettings
from edgevolve.training.stage import Progress
from search_space.shared import Program, transforms

Row = NDArray[np.int32]

Method = Literal["sandwich", "progressive", "random"]
METHODS: tuple[Method, ...] = ("sandwich", "progressive", "random")

PLAN_AFTER = 0.1
"""The share of its time after which a phase fixes its number of steps, from the steps made so far."""
TAUGHT = 0.5
"""The weight of the largest network's outputs in the loss of a sandwich's smaller networks; the rest is for labels."""

_REPORT_EVERY = 20


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of the training.

    Parts of a genotype that are not `free` have their largest values. A step trains `networks` random networks, and
    with `sandwich` the largest and the smallest as well. `share` is the phase's share of the budget, `rate` a factor of
    the learning rate. `taught`: the network of the first phase teaches. `sorts`: `sorted_channels` comes first.
    """

    name: str
    free: tuple[str, ...]
    networks: int
    share: float = 1.0
    rate: float = 1.0
    sandwich: bool = False
    taught: bool = False
    sorts: bool = False


def phases(method: Method, parts: tuple[str, ...]) -> tuple[Phase, ...]:
    """The phases of a method, for a space whose genotypes have these `parts`, in the order in which they become free.

    Progressive shrinking takes its shares, rates and networks from Once-for-All: 180 epochs for the largest network,
    then 125, 150 and 150 at lower rates, with 1, 2 and 4 networks a step.
    """
    if method == "sandwich":
        return (Phase("sandwich", parts, 2, sandwich=True),)
    if method == "random":
        return (Phase("random", parts, 1),)
    free = tuple(part for part in parts if part == "resolution")
    steps = {"kernel": (1, 125, 0.4), "depth": (2, 150, 0.1), "width": (4, 150, 0.1)}
    phases = [Phase("largest", free, 1, 180.0)]
    for part in (part for part in parts if part not in free):
        networks, epochs, rate = steps[part]
        free = (*free, part)
        phases.append(Phase(part, free, networks, epochs, rate, taught=True, sorts=part == "width"))
    whole = sum(phase.share for phase in phases)
    return tuple(Phase(p.name, p.free, p.networks, p.share / whole, p.rate, False, p.taught, p.sorts) for p in phases)


@dataclass(slots=True)
class Place:
    """The progress of a training: the content of a checkpoint other than arrays."""

    phase: int = 0
    step: int = 0
    """Steps made in the phase."""
    planned: int | None = None
    """Steps of the phase in all, once that is decided."""
    done: int = 0
    """Steps made in all phases."""
    seconds: float = 0.0
    """Spent in the phase."""
    first_seconds: float = 0.0
    """Spent up to the end of its first step, which compiles."""
    networks: int = 0
    curves: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrainedShared:
    """Shared weights and curves; the numbers of steps, of networks trained in them, and of traces compiled."""

    arrays: dict[str, NDArray[Any]]
    curves: dict[str, tuple[float, ...]]
    steps: int
    networks: int
    traces: int


@dataclass(frozen=True, slots=True)
class SharedTraining:
    """A training of shared weights. Its budget is `minutes`, or the epochs of `settings` where that is None."""

    space: Any
    settings: TrainingSettings
    method: Method
    minutes: float | None
    seed: int
    checkpoint_s: float
    clock: Callable[[], float] = time.monotonic

    def train(
        self, data: Splits, progress: Progress, checkpoint: Mapping[str, NDArray[Any]] | None = None
    ) -> TrainedShared:
        """Train, from the last checkpoint where there is one. Raises `TrainingDiverged`, `ValueError`."""
        from edgevolve.training.shared_descent import SharedDescent, first_arrays

        program = self.space.program
        matrices = transforms(program) if self.method == "progressive" else {}
        assert data.target
        place, teacher = Place(), None
        arrays: Mapping[str, NDArray[Any]] = first_arrays(program, self.seed, matrices)
        if checkpoint is not None:
            place = Place(**json.loads(checkpoint["place"].tobytes()))
            arrays, teacher = _part(checkpoint, "value"), _part(checkpoint, "teacher") or None
        descent = SharedDescent(program, self.settings, data.target, arrays)
        if checkpoint is not None:
            descent.put_slots(_part(checkpoint, "slot"))
        at_work = _AtWork(self, data, progress, descent, place, teacher)
        at_work.run()
        curves = {name: tuple(values) for name, values in place.curves.items()}
        return TrainedShared(descent.arrays(), curves, place.done, place.networks, descent.traces)


@dataclass(slots=True)
class _AtWork:
    training: SharedTraining
    data: Splits
    progress: Progress
    descent: Any
    place: Place
    teacher: dict[str, NDArray[Any]] | None

    def run(self) -> None:
        """Run all phases from the current place on."""
        training, place = self.training, self.place
        every = phases(training.method, training.space.parts)
        while place.phase < len(every):
            phase = every[place.phase]
            if place.step == 0 and phase.sorts:
                self.descent.put(sorted_channels(training.space.program, self.descent.arrays()))
            if not self._phase(phase):
                return
            if place.phase == 0 and len(every) > 1:
                self.teacher = self.descent.arrays()
            place.phase, place.step, place.planned, place.seconds = place.phase + 1, 0, None, 0.0

    def _phase(self, phase: Phase) -> bool:
        """Run one phase; return whether to go on."""
        training, place = self.training, self.place
        begun = saved = training.clock()
        spent = place.seconds
        self._plan(phase)
        losses: list[float] = []
        while place.planned is None or place.step < place.planned:
            losses.append(self._step(phase))
            now = training.clock()
            place.seconds = spent + now - begun
            if place.step == 1:
                place.first_seconds = place.seconds
            planned_now = place.planned is None and self._plan(phase)
            if len(losses) >= _REPORT_EVERY or place.step == place.planned:
                place.curves.setdefault("loss", []).append(float(np.mean(losses)))
                losses = []
            due = planned_now or (place.planned is not None and now - saved >= training.checkpoint_s)
            said = self._saved() if due and not losses else None
            saved = now if said else saved
            if not self.progress(place.done, {"loss": (losses or place.curves["loss"])[-1]}, said):
                return False
        return True

    def _plan(self, phase: Phase) -> bool:
        """Decide how many steps the phase has, as soon as that is possible; return whether it was decided now."""
        training, place = self.training, self.place
        if place.planned is not None:
            return False
        each = -(-len(self.data.train) // training.settings.batch_size)
        if training.minutes is None:
            place.planned = max(1, round(phase.share * training.settings.epochs * each))
            return True
        budget = 60 * training.minutes * phase.share
        if place.step % _REPORT_EVERY or not place.step or place.seconds < PLAN_AFTER * budget:
            return False
        each_s = (place.seconds - place.first_seconds) / (place.step - 1)
        place.planned = place.step + max(0, int((budget - place.seconds) / each_s))
        return True

    def _step(self, phase: Phase) -> float:
        """Add the gradients of all networks of a step, then take it; return the loss of the first network."""
        import tensorflow as tf

        from edgevolve.training.shared_descent import Turn

        training, place, descent = self.training, self.place, self.descent
        x, y = self._batch()
        seed = tf.constant([training.seed % 2**31, place.done], tf.int64)
        taught = tf.zeros((x.shape[0], training.space.units))
        turns = list(self._turns(phase))
        losses = []
        for number, (row, teacher_row, labels, weight) in enumerate(turns):
            if phase.taught:
                taught = descent.outputs(self.teacher, teacher_row, x, seed)
            turn = Turn(row, labels / len(turns), weight / len(turns))
            loss, outputs = descent.learn(turn, x, y, taught, seed)
            losses.append(loss)
            if phase.sandwich and number == 0:
                taught = outputs
        rows = [row for row, *_ in turns]
        descent.step(self._rate(phase, len(rows)), place.done, rows)
        place.networks += len(turns)
        place.step, place.done = place.step + 1, place.done + 1
        first = float(losses[0]) * len(turns)
        if not np.isfinite(first):
            raise TrainingDiverged(1 + place.done * training.settings.batch_size // len(self.data.train))
        return first

    def _batch(self) -> tuple[Any, Any]:
        """The examples and answers of a step; an epoch has each example once, in another order each time."""
        import tensorflow as tf

        from edgevolve.training.streaming import fed

        train, target = self.data.train, self.data.target
        assert target
        each = -(-len(train) // self.training.settings.batch_size)
        epoch, number = divmod(self.place.done, each)
        order = np.random.default_rng([self.training.seed, 2, epoch]).permutation(len(train))
        bounds = np.arange(each + 1) * len(train) // each
        rows = np.sort(order[bounds[number] : bounds[number + 1]])
        wanted = target.answers(train.y[rows])
        y = tf.zeros((len(rows), 0)) if wanted is None else tf.constant(wanted)
        return tf.constant(fed(train.x[rows])), y

    def _turns(self, phase: Phase) -> Iterator[tuple[Row, Row, float, float]]:
        """The path, teacher's path and weights of labels and teacher of each network of a step.

        They follow from seed and step alone.
        """
        space = self.training.space
        rng = np.random.default_rng([self.training.seed, 1, self.place.done])
        fixed = tuple(part for part in space.parts if part not in phase.free)
        shape = tuple(part for part in space.parts if part != "resolution")
        drawn = [space.sample(rng) for _ in range(phase.networks)]
        if phase.sandwich:
            for genotype, share in ((space.largest(drawn[0], space.parts), 0.0), (space.smallest(drawn[0]), TAUGHT)):
                row = space.path(genotype).vector
                yield row, row, 1 - share, share
        for genotype in (space.largest(genotype_drawn, fixed) for genotype_drawn in drawn):
            row = space.path(genotype).vector
            teacher = space.path(space.largest(genotype, shape)).vector if phase.taught else row
            yield row, teacher, 1 - TAUGHT * phase.sandwich, max(TAUGHT * phase.sandwich, float(phase.taught))

    def _rate(self, phase: Phase, networks: int) -> float:
        """The learning rate: constant until the steps of the phase are decided, then by the schedule.

        The networks of a step add up to the mean of their gradients, while BigNAS and Once-for-All take the sum; for
        SGD the rate therefore grows with the networks. To Adam both are the same.
        """
        settings, place = self.training.settings, self.place
        rate = settings.learning_rate * phase.rate * (networks if settings.optimiser == "sgd" else 1)
        if settings.schedule == "constant" or place.planned is None:
            return rate
        return float(rate * 0.5 * (1 + np.cos(np.pi * place.step / place.planned)))

    def _saved(self) -> dict[str, NDArray[Any]]:
        """All that later steps depend on, as arrays."""
        about = np.frombuffer(json.dumps(asdict(self.place)).encode(), np.uint8)
        saved = {f"value/{name}": value for name, value in self.descent.arrays().items()}
        saved |= {f"slot/{name}": value for name, value in self.descent.slots().items()}
        saved |= {f"teacher/{name}": value for name, value in (self.teacher or {}).items()}
        return {"place": about, **saved}


def sorted_channels(program: Program, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The same network, with channels that only their block sees sorted by the L1 norm of the kernel that reads them.

    The largest norm comes first, so that a narrower block keeps it.
    """
    ordered = dict(arrays)
    for hidden in program.hidden:
        norms = np.abs(ordered[hidden.by]).sum(axis=(0, 1, 3))
        order = np.argsort(-norms, kind="stable")
        for name, axis in hidden.arrays:
            ordered[name] = np.take(ordered[name], order, axis=axis)
    return ordered


def _part(checkpoint: Mapping[str, NDArray[Any]], part: str) -> dict[str, NDArray[Any]]:
    begin = f"{part}/"
    return {name.removeprefix(begin): value for name, value in checkpoint.items() if name.startswith(begin)}
