"""From a genotype to its network and the metrics that are known before training."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edgevolve.graph import Graph
from edgevolve.metric import BYTES, Metric, register
from edgevolve.runs.devices import DeviceMetrics
from edgevolve.runs.phenotype import recipe_of
from edgevolve.runs.task import MetricProvider
from edgevolve.training import Stage, foreseen
from predictors import LATENCY, Estimated, PredictorError
from resource_models import ARENA, FLASH
from search_algorithms import Problem, ProblemError
from search_space import SearchSpace, WithFrontEnd

FRONT_END_RAM = Metric("front_end_ram_bytes", "RAM of the front end", BYTES)
FRONT_END_FLASH = Metric("front_end_flash_bytes", "flash of the front end", BYTES)
register(FRONT_END_RAM, FRONT_END_FLASH)
"""The front end's shares of `arena_bytes` and `flash_bytes`, where there is a front end."""

_NOTHING: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True)
class Measurement:
    """A network and its cheap metrics by name.

    `intervals` are (low, high) of the metrics whose error is known. `refused` gives, by device, the reason why it
    cannot run the network; its metrics are then missing, as are those of devices that were not asked. `recipe` is what
    the genotype says about training.
    """

    graph: Graph
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def refusals(self) -> tuple[str, ...]:
        """The refusals in the form of broken bounds."""
        return tuple(f"runs on {name}" for name in self.refused)


def measure(
    space: SearchSpace[Any],
    providers: Sequence[MetricProvider],
    genotype: Any,
    problem: Problem | None = None,
    beside: Mapping[str, float] = _NOTHING,
    stages: Sequence[Stage] = (),
) -> Measurement:
    """Build the graph once and measure it; raises as `measure_graph`.

    If `stages` will change the network, the metrics are those of the network that they foresee. `beside` holds the
    front end's costs where the space does not give them.
    """
    own = space.beside(genotype) if isinstance(space, WithFrontEnd) else {}
    graph, recipe = space.graph(genotype), recipe_of(space, genotype)
    try:
        expected = foreseen(graph, stages, recipe)
    except ValueError as error:
        raise ProblemError(f"recipe {recipe}: {error}") from error
    measured = measure_graph(expected, providers, problem, own or beside)
    return replace(measured, graph=graph, recipe=recipe)


def measure_graph(
    graph: Graph,
    providers: Sequence[MetricProvider],
    problem: Problem | None = None,
    beside: Mapping[str, float] = _NOTHING,
) -> Measurement:
    """The metrics of a network from every provider.

    Raises `ProblemError` for a provider that gives other names than it declares.

    Given a `problem`, devices predict nothing once a hard bound is broken, since some are slow. A front end's costs
    `beside` the network (`search_space.WithFrontEnd`) are added to arena, flash and latency, and also given alone.
    """
    metrics: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    refused: dict[str, str] = {}
    for provider in providers:
        if problem and isinstance(provider, DeviceMetrics) and problem.broken(metrics):
            break
        who = getattr(provider, "name", type(provider).__name__)
        try:
            given = {
                name: _more(_estimated(value), _added(provider, name, beside))
                for name, value in provider(graph).items()
            }
        except PredictorError as error:
            refused[who] = str(error)
            continue
        except Exception as error:
            raise ProblemError(f"metric {who}: {type(error).__name__}: {error}") from error
        if set(given) != set(provider.metric_names):
            raise ProblemError(f"metric {who} declares {sorted(provider.metric_names)} but gives {sorted(given)}")
        odd = [name for name, estimated in given.items() if not math.isfinite(estimated.value)]
        if odd:
            raise ProblemError(f"metric {who}: {odd[0]} is not finite")
        metrics |= {name: estimated.value for name, estimated in given.items()}
        intervals |= {
            name: (estimated.low, estimated.high)
            for name, estimated in given.items()
            if estimated.low is not None and estimated.high is not None
        }
    shares = {FRONT_END_RAM.name: beside["arena_bytes"], FRONT_END_FLASH.name: beside["flash_bytes"]} if beside else {}
    return Measurement(graph, {**metrics, **shares}, intervals, refused)


def _added(provider: MetricProvider, name: str, beside: Mapping[str, float]) -> float:
    """The front end's share of a metric."""
    if isinstance(provider, DeviceMetrics):
        return provider.milliseconds(beside) if provider.names[name] == LATENCY.name else 0.0
    base = name.partition("@")[0]
    return beside.get(base, 0.0) if base in (ARENA.name, FLASH.name) else 0.0


def _more(value: Estimated, added: float) -> Estimated:
    """The value and its interval, moved by a known amount."""
    ends = (None if end is None else end + added for end in (value.low, value.high))
    return Estimated(value.value + added, *ends)


def _estimated(value: float | Estimated) -> Estimated:
    return value if isinstance(value, Estimated) else Estimated(float(value))
