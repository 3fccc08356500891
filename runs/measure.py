"""From a genotype to what is known of it before training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graph import Graph
from runs.task import MetricProvider
from search_space import SearchSpace


@dataclass(frozen=True, slots=True)
class Measurement:
    """A network and its cheap metrics by name."""

    graph: Graph
    metrics: Mapping[str, float]


def measure(space: SearchSpace[Any], providers: Sequence[MetricProvider], genotype: Any) -> Measurement:
    """Build the graph once and ask every provider."""
    graph = space.graph(genotype)
    return Measurement(graph, {name: float(value) for provider in providers for name, value in provider(graph).items()})
