"""ProxylessNAS's part of the mobile space: kernel and expansion of each stage's blocks, and the number of blocks.

All else is fixed (Cai, Zhu and Han 2019, arXiv 1812.00332): full resolution, filters that grow from stage to stage, and
a map that every other stage halves.
"""

from dataclasses import replace
from itertools import product

import numpy as np

from edgevolve.graph import Dense, GraphBuilder, Tensor
from search_space.mixture import Decision, Mix, Mixture, Selection
from search_space.mobile import FILTERS, Mobile, MobileSpace, percent_of
from search_space.mobile_blocks import convolution, pooled, rounded, shorter_side
from search_space.mobile_stages import MbConv, Stage, add_block

_EXPANSIONS = (2, 4, 6)
"""The expansions that are chosen from; all of the space's where it has others."""
_STEM, _WIDTH = 16, 1.0
"""The fixed stem and width, or the space's nearest."""


def mobile_mixture(space: MobileSpace) -> Mixture[Mobile]:
    """Two decisions a stage: the MBConv of all its blocks, one of nine at most, and the number of blocks."""
    if "mbconv" not in space.blocks:
        raise ValueError(f"a gradient search needs mbconv blocks; the space has only {', '.join(space.blocks)}")
    base = fixed(space)
    expansions = tuple(one for one in _EXPANSIONS if one in space.expansions) or space.expansions
    blocks = tuple(MbConv(kernel, expansion, False) for kernel, expansion in product(space.kernels, expansions))
    depths = range(space.depths[0], space.depths[1] + 1)
    net = GraphBuilder()
    x = net.input((1, *space.input_shape))
    width = base.width_percent / 100
    x = convolution(net, x, rounded(base.stem * width), 3, 2, base.activation)
    for number, stage in enumerate(base.stages):
        after: list[Tensor] = []
        for block in range(max(depths)):
            stride = stage.stride if block == 0 else 1
            options = [
                add_block(net, x, option, rounded(stage.filters * width), stride, base.activation) for option in blocks
            ]
            x = net.add(Mix(2 * number), *options)
            after.append(x)
        x = net.add(Mix(2 * number + 1), *(after[depth - 1] for depth in depths))
    graph = net.build(net.add(Dense(space.units), pooled(net, x)))
    kinds = tuple(f"{option.kernel}×{option.kernel} mbconv{option.expansion}" for option in blocks)
    decisions = []
    for number in range(len(base.stages)):
        decisions.append(Decision(f"stage {number + 1}, blocks", kinds, (len(kinds),)))
        decisions.append(Decision(f"stage {number + 1}, depth", tuple(map(str, depths)), (len(depths),)))

    def genotype(selection: Selection) -> Mobile:
        chosen = zip(base.stages, selection[::2], selection[1::2], strict=True)
        stages = tuple(replace(stage, block=blocks[kind], depth=depths[depth]) for stage, kind, depth in chosen)
        return replace(base, stages=stages)

    return Mixture(graph, tuple(decisions), genotype)


def fixed(space: MobileSpace) -> Mobile:
    """The genotype of what all networks have in common, with the least kernel, expansion and depth."""
    allowed = [f for f in FILTERS if f <= space.max_filters]
    places = np.linspace(min(1, len(allowed) - 1), len(allowed) - 1, space.max_stages).round().astype(int)
    stages = tuple(
        Stage(
            MbConv(min(space.kernels), min(space.expansions), False),
            allowed[place],
            2 if number % 2 == 0 else 1,
            space.depths[0],
        )
        for number, place in enumerate(places)
    )
    stem = min(space.stems, key=lambda one: abs(one - _STEM))
    width = min(space.widths, key=lambda one: abs(one - _WIDTH))
    return Mobile(shorter_side(space.input_shape[:2]), space.activations[0], percent_of(width), stem, stages, 0)
