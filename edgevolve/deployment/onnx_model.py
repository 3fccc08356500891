"""The network as an ONNX model, `model.onnx`: float32, channels first, any batch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

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
    Graph,
    MatMul,
    MaxPool2D,
    Multiply,
    Node,
    Pad,
    Reshape,
    Slice,
    Softmax,
)

OPSET, IR_VERSION = 17, 8
"""The versions of ONNX 1.12, which all recent runtimes read."""


def write(folder: Path, source: Source) -> dict[str, Any]:
    """Write `model.onnx` and compare it with Keras on onnxruntime. Raises `ExportError` when they differ."""
    content = to_onnx(source).SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    name = source.graph.inputs[0].name
    outputs = in_batches(lambda x: session.run(None, {name: x})[0], images_of(source.images))
    shape = list(shape_of(source.graph.inputs[0].shape))
    agreed = agreement("model.onnx", f"onnxruntime {onnxruntime.__version__}", outputs, source)
    return {"input": ["batch", *shape], "opset": OPSET, **agreed}


def to_onnx(source: Source) -> Any:
    """The checked `onnx.ModelProto`; input and output have the graph's names."""
    graph: Graph = source.graph
    writer = _Writer(constants(graph, source.weights))
    for node in graph.nodes:
        LOWER[type(node.op)](writer, node, *(x.name for x in node.inputs))
    ends = [
        helper.make_tensor_value_info(x.name, TensorProto.FLOAT, ["batch", *shape_of(x.shape)])
        for x in (graph.inputs[0], graph.outputs[0])
    ]
    body = helper.make_graph(writer.nodes, "edgevolve", ends[:1], ends[1:], writer.initializers)
    model = helper.make_model(
        body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="edgevolve"
    )
    onnx.checker.check_model(model, full_check=True)
    return model


class _Writer:
    """The ONNX nodes and constants so far."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.nodes: list[Any] = []
        self.initializers = [numpy_helper.from_array(value, name) for name, value in values.items()]

    def constant(self, name: str, value: Any) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    def activated(self, function: Activation, x: str, output: str) -> None:
        """Write the activation of `x` as `output`, which is another name."""
        if function is Activation.RELU6:
            limits = [self.constant(f"{output}/{end}", np.float32(value)) for end, value in (("min", 0), ("max", 6))]
            self.node("Clip", [x, *limits], output)
        else:
            self.node(ACTIVATIONS[function], [x], output)

    def fused(self, node: Node, kind: str, inputs: list[str], **attributes: Any) -> None:
        """Write an ONNX node and the fused activation of `node`."""
        function: Activation = node.op.activation  # type: ignore[attr-defined]
        if function is Activation.NONE:
            self.node(kind, inputs, node.name, **attributes)
        else:
            self.activated(function, self.node(kind, inputs, f"{node.name}/before", **attributes), node.name)


def _window(node: Node) -> dict[str, Any]:
    op: Any = node.op
    top, bottom, left, right = margins(node)
    return {"kernel_shape": op.kernel, "strides": op.stride, "pads": (top, left, bottom, right)}


def _dilations(node: Node) -> dict[str, Any]:
    op: Any = node.op
    return {"dilations": op.dilation} if max(op.dilation) > 1 else {}


def _conv(to: _Writer, node: Node, x: str) -> None:
    groups = node.op.groups if isinstance(node.op, Conv2D) else node.inputs[0].shape[3]
    to.fused(
        node, "Conv", [x, f"{node.name}/kernel", f"{node.name}/bias"], group=groups, **_window(node), **_dilations(node)
    )


def _dense(to: _Writer, node: Node, x: str) -> None:
    if len(node.inputs[0].shape) == 4:
        x = to.node("Flatten", [_channels_last(to, node, x)], f"{node.name}/flat")
    to.fused(node, "Gemm", [x, f"{node.name}/kernel", f"{node.name}/bias"], transB=1)


def _max_pool(to: _Writer, node: Node, x: str) -> None:
    to.fused(node, "MaxPool", [x], **_window(node))


def _average_pool(to: _Writer, node: Node, x: str) -> None:
    to.fused(node, "AveragePool", [x], count_include_pad=0, **_window(node))


def _global_average(to: _Writer, node: Node, x: str) -> None:
    to.node("Flatten", [to.node("GlobalAveragePool", [x], f"{node.name}/pixel")], node.name)


def _add(to: _Writer, node: Node, a: str, b: str) -> None:
    to.fused(node, "Add", [a, b])


def _multiply(to: _Writer, node: Node, a: str, b: str) -> None:
    to.fused(node, "Mul", [a, b])


def _matmul(to: _Writer, node: Node, a: str, b: str) -> None:
    op: Any = node.op
    second = to.node("Transpose", [b], f"{node.name}/second", perm=[0, 2, 1]) if op.transposed else b
    to.node("MatMul", [a, second], node.name)


def _concat(to: _Writer, node: Node, *inputs: str) -> None:
    to.node("Concat", list(inputs), node.name, axis=_channels(node))


def _pad(to: _Writer, node: Node, x: str) -> None:
    op: Any = node.op
    (top, bottom), (left, right) = op.height, op.width
    amounts = to.constant(f"{node.name}/amounts", np.array([0, 0, top, left, 0, 0, bottom, right]))
    to.node("Pad", [x, amounts], node.name)


def _reshape(to: _Writer, node: Node, x: str) -> None:
    four = len(node.output.shape) == 4
    shape = to.constant(f"{node.name}/shape", np.array([0, *node.output.shape[1:]]))
    y = to.node("Reshape", [_channels_last(to, node, x), shape], f"{node.name}/reshaped" if four else node.name)
    if four:
        to.node("Transpose", [y], node.name, perm=[0, 3, 1, 2])


def _channels_last(to: _Writer, node: Node, x: str) -> str:
    """In TFLite's order of elements."""
    return to.node("Transpose", [x], f"{node.name}/last", perm=[0, 2, 3, 1]) if len(node.inputs[0].shape) == 4 else x


def _slice(to: _Writer, node: Node, x: str) -> None:
    op: Any = node.op
    axes = [2, 3, 1] if len(node.output.shape) == 4 else [1 + i for i in range(len(op.begin))]
    bounds = {"begin": op.begin, "end": op.end, "axes": axes, "stride": op.stride}
    constants = [to.constant(f"{node.name}/{name}", np.array(numbers)) for name, numbers in bounds.items()]
    to.node("Slice", [x, *constants], node.name)


def _activate(to: _Writer, node: Node, x: str) -> None:
    op: Any = node.op
    to.activated(op.function, x, node.name)


def _softmax(to: _Writer, node: Node, x: str) -> None:
    op: Any = node.op
    if op.beta != 1:
        x = to.node("Mul", [x, to.constant(f"{node.name}/beta", np.float32(op.beta))], f"{node.name}/scaled")
    to.node("Softmax", [x], node.name, axis=_channels(node))


def _channels(node: Node) -> int:
    return 1 if len(node.output.shape) == 4 else -1


ACTIVATIONS = {Activation.RELU: "Relu", Activation.HARD_SWISH: "HardSwish", Activation.SIGMOID: "Sigmoid"}

LOWER: dict[type, Callable[..., None]] = {
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
"""How each operator becomes ONNX nodes."""
