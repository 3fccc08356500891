import numpy as np
import pytest

from edgevolve.graph import (
    Activate,
    Activation,
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    GraphBuilder,
    MaxPool2D,
    Padding,
    reordered,
)
from edgevolve.tflite import needs, operators
from resource_models import CORTEX_M, HOST, TARGETS, KernelSet, Target, deployed, footprint, measure, memory_plan
from search_space import CnnSpace
from tests.training.random_graphs import random_graph

DSP, MVE = TARGETS["cortex-m-dsp"], TARGETS["cortex-m-mve"]


def chain(*ops, shape=(1, 8, 8, 3)):
    net = GraphBuilder()
    x = net.input(shape)
    for op in ops:
        x = net.add(op, x)
    return net.build(x)


def scratch(graph, target):
    return needs(operators(graph)[-1], target).scratch


def last_scratch(target, *ops):
    return scratch(chain(*ops), target)


def random_cnn(seed):
    space = CnnSpace((20, 20, 3), 10)
    return space.graph(space.sample(np.random.default_rng(seed)))


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("target", TARGETS.values(), ids=lambda target: target.name)
def test_peak_plan_and_greedy_plan_stand_in_order(seed, target):
    needs = measure(random_cnn(seed) if seed % 2 else random_graph(seed), target)
    assert 0 < needs.peak_bytes <= needs.planned_head_bytes <= needs.greedy_head_bytes
    assert needs.planned_head_bytes % 16 == needs.tail_bytes % 16 == needs.flash_bytes % 16 == 0
    assert needs.arena_bytes >= needs.planned_head_bytes + needs.tail_bytes
    assert needs.greedy_arena_bytes >= needs.arena_bytes
    assert needs.exact or needs.planned_head_bytes > needs.peak_bytes


def test_each_map_is_rounded_up_and_never_computed_in_place():
    net = GraphBuilder()
    x = net.add(Conv2D(3, (3, 3)), net.input((1, 3, 3, 3)))
    graph = net.build(net.add(Activate(Activation.HARD_SWISH), x))
    assert measure(graph).peak_bytes == 32 + 32


def test_a_mean_asks_for_sums_and_for_room_for_its_axes():
    graph = chain(GlobalAveragePool(), shape=(1, 8, 8, 10))
    assert scratch(graph, CORTEX_M) == (40, 16, 8)
    assert measure(graph).peak_bytes == 640 + 16 + 48 + 16 + 16


@pytest.mark.parametrize(
    ("op", "dsp", "mve"),
    [
        (Conv2D(4, (3, 3)), 4 * 28, 64 * 2),
        (Conv2D(4, (1, 1)), 0, 0),
        (DepthwiseConv2D((3, 3)), 0, 4 * 124 * 9),
        (DepthwiseConv2D((5, 5)), 2 * 3 * 25, 4 * 124 * 25),
        (DepthwiseConv2D((5, 3), padding=Padding.VALID), 2 * 3 * 15, 4 * 124 * 15),
        (DepthwiseConv2D((3, 3), multiplier=2), 0, 0),
        (AveragePool2D((2, 2), (2, 2)), 4 * 3, 0),
        (MaxPool2D((2, 2), (2, 2)), 0, 0),
    ],
    ids=str,
)
def test_scratch_of_cmsis_nn_follows_the_published_formulas(op, dsp, mve):
    assert last_scratch(CORTEX_M, op) == ()
    assert sum(last_scratch(DSP, op)) == dsp
    assert sum(last_scratch(MVE, op)) == mve


def test_kernel_sets_change_scratch_and_tail_and_say_where_they_come_from():
    graph = chain(Conv2D(4, (3, 3)), GlobalAveragePool(), Dense(10))
    assert measure(graph, MVE).peak_bytes > measure(graph).peak_bytes
    assert measure(graph, MVE).tail_bytes > measure(graph).tail_bytes
    assert measure(graph, MVE).flash_bytes == measure(graph).flash_bytes
    assert "published" in MVE.provenance
    assert "verified" in CORTEX_M.provenance


def test_records_of_a_microcontroller_are_about_half_those_of_the_host():
    graph = random_cnn(3)
    device, host = measure(graph), measure(graph, HOST)
    assert device.planned_head_bytes == host.planned_head_bytes
    assert 0.3 < device.tail_bytes / host.tail_bytes < 0.95
    for operator in operators(deployed(graph).graph):
        assert needs(operator, CORTEX_M).kept.data <= needs(operator, HOST).kept.data


def test_a_resolver_registers_each_operator_once():
    graph = chain(Conv2D(4, (3, 3)), Conv2D(4, (3, 3)), Activate(Activation.SIGMOID), GlobalAveragePool(), Dense(2))
    assert measure(graph).operators == ("CONV_2D", "FULLY_CONNECTED", "LOGISTIC", "MEAN")


def test_a_plan_costs_flash_and_is_counted_there():
    planned = [each for each in (measure(random_graph(seed)) for seed in range(200)) if _planned(each)]
    assert planned
    for seed in range(200):
        graph = deployed(random_graph(seed)).graph
        offsets = memory_plan(graph).offsets
        assert _planned(footprint(graph)) == (offsets is not None)


def test_figures_depend_on_the_order_of_the_nodes_only_where_they_say_so():
    graph = deployed(random_cnn(5)).graph
    names = {node.name for node in graph.nodes}
    assert len(names) == len(graph.nodes)
    again = reordered(graph, tuple(range(len(graph.nodes))))
    assert footprint(again) == footprint(graph)


@pytest.mark.parametrize("fields", [{"pointer_bytes": 2}, {"alignment_bytes": 0}])
def test_a_target_that_cannot_be_is_refused(fields):
    with pytest.raises(ValueError, match="pointers of 4 or 8"):
        Target("odd", **fields)


def test_every_kernel_set_has_a_target():
    assert {target.kernels for target in TARGETS.values()} == set(KernelSet)
    assert all(name == target.name for name, target in TARGETS.items())


def _planned(footprint):
    return footprint.planned_head_bytes < footprint.greedy_head_bytes
