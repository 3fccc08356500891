import resource_models
from edgevolve.graph import (
    Add,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    GraphBuilder,
    MaxPool2D,
    Pad,
    Softmax,
    reordered,
)
from resource_models import live_bytes, macs, model_size, peak_memory


def test_a_convolution_is_its_kernel_its_int32_biases_and_a_float_scale_for_each_filter() -> None:
    net = GraphBuilder()
    graph = net.build(net.add(Conv2D(8, (3, 3)), net.input((1, 8, 8, 3))))
    assert model_size(graph) == 3 * 3 * 3 * 8 + 4 * 8 + 4 * 8
    assert macs(graph) == 8 * 8 * 8 * 27


def test_batch_norm_folds_and_costs_nothing() -> None:
    net = GraphBuilder()
    x = net.input((1, 8, 8, 3))
    plain, normed = net.add(Conv2D(8, (3, 3)), x), net.add(Conv2D(8, (3, 3), batch_norm=True), x)
    assert model_size(net.build(plain, normed)) == 2 * (216 + 64)


def test_a_small_network_counted_by_hand() -> None:
    net = GraphBuilder()
    x = net.input((1, 8, 8, 4))
    y = net.add(DepthwiseConv2D((3, 3)), net.add(Pad((0, 0), (0, 0)), x))
    y = net.add(Add(), x, y)
    y = net.add(MaxPool2D((2, 2), (2, 2)), net.add(Concat(), x, y))
    y = net.add(Softmax(), net.add(Dense(10), net.add(GlobalAveragePool(), y)))
    graph = net.build(y)
    pad, depthwise, mean, dense = 4 * 8, 36 + 16 + 16, 4 * 2, 80 + 40 + 40
    assert model_size(graph) == pad + depthwise + mean + dense
    assert macs(graph) == 8 * 8 * 4 * 9 + 8 * 8 * 4 + 4 * 4 * 8 * 4 + 4 * 4 * 8 + 8 * 10


def test_a_network_without_weights_has_no_size() -> None:
    net = GraphBuilder()
    graph = net.build(net.add(MaxPool2D((2, 2), (2, 2)), net.input((1, 8, 8, 4))))
    assert model_size(graph) == 0


def test_the_library_exports_these_names() -> None:
    assert resource_models.__all__ == [
        "ARENA",
        "CORTEX_M",
        "FLASH",
        "HOST",
        "MACS",
        "MODEL_SIZE",
        "PEAK_MEMORY",
        "QUICK",
        "TARGETS",
        "THOROUGH",
        "Choice",
        "Copies",
        "Deployed",
        "Effort",
        "Footprint",
        "KernelSet",
        "Lifetime",
        "PeakMemory",
        "PlacedBuffer",
        "Plan",
        "Target",
        "buffers",
        "choices",
        "copies",
        "deployed",
        "file_footprint",
        "file_macs",
        "footprint",
        "in_bands",
        "lifetimes",
        "live_bytes",
        "macs",
        "measure",
        "measure_in_bands",
        "memory_plan",
        "model_size",
        "peak_memory",
        "placed_buffers",
        "stacked",
        "stored_head_bytes",
        "timeline",
    ]


def test_live_bytes_peak_at_the_peak_memory_of_the_best_order():
    net = GraphBuilder()
    x = net.input((1, 4, 4, 2))
    a = net.add(Conv2D(8, (1, 1)), x)
    b = net.add(MaxPool2D((4, 4), (4, 4)), x)
    graph = net.build(net.add(Concat(), net.add(MaxPool2D((4, 4), (4, 4)), a), b))
    assert live_bytes(graph) == [32 + 128, 32 + 128 + 2, 128 + 2 + 8, 2 + 8 + 10]
    best = peak_memory(graph)
    assert max(live_bytes(reordered(graph, best.order))) == best.peak_bytes == 162
