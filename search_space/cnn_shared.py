"""The program of μNAS's networks: one set of weights for all of `CnnSpace`."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from edgevolve.graph import Dense, MaxPool2D, Node, Pad
from search_space.shared import Either, Gather, Keep, Layer, Pool, Program, Recall, Step
from search_space.shared_path import Reading

LAYERS = ("conv", "pointwise", "depthwise")
HEAD, LAST_POOL, SUM = "head", "last pool", "sum"
_KERNEL = 7


def layer_place(block: int, layer: int) -> str:
    """The name of a layer of a block, both counted from 0."""
    return f"block {block}, layer {layer}"


def fit_place(block: int) -> str:
    """The name of the 1×1 convolution at the end of a branch."""
    return f"block {block}: fit"


def output_place(block: int) -> str:
    """The name of the step that resizes the output of a block to those beside it."""
    return f"block {block}: output"


@cache
def cnn_program(
    input_shape: tuple[int, ...], units: int, blocks: int, layers: int, filters: int, dense: int, hidden: int
) -> Program:
    """The program of `blocks` blocks of `layers` layers with up to `filters`, and `dense` hidden layers of `hidden`."""
    height, width, channels = input_shape
    most = max(filters, channels)
    steps: list[Step] = []
    for block in range(blocks):
        inside: list[Step] = [Recall(f"block {block}: input", (SUM, "source")), Keep("source")]
        for layer in range(layers):
            before = channels if block == layer == 0 else most
            name = layer_place(block, layer)
            inside.append(Either(name, tuple((kind, _layer(f"{name}, {kind}", kind, before, most)) for kind in LAYERS)))
        inside.append(Layer(fit_place(block), "conv", (1, 1, most, most), norm=False, same=False, optional=True))
        inside.append(Gather(output_place(block), SUM))
        steps.append(Either(f"block {block}", (("there", tuple(inside)),)))
    steps.append(Recall("end: input", (SUM,)))
    average, largest = Pool(f"{LAST_POOL}, average", "average"), Pool(f"{LAST_POOL}, max", "max")
    steps.append(Either(LAST_POOL, (("average", (average,)), ("max", (largest,)))))
    before_dense = (height, width, most)
    for number in range(dense):
        kernel = (*before_dense, hidden)
        optional = number > 0
        steps.append(Layer(f"hidden {number}", "dense", kernel, norm=False, functions=("relu",), optional=optional))
        before_dense = (1, 1, hidden)
    steps.append(Layer("logits", "dense", (1, 1, hidden, units), norm=False))
    return Program(tuple(steps))


def _layer(name: str, kind: str, channels: int, filters: int) -> tuple[Step, ...]:
    options: dict[str, Any] = {"norm": None, "functions": ("none", "relu"), "same": False}
    pool = Pool(f"{name}: pool", "max")
    if kind == "pointwise":
        return (pool, Layer(name, "conv", (1, 1, channels, filters), **options))
    if kind == "conv":
        return (pool, Layer(name, "conv", (_KERNEL, _KERNEL, channels, filters), strides=(1, 2), **options))
    return (pool, Layer(name, "depthwise", (_KERNEL, _KERNEL, channels, 1), strides=(1, 2), **options))


def read_parts(program: Program, branches: Sequence[bool], parts: Sequence[tuple[str, str, Sequence[Node]]]) -> Reading:
    """The path of a network, read from its parts; `branches` says for each block whether it is a branch."""
    reading = Reading()
    steps: dict[str, Any] = {step.name: step for step in program if isinstance(step, Either | Layer)}
    for block, beside in enumerate(branches):
        reading.settings |= {f"block {block}": (1,), f"block {block}: input": (2 if beside else 1,)}
        reading.settings[output_place(block)] = (1, 1, 0, 0, 0 if beside else 1)
    reading.settings["end: input"] = (1,)
    for name, branch, nodes in parts:
        if name == SUM:
            continue
        if name == HEAD:
            last = sum(isinstance(node.op, Dense) for node in nodes) - 1
            reading.part([*(steps[f"hidden {i}"] for i in range(last)), steps["logits"]], nodes)
        elif branch == "size":
            reading.settings[name] = _resized(reading.settings[name], nodes)
        elif branch:
            reading.branch(steps[name], branch, nodes)
        else:
            reading.part([steps[name]], nodes)
    return reading


def _resized(settings: tuple[int, ...], nodes: Sequence[Node]) -> tuple[int, ...]:
    height, width, below, right, begins = settings
    for node in nodes:
        op: Any = node.op
        if isinstance(op, MaxPool2D):
            height, width = op.size
        elif isinstance(op, Pad):
            below, right = op.height[1], op.width[1]
        else:
            raise ValueError(f"{node.name} has no place in the shared weights")
    return height, width, below, right, begins
