"""The sizes of TI's presets: parameters of random cells here, beside those counted of TI's own networks."""

import numpy as np

from edgevolve import CellSpace
from edgevolve.training.weights import parameters
from search_space.cells import CELL_PRESETS

SHAPE, CLASSES, DRAWN = (256, 1, 1), 4, 50
TI = {"s": 468, "m": 1_806, "l": 23_350, "xl": 37_910, "xxl": 251_206}
"""Means over random genotypes of TI's code, of one variable and four classes; counted once, in another program."""


def measured(folder, quick):
    """Nothing for the last line: a table."""
    print("preset: parameters that are trained, mean of random cells, without dead nodes | TI's, dead nodes counted")
    for name, settings in CELL_PRESETS.items():
        space, rng = CellSpace(SHAPE, CLASSES, **settings), np.random.default_rng(0)
        sizes = [trained(space.graph(space.sample(rng))) for _ in range(10 if quick else DRAWN)]
        print(f"{name}: {np.mean(sizes):,.0f} ({min(sizes):,} to {max(sizes):,}) | {TI[name]:,}", flush=True)
    return {}


def trained(graph):
    """Weights, biases, and scale and offset of batch norm."""
    return sum(one.size for one in parameters(graph) if one.trainable)
