"""The stages of mobile networks: equal blocks, of which the first has the stride (`search_space.mobile`)."""

from dataclasses import dataclass, replace
from itertools import groupby

from edgevolve.graph import GraphBuilder, Tensor
from search_space.mobile_blocks import (
    Function,
    Pair,
    attention,
    bottleneck,
    fused_mbconv,
    mbconv,
    residual,
    separable,
    shuffled,
)

BLOCKS = ("mbconv", "fused_mbconv", "residual")
MORE_BLOCKS = ("bottleneck", "resnext", "shuffle", "separable", "attention")
"""Blocks that a space has only when `blocks` names them; they share no weights."""


@dataclass(frozen=True, slots=True)
class MbConv:
    """An inverted residual: expand, depthwise, project."""

    kernel: int
    expansion: int
    squeeze_excite: bool


@dataclass(frozen=True, slots=True)
class FusedMbConv:
    """An inverted residual whose first two convolutions are one."""

    kernel: int
    expansion: int
    squeeze_excite: bool


@dataclass(frozen=True, slots=True)
class Residual:
    """Two convolutions and a skip."""

    kernel: int
    squeeze_excite: bool


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """A convolution of a quarter of the filters between two 1×1, and a skip."""

    kernel: int
    squeeze_excite: bool


@dataclass(frozen=True, slots=True)
class ResNext:
    """A grouped convolution of half of the filters between two 1×1, and a skip."""

    kernel: int
    groups: int
    squeeze_excite: bool


@dataclass(frozen=True, slots=True)
class Shuffle:
    """Grouped 1×1 convolutions around a shuffle and a depthwise convolution, and a skip."""

    kernel: int
    groups: int


@dataclass(frozen=True, slots=True)
class Separable:
    """A depthwise convolution, then a 1×1 convolution."""

    kernel: int


@dataclass(frozen=True, slots=True)
class Attention:
    """Multi-head self-attention of all pixels, and a skip."""

    heads: int

    @property
    def kernel(self) -> int:
        """1, since its convolutions are 1×1."""
        return 1


Block = MbConv | FusedMbConv | Residual | Bottleneck | ResNext | Shuffle | Separable | Attention

TAGS: dict[type, str] = dict(
    zip(
        (MbConv, FusedMbConv, Residual, Bottleneck, ResNext, Shuffle, Separable, Attention),
        (*BLOCKS, *MORE_BLOCKS),
        strict=True,
    )
)
GROUPS = (2, 4, 8)
"""Numbers of groups; all numbers of channels are multiples of 8."""
ATTENTION_HEADS = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class Stage:
    """`depth` equal blocks, of which the first has the stride."""

    block: Block
    filters: int
    stride: int
    depth: int


def expanded(stage: Stage, expansion: int) -> Stage:
    """The stage with another expansion, where its blocks have one."""
    block = stage.block
    if not isinstance(block, MbConv | FusedMbConv):
        return stage
    return replace(stage, block=replace(block, expansion=expansion))


def with_kernel(stage: Stage, kernel: int) -> Stage:
    """The stage with another kernel, where its blocks have one."""
    block = stage.block
    return stage if isinstance(block, Attention) else replace(stage, block=replace(block, kernel=kernel))


def add_block(net: GraphBuilder, x: Tensor, block: Block, filters: int, stride: int, function: Function) -> Tensor:
    """Add a block. MBConv squeezes to a quarter of its input (EfficientNet's rule), other blocks of their filters."""
    match block:
        case Separable(kernel):
            return separable(net, x, filters, kernel, stride, function)
        case Shuffle(kernel, groups):
            return shuffled(net, x, filters, kernel, stride, function, groups)
        case Attention(heads):
            return attention(net, x, filters, stride, function, heads)
    inverted = isinstance(block, MbConv | FusedMbConv)
    squeezed = max(1, (x.shape[3] if inverted else filters) // 4) if block.squeeze_excite else 0
    match block:
        case Residual(kernel):
            return residual(net, x, filters, kernel, stride, function, squeezed)
        case Bottleneck(kernel):
            return bottleneck(net, x, filters, kernel, stride, function, squeezed)
        case ResNext(kernel, groups):
            return bottleneck(net, x, filters, kernel, stride, function, squeezed, groups)
    add = mbconv if isinstance(block, MbConv) else fused_mbconv
    return add(net, x, filters, block.kernel, stride, function, block.expansion * x.shape[3], squeezed)


def describe_stage(block: Block, filters: int, windows: list[tuple[Pair, Pair]]) -> str:
    """A stage in words: runs of blocks with equal kernels, with the stride of the first."""
    name = TAGS[type(block)].removesuffix("_mbconv")
    number = str(next((getattr(block, of) for of in ("expansion", "groups", "heads") if hasattr(block, of)), ""))
    halved = "/2" if windows[0][1] != (1, 1) else ""
    squeeze = " se" if getattr(block, "squeeze_excite", False) else ""
    words: list[str] = []
    for (height, width), blocks in groupby(kernel for kernel, _ in windows):
        stride = "" if words else halved
        words.append(f"{len(list(blocks))}× {name}{number} {height}×{width} {filters}{stride}{squeeze}")
    return ", ".join(words)
