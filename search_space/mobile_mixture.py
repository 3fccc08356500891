"""ProxylessNAS's part of the mobile space: kernel and expansion of each stage's blocks, and how many blocks there are.

All else is fixed (Cai, Zhu and Han 2019, arXiv 1812.00332): full resolution, filters that grow from stage to stage, and
every other stage halves the map.
"""

from dataclasses import replace
from itertools import product

import numpy as np

from edgevolve.graph import Dense, GraphBuilder, Tensor
from search_space.mixture import Decision, Mix, Mixture, Selection
from search_space.mobile import FILTERS, MbConv, Mobile, MobileSpace, Stage, add_block
from search_space.mobile_blocks import convolution, pooled, rounded

KERNELS = (3, 5, 7)
EXPANSIONS = (2, 4, 6)
_BLOCKS = tuple(MbConv(kernel, expansion, False) for kernel, expansion in product(KERNELS, EXPANSIONS))
_STEM = 16


def mobile_mixture(space: MobileSpace) -> Mixture[Mobile]:
    """Two decisions a stage: which of nine MBConv all of its blocks are, and how many blocks it has."""
    base = _base(space)
    depths = range(space.depths[0], space.depths[1] + 1)
    net = GraphBuilder()
    x = net.input((1, *space.input_shape))
    x = convolution(net, x, rounded(base.stem), 3, 2, base.activation)
    for number, stage in enumerate(base.stages):
        after: list[Tensor] = []
        for block in range(max(depths)):
            stride = stage.stride if block == 0 else 1
            options = [add_block(net, x, option, rounded(stage.filters), stride, base.activation) for option in _BLOCKS]
            x = net.add(Mix(2 * number), *options)
            after.append(x)
        x = net.add(Mix(2 * number + 1), *(after[depth - 1] for depth in depths))
    graph = net.build(net.add(Dense(space.units), pooled(net, x)))
    kinds = tuple(f"{option.kernel}×{option.kernel} mbconv{option.expansion}" for option in _BLOCKS)
    decisions = []
    for number in range(len(base.stages)):
        decisions.append(Decision(f"stage {number + 1}, blocks", kinds, (len(kinds),)))
        decisions.append(Decision(f"stage {number + 1}, depth", tuple(map(str, depths)), (len(depths),)))

    def genotype(selection: Selection) -> Mobile:
        chosen = zip(base.stages, selection[::2], selection[1::2], strict=True)
        stages = tuple(replace(stage, block=_BLOCKS[kind], depth=depths[depth]) for stage, kind, depth in chosen)
        return replace(base, stages=stages)

    return Mixture(graph, tuple(decisions), genotype)


def _base(space: MobileSpace) -> Mobile:
    """What all have in common."""
    allowed = [f for f in FILTERS if f <= space.max_filters]
    places = np.linspace(min(1, len(allowed) - 1), len(allowed) - 1, space.max_stages).round().astype(int)
    stages = tuple(
        Stage(_BLOCKS[0], allowed[place], 2 if number % 2 == 0 else 1, space.depths[0])
        for number, place in enumerate(places)
    )
    return Mobile(min(space.input_shape[:2]), space.activations[0], 100, _STEM, stages, 0)
