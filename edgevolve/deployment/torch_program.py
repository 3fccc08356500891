"""The network as a `torch.export` program, `model.pt2`: float32, channels first, any batch."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from edgevolve.deployment.channels_first import constants, images_of, margins, shape_of
from edgevolve.deployment.formats import Source, agreement, in_batches
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
    MatMul,
    MaxPool2D,
    Multiply,
    Node,
    Pad,
    Reshape,
    Slice,
    Softmax,
)


def write(folder: Path, source: Source) -> dict[str, Any]:
    """Write `model.pt2`, load it again and compare it with Keras. Raises `ExportError` when they differ.

    `torch.export.load("model.pt2").module()` is the network; edgevolve is not needed to run it.
    """
    file = folder / "model.pt2"
    network = TorchNetwork(source).eval()
    shape = shape_of(source.graph.inputs[0].shape)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.export.export(
            network, (torch.zeros(2, *shape),), dynamic_shapes=({0: torch.export.Dim("batch")},)
        )
        for step in program.graph.nodes:
            step.meta.pop("stack_trace", None)  # paths of this machine
        torch.export.save(program, file)
        loaded = torch.export.load(file).module()
        outputs = in_batches(lambda x: loaded(torch.from_numpy(x)).numpy(), images_of(source.images))
    agreed = agreement(file.name, f"torch {torch.__version__}", outputs, source)
    return {"input": ["batch", *shape], **agreed}


class TorchNetwork(torch.nn.Module):
    """The graph with its constants as parameters, `NODE_kernel` and `NODE_bias`, batch norm folded in."""

    def __init__(self, source: Source) -> None:
        """Copy the weights of the source."""
        super().__init__()
        self.graph = source.graph
        for name, value in constants(source.graph, source.weights).items():
            self.register_parameter(name.replace("/", "_"), torch.nn.Parameter(torch.tensor(value)))

    def forward(self, x: Any) -> Any:
        """From (batch, channels, height, width) to (batch, outputs)."""
        tensors = {self.graph.inputs[0].name: x}
        for node in self.graph.nodes:
            operands = (tensors[x.name] for x in node.inputs)
            tensors[node.output.name] = FORWARD[type(node.op)](self, node, *operands)
        return tensors[self.graph.outputs[0].name]

    def values(self, node: Node) -> tuple[Any, Any]:
        """Kernel and bias of a node."""
        return self.get_parameter(f"{node.name}_kernel"), self.get_parameter(f"{node.name}_bias")


def _padded(node: Node, x: Any, value: float = 0.0) -> Any:
    """Pad by the margins of TensorFlow's SAME; PyTorch's own padding has no unequal margins."""
    top, bottom, left, right = margins(node)
    return functional.pad(x, (left, right, top, bottom), value=value) if any((top, bottom, left, right)) else x


def _conv(network: TorchNetwork, node: Node, x: Any) -> Any:
    op: Any = node.op
    groups = op.groups if isinstance(op, Conv2D) else node.inputs[0].shape[3]
    padded, (kernel, bias) = _padded(node, x), network.values(node)
    y = functional.conv2d(padded, kernel, bias, stride=op.stride, dilation=op.dilation, groups=groups)
    return ACTIVATIONS[op.activation](y)


def _dense(network: TorchNetwork, node: Node, x: Any) -> Any:
    op: Any = node.op
    return ACTIVATIONS[op.activation](functional.linear(_channels_last(x).flatten(1), *network.values(node)))


def _max_pool(network: TorchNetwork, node: Node, x: Any) -> Any:
    op: Any = node.op
    return ACTIVATIONS[op.activation](functional.max_pool2d(_padded(node, x, -torch.inf), op.size, op.stride))


def _average_pool(network: TorchNetwork, node: Node, x: Any) -> Any:
    """Divide each mean by the share of its window that lies on the map, since TFLite leaves out margins."""
    op: Any = node.op
    covered = functional.avg_pool2d(_padded(node, torch.ones_like(x[:1, :1])), op.size, op.stride)
    return ACTIVATIONS[op.activation](functional.avg_pool2d(_padded(node, x), op.size, op.stride) / covered)


def _global_average(network: TorchNetwork, node: Node, x: Any) -> Any:
    return x.mean((2, 3))


def _add(network: TorchNetwork, node: Node, a: Any, b: Any) -> Any:
    op: Any = node.op
    return ACTIVATIONS[op.activation](a + b)


def _multiply(network: TorchNetwork, node: Node, a: Any, b: Any) -> Any:
    op: Any = node.op
    return ACTIVATIONS[op.activation](a * b)


def _matmul(network: TorchNetwork, node: Node, a: Any, b: Any) -> Any:
    op: Any = node.op
    return torch.matmul(a, b.transpose(1, 2) if op.transposed else b)


def _concat(network: TorchNetwork, node: Node, *inputs: Any) -> Any:
    return torch.cat(inputs, _channels(node))


def _pad(network: TorchNetwork, node: Node, x: Any) -> Any:
    op: Any = node.op
    return functional.pad(x, (*op.width, *op.height))


def _reshape(network: TorchNetwork, node: Node, x: Any) -> Any:
    y = _channels_last(x).reshape(-1, *node.output.shape[1:])
    return y.permute(0, 3, 1, 2) if y.ndim == 4 else y


def _channels_last(x: Any) -> Any:
    """In TFLite's order of elements."""
    return x.permute(0, 2, 3, 1) if x.ndim == 4 else x


def _slice(network: TorchNetwork, node: Node, x: Any) -> Any:
    op: Any = node.op
    taken = [slice(*bounds) for bounds in zip(op.begin, op.end, op.stride, strict=True)]
    return x[(slice(None), *(taken[-1:] + taken[:-1] if x.ndim == 4 else taken))]


def _activate(network: TorchNetwork, node: Node, x: Any) -> Any:
    op: Any = node.op
    return ACTIVATIONS[op.function](x)


def _softmax(network: TorchNetwork, node: Node, x: Any) -> Any:
    op: Any = node.op
    return functional.softmax(x if op.beta == 1 else op.beta * x, _channels(node))


def _channels(node: Node) -> int:
    return 1 if len(node.output.shape) == 4 else -1


ACTIVATIONS: dict[Activation, Callable[[Any], Any]] = {
    Activation.NONE: lambda x: x,
    Activation.RELU: functional.relu,
    Activation.RELU6: functional.relu6,
    Activation.HARD_SWISH: functional.hardswish,
    Activation.SIGMOID: torch.sigmoid,
}

FORWARD: dict[type, Callable[..., Any]] = {
    Conv2D: _conv,
    DepthwiseConv2D: _conv,
    Dense: _dense,
    MaxPool2D: _max_pool,
    AveragePool2D: _average_pool,
    GlobalAveragePool: _global_average,
    Add: _add,
    Multiply: _multiply,
    MatMul: _matmul,
    Concat: _concat,
    Pad: _pad,
    Reshape: _reshape,
    Slice: _slice,
    Activate: _activate,
    Softmax: _softmax,
}
