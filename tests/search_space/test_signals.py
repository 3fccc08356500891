"""Networks for signals: of a (steps, 1, channels) input nothing strides or pools but along time."""

import numpy as np
import pytest

from edgevolve.graph import AveragePool2D, Conv2D, DepthwiseConv2D, MaxPool2D, graph_hash
from search_space import CnnSpace, MobileSpace

SPACES = [CnnSpace, MobileSpace]
WINDOWED = (Conv2D, DepthwiseConv2D, MaxPool2D, AveragePool2D)


def windows(graph):
    """(kernel or pool, stride) of each operator that has one."""
    for node in graph.nodes:
        if isinstance(node.op, WINDOWED):
            yield getattr(node.op, "kernel", None) or node.op.pool, node.op.stride


def samples(space, number=60):
    rng = np.random.default_rng(0)
    return [space.sample(rng) for _ in range(number)]


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize(("shape", "single"), [((96, 1, 6), 1), ((1, 96, 6), 0)])
def test_strides_and_pools_are_along_time_alone(kind, shape, single):
    space = kind(shape, 4)
    pairs = [one for genotype in samples(space) for one in windows(space.graph(genotype))]
    assert {window[single] for window, _ in pairs} == {stride[single] for _, stride in pairs} == {1}
    assert max(stride[1 - single] for _, stride in pairs) > 1


@pytest.mark.parametrize("kind", SPACES)
def test_time_may_lie_along_either_axis(kind):
    down, across = kind((96, 1, 6), 4), kind((1, 96, 6), 4)
    for genotype in samples(down, 20):
        one, other = down.graph(genotype), across.graph(across.from_json(down.to_json(genotype)))
        assert [(w[::-1], s[::-1]) for w, s in windows(one)] == list(windows(other))


def test_mobile_networks_for_signals_shrink_and_have_resolutions():
    space = MobileSpace((96, 1, 6), 4)
    genotypes = samples(space)
    assert {genotype.resolution for genotype in genotypes} == {24, 32, 48, 96}
    assert all(min(node.output.shape[1] for node in space.graph(g).nodes) <= 48 for g in genotypes)
    assert len({graph_hash(space.graph(genotype)) for genotype in genotypes}) > 50
