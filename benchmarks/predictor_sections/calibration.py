"""Networks that a predictor of v6 learns from and is judged by, and what the simulator says of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from predictor_sections.families import large_network
from predictor_sections.simulator import GENERATIONS, Simulated, simulate

from edgevolve.graph import Graph
from search_space.families import family
from search_space.mobile import MobileSpace

MEMBERS: Mapping[str, tuple[str, ...]] = {
    "mobilenet": ("mobilenet_v1", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"),
    "efficientnet": ("efficientnet_lite0", "efficientnet_b0"),
    "mnasnet": ("mnasnet_a1",),
    "residual": ("residual",),
    "plain": ("plain",),
    "custom": ("custom",),
}
"""Families, and what counts as one. The first three as published, scaled; the others at random: ResNet- and VGG-like
networks of `families.py`, and genotypes of `MobileSpace`."""

MOST_MACS = 5e9
"""No network takes more multiply-accumulates."""


def draw(name: str, rng: Generator) -> Graph:
    """A network of a family: width and depth 0.5 to 2, resolution 96 to 320, 1000 classes."""
    while True:
        graph = _any(str(rng.choice(MEMBERS[name])), rng)
        if sum(node.macs for node in graph.nodes) <= MOST_MACS:
            return graph


def network(name: str, seed: int, index: int) -> Graph:
    """The network of a family at a place of a calibration."""
    return draw(name, np.random.default_rng([seed, list(MEMBERS).index(name), index]))


def _any(member: str, rng: Generator) -> Graph:
    side = 32 * int(rng.integers(3, 11))
    if member in ("residual", "plain"):
        return large_network(member, rng)
    if member == "custom":
        space = MobileSpace((side, side, 3), 1000)
        return space.graph(space.sample(rng))
    width, depth = rng.uniform(0.5, 2, 2).tolist()
    return family(member, width=width, depth=depth, resolution=side)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Networks with the number of their family in `MEMBERS`, and the truth of both generations."""

    graphs: tuple[Graph, ...]
    families: NDArray[np.int64]
    truth: Mapping[str, tuple[Simulated, ...]]

    def measured(self, generation: str, seed: int) -> list[dict[str, float]]:
        """What a meter shows: noisy `latency_ms` and `energy_uj` of every network, each by its own generator."""
        labels = [label(one, generation, seed, index) for index, one in enumerate(self.truth[generation])]
        return [{"latency_ms": one.latency_ms, "energy_uj": one.energy_uj} for one in labels]


def label(truth: Simulated, generation: str, seed: int, index: int) -> Simulated:
    """What a meter shows of network `index`."""
    return truth.label(np.random.default_rng([seed, list(GENERATIONS).index(generation), index]))


def calibration(each: int, seed: int) -> Calibration:
    """So many networks of each family, simulated without noise."""
    graphs = tuple(network(name, seed, index) for name in MEMBERS for index in range(each))
    truth = {name: tuple(simulate(chip, graph) for graph in graphs) for name, chip in GENERATIONS.items()}
    return Calibration(graphs, np.repeat(np.arange(len(MEMBERS)), each), truth)
