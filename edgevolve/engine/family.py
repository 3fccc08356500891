"""Smaller networks that take all their weights from one network, to be switched on the device."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Splits, classes_of
from edgevolve.engine.specialise import prepared_weights, recalibrated_from, space_of
from edgevolve.graph import Graph, from_json, to_json
from edgevolve.quantisation import calibration_examples, int8_network
from edgevolve.quantisation.litert import int8_scores
from edgevolve.runs import ConfigError, Run, SearchConfig
from edgevolve.training import TrainState, unreported
from edgevolve.training.recalibrate import Recalibrate
from resource_models import macs
from search_space import networks_of
from search_space.shared import Sharing

MOST_RELATIVES = 40
"""The most networks that are scored: those the fewest steps from the picked one."""


@dataclass(frozen=True, slots=True)
class Relative:
    """A network with its inherited weights; `error` is its int8 file's main metric on validation, lower is better."""

    graph: Graph
    weights: dict[str, NDArray[Any]]
    description: str
    genotype: Any
    error: float
    macs: int


def family(run: Run, number: int, size: int, splits: Splits, config: SearchConfig | None = None) -> list[Relative]:
    """At most `size` networks, the smallest error first, that use only shared weights that candidate `number` uses.

    They are non-dominated in error and multiply-accumulates, cost no more than `number`, and are spread evenly over all
    such networks. `config` is the run's configuration, needed where its space is the user's own. Raises `ConfigError`
    where fewer than two remain, and `JournalError` where the run prepared no shared weights.
    """
    shared, space = prepared_weights(run), networks_of(space_of(run, config))
    if not isinstance(space, Sharing):
        raise ConfigError(f"{run.path}: the networks of {type(space).__name__} share no weights")
    return _spread(run, number, size, list(_scored(run, space, number, shared, splits)))


def _scored(
    run: Run, space: Any, number: int, shared: Mapping[str, NDArray[Any]], splits: Splits
) -> Iterator[Relative]:
    genotype = space.from_json(_within(run.record(number).genotype))
    most, score = macs(space.graph(genotype)), Recalibrate(recalibrated_from(run))
    examples, target = calibration_examples(splits.train), splits.target or classes_of(space.units)
    for one in _relatives(space, genotype):
        graph = from_json(to_json(space.graph(one)))
        if macs(graph) > most:
            continue
        state = score(TrainState(graph, space.inherit(one, shared)), splits, np.random.default_rng(0), unreported)
        assert state.weights is not None
        model = int8_network(graph, state.weights, examples).tflite()
        error = run.cost(run.score.name, int8_scores(model, splits.validation, target)[run.score.name])
        yield Relative(graph, dict(state.weights), space.describe(one), space.to_json(one), error, macs(graph))


def _within(genotype: Any) -> Any:
    """The network's own genotype, as JSON, without the recipe that `Recipes` adds."""
    while isinstance(genotype, Mapping) and genotype.keys() == {"network", "recipe"}:
        genotype = genotype["network"]
    return genotype


def _spread(run: Run, number: int, size: int, relatives: Sequence[Relative]) -> list[Relative]:
    """The non-dominated networks in error and multiply-accumulates, evenly spread."""
    best: list[Relative] = []
    for relative in sorted(relatives, key=lambda one: (one.macs, one.error)):
        if not best or relative.error < best[-1].error:
            best.append(relative)
    if len(best) < 2:
        raise ConfigError(
            f"{run.path}: candidate {number}: one of the {len(relatives)} networks that share its weights is best in "
            "error and multiply-accumulates, so there is no set; --pick a candidate with more blocks"
        )
    chosen = np.unique(np.linspace(0, len(best) - 1, size).round().astype(int))
    return [best[i] for i in chosen[::-1]]


def _relatives(space: Any, genotype: Any) -> Iterator[Any]:
    """The genotype, then those reachable by neighbours whose networks use no kernels beyond its own, nearest first."""
    allowed = set(space.path(genotype).uses)
    rng, known, open_ones = np.random.default_rng(0), {repr(genotype)}, [genotype]
    for one in open_ones:
        yield one
        for other in space.neighbours(one, rng):
            if len(open_ones) >= MOST_RELATIVES:
                break
            if repr(other) not in known and set(space.path(other).uses) <= allowed:
                known.add(repr(other))
                open_ones.append(other)
