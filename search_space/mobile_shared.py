"""The program of mobile networks: one set of weights for all of `MobileSpace`."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from search_space.shared import AddUp, Either, Excite, Hidden, Keep, Layer, Mean, Pool, Program, Step

INPUT, ENDING = "input", "ending"
_KERNEL = 7


def place(stage: int, block: int) -> str:
    """The name of a block, both counted from 0."""
    return f"stage {stage}, block {block}"


def mobile_program(
    channels: int,
    units: int,
    stages: int,
    depth: int,
    most: Mapping[str, int],
    expansion: int,
    blocks: tuple[str, ...],
    functions: tuple[str, ...],
) -> Program:
    """The program for inputs of `channels`, `stages` stages and `depth` blocks each.

    `most` holds the largest numbers of filters of stages, stem and head.
    """
    return _program(
        channels, units, stages, depth, (most["filters"], most["stem"], most["head"]), expansion, blocks, functions
    )


@cache
def _program(
    channels: int,
    units: int,
    stages: int,
    depth: int,
    most: tuple[int, int, int],
    expansion: int,
    blocks: tuple[str, ...],
    functions: tuple[str, ...],
) -> Program:
    filters, stem, head = most
    steps: list[Step] = [
        Pool(INPUT, "average"),
        Layer("stem", "conv", (3, 3, channels, stem), strides=(1, 2), functions=functions),
    ]
    before = stem
    for stage in range(stages):
        for block in range(depth):
            name, strides = place(stage, block), (1, 2) if block == 0 else (1,)
            kinds = [(kind, _KINDS[kind](name, before, filters, expansion, strides, functions)) for kind in blocks]
            steps.append(Either(name, tuple(kinds)))
            before = filters
    steps.append(
        Either(
            ENDING,
            (
                (
                    "with head",
                    (
                        Layer("head", "conv", (1, 1, filters, head), functions=functions),
                        Mean(),
                        Layer("logits of head", "dense", (1, 1, head, units), norm=False),
                    ),
                ),
                ("without head", (Mean(), Layer("logits", "dense", (1, 1, filters, units), norm=False))),
            ),
        )
    )
    return Program(tuple(steps), tuple(_hidden(steps)))


def _hidden(steps: Sequence[Step]) -> Iterator[Hidden]:
    """The expanded channels of every inverted residual."""
    branches = (branch for step in steps if isinstance(step, Either) for branch in step.branches)
    for kind, inside in branches:
        if kind not in ("mbconv", "fused_mbconv"):
            continue
        layers = [step for step in inside if isinstance(step, Layer)]
        project = layers.pop()
        arrays = [(f"{project.name}/kernel", 2)]
        for layer in layers:
            arrays.append((f"{layer.name}/kernel", 2 if layer.kind == "depthwise" else 3))
            arrays += [(f"{layer.name}/{role}", 0) for role in ("gamma", "beta", "mean", "variance")]
        for gate in (step for step in inside if isinstance(step, Excite)):
            arrays += [(f"{gate.squeeze.name}/kernel", 2), (f"{gate.excite.name}/kernel", 3)]
            arrays.append((f"{gate.excite.name}/bias", 0))
        yield Hidden(f"{project.name}/kernel", tuple(arrays))


def _excite(name: str, channels: int, squeezed: int, functions: tuple[str, ...]) -> Excite:
    return Excite(
        f"{name}: gate",
        Layer(f"{name}: squeeze", "conv", (1, 1, channels, squeezed), norm=False, functions=functions),
        Layer(f"{name}: excite", "conv", (1, 1, squeezed, channels), norm=False),
    )


def _mbconv(
    name: str, before: int, filters: int, expansion: int, strides: tuple[int, ...], functions: tuple[str, ...]
) -> tuple[Step, ...]:
    name, wide = f"{name}, mbconv", before * expansion
    return (
        Keep("before"),
        Layer(f"{name}: expand", "conv", (1, 1, before, wide), functions=functions, optional=True),
        Layer(f"{name}: depthwise", "depthwise", (_KERNEL, _KERNEL, wide, 1), strides=strides, functions=functions),
        _excite(name, wide, max(1, before // 4), functions),
        Layer(f"{name}: project", "conv", (1, 1, wide, filters)),
        AddUp(f"{name}: skip", "before"),
    )


def _fused(
    name: str, before: int, filters: int, expansion: int, strides: tuple[int, ...], functions: tuple[str, ...]
) -> tuple[Step, ...]:
    name, wide = f"{name}, fused", max(before * expansion, filters)
    return (
        Keep("before"),
        Layer(f"{name}: expand", "conv", (_KERNEL, _KERNEL, before, wide), strides=strides, functions=functions),
        _excite(name, wide, max(1, before // 4), functions),
        Layer(f"{name}: project", "conv", (1, 1, wide, filters), optional=True),
        AddUp(f"{name}: skip", "before"),
    )


def _residual(
    name: str, before: int, filters: int, expansion: int, strides: tuple[int, ...], functions: tuple[str, ...]
) -> tuple[Step, ...]:
    name = f"{name}, residual"
    return (
        Keep("before"),
        Layer(f"{name}: first", "conv", (_KERNEL, _KERNEL, before, filters), strides=strides, functions=functions),
        Layer(f"{name}: second", "conv", (_KERNEL, _KERNEL, filters, filters)),
        _excite(name, filters, max(1, filters // 4), functions),
        Layer(f"{name}: beside", "conv", (1, 1, before, filters), strides=strides, optional=True, on="before"),
        AddUp(f"{name}: sum", "before", functions),
    )


_KINDS = {"mbconv": _mbconv, "fused_mbconv": _fused, "residual": _residual}
