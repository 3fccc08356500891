"""Networks to measure a device with: published families at every scale, or random small ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgevolve.graph import Graph
from edgevolve.tflite import skeleton
from search_space import CnnSpace, MlpSpace, SearchSpace
from search_space.families import FAMILIES, RESOLUTIONS, family

_CLASSES = (2, 10, 100, 1000)
_SIDES = (8, 16, 24, 32, 48, 64, 96)
_ATTEMPTS = 1000


@dataclass(frozen=True, slots=True)
class Network:
    """A network and its description in words."""

    graph: Graph
    description: str


def variants(count: int, seed: int) -> Iterator[Network]:
    """Published mobile networks in turn, at random widths and depths of 0.5 to 2 and resolutions of 96 to 320.

    Each is a function of `seed` and its index, so that a larger `count` starts with the same networks.
    """
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        name = FAMILIES[index % len(FAMILIES)]
        width, depth = (round(2.0 ** float(rng.uniform(-1, 1)), 2) for _ in range(2))
        side = 32 * int(rng.integers(RESOLUTIONS[0] // 32, RESOLUTIONS[1] // 32 + 1))
        classes = int(rng.choice(_CLASSES))
        graph = family(name, width=width, depth=depth, resolution=side, classes=classes)
        yield Network(graph, f"{name} width {width} depth {depth} at {side}, {classes} classes")


def small(count: int, seed: int, at_most_bytes: int) -> Iterator[Network]:
    """Random networks whose int8 `.tflite` has at most `at_most_bytes`: convolutional, every fourth of Dense layers.

    Raises `ValueError` where a thousand in a row are larger.
    """
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        for _ in range(_ATTEMPTS):
            side, channels, classes = int(rng.choice(_SIDES)), int(rng.choice((1, 3))), int(rng.choice(_CLASSES[:3]))
            kind = MlpSpace if index % 4 == 3 else CnnSpace
            space: SearchSpace[Any] = kind((side, side, channels), classes)
            genotype = space.sample(rng)
            graph = space.graph(genotype)
            if sum(weight.size_bytes for node in graph.nodes for weight in node.weights) > at_most_bytes:
                continue
            if len(skeleton(graph)) <= at_most_bytes:
                yield Network(graph, f"{side}×{side}×{channels} {space.describe(genotype)}")
                break
        else:
            raise ValueError(f"{_ATTEMPTS} random networks in a row have more than {at_most_bytes} bytes; allow more")
