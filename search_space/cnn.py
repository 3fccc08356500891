"""μNAS's space of convolutional networks with branches (Liberis et al. 2021, arXiv 2010.14246)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from numpy.random import Generator

from edgevolve.graph import Graph
from search_space.cnn_assembly import assemble
from search_space.cnn_genotype import Block, Conv, Depthwise, Layer, Net, Pointwise, Pool
from search_space.declared import DeclaredSpace
from search_space.genome import Choice, Flag, IntRange, Items, Maybe, Record, Variable, Variants
from search_space.head import hidden_layer
from search_space.protocol import GenotypeError

__all__ = ["Block", "CnnSpace", "Conv", "Depthwise", "Layer", "Net", "Pointwise", "Pool"]


@dataclass(frozen=True, slots=True)
class CnnSpace(DeclaredSpace[Net]):
    """1 to `max_blocks` blocks of 1 to `max_layers` convolutions, a pool, 1 to `max_dense` hidden layers, logits.

    Layers are convolutions of 3, 5 or 7 pixels with 1 to `max_filters` filters, 1×1 convolutions and depthwise
    convolutions; hidden layers have 10 to `max_units`. `input_shape` is (height, width, channels). The defaults are
    those of the paper. Raises `ValueError` for impossible sizes.
    """

    max_blocks: int = 10
    max_layers: int = 3
    max_filters: int = 128
    max_dense: int = 3
    max_units: int = 256

    def __post_init__(self) -> None:
        DeclaredSpace.__post_init__(self)
        if len(self.input_shape) != 3:
            raise ValueError(f"the input must be (height, width, channels), not {self.input_shape}")

    @property
    def genome(self) -> Record[Net]:
        """All genotypes."""
        return _genome(self.max_blocks, self.max_layers, self.max_filters, self.max_dense, self.max_units)

    def graph(self, genotype: Net) -> Graph:
        """The network."""
        return assemble(genotype, self.input_shape, self.units)[0]

    def describe(self, genotype: Net) -> str:
        """`[conv 3×3 12 bn relu, dw 5×5/2] + branch [1×1 8] → max-pool 2 → dense 64 → 10 logits`, as built."""
        return f"{assemble(genotype, self.input_shape, self.units)[1]} → {self.ending}"


class _Blocks(Items[Block]):
    """Blocks of which the first is never a branch."""

    __slots__ = ()

    def sample(self, rng: Generator) -> tuple[Block, ...]:
        first, *others = super().sample(rng)
        return (replace(first, branch=False), *others)

    def shorter(self, value: tuple[Block, ...]) -> Iterator[tuple[Block, ...]]:
        """Without each block; a branch takes the place of the series block that it was parallel to."""
        for i, block in enumerate(value):
            rest = value[i + 1 :]
            if rest and rest[0].branch and not block.branch:
                yield (*value[:i], replace(rest[0], branch=False), *rest[1:])
            elif i == 0 or block != value[i - 1]:
                yield value[:i] + rest

    def changed(self, value: tuple[Block, ...], rng: Generator) -> Iterator[tuple[Block, ...]]:
        return (blocks for blocks in super().changed(value, rng) if not blocks[0].branch)

    def from_json(self, value: object, path: str) -> tuple[Block, ...]:
        blocks = super().from_json(value, path)
        if blocks[0].branch:
            raise GenotypeError(f"{path}[0].branch: expected false, as the first block has nothing to be parallel to")
        return blocks


@cache
def _genome(max_blocks: int, max_layers: int, max_filters: int, max_dense: int, max_units: int) -> Record[Net]:
    kernel = IntRange(3, 7, step=2, moves=(2,))
    filters = IntRange(1, max_filters, moves=(1, 3, 5))
    stride = IntRange(1, 2)
    switches = {"batch_norm": Flag(), "relu": Flag(0.9), "prepool": Flag(0.25)}
    layer: Variable[Layer] = Variants(
        conv=Record(Conv, kernel=kernel, filters=filters, stride=stride, **switches),
        pointwise=Record(Pointwise, filters=filters, **switches),
        depthwise=Record(Depthwise, kernel=kernel, stride=stride, **switches),
    )
    kind: Choice[Any] = Choice(("avg", "max"))
    return Record(
        Net,
        blocks=_Blocks(
            "block",
            Record(Block, branch=Flag(), layers=Items("layer", layer, 1, max_layers)),
            1,
            max_blocks,
            insert="end",
            fresh=Record(Block, branch=Flag(), layers=Items("layer", layer, 1, 1)),
        ),
        pool=Maybe(Record(Pool, kind=kind, size=IntRange(2, 6, step=2, moves=(2,))), 0.9),
        dense=Items("dense", hidden_layer(max_units, (1, 3, 5)), 1, max_dense, insert="end"),
    )
