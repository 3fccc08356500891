"""Mobile networks as published, scaled in width, depth and resolution.

Sources: MobileNet V1 (arXiv 1704.04861), V2 (1801.04381), V3 (1905.02244), MnasNet-A1 (1807.11626), EfficientNet-B0
(1905.11946) and EfficientNet-Lite0 (B0 with ReLU6, without squeeze and excite, its ends never scaled). At the standard
size, the layers are those of Keras' applications. A network ends in logits.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edgevolve.graph import Dense, Graph, GraphBuilder, Tensor
from search_space.head import logits
from search_space.mobile_blocks import Function, Gate, activation, convolution, mbconv, pooled, rounded, separable

WIDTHS = DEPTHS = (0.5, 2.0)
"""Least and largest multiplier of channels, and of blocks a stage."""

RESOLUTIONS = (96, 320)
"""Least and largest height and width of the input, in pixels."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """Blocks of one width, of which the first has the stride; `expansions` has one entry for each block."""

    filters: int
    expansions: tuple[float, ...]
    stride: int = 1
    kernel: int = 3
    squeeze: bool = False
    function: Function | None = None


@dataclass(frozen=True, slots=True)
class _Family:
    """A network of width 1 and depth 1.

    `head` is the number of filters before the mean and `hidden` that of units after it, 0 for none. `ends` says how
    stem and head follow the width: like all layers; the head only above 1; the head alone, by its ratio to the last
    stage; or not at all.
    """

    stem: int
    stages: tuple[_Stage, ...]
    function: Function
    head: int = 0
    hidden: int = 0
    ends: Literal["scaled", "head never narrower", "head with last stage", "fixed"] = "scaled"
    gate: Gate = "sigmoid"
    squeeze_expanded: bool = False
    separable: bool = False


_SMALL = (
    _Stage(16, (1,), 2, 3, True, "relu"),
    _Stage(24, (72 / 16, 88 / 24), 2, 3, False, "relu"),
    _Stage(40, (4, 6, 6), 2, 5, True),
    _Stage(48, (3, 3), 1, 5, True),
    _Stage(96, (6, 6, 6), 2, 5, True),
)
_LARGE = (
    _Stage(16, (1,), 1, 3, False, "relu"),
    _Stage(24, (4, 3), 2, 3, False, "relu"),
    _Stage(40, (3, 3, 3), 2, 5, True, "relu"),
    _Stage(80, (6, 2.5, 2.3, 2.3), 2),
    _Stage(112, (6, 6), 1, 3, True),
    _Stage(160, (6, 6, 6), 2, 5, True),
)


def _efficient(squeeze: bool) -> tuple[_Stage, ...]:
    return (
        _Stage(16, (1,), 1, 3, squeeze),
        _Stage(24, (6,) * 2, 2, 3, squeeze),
        _Stage(40, (6,) * 2, 2, 5, squeeze),
        _Stage(80, (6,) * 3, 2, 3, squeeze),
        _Stage(112, (6,) * 3, 1, 5, squeeze),
        _Stage(192, (6,) * 4, 2, 5, squeeze),
        _Stage(320, (6,), 1, 3, squeeze),
    )


_FAMILIES: Mapping[str, _Family] = {
    "mobilenet_v1": _Family(
        32,
        tuple(_Stage(f, (1,) * n, s) for f, n, s in ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2))),
        "relu6",
        separable=True,
    ),
    "mobilenet_v2": _Family(
        32,
        (
            _Stage(16, (1,)),
            _Stage(24, (6,) * 2, 2),
            _Stage(32, (6,) * 3, 2),
            _Stage(64, (6,) * 4, 2),
            _Stage(96, (6,) * 3),
            _Stage(160, (6,) * 3, 2),
            _Stage(320, (6,)),
        ),
        "relu6",
        head=1280,
        ends="head never narrower",
    ),
    "mobilenet_v3_small": _Family(
        16, _SMALL, "hard_swish", 576, 1024, "head with last stage", "hard_sigmoid", squeeze_expanded=True
    ),
    "mobilenet_v3_large": _Family(
        16, _LARGE, "hard_swish", 960, 1280, "head with last stage", "hard_sigmoid", squeeze_expanded=True
    ),
    "mnasnet_a1": _Family(
        32,
        (
            _Stage(16, (1,)),
            _Stage(24, (6,) * 2, 2),
            _Stage(40, (3,) * 3, 2, 5, True),
            _Stage(80, (6,) * 4, 2),
            _Stage(112, (6,) * 2, 1, 3, True),
            _Stage(160, (6,) * 3, 2, 5, True),
            _Stage(320, (6,)),
        ),
        "relu",
        head=1280,
        ends="head never narrower",
    ),
    "efficientnet_lite0": _Family(32, _efficient(squeeze=False), "relu6", head=1280, ends="fixed"),
    "efficientnet_b0": _Family(32, _efficient(squeeze=True), "swish", head=1280),
}

FAMILIES = tuple(_FAMILIES)
"""The names that `family` knows."""


def family(name: str, *, width: float = 1.0, depth: float = 1.0, resolution: int = 224, classes: int = 1000) -> Graph:
    """A member of a family, for RGB images.

    Args:
        name: one of `FAMILIES`.
        width: multiplier of the channels, 0.5 to 2, which are then rounded to multiples of 8.
        depth: multiplier of the blocks of each stage, 0.5 to 2, rounded up (EfficientNet's rule).
        resolution: height and width of the input in pixels, 96 to 320.
        classes: number of classes.

    Raises:
        ValueError: for an unknown name or a figure out of bounds.
    """
    if name not in _FAMILIES:
        raise ValueError(f"no family is called {name!r}; there are {', '.join(FAMILIES)}")
    bounds = (("width", width, WIDTHS), ("depth", depth, DEPTHS), ("resolution", resolution, RESOLUTIONS))
    for what, value, (low, high) in bounds:
        if not low <= value <= high:
            raise ValueError(f"{name}: {what} must lie between {low} and {high}, not {value}")
    plan = _FAMILIES[name]
    fixed = plan.ends == "fixed"
    stem = plan.stem if plan.ends in ("head with last stage", "fixed") else rounded(plan.stem * width)
    net = GraphBuilder()
    x = net.input((1, resolution, resolution, 3))
    x = convolution(net, x, stem, 3, 2, plan.function)
    for stage in plan.stages:
        at_end = fixed and stage in (plan.stages[0], plan.stages[-1])
        x = _add_stage(net, x, plan, stage, width, 1.0 if at_end else depth)
    if plan.head:
        x = convolution(net, x, _head(plan, width, x.shape[3]), 1, 1, plan.function)
    x = pooled(net, x)
    if plan.hidden:
        x = activation(net, net.add(Dense(rounded(plan.hidden * max(width, 1))), x), plan.function)
    return net.build(net.add(Dense(logits(classes)), x))


def _add_stage(net: GraphBuilder, x: Tensor, plan: _Family, stage: _Stage, width: float, depth: float) -> Tensor:
    """Add the blocks of a stage; beyond the published number, blocks take the expansion at their relative place."""
    known = len(stage.expansions)
    blocks = max(1, math.ceil(depth * known - 1e-9))
    filters, function = rounded(stage.filters * width), stage.function or plan.function
    for block in range(blocks):
        stride = stage.stride if block == 0 else 1
        if plan.separable:
            x = separable(net, x, filters, stage.kernel, stride, function)
            continue
        channels = x.shape[3]
        expanded = rounded(channels * stage.expansions[block * known // blocks])
        squeezed = 0
        if stage.squeeze:
            squeezed = rounded(expanded / 4) if plan.squeeze_expanded else max(1, channels // 4)
        x = mbconv(net, x, filters, stage.kernel, stride, function, expanded, squeezed, plan.gate)
    return x


def _head(plan: _Family, width: float, channels: int) -> int:
    """The number of filters before the mean."""
    match plan.ends:
        case "scaled":
            return rounded(plan.head * width)
        case "head never narrower":
            return rounded(plan.head * max(width, 1))
        case "head with last stage":
            return rounded(plan.head / plan.stages[-1].filters * channels)
    return plan.head
