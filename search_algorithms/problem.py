"""The goal of a search: objectives and bounds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.target import ERROR
from edgevolve.metric import SHARE
from edgevolve.metric import metric as described
from edgevolve.quantity import quantity
from resource_models import MODEL_SIZE

Metrics = Mapping[str, float]
"""Values by the names of their `edgevolve.metric.Metric`; shares are fractions, sizes are bytes."""

FloatArray = NDArray[np.float64]


class ProblemError(ValueError):
    """Objectives or bounds that contradict each other, or that an algorithm cannot use. The message is one line."""


def _accuracy_to_error(value: float) -> float:
    return 1.0 - value


def _megabytes_to_bytes(value: float) -> float:
    return value * 1e6


_ALIASES = {
    "accuracy": (ERROR.name, _accuracy_to_error, True),
    "model_size_mb": (MODEL_SIZE.name, _megabytes_to_bytes, False),
}
"""For each alias of a metric: the metric's name, the conversion of values, and whether the direction is reversed."""


UNKNOWN = math.nan
"""The value of a metric that a device cannot predict because it cannot run the network.

It breaks every bound; its cost, its violation and its distance from a target are larger than any other.
"""

_VERY_LARGE = 1e12

_SHARE_SCALES = {"minimise": 0.1, "maximise": 1.0}
"""The scale of a share without scale or bound: a tenth for an error, 1 for an accuracy."""

_NEAR = 0.05
"""A target is met within this share of its value."""

_WORST = 10.0
"""A metric at this multiple of its scale or beyond is equally bad (μNAS)."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric to make small, large, or close to a target. Write `minimise`, `maximise` or `target` instead.

    `scale` is the amount that counts as one, in the metric's unit. Where it is None, the bound on the same metric
    replaces it, or the target, or 0.1 for a share to be minimised and 1 for one to be maximised.
    """

    metric: str
    direction: Literal["minimise", "maximise", "target"]
    target: float | None = None
    scale: float | None = None

    def __post_init__(self) -> None:
        if self.direction not in ("minimise", "maximise", "target"):
            raise ProblemError(
                f"objective {self.metric}: direction must be minimise, maximise or target, not {self.direction!r}"
            )
        if self.direction == "target" and self.target is None:
            raise ProblemError(f"target of {self.metric} must be a number, not None")
        _check_number(f"target of {self.metric}", self.target)
        _check_number(f"scale of {self.metric}", self.scale, positive=True)

    def cost(self, metrics: Metrics) -> float:
        """The value to minimise, in the metric's unit."""
        value = metrics[self.metric]
        return _VERY_LARGE if math.isnan(value) else float(self._directed(value))

    def costs(self, values: FloatArray) -> FloatArray:
        """The cost of each value of the metric."""
        return np.where(np.isnan(values), _VERY_LARGE, self._directed(values))

    def _directed(self, value: Any) -> Any:
        if self.direction == "maximise":
            return -value
        return value if self.target is None else abs(value - self.target)

    def missed(self, metrics: Metrics) -> float:
        """The share of its target by which a known metric misses it; 0 within a twentieth, or without a target."""
        if self.target is None or self.metric not in metrics:
            return 0.0
        if math.isnan(metrics[self.metric]):
            return _VERY_LARGE
        share = abs(metrics[self.metric] - self.target) / (abs(self.target) or 1.0)
        return share if share > _NEAR else 0.0


@dataclass(frozen=True, slots=True)
class Constraint:
    """A bound on a metric. Write `at_most` or `at_least` instead.

    A hard bound decides what is feasible, and rejects a candidate before training if the metric is known by then. A
    soft bound only says where an objective is good enough.
    """

    metric: str
    bound: float
    sense: Literal["at_most", "at_least"] = "at_most"
    hard: bool = True

    def __post_init__(self) -> None:
        _check_number(f"bound on {self.metric}", self.bound)

    def broken(self, metrics: Metrics) -> bool:
        """Whether the metric is known and beyond the bound, or is `UNKNOWN`."""
        value = metrics.get(self.metric)
        if value is None:
            return False
        if math.isnan(value):
            return True
        return value > self.bound if self.sense == "at_most" else value < self.bound

    def violation(self, metrics: Metrics) -> float:
        """The share of the bound by which the metric is beyond it; 0 where it is not beyond, or not known.

        For a bound of 0 it is the amount itself.
        """
        if not self.broken(metrics):
            return 0.0
        return float(self.violations(np.array(metrics[self.metric], dtype=float)))

    def violations(self, values: FloatArray) -> FloatArray:
        """The violation of each value of the metric."""
        over = values - self.bound if self.sense == "at_most" else self.bound - values
        with np.errstate(over="ignore"):  # an overflow is infinite
            return np.where(np.isnan(values), _VERY_LARGE, np.maximum(over, 0.0) / (abs(self.bound) or 1.0))

    def __str__(self) -> str:
        return f"{self.metric} {'≤' if self.sense == 'at_most' else '≥'} {self.bound:g}"


def minimise(metric: str, scale: float | str | None = None) -> Objective:
    """The smaller the better. Numbers, here and below, may be text with a unit: `"64k"`, `"5%"`."""
    return _objective(metric, "minimise", scale=scale)


def maximise(metric: str, scale: float | str | None = None) -> Objective:
    """The larger the better."""
    return _objective(metric, "maximise", scale=scale)


def target(metric: str, value: float | str, scale: float | str | None = None) -> Objective:
    """The closer to `value` the better."""
    return _objective(metric, "target", value, scale)


def at_most(metric: str, bound: float | str, soft: bool = False) -> Constraint:
    """An upper bound. One on a share lies from 0 to 1: 0.05, or `"5%"`."""
    return _constraint(metric, bound, "at_most", soft)


def at_least(metric: str, bound: float | str, soft: bool = False) -> Constraint:
    """A lower bound."""
    return _constraint(metric, bound, "at_least", soft)


@dataclass(frozen=True, slots=True)
class Problem:
    """Objectives and bounds over metrics by name. Raises `ProblemError` when there is no objective."""

    objectives: Sequence[Objective]
    constraints: Sequence[Constraint] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "objectives", tuple(self.objectives))
        object.__setattr__(self, "constraints", tuple(self.constraints))
        if not self.objectives:
            raise ProblemError("a problem needs an objective, such as minimise('error')")
        if not all(isinstance(objective, Objective) for objective in self.objectives):
            raise ProblemError("objectives must be made by minimise, maximise or target")
        if not all(isinstance(constraint, Constraint) for constraint in self.constraints):
            raise ProblemError("constraints must be made by at_most or at_least")
        names = [objective.metric for objective in self.objectives]
        if len(set(names)) != len(names):
            raise ProblemError(f"two objectives for one metric: {', '.join(names)}")

    @classmethod
    def from_mapping(cls, aims: Mapping[str, Any]) -> "Problem":
        """The problem in TPUv6-ZeroNAS's form, one aim a metric; bounds are hard.

        `{"accuracy": "maximize", "latency_ms": ("target", 5.0), "model_size_mb": ("max", 10.0)}`; the other aims are
        `"minimize"` and `("min", value)`. Raises `ProblemError` for any other.
        """
        parts = [_aimed(metric, aim) for metric, aim in aims.items()]
        return cls(
            [part for part in parts if isinstance(part, Objective)],
            [part for part in parts if isinstance(part, Constraint)],
        )

    @property
    def metrics(self) -> set[str]:
        """Every metric that must be known of a finished candidate."""
        return {o.metric for o in self.objectives} | {c.metric for c in self.constraints}

    def within(self, bounds: Mapping[str, float]) -> "Problem":
        """The problem with a hard upper bound on each metric, unless it has one that is at least as tight."""
        held = [one for one in self.constraints if one.hard and one.sense == "at_most"]
        added = [
            Constraint(metric, bound)
            for metric, bound in bounds.items()
            if not any(one.metric == metric and one.bound <= bound for one in held)
        ]
        return Problem(self.objectives, (*self.constraints, *added))

    def costs(self, metrics: Metrics) -> tuple[float, ...]:
        """One value to minimise for each objective, in order."""
        return tuple(objective.cost(metrics) for objective in self.objectives)

    def broken(self, metrics: Metrics) -> list[Constraint]:
        """The hard bounds that the known metrics break."""
        return [constraint for constraint in self.constraints if constraint.hard and constraint.broken(metrics)]

    def violation(self, metrics: Metrics) -> float:
        """The sum of the shares by which known metrics are beyond the hard bounds; 0 is within all."""
        return sum(constraint.violation(metrics) for constraint in self.constraints if constraint.hard)

    def costs_of(self, values: Mapping[str, FloatArray]) -> FloatArray:
        """The costs of many candidates, whose metrics are arrays of one shape: (*shape, objectives)."""
        return np.stack([objective.costs(values[objective.metric]) for objective in self.objectives], axis=-1)

    def violations_of(self, values: Mapping[str, FloatArray]) -> FloatArray:
        """`violation` of many candidates, whose metrics are arrays of one shape."""
        given = [c for c in self.constraints if c.hard and c.metric in values]
        nowhere = np.zeros(np.shape(next(iter(values.values()))))
        return sum((c.violations(values[c.metric]) for c in given), start=nowhere)

    def shortfall(self, metrics: Metrics) -> float:
        """The sum of the shares by which known metrics are beyond the soft bounds; 0 is good enough."""
        return sum(constraint.violation(metrics) for constraint in self.constraints if not constraint.hard)

    def limits(self) -> tuple[float, ...]:
        """The largest cost of each objective that its bounds allow, soft ones included; infinite without a bound."""
        senses = {"minimise": "at_most", "maximise": "at_least"}
        bounds = [(c.metric, c.sense, {c.metric: c.bound}) for c in self.constraints]
        return tuple(
            min((o.cost(at) for *which, at in bounds if which == [o.metric, senses.get(o.direction)]), default=math.inf)
            for o in self.objectives
        )

    def scales(self) -> tuple[float, ...]:
        """The amount of each objective that counts as one: its scale, its soft bound, its hard bound or its target.

        For a share without any of these it is 0.1 if it is minimised and 1 if it is maximised. Raises `ProblemError`
        for any other metric without any of these.
        """
        hard_first = sorted(self.constraints, key=lambda constraint: not constraint.hard)
        bounds = {constraint.metric: abs(constraint.bound) for constraint in hard_first if constraint.bound}
        scales = []
        for objective in self.objectives:
            scale = objective.scale or bounds.get(objective.metric) or abs(objective.target or 0.0)
            if not scale and described(objective.metric).unit == SHARE:
                scale = _SHARE_SCALES.get(objective.direction, 0.1)
            if not scale:
                name, direction = objective.metric, objective.direction
                bound = "at_least" if direction == "maximise" else "at_most"
                kin = [bounded for bounded in bounds if bounded.partition("@")[0] == name]
                raise ProblemError(
                    f"objective {name} has no scale: add {bound}({name!r}, ..., soft=True) "
                    f"or give {direction}({name!r}, scale=...)" + (f"; the bound is on {kin[0]!r}" if kin else "")
                )
            scales.append(scale)
        return tuple(scales)

    def shares(self, metrics: Metrics) -> tuple[float, ...]:
        """Each objective's cost over its scale, the lower the better: 1 is as good as the bound, 10 the worst (μNAS).

        Raises `ProblemError` for an objective without scale.
        """
        return tuple(map(float, self.shares_of(np.array(self.costs(metrics)))))

    def shares_of(self, costs: FloatArray) -> FloatArray:
        """`shares` of many candidates from their costs, (*shape, objectives)."""
        maximised = np.array([objective.direction == "maximise" for objective in self.objectives])
        shares: FloatArray = np.minimum(costs / np.array(self.scales()) + 2.0 * maximised, _WORST)
        return shares


def _objective(
    metric: str,
    direction: Literal["minimise", "maximise", "target"],
    value: float | str | None = None,
    scale: float | str | None = None,
) -> Objective:
    aim, unit = _share(metric, "target of", value), _number("scale of", metric, scale)
    if metric in _ALIASES:
        metric, convert, flips = _ALIASES[metric]
        aim = None if aim is None else convert(aim)
        unit = unit if unit is None or flips else convert(unit)
        if flips and direction != "target":
            direction = "minimise" if direction == "maximise" else "maximise"
    return Objective(metric, direction, aim, unit)


def _constraint(metric: str, given: float | str, sense: Literal["at_most", "at_least"], soft: bool) -> Constraint:
    bound = _share(metric, "bound on", given)
    if bound is None:
        raise ProblemError(f"bound on {metric} must be a number, not None")
    if metric in _ALIASES:
        metric, convert, flips = _ALIASES[metric]
        bound = convert(bound)
        if flips:
            sense = "at_least" if sense == "at_most" else "at_most"
    return Constraint(metric, bound, sense, hard=not soft)


def _number(what: str, metric: str, value: float | str | None) -> float | None:
    """The value as a number, text included. Raises `ProblemError` for text that is not in the metric's unit."""
    if metric == "model_size_mb" and isinstance(value, str) and value.strip()[-1:].isalpha():
        raise ProblemError(f"{what} {metric}: write model_size_bytes for {value[:40]!r}, or a number of megabytes")
    try:
        return quantity(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ProblemError(f"{what} {metric}: {error}") from None


def _share(metric: str, what: str, given: float | str | None) -> float | None:
    """The value as a number. Raises `ProblemError` for anything else, and for a share that is not from 0 to 1."""
    value = _number(what, metric, given)
    _check_number(f"{what} {metric}", value)
    name = _ALIASES[metric][0] if metric in _ALIASES else metric
    if value is not None and described(name).unit == SHARE and not 0 <= value <= 1:
        raise ProblemError(f"{what} {metric} is a share from 0 to 1, such as 0.05 or '5%', not {value:g}")
    return value


def _aimed(metric: str, aim: Any) -> Objective | Constraint:
    """One entry of `Problem.from_mapping`."""
    match aim:
        case "minimize" | "minimise":
            return minimise(metric)
        case "maximize" | "maximise":
            return maximise(metric)
        case ("target", value):
            return target(metric, value)
        case ("max", value):
            return at_most(metric, value)
        case ("min", value):
            return at_least(metric, value)
    raise ProblemError(
        f"{metric}: no aim {aim!r}; give 'minimize', 'maximize', ('target', value), ('max', bound) or ('min', bound)"
    )


def check_whole(settings: object, **least: int) -> None:
    """Raise `ProblemError` unless each of the named settings is a whole number of at least the given value."""
    for name, smallest in least.items():
        value = getattr(settings, name)
        if type(value) is not int or value < smallest:
            raise ProblemError(
                f"{type(settings).__name__}: {name} must be a whole number of at least {smallest}, not {value!r}"
            )


def _check_number(what: str, value: float | None, positive: bool = False) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ProblemError(f"{what} must be a number, not {value!r}")
    if positive and value <= 0:
        raise ProblemError(f"{what} must be above 0, not {value!r}")
