"""Keras application models as graphs: batch norm and activations folded as TFLite's converter does it."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from edgevolve.graph import (
    Activate,
    Activation,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    Graph,
    GraphBuilder,
    MaxPool2D,
    Pad,
    Padding,
    Reshape,
    Softmax,
    Tensor,
)

_FUSING = (Conv2D, DepthwiseConv2D, Dense, Add)
_PASSING = {"Dropout", "Rescaling", "Normalization", "InputLayer"}


@dataclass
class _Step:
    """An operator before folding: the numbers of the tensors it reads and makes."""

    op: Any
    inputs: list[int]
    output: int


def keras_graph(model: Any) -> Graph:
    """The deployed network of a functional Keras model for images of one size."""
    steps: list[_Step] = []
    alias = {id(model.inputs[0]): id(model.inputs[0])}
    for layer in model.layers:
        sources = layer.input if isinstance(layer.input, list) else [layer.input]
        inputs = [alias[id(x)] for x in sources] if type(layer).__name__ != "InputLayer" else []
        output = id(layer.output)
        if type(layer).__name__ in _PASSING:
            alias[output] = inputs[0] if inputs else output
            continue
        for op in _operators(layer, [x.shape for x in sources]):
            steps.append(_Step(op, inputs, output if op is not None else -1))
            inputs = [output]
        alias[output] = output
    _number(steps)
    return _written(_folded(steps), model.input_shape[1:], id(model.inputs[0]))


def _operators(layer: Any, shapes: list[Any]) -> list[Any]:
    """What a layer becomes: one operator, and its activation after it."""
    name = type(layer).__name__
    after = []
    function = getattr(getattr(layer, "activation", None), "__name__", "linear")
    if name == "ReLU":
        return [Activate(Activation.RELU6 if layer.max_value == 6 else Activation.RELU)]
    if name == "Activation":
        return [Softmax() if function == "softmax" else Activate(Activation(function))]
    if getattr(layer, "keepdims", False):
        after = [Reshape((1, *layer.output.shape[1:]))]
    elif function == "softmax":
        after = [Softmax()]
    elif function != "linear":
        after = [Activate(Activation(function))]
    return [_operator(layer, name, shapes), *after]


def _operator(layer: Any, name: str, shapes: list[Any]) -> Any:
    if name in ("Conv2D", "DepthwiseConv2D"):
        window = (tuple(layer.kernel_size), tuple(layer.strides), Padding(layer.padding))
        return Conv2D(layer.filters, *window) if name == "Conv2D" else DepthwiseConv2D(*window)
    if name in ("MaxPooling2D", "AveragePooling2D"):
        kind = MaxPool2D if name == "MaxPooling2D" else AveragePool2D
        return kind(tuple(layer.pool_size), tuple(layer.strides), Padding(layer.padding))
    if name == "ZeroPadding2D":
        return Pad(*layer.padding)
    if name in ("Flatten", "Reshape"):
        return Reshape((1, *layer.output.shape[1:]))
    plain = {
        "Dense": lambda: Dense(layer.units),
        "GlobalAveragePooling2D": GlobalAveragePool,
        "Add": Add,
        "CustomScaleLayer": Add,  # a residual times a constant, which folds into the convolution before it
        "Concatenate": Concat,
        "BatchNormalization": lambda: DepthwiseConv2D((1, 1)),  # a scale and a shift for each channel
    }
    return plain[name]()


def _number(steps: list[_Step]) -> None:
    """Give the operators of one layer tensors of their own."""
    for before, after in pairwise(steps):
        if before.output == after.output:
            before.output = -2 - steps.index(before)
            after.inputs = [before.output]


def _folded(steps: list[_Step]) -> list[_Step]:
    """Batch norm in the convolution before it, and ReLU in the operator before it, where nobody else reads that."""
    kept: dict[int, _Step] = {}
    for step in steps:
        source = kept.get(step.inputs[0])
        alone = sum(step.inputs[0] in other.inputs for other in steps) == 1
        scale = isinstance(step.op, DepthwiseConv2D) and step.op.kernel == (1, 1)
        if source and alone and scale and isinstance(source.op, Conv2D | DepthwiseConv2D) and _linear(source.op):
            kept.pop(source.output)
            kept[step.output] = _Step(replace(source.op, batch_norm=True), source.inputs, step.output)
        elif (
            source and alone and isinstance(step.op, Activate) and isinstance(source.op, _FUSING) and _linear(source.op)
        ):
            kept.pop(source.output)
            op = replace(source.op, activation=step.op.function)
            kept[step.output] = _Step(op, source.inputs, step.output)
        else:
            kept[step.output] = step
    return list(kept.values())


def _linear(op: Any) -> bool:
    return op.activation is Activation.NONE


def _written(steps: list[_Step], shape: tuple[int, ...], entry: int) -> Graph:
    net = GraphBuilder()
    made: dict[int, Tensor] = {entry: net.input((1, *shape))}
    for step in steps:
        inputs = [made[number] for number in step.inputs]
        if isinstance(step.op, Reshape) and inputs[0].shape == step.op.shape:
            made[step.output] = inputs[0]
        else:
            made[step.output] = net.add(step.op, *inputs)
    return net.build(made[steps[-1].output])
