"""Builds the network of a μNAS genotype (Liberis et al. 2021, arXiv 2010.14246).

A series block adds up all pending outputs and runs on the sum. A branch runs on the input of the last series block and
adds its output to the pending ones. All windows are VALID and clamped to the map, so that every genotype has a network;
layers that would do nothing on a map of one pixel are left out. The words name the layers as built: a branch has the
channels of its series block, and kernels and strides are clamped.
"""

from collections.abc import Sequence
from functools import lru_cache

from edgevolve.graph import (
    Activation,
    Add,
    AveragePool2D,
    Conv2D,
    DepthwiseConv2D,
    Graph,
    GraphBuilder,
    MaxPool2D,
    Pad,
    Padding,
    Tensor,
)
from search_space.cnn_genotype import Block, Conv, Depthwise, Layer, Net, Pointwise
from search_space.cnn_shared import HEAD, LAST_POOL, SUM, fit_place, layer_place, output_place
from search_space.head import add_head, describe_hidden
from search_space.shared_path import PartedBuilder

Pair = tuple[int, int]

KINDS: dict[type, str] = {Conv: "conv", Pointwise: "pointwise", Depthwise: "depthwise"}


@lru_cache(maxsize=64)
def assemble(genotype: Net, input_shape: tuple[int, ...], outputs: int) -> tuple[Graph, str]:
    """The network for an input of (height, width, channels), and its layers but the last in words.

    The last results are kept: a search asks for a candidate's network and for its words.
    """
    return assembled(genotype, input_shape, outputs, PartedBuilder())


def assembled(genotype: Net, input_shape: tuple[int, ...], outputs: int, net: PartedBuilder) -> tuple[Graph, str]:
    """Do as `assemble` does, with a builder that records the parts of the program of shared weights."""
    source = net.input((1, *input_shape))
    pending = [source]
    begin = 0
    words = ""
    for number, block in enumerate(genotype.blocks):
        if block.branch:
            x, layers = _add_block(net, number, block, source, channels=pending[0].shape[3])
            pending.append(x)
            words += f" + branch {layers}"
        else:
            source = _join(net, pending, begin)
            x, layers = _add_block(net, number, block, source)
            pending, begin = [x], number
            words += f" → {layers}" if words else layers
    x = _join(net, pending, begin)
    if genotype.pool:
        net.part(LAST_POOL, "average" if genotype.pool.kind == "avg" else "max")
        kind = AveragePool2D if genotype.pool.kind == "avg" else MaxPool2D
        x, pooled = _add_pool(net, kind, genotype.pool.size, x)
        words += f" → {genotype.pool.kind}-pool {_size(pooled)}" if pooled else ""
    net.part(HEAD)
    graph = net.build(add_head(net, x, genotype.dense, outputs))
    return graph, " → ".join([words, *describe_hidden(genotype.dense)])


def _add_block(
    net: PartedBuilder, place: int, block: Block, x: Tensor, channels: int | None = None
) -> tuple[Tensor, str]:
    """Run the layers on `x`; `channels`, if given, is the number of channels of the last one."""
    words = []
    for number, layer in enumerate(block.layers, 1):
        net.part(layer_place(place, number - 1), KINDS[type(layer)])
        x, layer_words = _add_layer(net, layer, x, channels if number == len(block.layers) else None)
        words.append(layer_words)
    if channels is not None and isinstance(block.layers[-1], Depthwise):
        net.part(fit_place(place))
        op = Conv2D(channels, (1, 1), padding=Padding.VALID)
        x = net.add(op, x)
        words.append(_words(op))
    return x, f"[{', '.join(words)}]"


def _add_layer(net: GraphBuilder, layer: Layer, x: Tensor, filters: int | None = None) -> tuple[Tensor, str]:
    """Pool if asked to, then convolve; `filters` overrides the layer's own.

    A depthwise convolution of one channel becomes a convolution with one filter, since both are the same function.
    """
    pooled = None
    if layer.prepool:
        x, pooled = _add_pool(net, MaxPool2D, 2, x)
    activation = Activation.RELU if layer.relu else Activation.NONE
    kernel, stride = _window(layer, x)
    op: DepthwiseConv2D | Conv2D
    if isinstance(layer, Depthwise) and x.shape[3] > 1:
        op = DepthwiseConv2D(kernel, stride, Padding.VALID, activation=activation, batch_norm=layer.batch_norm)
    else:
        filters = 1 if isinstance(layer, Depthwise) else filters or layer.filters
        op = Conv2D(filters, kernel, stride, Padding.VALID, activation=activation, batch_norm=layer.batch_norm)
    return net.add(op, x), ("pool " if pooled else "") + _words(op)


def _words(op: Conv2D | DepthwiseConv2D) -> str:
    """`conv 3×3/2 12 bn relu`, `dw 5×1`, `1×1 8`."""
    words = [f"{op.kernel[0]}×{op.kernel[1]}{'/2' if op.stride != (1, 1) else ''}"]
    if isinstance(op, DepthwiseConv2D):
        words.insert(0, "dw")
    else:
        words = [*(["conv"] if op.kernel != (1, 1) else []), *words, str(op.filters)]
    words += ["bn"] if op.batch_norm else []
    words += ["relu"] if op.activation is Activation.RELU else []
    return " ".join(words)


def _size(window: Pair) -> str:
    """One number for a square."""
    return str(window[0]) if window[0] == window[1] else f"{window[0]}×{window[1]}"


def _window(layer: Layer, x: Tensor) -> tuple[Pair, Pair]:
    """The kernel clamped to the map, and the stride along sides longer than a pixel.

    A kernel that covers the map gets stride 1.
    """
    if isinstance(layer, Pointwise):
        return (1, 1), (1, 1)
    _, height, width, _ = x.shape
    kernel = (min(layer.kernel, height), min(layer.kernel, width))
    if kernel == (height, width):
        return kernel, (1, 1)
    return kernel, (layer.stride if height > 1 else 1, layer.stride if width > 1 else 1)


def _add_pool(
    net: GraphBuilder, op: type[MaxPool2D] | type[AveragePool2D], size: int, x: Tensor
) -> tuple[Tensor, Pair | None]:
    """Pool windows of `size`, clamped to the map; also gives the window, None on a map of one pixel."""
    _, height, width, _ = x.shape
    window = (min(size, height), min(size, width))
    return (x, None) if window == (1, 1) else (net.add(op(window, window), x), window)


def _join(net: PartedBuilder, outputs: Sequence[Tensor], begin: int) -> Tensor:
    """Add up maps of different sizes: pool each towards the smallest, zero-pad bottom and right to the largest.

    The maps are those of the block `begin` and of the branches after it.
    """
    height, width = (min(x.shape[axis] for x in outputs) for axis in (1, 2))
    pooled = []
    for number, x in enumerate(outputs, begin):
        net.part(output_place(number), "size")
        window = (round(x.shape[1] / height), round(x.shape[2] / width))
        pooled.append(x if window == (1, 1) else net.add(MaxPool2D(window, window), x))
    height, width = (max(x.shape[axis] for x in pooled) for axis in (1, 2))
    padded = []
    for number, x in enumerate(pooled, begin):
        net.part(output_place(number), "size")
        below, right = height - x.shape[1], width - x.shape[2]
        padded.append(net.add(Pad((0, below), (0, right)), x) if below or right else x)
    net.part(SUM)
    total, *others = padded
    for x in others:
        total = net.add(Add(), total, x)
    return total
