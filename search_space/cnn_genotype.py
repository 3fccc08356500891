"""The genotype of `CnnSpace`: frozen, hashable data."""

from dataclasses import dataclass
from typing import Literal

from search_space.head import Hidden


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution of `kernel` × `kernel` pixels; `prepool` puts a 2×2 max-pool before it."""

    kernel: int
    filters: int
    stride: int
    batch_norm: bool
    relu: bool
    prepool: bool


@dataclass(frozen=True, slots=True)
class Pointwise:
    """A 1×1 convolution; `prepool` puts a 2×2 max-pool before it."""

    filters: int
    batch_norm: bool
    relu: bool
    prepool: bool


@dataclass(frozen=True, slots=True)
class Depthwise:
    """A depthwise convolution of `kernel` × `kernel` pixels; `prepool` puts a 2×2 max-pool before it."""

    kernel: int
    stride: int
    batch_norm: bool
    relu: bool
    prepool: bool


Layer = Conv | Pointwise | Depthwise


@dataclass(frozen=True, slots=True)
class Block:
    """Layers in a row, after the previous block (series) or parallel to the last series block (`branch`)."""

    branch: bool
    layers: tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class Pool:
    """The last pool, of `size` × `size` pixels and the same stride."""

    kind: Literal["avg", "max"]
    size: int


@dataclass(frozen=True, slots=True)
class Net:
    """Blocks, of which the first is in series; then the pool, hidden layers and logits."""

    blocks: tuple[Block, ...]
    pool: Pool | None
    dense: tuple[Hidden, ...]
