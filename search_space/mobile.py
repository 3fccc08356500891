"""Mobile networks for accelerators: a stem, stages of equal blocks, a classifier; a space around the families.

MobileNetV2, EfficientNet-Lite0 and EfficientNet-B0 of width 1 are points of it (`MobileSpace(..., depths=(1, 5))`).
MnasNet differs by its ReLU; MobileNetV1 by functions after its last convolutions and by having no skips; MobileNetV3 by
its own functions, expansions and squeezed channels, and by a hidden layer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from numpy.typing import NDArray

from edgevolve.graph import AveragePool2D, Dense, Graph
from search_space.declared import DeclaredSpace
from search_space.genome import Choice, Flag, IntRange, Items, Record, Variable, Variants
from search_space.mixture import Mixture
from search_space.mobile_blocks import Function, convolution, pooled, rounded, shorter_side, window
from search_space.mobile_shared import ENDING, INPUT, mobile_program, place
from search_space.mobile_stages import (
    ATTENTION_HEADS,
    BLOCKS,
    GROUPS,
    MORE_BLOCKS,
    TAGS,
    Attention,
    Block,
    Bottleneck,
    FusedMbConv,
    MbConv,
    Residual,
    ResNext,
    Separable,
    Shuffle,
    Stage,
    add_block,
    describe_stage,
    expanded,
    with_kernel,
)
from search_space.shared import Either, Path, Program, inherited
from search_space.shared_path import PartedBuilder, Reading

FILTERS = (8, 16, 24, 32, 40, 48, 64, 80, 96, 112, 128, 160, 192, 256, 320)
"""Filters of a stage before the width multiplier: those of the families and some in between."""

HEADS = (0, 160, 320, 640, 1280)
"""Filters of the 1×1 convolution before the mean, 0 for none."""

ACTIVATIONS: tuple[Function, ...] = ("relu6", "swish", "hard_swish")
KERNELS = (3, 5, 7)
EXPANSIONS = (1, 2, 3, 4, 6)
STEMS = (8, 16, 24, 32, 40, 48)
"""Filters of the first convolution before the width multiplier."""
WIDTHS = (0.5, 0.75, 1.0, 1.25)
"""Width multipliers."""

_SMALLEST_SIDE = 8
_LARGEST_REDUCTION = 4


@dataclass(frozen=True, slots=True)
class Mobile:
    """A genotype; `resolution` is the shorter side in pixels, `width_percent` multiplies all filters."""

    resolution: int
    activation: Function
    width_percent: int
    stem: int
    stages: tuple[Stage, ...]
    head: int


@dataclass(frozen=True, slots=True)
class MobileSpace(DeclaredSpace[Mobile]):
    """A convolution of stride 2, 1 to `max_stages` stages of `depths` blocks, a 1×1 convolution, the mean, logits.

    Blocks are MBConv, fused MBConv or residual, with kernels of 3 to 7, with or without squeeze and excite. Stages have
    up to `max_filters` filters, times 0.5 to 1.25. A network has ReLU6, swish or hard swish throughout. `blocks`,
    `activations`, `kernels`, `expansions`, `stems` and `widths` (multipliers) select some of these options; `blocks`
    may also name bottleneck, resnext, shuffle, separable and attention. `max_stem` and `max_head` bound the filters of
    the stem and of the 1×1 convolution (0: none) before the multiplier.

    `input_shape` is (height, width, channels). Smaller resolutions come from an average pool of the input, so
    `resolutions` (shorter sides in pixels) must be whole fractions of it; the default is every one down to a quarter
    that leaves 8 pixels. No stride halves a side of less than 4 pixels. A signal is (steps, 1, channels): resolutions
    and strides act along time alone. Raises `ValueError` for impossible sizes.

    All networks can share one set of weights (`Sharing`): kernel, expansion, filters, width, stem, head, depth, squeeze
    and excite and resolution are slices. Each kind of block, and networks without a head, have their own weights;
    strides and functions share them.
    """

    max_stages: int = 7
    depths: tuple[int, int] = (2, 5)
    max_filters: int = 320
    resolutions: tuple[int, ...] = ()
    blocks: tuple[str, ...] = BLOCKS
    activations: tuple[Function, ...] = ACTIVATIONS
    max_stem: int = 48
    max_head: int = max(HEADS)
    kernels: tuple[int, ...] = KERNELS
    expansions: tuple[int, ...] = EXPANSIONS
    stems: tuple[int, ...] = STEMS
    widths: tuple[float, ...] = WIDTHS

    def __post_init__(self) -> None:
        if not isinstance(self.input_shape, tuple) or len(self.input_shape) != 3:
            raise ValueError(f"the input must be a tuple (height, width, channels), not {self.input_shape}")
        if not isinstance(self.depths, tuple) or len(self.depths) != 2 or not 1 <= self.depths[0] <= self.depths[1]:
            raise ValueError(f"depths must be the least and the most blocks of a stage, not {self.depths}")
        if self.max_filters < FILTERS[0]:
            raise ValueError(f"max_filters must be at least {FILTERS[0]}, not {self.max_filters}")
        for name, all_of_them in _CHOICES.items():
            given = getattr(self, name)
            if not isinstance(given, tuple) or not given or set(given) - set(all_of_them):
                raise ValueError(f"{name} must be a tuple of some of {', '.join(map(str, all_of_them))}, not {given}")
        if self.max_stem < 8:
            raise ValueError(f"max_stem must be at least 8, not {self.max_stem}")
        if min(self.stems, default=0) > self.max_stem:
            raise ValueError(f"max_stem is {self.max_stem}, less than each of stems, {self.stems}")
        if self.max_head < 0:
            raise ValueError(f"max_head must be at least 0, not {self.max_head}")
        if not isinstance(self.resolutions, tuple):
            raise ValueError(f"resolutions must be a tuple of shorter sides in pixels, not {self.resolutions}")
        DeclaredSpace.__post_init__(self)
        for side in self.resolutions:
            if side not in _fractions(self.input_shape):
                whole = ", ".join(map(str, _fractions(self.input_shape)))
                raise ValueError(f"resolution {side} is not a whole fraction of the input's; choose from {whole}")

    @property
    def genome(self) -> Record[Mobile]:
        """All genotypes."""
        return _genome(
            self.max_stages,
            self.depths,
            self.max_filters,
            self._heads,
            self._sides,
            tuple(self._chosen(name) for name in _CHOICES),
        )

    def _chosen(self, name: str) -> tuple[Any, ...]:
        """The space's options of a choice, in the order of all options."""
        most = self.max_stem if name == "stems" else None
        return tuple(one for one in _CHOICES[name] if one in getattr(self, name) and (most is None or one <= most))

    @property
    def _stem(self) -> int:
        return int(max(self._chosen("stems")))

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
        """All networks as one program, for shared weights. Raises `ValueError` for blocks that share none."""
        alone = [name for name in self.blocks if name in MORE_BLOCKS]
        if alone:
            raise ValueError(f"{alone[0]} blocks share no weights; {', '.join(BLOCKS)} do")
        filters = max(f for f in FILTERS if f <= self.max_filters)
        return mobile_program(
            channels=self.input_shape[2],
            units=self.units,
            stages=self.max_stages,
            depth=self.depths[1],
            most={
                "filters": rounded(filters * max(self.widths)),
                "stem": rounded(self._stem * max(self.widths)),
                "head": rounded(max(self._heads) * max(self.widths)),
            },
            expansion=max(self.expansions),
            blocks=tuple(self.blocks),
            functions=tuple(self.activations),
        )

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of a genotype that shrink, in the order of Once-for-All."""
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
        """The genotype's weights, cut from the shared ones. Raises `ValueError` for those of another space."""
        return inherited(self.path(genotype), self.graph(genotype), self.program, weights)

    def mixture(self) -> Mixture[Mobile]:
        """Kernels, expansions and depths as one network, for gradient search (`search_space.mobile_mixture`)."""
        from search_space.mobile_mixture import mobile_mixture

        return mobile_mixture(self)

    def from_subnet(self, config: Mapping[str, Any]) -> Mobile:
        """The genotype of a network in Once-for-All's notation, `wid`, `ks`, ... (`search_space.mobile_subnet`)."""
        from search_space.mobile_subnet import read_subnet

        return read_subnet(self, config)

    def largest(self, genotype: Mobile, parts: tuple[str, ...]) -> Mobile:
        """The genotype with these parts as large as possible; added stages equal the last one."""
        stages = genotype.stages
        if "depth" in parts:
            stages += stages[-1:] * (self.max_stages - len(stages))
            stages = tuple(replace(stage, depth=self.depths[1]) for stage in stages)
        if "kernel" in parts:
            stages = tuple(with_kernel(stage, max(self.kernels)) for stage in stages)
        filters = max(f for f in FILTERS if f <= self.max_filters)
        largest = replace(genotype, stages=stages)
        if "resolution" in parts:
            largest = replace(largest, resolution=max(self._sides))
        if "width" in parts:
            stages = tuple(replace(expanded(stage, max(self.expansions)), filters=filters) for stage in stages)
            percent, stem, head = percent_of(max(self.widths)), self._stem, max(self._heads)
            largest = replace(largest, stages=stages, width_percent=percent, stem=stem, head=head)
        return largest

    def smallest(self, genotype: Mobile) -> Mobile:
        """The genotype with one stage of the least depth, the smallest kernel, width and resolution, and no head."""
        stage = replace(expanded(genotype.stages[0], min(self.expansions)), filters=FILTERS[0], depth=self.depths[0])
        stage = with_kernel(stage, min(self.kernels))
        percent = percent_of(min(self.widths))
        return Mobile(min(self._sides), genotype.activation, percent, min(self.stems), (stage,), 0)

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
                net.part(place(number, block), TAGS[type(stage.block)])
                x = add_block(net, x, stage.block, filters, stride, function)
            words.append(describe_stage(stage.block, filters, windows))
        net.part(ENDING, "with head" if genotype.head else "without head")
        if genotype.head:
            x = convolution(net, x, head := rounded(genotype.head * width), 1, 1, function)
            words.append(f"1×1 {head}")
        return net.build(net.add(Dense(self.units), pooled(net, x))), words


_CHOICES: dict[str, tuple[Any, ...]] = {
    "blocks": (*BLOCKS, *MORE_BLOCKS),
    "activations": ACTIVATIONS,
    "kernels": KERNELS,
    "expansions": EXPANSIONS,
    "stems": STEMS,
    "widths": WIDTHS,
}
"""The options that a space may restrict, by the name of the field."""


def percent_of(width: float) -> int:
    """A width multiplier in per cent, as in genotypes."""
    return round(100 * width)


@cache
def _genome(
    max_stages: int,
    depths: tuple[int, int],
    max_filters: int,
    heads: tuple[int, ...],
    resolutions: tuple[int, ...],
    choices: tuple[tuple[Any, ...], ...],
) -> Record[Mobile]:
    blocks, activations, kernels, expansions, stems, widths = choices
    kernel, squeeze = Choice(kernels, ordered=True), Flag()
    expansion = Choice(expansions, ordered=True)
    kinds: dict[str, Record[Any]] = {
        "mbconv": Record(MbConv, kernel=kernel, expansion=expansion, squeeze_excite=squeeze),
        "fused_mbconv": Record(FusedMbConv, kernel=kernel, expansion=expansion, squeeze_excite=squeeze),
        "residual": Record(Residual, kernel=kernel, squeeze_excite=squeeze),
        "bottleneck": Record(Bottleneck, kernel=kernel, squeeze_excite=squeeze),
        "resnext": Record(ResNext, kernel=kernel, groups=Choice(GROUPS, ordered=True), squeeze_excite=squeeze),
        "shuffle": Record(Shuffle, kernel=kernel, groups=Choice(GROUPS, ordered=True)),
        "separable": Record(Separable, kernel=kernel),
        "attention": Record(Attention, heads=Choice(ATTENTION_HEADS, ordered=True)),
    }
    block: Variable[Block] = Variants(**{name: kinds[name] for name in blocks})
    filters: Choice[int] = Choice(tuple(f for f in FILTERS if f <= max_filters), ordered=True)
    stage = Record(Stage, block=block, filters=filters, stride=IntRange(1, 2), depth=IntRange(*depths))
    return Record(
        Mobile,
        resolution=Choice(tuple(sorted(resolutions)), ordered=True),
        activation=Choice(activations),
        width_percent=Choice(tuple(map(percent_of, widths)), ordered=True),
        stem=Choice(stems, ordered=True),
        stages=Items("stage", stage, 1, max_stages),
        head=Choice(heads, ordered=True),
    )


def _fractions(input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shorter sides to which an average pool of whole pixels can bring the input."""
    sides = [side for side in input_shape[:2] if side > 1] or [1]
    return tuple(min(sides) // f for f in range(1, min(sides) + 1) if not any(side % f for side in sides))


def _default_resolutions(input_shape: tuple[int, ...]) -> tuple[int, ...]:
    full = shorter_side(input_shape[:2])
    least = max(_SMALLEST_SIDE, full / _LARGEST_REDUCTION)
    return tuple(side for side in _fractions(input_shape) if side == full or side >= least)
