"""The best single cut of small networks, against a search of all of them."""

from itertools import combinations, product

import pytest

from edgevolve.graph import (
    Activation,
    Add,
    Concat,
    Conv2D,
    DepthwiseConv2D,
    GlobalAveragePool,
    GraphBuilder,
    MaxPool2D,
    reordered,
)
from edgevolve.tflite import CORTEX_M
from resource_models import THOROUGH, choices, file_footprint, peak_memory
from resource_models.banded import banded, best_order, in_order
from resource_models.bands import Cutter, Part
from resource_models.in_bands import as_file

RELU = Activation.RELU


def chain():
    net = GraphBuilder()
    x = net.add(DepthwiseConv2D((3, 3), activation=RELU), net.input((1, 20, 10, 3)))
    x = net.add(Conv2D(16, (3, 3), activation=RELU), net.add(Conv2D(4, (1, 1), activation=RELU), x))
    return net.build(net.add(MaxPool2D((2, 2), (2, 2)), x))


def residual():
    net = GraphBuilder()
    x = net.add(Conv2D(4, (3, 3), activation=RELU), net.input((1, 20, 20, 3)))
    y = net.add(Conv2D(4, (3, 3)), net.add(DepthwiseConv2D((1, 1), activation=RELU), x))
    x = net.add(DepthwiseConv2D((3, 3), (2, 2), activation=RELU), net.add(Add(RELU), x, y))
    return net.build(net.add(GlobalAveragePool(), x))


def two_branches():
    net = GraphBuilder()
    x = net.input((1, 16, 10, 4))
    y = net.add(Conv2D(4, (1, 1), (2, 2), activation=RELU), net.add(Conv2D(16, (3, 3), activation=RELU), x))
    x = net.add(Concat(), y, net.add(DepthwiseConv2D((3, 3), (2, 2), activation=RELU), x))
    return net.build(net.add(GlobalAveragePool(), x))


def cut_up():
    """A chain whose best cut is known before its operators are put in order."""
    net = GraphBuilder()
    x = net.add(Conv2D(12, (3, 3), activation=RELU), net.input((1, 24, 24, 3)))
    x = net.add(Conv2D(16, (1, 1), (2, 2), activation=RELU), net.add(DepthwiseConv2D((3, 3), activation=RELU), x))
    return net.build(net.add(GlobalAveragePool(), net.add(MaxPool2D((2, 2), (2, 2)), x)))


def least_of_all(model, slower, effort):
    """Bytes of the arena with the best of all single cuts of an effort, in the best order of its operators."""
    cutter, uncut = Cutter(model), file_footprint(model).arena_bytes
    most = sum(node.macs for node in model.graph.nodes) * (1 + slower)
    ways = product(effort.counts, effort.spares, effort.tapers, effort.rests)
    parts = {
        Part(first, last, rows, columns, spare, taper if rows > 1 else 1.0, rest)
        for (rows, columns), spare, taper, rest in ways
        for first, last in combinations(range(len(model.operators) + 1), 2)
    }
    cuts = [banded(cutter, part) for part in parts if (work := cutter.macs(part)) is not None and work <= most]
    ordered = (in_order(cut, best_order(cut, CORTEX_M, effort.orders)) for cut in cuts)
    least = min(file_footprint(each.model).arena_bytes for each in ordered)
    return uncut, least


ALL = THOROUGH._replace(depth=1, pairs=0, moves=0, tries=10_000, alike=10_000, rungs=-1)
SOME = ALL._replace(counts=((2, 1), (3, 1), (1, 2), (2, 2)), tapers=(1.0,))


@pytest.mark.parametrize(
    ("effort", "graph", "slower"),
    [
        (SOME, chain, 0.3),
        (SOME, residual, 0.3),
        (SOME, two_branches, 0.3),
        *(
            pytest.param(ALL, graph, slower, marks=pytest.mark.slow)
            for graph in (chain, residual, two_branches, cut_up)
            for slower in (0.1, 1.0)
        ),
    ],
    ids=lambda value: value.__name__ if callable(value) else "some" if value == SOME else None,
)
def test_with_enough_tries_the_best_single_cut_of_a_small_network_is_that_of_all_cuts(effort, graph, slower):
    made = graph()
    model = as_file(reordered(made, peak_memory(made).order))
    uncut, least = least_of_all(model, slower, effort)
    assert choices(model, slower, effort=effort)[-1].footprint.arena_bytes == min(uncut, least)
    assert least < uncut or slower < 0.3
