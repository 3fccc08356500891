import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from tests.training.random_graphs import random_graph

CORAL = sheet("coral_edge_tpu")


def network(*ops, shape=(1, 16, 16, 64)):
    net = GraphBuilder()
    x = net.input(shape)
    for op in ops:
        x = net.add(op, x)
    return net.build(x)


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
    found = breakdown(CORAL, large)
    assert found.cached_bytes == 7_700_000
    assert found.streamed_bytes == 1024 * 10_000 + 4 * 10_000 - 7_700_000
    assert found.bound == "weights"
    assert found.weights_ms == pytest.approx(found.streamed_bytes / 4.62e5)


def test_kernels_are_stored_in_whole_tiles():
    found = breakdown(CORAL, network(Conv2D(65, (3, 3)), shape=(1, 8, 8, 32)))
    assert found.cached_bytes == 9 * 64 * 128


def test_input_and_output_cross_the_link_once():
    found = breakdown(CORAL, network(Conv2D(8, (3, 3)), Conv2D(4, (3, 3))))
    assert found.transfer_bytes == 256 * 64 + 256 * 4


def test_what_cannot_be_mapped_and_all_after_it_run_on_the_host_with_the_reason():
    graph = network(Conv2D(8, (3, 3)), Activate(Activation.HARD_SWISH), Conv2D(4, (3, 3)), Conv2D(2, (1, 1)))
    found = breakdown(CORAL, graph)
    assert found.on_host == {
        "activate_1": "HARD_SWISH is not supported",
        "conv2d_2": "follows activate_1, and only one part of a graph is mapped",
        "conv2d_3": "follows conv2d_2, and only one part of a graph is mapped",
    }
    assert found.macs == 256 * 8 * 9 * 64
    assert found.transfer_bytes == 256 * 64 + 256 * 8, "the cut tensor goes to the host"
    assert found.host_ms > 0


@pytest.mark.parametrize(
    "ops, reason",
    [((Conv2D(64, (3, 3), groups=2),), "groups"), ((GlobalAveragePool(), Dense(20_000), Softmax()), "16000 elements")],
)
def test_limits_of_the_compiler_are_named(ops, reason):
    (text,) = breakdown(CORAL, network(*ops)).on_host.values()
    assert reason in text


def test_a_network_that_the_device_cannot_run_at_all_costs_the_host_alone():
    found = breakdown(CORAL, network(Conv2D(64, (3, 3), groups=2)))
    assert found.latency_ms == found.host_ms and found.utilisation == 0 and found.overhead_ms == 0


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_the_parts_make_the_whole_and_the_rumoured_device_is_never_slower(seed):
    graph = random_graph(seed)
    found = breakdown(CORAL, graph)
    parts = found.compute_ms + found.weights_ms + found.transfer_ms + found.host_ms + found.overhead_ms
    assert found.latency_ms == pytest.approx(parts)
    assert 0 <= found.utilisation <= 1
    assert found.energy_uj > 0
    old, new = (breakdown(sheet(f"edge_tpu_{name}"), graph) for name in ("v5e", "v6"))
    assert new.latency_ms <= old.latency_ms and new.energy_uj <= old.energy_uj


def test_a_full_array_reaches_the_efficiency_of_the_sheet():
    found = breakdown(sheet("edge_tpu_v6"), network(*[Conv2D(512, (3, 3))] * 8, shape=(1, 64, 64, 512)))
    assert found.utilisation == pytest.approx(1 / 1.5, rel=0.01)
    assert 20 < found.tops_per_watt < 75, "static power and memory come on top of the multipliers"
