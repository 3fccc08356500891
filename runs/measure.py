"""From a genotype to what is known of it before training."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graph import Graph
from runs.task import MetricProvider
from search_algorithms import ProblemError
from search_space import SearchSpace


@dataclass(frozen=True, slots=True)
class Measurement:
    """A network and its cheap metrics by name."""

    graph: Graph
    metrics: Mapping[str, float]


def measure(space: SearchSpace[Any], providers: Sequence[MetricProvider], genotype: Any) -> Measurement:
    """Build the graph once and ask every provider. Raises `ProblemError` for one that does not keep its promise."""
    graph = space.graph(genotype)
    metrics: dict[str, float] = {}
    for provider in providers:
        who = type(provider).__name__
        try:
            given = {name: float(value) for name, value in provider(graph).items()}
        except Exception as error:
            raise ProblemError(f"metric {who}: {type(error).__name__}: {error}") from error
        if set(given) != set(provider.metric_names):
            raise ProblemError(f"metric {who} declares {sorted(provider.metric_names)} and gives {sorted(given)}")
        odd = [name for name, value in given.items() if not math.isfinite(value)]
        if odd:
            raise ProblemError(f"metric {who}: {odd[0]} is not finite")
        metrics |= given
    return Measurement(graph, metrics)
