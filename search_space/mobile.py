"""Mobile networks for accelerators: a stem, stages of equal blocks, a classifier; all that lies around the families.

MobileNetV2, EfficientNet-Lite0 and EfficientNet-B0 of width 1 are points of it (`MobileSpace(..., depths=(1, 5))`).
MnasNet differs by its ReLU, MobileNetV1 by functions after its last convolutions and no skips, MobileNetV3 by
functions, expansions and squeezed channels of its own and a hidden layer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from typing import Any

from numpy.typing import NDArray

from edgevolve.graph import AveragePool2D, Dense, Graph, GraphBuilder, Tensor
from search_space.declared import DeclaredSpace
from search_space.genome import Choice, Flag, IntRange, Items, Record, Variable, Variants
from search_space.mixture import Mixture
from search_space.mobile_blocks import (
    Function,
    Pair,
    convolution,
    fused_mbconv,
    mbconv,
    pooled,
    residual,
    rounded,
    shorter_side,
    window,
)
from search_space.mobile_shared import ENDING, INPUT, UNEXPANDED, mobile_program, place
from search_space.shared import Either, Path, Program, inherited
from search_space.shared_path import PartedBuilder, Reading

FILTERS = (8, 16, 24, 32, 40, 48, 64, 80, 96, 112, 128, 160, 192, 256, 320)
"""Filters of a stage before the width multiplier: those of the families and what lies between."""

HEADS = (0, 160, 320, 640, 1280)
"""Filters of the 1×1 convolution before the mean, 0 for none."""

BLOCKS = ("mbconv", "fused_mbconv", "residual")
ACTIVATIONS: tuple[Function, ...] = ("relu6", "swish", "hard_swish")

_EXPANSIONS = (1, 2, 3, 4, 6)
_SMALLEST_SIDE = 8
_LARGEST_REDUCTION = 4


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


Block = MbConv | FusedMbConv | Residual

_TAGS: dict[type, str] = dict(zip((MbConv, FusedMbConv, Residual), BLOCKS, strict=True))


@dataclass(frozen=True, slots=True)
class Stage:
    """`depth` equal blocks, of which the first has the stride."""

    block: Block
    filters: int
    stride: int
    depth: int


@dataclass(frozen=True, slots=True)
class Mobile:
    """`resolution` is the shorter side in pixels, `width_percent` multiplies all filters."""

    resolution: int
    activation: Function
    width_percent: int
    stem: int
    stages: tuple[Stage, ...]
    head: int


@dataclass(frozen=True, slots=True)
class MobileSpace(DeclaredSpace[Mobile]):
    """A convolution of stride 2, 1 to `max_stages` stages of `depths` blocks, a 1×1 convolution, the mean, logits.

    Blocks are MBConv, fused MBConv or residual with kernels of 3 to 7, with squeeze and excite or without; filters of a
    stage up to `max_filters`, times 0.5 to 1.25; ReLU6, swish or hard swish throughout. `input_shape` is (height,
    width, channels). Smaller resolutions come from an average pool of the input, so `resolutions` (shorter sides in
    pixels) must be whole fractions of it; the default is every one down to a quarter that leaves 8 pixels. No stride
    halves a side of less than 4 pixels. `blocks` and `activations` select some of those kinds; `max_stem` and
    `max_head` bound the filters of the stem and of the 1×1 convolution (0: none) before the multiplier. A signal is of
    (steps, 1, channels): resolutions and strides are along time alone. Raises `ValueError` for impossible sizes.

    All networks can share one set of weights (`Sharing`): kernel, expansion, filters, width, stem, head, depth, squeeze
    and excite and resolution are slices; each kind of block and the networks without a head have weights of their own,
    strides and functions use the same.
    """

    max_stages: int = 7
    depths: tuple[int, int] = (2, 5)
    max_filters: int = 320
    resolutions: tuple[int, ...] = ()
    blocks: tuple[str, ...] = BLOCKS
    activations: tuple[Function, ...] = ACTIVATIONS
    max_stem: int = 48
    max_head: int = max(HEADS)

    def __post_init__(self) -> None:
        if not isinstance(self.input_shape, tuple) or len(self.input_shape) != 3:
            raise ValueError(f"the input must be a tuple (height, width, channels), not {self.input_shape}")
        if not isinstance(self.depths, tuple) or len(self.depths) != 2 or not 1 <= self.depths[0] <= self.depths[1]:
            raise ValueError(f"depths must be the least and the most blocks of a stage, not {self.depths}")
        if self.max_filters < FILTERS[0]:
            raise ValueError(f"max_filters must be at least {FILTERS[0]}, not {self.max_filters}")
        if self.max_stem < 8:
            raise ValueError(f"max_stem must be at least 8, not {self.max_stem}")
        if self.max_head < 0:
            raise ValueError(f"max_head must be at least 0, not {self.max_head}")
        if not isinstance(self.resolutions, tuple):
            raise ValueError(f"resolutions must be a tuple of shorter sides in pixels, not {self.resolutions}")
        for name, all_of_them in (("blocks", BLOCKS), ("activations", ACTIVATIONS)):
            given = getattr(self, name)
            if not isinstance(given, tuple) or not given or set(given) - set(all_of_them):
                raise ValueError(f"{name} must be a tuple of some of {', '.join(all_of_them)}, not {given}")
        DeclaredSpace.__post_init__(self)
        for side in self.resolutions:
            if side not in _fractions(self.input_shape):
                whole = ", ".join(map(str, _fractions(self.input_shape)))
                raise ValueError(f"resolution {side} is not a whole fraction of the input's; choose from {whole}")

    @property
    def genome(self) -> Record[Mobile]:
        """All genotypes."""
        widths = self.max_filters, self._stem, self._heads
        return _genome(self.max_stages, self.depths, widths, self._sides, tuple(self.blocks), tuple(self.activations))

    @property
    def _stem(self) -> int:
        return min(self.max_stem, 48) // 8 * 8

    @property
    def _heads(self) -> tuple[int, ...]:
        return tuple(head for head in HEADS if head <= self.max_head)

    @property
    def _sides(self) -> tuple[int, ...]:
        return self.resolutions or _default_resolutions(self.input_shape)

    def graph(self, genotype: Mobile) -> Graph:
        """The network."""
        return self._built(genotype)[0]

    def describe(self, genotype: Mobile) -> str:
        """`96 px relu6: conv 24 → 2× mbconv6 3×3 16/2 se → 1×1 960 → 10 logits`, filters and kernels as built."""
        return f"{genotype.resolution} px {genotype.activation}: {' → '.join([*self._built(genotype)[1], self.ending])}"

    @property
    def program(self) -> Program:
        """All networks, for one set of weights."""
        filters = max(f for f in FILTERS if f <= self.max_filters)
        return mobile_program(
            channels=self.input_shape[2],
            units=self.units,
            stages=self.max_stages,
            depth=self.depths[1],
            most={
                "filters": rounded(filters * 1.25),
                "stem": rounded(self._stem * 1.25),
                "head": rounded(max(self._heads) * 1.25),
            },
            expansion=max(_EXPANSIONS),
            blocks=tuple(self.blocks),
            functions=tuple(self.activations),
        )

    @property
    def parts(self) -> tuple[str, ...]:
        """What shrinks, in the order of Once-for-All."""
        return ("resolution", "kernel", "depth", "width")

    def path(self, genotype: Mobile) -> Path:
        """The genotype's way through the program."""
        net = PartedBuilder(merge=False)
        graph, _ = self._assembled(genotype, net)
        program, reading = self.program, Reading()
        steps = {step.name: step for step in program.steps if isinstance(step, Either)}
        for name, branch, nodes in net.parts(graph):
            if branch:
                reading.branch(steps[name], branch, nodes)
            else:
                reading.part(program.steps[:2], nodes)
        return Path(program.vector(reading.settings), tuple(reading.uses))

    def inherit(self, genotype: Mobile, weights: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The genotype's weights out of the shared ones. Raises `ValueError` for those of another space."""
        return inherited(self.path(genotype), self.graph(genotype), self.program, weights)

    def mixture(self) -> Mixture[Mobile]:
        """Kernels, expansions and depths as one network, for gradient search (`search_space.mobile_mixture`)."""
        from search_space.mobile_mixture import mobile_mixture

        return mobile_mixture(self)

    def largest(self, genotype: Mobile, parts: tuple[str, ...]) -> Mobile:
        """With these parts as large as can be; stages that are added are as the last one."""
        stages = genotype.stages
        if "depth" in parts:
            stages += stages[-1:] * (self.max_stages - len(stages))
            stages = tuple(replace(stage, depth=self.depths[1]) for stage in stages)
        if "kernel" in parts:
            stages = tuple(replace(stage, block=replace(stage.block, kernel=7)) for stage in stages)
        filters = max(f for f in FILTERS if f <= self.max_filters)
        largest = replace(genotype, stages=stages)
        if "resolution" in parts:
            largest = replace(largest, resolution=max(self._sides))
        if "width" in parts:
            stages = tuple(replace(_expanded(stage, max(_EXPANSIONS)), filters=filters) for stage in stages)
            stem, head = self._stem, max(self._heads)
            largest = replace(largest, stages=stages, width_percent=125, stem=stem, head=head)
        return largest

    def smallest(self, genotype: Mobile) -> Mobile:
        """One stage of the least depth, the smallest kernel, width and resolution, no head."""
        stage = replace(_expanded(genotype.stages[0], min(_EXPANSIONS)), filters=FILTERS[0], depth=self.depths[0])
        stage = replace(stage, block=replace(stage.block, kernel=3))
        return Mobile(min(self._sides), genotype.activation, 50, 8, (stage,), 0)

    def _built(self, genotype: Mobile) -> tuple[Graph, list[str]]:
        """The network, and its layers but the last in words."""
        return self._assembled(genotype, PartedBuilder())

    def _assembled(self, genotype: Mobile, net: PartedBuilder) -> tuple[Graph, list[str]]:
        x = net.input((1, *self.input_shape))
        net.part(INPUT)
        reduction = shorter_side(self.input_shape[:2]) // genotype.resolution
        if reduction > 1:
            down, across = (reduction if side > 1 else 1 for side in self.input_shape[:2])
            x = net.add(AveragePool2D((down, across), (down, across)), x)
        width, function = genotype.width_percent / 100, genotype.activation
        x = convolution(net, x, stem := rounded(genotype.stem * width), 3, 2, function)
        words = [f"conv {stem}"]
        for number, stage in enumerate(genotype.stages):
            filters = rounded(stage.filters * width)
            windows = []
            for block in range(stage.depth):
                stride = stage.stride if block == 0 else 1
                windows.append(window(x, stage.block.kernel, stride))
                unexpanded = not isinstance(stage.block, Residual) and stage.block.expansion == 1
                net.part(place(number, block), _TAGS[type(stage.block)] + UNEXPANDED * unexpanded)
                x = add_block(net, x, stage.block, filters, stride, function)
            words.append(_describe_stage(stage.block, filters, windows))
        net.part(ENDING, "with head" if genotype.head else "without head")
        if genotype.head:
            x = convolution(net, x, head := rounded(genotype.head * width), 1, 1, function)
            words.append(f"1×1 {head}")
        return net.build(net.add(Dense(self.units), pooled(net, x))), words


def _expanded(stage: Stage, expansion: int) -> Stage:
    block = stage.block
    return stage if isinstance(block, Residual) else replace(stage, block=replace(block, expansion=expansion))


def add_block(net: GraphBuilder, x: Tensor, block: Block, filters: int, stride: int, function: Function) -> Tensor:
    """Squeeze to a quarter of the block's input (EfficientNet's rule), of a residual block's filters."""
    squeezed = max(1, (filters if isinstance(block, Residual) else x.shape[3]) // 4) if block.squeeze_excite else 0
    if isinstance(block, Residual):
        return residual(net, x, filters, block.kernel, stride, function, squeezed)
    add = mbconv if isinstance(block, MbConv) else fused_mbconv
    return add(net, x, filters, block.kernel, stride, function, block.expansion * x.shape[3], squeezed)


@cache
def _genome(
    max_stages: int,
    depths: tuple[int, int],
    widths: tuple[int, int, tuple[int, ...]],
    resolutions: tuple[int, ...],
    blocks: tuple[str, ...],
    activations: tuple[Function, ...],
) -> Record[Mobile]:
    max_filters, max_stem, heads = widths
    kernel, squeeze = IntRange(3, 7, step=2, moves=(2,)), Flag()
    expansion: Choice[int] = Choice(_EXPANSIONS, ordered=True)
    kinds: dict[str, Record[Any]] = {
        "mbconv": Record(MbConv, kernel=kernel, expansion=expansion, squeeze_excite=squeeze),
        "fused_mbconv": Record(FusedMbConv, kernel=kernel, expansion=expansion, squeeze_excite=squeeze),
        "residual": Record(Residual, kernel=kernel, squeeze_excite=squeeze),
    }
    block: Variable[Block] = Variants(**{name: kinds[name] for name in BLOCKS if name in blocks})
    filters: Choice[int] = Choice(tuple(f for f in FILTERS if f <= max_filters), ordered=True)
    stage = Record(Stage, block=block, filters=filters, stride=IntRange(1, 2), depth=IntRange(*depths))
    activation: Choice[Any] = Choice(tuple(function for function in ACTIVATIONS if function in activations))
    return Record(
        Mobile,
        resolution=Choice(tuple(sorted(resolutions)), ordered=True),
        activation=activation,
        width_percent=IntRange(50, 125, step=25, moves=(25,)),
        stem=IntRange(8, max_stem, step=8, moves=(8,)),
        stages=Items("stage", stage, 1, max_stages),
        head=Choice(heads, ordered=True),
    )


def _fractions(input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shorter sides that an average pool of whole pixels can bring the input to."""
    sides = [side for side in input_shape[:2] if side > 1] or [1]
    return tuple(min(sides) // f for f in range(1, min(sides) + 1) if not any(side % f for side in sides))


def _default_resolutions(input_shape: tuple[int, ...]) -> tuple[int, ...]:
    full = shorter_side(input_shape[:2])
    least = max(_SMALLEST_SIDE, full / _LARGEST_REDUCTION)
    return tuple(side for side in _fractions(input_shape) if side == full or side >= least)


def _describe_stage(block: Block, filters: int, windows: list[tuple[Pair, Pair]]) -> str:
    """Blocks of equal kernels together; of the first the stride."""
    name = {MbConv: "mbconv", FusedMbConv: "fused", Residual: "residual"}[type(block)]
    expansion = "" if isinstance(block, Residual) else str(block.expansion)
    halved = "/2" if windows[0][1] != (1, 1) else ""
    squeeze = " se" if block.squeeze_excite else ""
    words: list[str] = []
    for (height, width), blocks in groupby(kernel for kernel, _ in windows):
        stride = "" if words else halved
        words.append(f"{len(list(blocks))}× {name}{expansion} {height}×{width} {filters}{stride}{squeeze}")
    return ", ".join(words)
