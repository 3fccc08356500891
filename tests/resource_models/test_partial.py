"""Plans in bands: what is foreseen before a network is cut, the best cut, and work against memory."""

from itertools import product

import numpy as np
import pytest

from edgevolve.graph import Activation, Add, Conv2D, Dense, GlobalAveragePool, GraphBuilder, MaxPool2D
from edgevolve.tflite import CORTEX_M
from resource_models import QUICK, THOROUGH, choices, file_footprint, in_bands, macs, measure, measure_in_bands
from resource_models.arena import FileArena
from resource_models.banded import banded, best_order, in_order
from resource_models.bands import Cutter, Part
from resource_models.in_bands import as_file
from resource_models.outlook import Outlook
from resource_models.pieces import NEVER
from search_space import CnnSpace, MobileSpace, NasBench201Space

RELU = Activation.RELU
SPACES = [
    CnnSpace((40, 36, 3), 4),
    MobileSpace((64, 64, 3), 4, resolutions=(64, 32)),
    NasBench201Space((32, 32, 3), 4),
]


def small():
    """A residual block between two convolutions, one of which halves the map."""
    net = GraphBuilder()
    x = net.add(Conv2D(8, (3, 3), activation=RELU), net.input((1, 16, 16, 3)))
    y = net.add(Conv2D(8, (3, 3)), net.add(Conv2D(8, (3, 3), activation=RELU), x))
    x = net.add(Conv2D(12, (3, 3), (2, 2), activation=RELU), net.add(Add(RELU), x, y))
    return net.build(net.add(Dense(4), net.add(GlobalAveragePool(), x)))


def large_first():
    net = GraphBuilder()
    x = net.input((1, 32, 32, 3))
    for filters in (16, 24):
        x = net.add(Conv2D(filters, (3, 3), activation=RELU), x)
        x = net.add(Conv2D(filters, (3, 3), activation=RELU), x)
        x = net.add(MaxPool2D((2, 2), (2, 2)), x)
    return net.build(net.add(Dense(4), net.add(GlobalAveragePool(), x)))


@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
def test_the_estimate_of_a_cut_is_what_the_cut_network_needs(space):
    """But for alignment of the tail, 16 bytes."""
    rng, compared = np.random.default_rng(0), 0
    while compared < 12:
        model = as_file(space.graph(space.sample(rng)))
        outlook, able = Outlook(Cutter(model), CORTEX_M), Cutter(model).cuttable
        first = int(rng.choice([i for i, can in enumerate(able) if can]))
        last = first + 1
        while last < len(able) and able[last] and rng.random() < 0.8:
            last += 1
        rest = bool(rng.random() < 0.5)
        part = Part(first, last, *map(int, rng.integers(1, 4, 2)), int(rng.choice([1, NEVER])), 0.75, rest)
        found = outlook.foreseen(part)
        cut = banded(outlook.cutter, part)
        assert (found is None) == (cut is None)
        if cut and found:
            compared += 1
            needs = file_footprint(cut.model)
            assert max(found.bands, found.joins, outlook.beside([(first, last)])) == needs.peak_bytes
            assert abs(FileArena(model).tail_bytes + found.tail - needs.tail_bytes) <= 16
            assert len(cut.model.operators) == len(model.operators) + found.operators - (last - first)


@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
def test_a_run_never_needs_less_than_its_quick_bounds_in_networks_that_are_in_bands_too(space):
    rng, compared, again = np.random.default_rng(1), 0, 0
    while compared < 60 or again < 15:
        model, in_bands_already = as_file(space.graph(space.sample(rng))), False
        for _ in range(12):
            outlook, able = Outlook(Cutter(model), CORTEX_M), Cutter(model).cuttable
            first = int(rng.choice([i for i, can in enumerate(able) if can]))
            last = first + 1
            while last < len(able) and able[last] and rng.random() < 0.8:
                last += 1
            part = Part(first, last, *map(int, rng.integers(1, 4, 2)), int(rng.choice([1, 3, NEVER])))
            found = outlook.foreseen(part)
            if not found:
                continue
            compared, again = compared + 1, again + in_bands_already
            assert outlook.cutter.least_macs(part) <= outlook.cutter.macs(part)
            assert outlook.inside(part) <= max(found.bands, found.joins)
            ((tail, head),) = outlook.least(first, last, [part.rows * part.columns])
            assert tail <= found.tail
            assert head <= max(found.bands, found.joins)
            cut = banded(outlook.cutter, part)
            if cut and len(cut.model.operators) < 120 and not in_bands_already:
                model, in_bands_already = cut.model, True


@pytest.mark.parametrize("spare", [1, NEVER])
def test_a_map_that_an_operator_reads_twice_is_cut_once_and_counts_once(spare):
    net = GraphBuilder()
    x = net.add(Conv2D(32, (3, 3)), net.input((1, 16, 16, 1)))
    x = net.add(Conv2D(1, (1, 1)), net.add(Add(), x, x))
    model = as_file(net.build(net.add(Dense(4), net.add(GlobalAveragePool(), x))))
    outlook, part = Outlook(Cutter(model), CORTEX_M), Part(0, 3, 2, 1, spare)
    found, ((_, head),) = outlook.foreseen(part), outlook.least(0, 3, [2])
    cut = banded(outlook.cutter, part).model
    assert max(head, outlook.inside(part)) <= found.bands == file_footprint(cut).peak_bytes
    assert [operator.name for operator in cut.operators].count("SLICE") == 4


@pytest.mark.parametrize("graph", [small(), large_first()], ids=["residual", "chain"])
def test_the_best_single_cut_is_no_worse_than_that_of_an_exhaustive_search(graph):
    """Band by band; in the best order of its operators another cut may need less than it promised."""
    model, slower = as_file(graph), 0.3
    effort = THOROUGH._replace(
        depth=1, counts=((2, 1), (3, 1), (1, 2), (2, 2)), pairs=0, moves=0, tries=60, alike=20, rungs=-1
    )
    cutter, most = Cutter(model), macs(graph) * (1 + slower)
    in_turn = at_best = file_footprint(model).arena_bytes
    for first, last in product(range(len(model.operators)), repeat=2):
        for (rows, columns), spare, taper, rest in product(effort.counts, effort.spares, effort.tapers, effort.rests):
            part = Part(first, last, rows, columns, spare, taper if rows > 1 else 1.0, rest)
            work = cutter.macs(part) if first < last else None
            if work is not None and work <= most:
                cut = banded(cutter, part)
                in_turn = min(in_turn, file_footprint(cut.model).arena_bytes)
                at_best = min(at_best, file_footprint(in_order(cut, best_order(cut, CORTEX_M)).model).arena_bytes)
    assert at_best <= choices(model, slower, effort=effort)[-1].footprint.arena_bytes <= in_turn


@pytest.mark.slow
def test_more_work_never_needs_more_memory_and_none_is_the_uncut_plan():
    model = as_file(large_first())
    before = file_footprint(model).arena_bytes
    for slower in (0.0, 0.03, 0.05, 0.12, 0.2):
        found = choices(model, slower)
        assert found[0].footprint == file_footprint(model)
        assert (found[0].parts, found[0].slower) == ((), 0.0)
        arenas, works = [one.footprint.arena_bytes for one in found], [one.slower for one in found]
        assert arenas == sorted(set(arenas), reverse=True)
        assert [max(work, 0) for work in works] == sorted(max(work, 0) for work in works)
        assert works[-1] <= slower
        assert arenas[-1] <= before
        before = arenas[-1]
    assert before < 0.75 * file_footprint(model).arena_bytes


def test_a_network_of_a_search_needs_what_its_best_plan_needs_and_no_share_changes_nothing():
    graph = large_first()
    chosen, before, after = in_bands(graph, 0.2), measure(graph), measure_in_bands(graph, 0.2)
    assert after.arena_bytes == file_footprint(chosen.banded.model).arena_bytes < 0.8 * before.arena_bytes
    assert before.macs < after.macs <= 1.2 * before.macs
    assert after.flash_bytes > before.flash_bytes
    assert measure_in_bands(graph, 0.0) == before
    assert choices(as_file(graph), 0.2, effort=QUICK)[-1].parts == chosen.parts


def test_a_network_of_a_search_takes_no_more_work_than_its_bound_on_the_arena_asks_for():
    graph = large_first()
    uncut, least = measure(graph), measure_in_bands(graph, 0.2)
    between = measure_in_bands(graph, 0.2, uncut.arena_bytes - 1)
    assert measure_in_bands(graph, 0.2, uncut.arena_bytes) == uncut
    assert least.arena_bytes <= between.arena_bytes < uncut.arena_bytes
    assert uncut.macs < between.macs <= least.macs
    assert measure_in_bands(graph, 0.2, 1) == least
