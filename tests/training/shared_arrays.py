"""Shared weights at random, statistics of batch norm included, of a size that keeps activations in range."""

import numpy as np

from search_space.shared import transforms


def random_arrays(program, seed, with_transforms=False):
    rng = np.random.default_rng(seed)
    shapes = program.shapes | (transforms(program) if with_transforms else {})
    return {name: draw(name.rpartition("/")[2], shape, rng) for name, shape in shapes.items()}


def draw(role, shape, rng):
    values = rng.normal(size=shape)
    if role == "kernel":
        window = shape[:2] if shape[3] == 1 and shape[0] > 1 else shape[:3]
        values *= (2 / np.prod(window)) ** 0.5
    elif role == "variance":
        values = 1 + 0.3 * values**2
    elif role == "gamma":
        values = 1 + 0.1 * values
    elif role[0].isdigit():
        values = np.eye(shape[0]) + 0.1 * values / shape[0] ** 0.5
    else:
        values *= 0.1
    return values.astype(np.float32)
