import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from predictor_sections.coral import bound

from edgevolve.graph import (
    Activate,
    Activation,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    GraphBuilder,
    Softmax,
)
from predictors import sheet
from predictors.models.systolic import breakdown
from resource_models.graph_features import live_nodes
from tests.training.random_graphs import random_graph

CORAL = sheet("coral_edge_tpu")


def network(*ops, shape=(1, 16, 16, 64)):
    net = GraphBuilder()
    x = net.input(shape)
    for op in ops:
        x = net.add(op, x)
    return net.build(x)


def utilisation(chip, graph):
    """The share of the array's multipliers at work while it computes."""
    parts = breakdown(chip, graph)
    mapped = [node for node in live_nodes(graph) if node.name not in parts.on_host]
    busy = parts.compute_ms * 1e3 * chip["clock_mhz"] * chip["rows"] * chip["columns"]
    return sum(node.macs for node in mapped if isinstance(node.op, Conv2D | Dense)) / busy if busy else 0


def compute_ms(*ops, **options):
    return breakdown(CORAL, network(*ops, **options)).compute_ms


def test_a_full_tile_takes_one_cycle_a_pixel():
    assert compute_ms(Conv2D(64, (1, 1))) == pytest.approx(256 * CORAL["systolic_slowdown"] / 480e3)


def test_a_part_filled_tile_costs_as_much_as_a_full_one():
    assert compute_ms(Conv2D(1, (1, 1))) == compute_ms(Conv2D(64, (1, 1)))
    assert compute_ms(Conv2D(65, (1, 1))) == 2 * compute_ms(Conv2D(64, (1, 1)))
    assert compute_ms(Conv2D(64, (3, 3)), shape=(1, 16, 16, 7)) == compute_ms(Conv2D(64, (1, 1)))


def test_depthwise_uses_one_lane_a_channel():
    assert compute_ms(DepthwiseConv2D((3, 3))) == pytest.approx(9 * 256 / 480e3)


def test_weights_stay_on_the_chip_until_they_no_longer_fit():
    small, large = network(Dense(512), shape=(1, 1024)), network(Dense(10_000), shape=(1, 1024))
    assert breakdown(CORAL, small).streamed_bytes == 0
    parts = breakdown(CORAL, large)
    assert parts.cached_bytes == 7_700_000
    assert parts.streamed_bytes == 1024 * 10_000 + 4 * 10_000 - 7_700_000
    assert bound(parts) == "weights"
    assert parts.weights_ms == pytest.approx(parts.streamed_bytes / 4.62e5)


def test_kernels_are_stored_in_whole_tiles():
    parts = breakdown(CORAL, network(Conv2D(65, (3, 3)), shape=(1, 8, 8, 32)))
    assert parts.cached_bytes == 9 * 64 * 128


def test_input_and_output_cross_the_link_once():
    parts = breakdown(CORAL, network(Conv2D(8, (3, 3)), Conv2D(4, (3, 3))))
    assert parts.transfer_bytes == 256 * 64 + 256 * 4


def test_what_cannot_be_mapped_and_all_after_it_run_on_the_host_with_the_reason():
    graph = network(Conv2D(8, (3, 3)), Activate(Activation.HARD_SWISH), Conv2D(4, (3, 3)), Conv2D(2, (1, 1)))
    parts = breakdown(CORAL, graph)
    assert parts.on_host == {
        "activate_1": "HARD_SWISH is not supported",
        "conv2d_2": "follows activate_1, and only one part of a graph is mapped",
        "conv2d_3": "follows conv2d_2, and only one part of a graph is mapped",
    }
    assert parts.macs == 256 * 8 * 9 * 64
    assert parts.transfer_bytes == 256 * 64 + 256 * 8, "the cut tensor goes to the host"
    assert parts.host_ms > 0


@pytest.mark.parametrize(
    "ops, reason",
    [((Conv2D(64, (3, 3), groups=2),), "groups"), ((GlobalAveragePool(), Dense(20_000), Softmax()), "16000 elements")],
)
def test_limits_of_the_compiler_are_named(ops, reason):
    (text,) = breakdown(CORAL, network(*ops)).on_host.values()
    assert reason in text


def test_a_network_that_the_device_cannot_run_at_all_costs_the_host_alone():
    parts = breakdown(CORAL, network(Conv2D(64, (3, 3), groups=2)))
    assert parts.latency_ms == parts.host_ms and parts.compute_ms == 0 and parts.overhead_ms == 0


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_the_parts_make_the_whole_and_the_rumoured_device_is_never_slower(seed):
    graph = random_graph(seed)
    whole = breakdown(CORAL, graph)
    parts = whole.compute_ms + whole.weights_ms + whole.transfer_ms + whole.host_ms + whole.overhead_ms
    assert whole.latency_ms == pytest.approx(parts)
    assert 0 <= utilisation(CORAL, graph) <= 1
    assert whole.energy_uj > 0
    old, new = (breakdown(sheet(f"edge_tpu_{name}"), graph) for name in ("v5e", "v6"))
    assert new.latency_ms <= old.latency_ms and new.energy_uj <= old.energy_uj


def test_a_full_array_reaches_the_efficiency_of_the_sheet():
    graph = network(*[Conv2D(512, (3, 3))] * 8, shape=(1, 64, 64, 512))
    assert utilisation(sheet("edge_tpu_v6"), graph) == pytest.approx(1 / 1.5, rel=0.01)
    assert 20 < breakdown(sheet("edge_tpu_v6"), graph).tops_per_watt < 75, (
        "static power and memory come on top of the multipliers"
    )
