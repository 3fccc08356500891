import dataclasses

import pytest

from edgevolve.graph import Add, Concat, Conv2D, DType, Graph, GraphBuilder, MaxPool2D, Pad, Tensor
from resource_models import PeakMemory, peak_memory


def conv(net: GraphBuilder, filters: int, x: Tensor) -> Tensor:
    return net.add(Conv2D(filters, (3, 3)), x)


def residual() -> Graph:
    """A convolution, then another with a skip around it; each map after the 64-byte input has 256 bytes."""
    net = GraphBuilder()
    x = conv(net, 16, net.input((1, 4, 4, 4)))
    return net.build(net.add(Add(), conv(net, 16, x), x))


def test_an_add_needs_a_third_buffer_as_in_tflm() -> None:
    assert peak_memory(residual()).peak_bytes == 768


def test_an_input_read_by_two_branches_is_counted_once() -> None:
    net = GraphBuilder()
    x = net.input((1, 8, 8, 3))
    graph = net.build(conv(net, 9, x), conv(net, 9, x))
    assert peak_memory(graph).peak_bytes == 192 + 576 + 576


def test_a_tensor_added_to_itself_is_counted_once() -> None:
    net = GraphBuilder()
    x = conv(net, 4, net.input((1, 4, 4, 1)))
    graph = net.build(net.add(Add(), x, x))
    assert peak_memory(graph).peak_bytes == 64 + 64


def test_padding_costs_a_buffer() -> None:
    net = GraphBuilder()
    x = net.input((1, 4, 4, 2))
    assert peak_memory(net.build(net.add(Pad((0, 1), (0, 1)), x))).peak_bytes == 32 + 50


def test_a_tensor_that_nobody_reads_is_live_in_its_own_step_alone() -> None:
    net = GraphBuilder()
    x = net.input((1, 4, 4, 1))
    conv(net, 2, x)
    graph = net.build(conv(net, 5, x))
    assert peak_memory(graph).peak_bytes == 16 + 80


def test_all_inputs_are_live_at_the_start_even_one_that_nobody_reads() -> None:
    net = GraphBuilder()
    x = net.input((1, 1, 1, 10))
    net.input((1, 1, 1, 500))
    assert peak_memory(net.build(conv(net, 3, x))).peak_bytes == 510


def test_a_graph_without_nodes_needs_its_inputs() -> None:
    net = GraphBuilder()
    x = net.input((1, 1, 1, 10))
    assert peak_memory(net.build(x)) == PeakMemory(10, (), True)


def test_bytes_follow_the_element_type() -> None:
    net = GraphBuilder()
    x = net.input((1, 4, 4, 1), DType.FLOAT32)
    assert peak_memory(net.build(net.add(MaxPool2D((2, 2), (2, 2)), x))).peak_bytes == 64 + 16


def test_the_branch_with_the_high_peak_runs_before_its_neighbours_output_waits() -> None:
    net = GraphBuilder()
    x = net.input((1, 1, 1, 10))
    small = conv(net, 20, x)
    large = conv(net, 20, conv(net, 100, x))
    memory = peak_memory(net.build(net.add(Concat(), small, large)))
    assert memory == PeakMemory(130, (1, 2, 0, 3), True)


def test_constants_are_not_counted() -> None:
    net = GraphBuilder()
    x = net.input((1, 1, 1, 1))
    assert peak_memory(net.build(net.add(Conv2D(1, (99, 99)), x))).peak_bytes == 2


def test_a_chain_of_four_hundred_convolutions_needs_its_widest_pair() -> None:
    net = GraphBuilder()
    x = net.input((1, 4, 4, 1))
    for i in range(400):
        x = conv(net, 1 + i % 7, x)
    memory = peak_memory(net.build(x))
    assert memory == PeakMemory(16 * (6 + 7), tuple(range(400)), True)


def test_a_skip_around_four_hundred_convolutions_is_live_throughout() -> None:
    net = GraphBuilder()
    first = x = conv(net, 3, net.input((1, 4, 4, 1)))
    for i in range(400):
        x = conv(net, 1 + i % 7, x)
    memory = peak_memory(net.build(net.add(Concat(), x, first)))
    assert (memory.peak_bytes, memory.exact) == (16 * (3 + 6 + 7), True)


def test_the_result_cannot_be_changed() -> None:
    memory = peak_memory(residual())
    with pytest.raises(dataclasses.FrozenInstanceError):
        memory.peak_bytes = 0  # type: ignore[misc]
