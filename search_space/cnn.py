"""μNAS's space of convolutional networks with branches (Liberis et al. 2021, arXiv 2010.14246)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from numpy.random import Generator
from numpy.typing import NDArray

from edgevolve.graph import Graph
from search_space.cnn_assembly import assemble, assembled
from search_space.cnn_genotype import Block, Conv, Depthwise, Layer, Net, Pointwise, Pool
from search_space.cnn_shared import cnn_program, read_parts
from search_space.declared import DeclaredSpace
from search_space.genome import Choice, Flag, IntRange, Items, Maybe, Record, Variable, Variants
from search_space.head import Hidden, hidden_layer
from search_space.shared import Path, Program, inherited
from search_space.shared_path import PartedBuilder
from search_space.space import GenotypeError

__all__ = ["Block", "CnnSpace", "Conv", "Depthwise", "Layer", "Net", "Pointwise", "Pool"]


@dataclass(frozen=True, slots=True)
class CnnSpace(DeclaredSpace[Net]):
    """1 to `max_blocks` blocks of 1 to `max_layers` convolutions, a pool, hidden layers, logits.

    Layers are convolutions of 3, 5 or 7 pixels with 1 to `max_filters` filters, 1×1 convolutions and depthwise
    convolutions. `min_dense` to `max_dense` hidden layers have 10 to `max_units` units. `input_shape` is (height,
    width, channels). The defaults are those of the paper. Raises `ValueError` for impossible sizes.

    All networks can share one set of weights (`Sharing`): kernels, filters and units are slices, and the layers of a
    network are a choice among all. Each kind of layer in each place has its own weights; strides, pools and parallel
    blocks share them. Since layers without padding shrink the map, only the width has an order. Weights are shared only
    where every network has a hidden layer: with `min_dense=0` the smallest networks have none.
    """

    max_blocks: int = 10
    max_layers: int = 3
    max_filters: int = 128
    max_dense: int = 3
    max_units: int = 256
    min_dense: int = 1

    def __post_init__(self) -> None:
        DeclaredSpace.__post_init__(self)
        if len(self.input_shape) != 3:
            raise ValueError(f"the input must be (height, width, channels), not {self.input_shape}")

    def separable(self, filters: int, blocks: int = 3, units: int = 16) -> Net:
        """A network to start a search with, after DS-CNN (Zhang et al. 2017, arXiv 1711.07128).

        A convolution of 3×3 and stride 2, then `blocks` of a depthwise 3×3 and a 1×1 convolution, all of `filters`
        with batch norm and ReLU, an average pool and one hidden layer of `units`, or none. Raises `GenotypeError` for
        sizes beyond those of the space.
        """
        switches = {"batch_norm": True, "relu": True, "prepool": False}
        first = Block(False, (Conv(3, filters, 2, **switches),))
        pair = Block(False, (Depthwise(3, 1, **switches), Pointwise(filters, **switches)))
        hidden = (Hidden(units),) if units else ()
        return self.from_json(self.to_json(Net((first, *[pair] * blocks), Pool("avg", 6), hidden)))

    @property
    def genome(self) -> Record[Net]:
        """All genotypes."""
        dense = self.min_dense, self.max_dense
        return _genome(self.max_blocks, self.max_layers, self.max_filters, dense, self.max_units)

    def graph(self, genotype: Net) -> Graph:
        """The network."""
        return assemble(genotype, self.input_shape, self.units)[0]

    @property
    def program(self) -> Program:
        """All networks as one program, for shared weights. Raises `ValueError` where some have no hidden layer."""
        if self.min_dense < 1:
            raise ValueError("networks without a hidden layer share no weights: give min_dense=1")
        sizes = self.max_blocks, self.max_layers, self.max_filters, self.max_dense, self.max_units
        return cnn_program(self.input_shape, self.units, *sizes)

    @property
    def parts(self) -> tuple[str, ...]:
        """The part of a genotype that shrinks by slices: filters and units."""
        return ("width",)

    def path(self, genotype: Net) -> Path:
        """The genotype's way through the program."""
        net = PartedBuilder(merge=False)
        graph, _ = assembled(genotype, self.input_shape, self.units, net)
        program = self.program
        reading = read_parts(program, [block.branch for block in genotype.blocks], net.parts(graph))
        return Path(program.vector(reading.settings), tuple(reading.uses))

    def inherit(self, genotype: Net, weights: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The genotype's weights, cut from the shared ones. Raises `ValueError` for those of another space."""
        return inherited(self.path(genotype), self.graph(genotype), self.program, weights)

    def largest(self, genotype: Net, parts: tuple[str, ...]) -> Net:
        """The same layers with the most filters and units."""
        return self._of_width(genotype, self.max_filters, self.max_units) if "width" in parts else genotype

    def smallest(self, genotype: Net) -> Net:
        """The same layers with the fewest filters and units."""
        return self._of_width(genotype, 1, 10)

    def _of_width(self, genotype: Net, filters: int, units: int) -> Net:
        blocks = [
            replace(block, layers=tuple(_wide(layer, filters) for layer in block.layers)) for block in genotype.blocks
        ]
        return replace(
            genotype, blocks=tuple(blocks), dense=tuple(replace(layer, units=units) for layer in genotype.dense)
        )

    def describe(self, genotype: Net) -> str:
        """`[conv 3×3 12 bn relu, dw 5×5/2] + branch [1×1 8] → max-pool 2 → dense 64 → 10 logits`, as built."""
        return f"{assemble(genotype, self.input_shape, self.units)[1]} → {self.ending}"


def _wide(layer: Layer, filters: int) -> Layer:
    return layer if isinstance(layer, Depthwise) else replace(layer, filters=filters)


class _Blocks(Items[Block]):
    """A tuple of blocks, of which the first is never a branch."""

    __slots__ = ()

    def sample(self, rng: Generator) -> tuple[Block, ...]:
        first, *others = super().sample(rng)
        return (replace(first, branch=False), *others)

    def shorter(self, value: tuple[Block, ...]) -> Iterator[tuple[Block, ...]]:
        """The blocks without each one; a branch replaces the series block that it was parallel to."""
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
def _genome(max_blocks: int, max_layers: int, max_filters: int, dense: tuple[int, int], max_units: int) -> Record[Net]:
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
        dense=Items("dense", hidden_layer(max_units, (1, 3, 5)), *dense, insert="end"),
    )
