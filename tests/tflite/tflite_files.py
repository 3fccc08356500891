"""Small `.tflite` files written field by field, without a converter."""

from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

Type = schema.TensorType
Builtin = schema.BuiltinOperator


@dataclass
class TfliteFile:
    """Add tensors, which gives their indices, and operators; then `content`. `close` begins another subgraph."""

    tensors: list[Any] = field(default_factory=list)
    buffers: list[Any] = field(default_factory=lambda: [schema.BufferT()])
    codes: list[Any] = field(default_factory=list)
    operators: list[Any] = field(default_factory=list)
    closed: list[Any] = field(default_factory=list)
    signatures: list[Any] = field(default_factory=list)

    def tensor(self, *shape: int, dtype: int = Type.INT8, name: str | None = None, **fields: Any) -> int:
        made = schema.TensorT()
        made.shape, made.type, made.buffer = list(shape), dtype, 0
        made.name = f"t{len(self.tensors)}" if name is None else name
        for key, value in fields.items():
            setattr(made, key, value)
        self.tensors.append(made)
        return len(self.tensors) - 1

    def constant(self, values: Any, dtype: int = Type.INT8, shape: tuple[int, ...] | None = None) -> int:
        """A constant of these values; int8 unless they are int32 and said to be."""
        array = np.asarray(values, {Type.INT8: np.int8, Type.INT32: np.int32, Type.FLOAT32: np.float32}.get(dtype))
        made = schema.BufferT()
        made.data = np.frombuffer(array.tobytes(), np.uint8)
        self.buffers.append(made)
        return self.tensor(*(array.shape if shape is None else shape), dtype=dtype, buffer=len(self.buffers) - 1)

    def kernel(self, *shape: int) -> int:
        return self.constant(np.ones(shape, np.int8))

    def bias(self, length: int) -> int:
        return self.constant(np.zeros(length), Type.INT32)

    def operator(self, builtin: int, inputs: list[int], outputs: list[int], custom: str | None = None, **options: Any):
        """Options by their names in the schema; the first is their table's."""
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.customCode = builtin, min(builtin, 127), custom
        self.codes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = len(self.codes) - 1, inputs, outputs
        table = options.pop("table", None)
        if table:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, table)
            made.builtinOptions = getattr(schema, f"{table}T")()
            for key, value in options.items():
                setattr(made.builtinOptions, key, value)
        self.operators.append(made)

    def close(self, inputs: list[int], outputs: list[int]) -> None:
        """End a subgraph; what is added next belongs to the following one."""
        self.closed.append(self._subgraph(inputs, outputs))
        self.tensors, self.operators = [], []

    def _subgraph(self, inputs: list[int], outputs: list[int]) -> Any:
        graph = schema.SubGraphT()
        graph.tensors, graph.operators, graph.inputs, graph.outputs = self.tensors, self.operators, inputs, outputs
        return graph

    def signature(self, name: str, subgraph: int, inputs: dict[str, int], outputs: dict[str, int]) -> None:
        made = schema.SignatureDefT()
        made.signatureKey, made.subgraphIndex = name, subgraph
        made.inputs, made.outputs = _pairs(inputs), _pairs(outputs)
        self.signatures.append(made)

    def content(self, inputs: list[int], outputs: list[int], subgraphs: int = 1) -> bytes:
        """The file whose last subgraph has these ends; that one `subgraphs` times."""
        model = schema.ModelT()
        model.version, model.subgraphs = 3, self.closed + [self._subgraph(inputs, outputs)] * subgraphs
        model.operatorCodes, model.buffers, model.signatureDefs = self.codes, self.buffers, self.signatures or None
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _pairs(tensors: dict[str, int]) -> list[Any]:
    pairs = []
    for name, index in tensors.items():
        made = schema.TensorMapT()
        made.name, made.tensorIndex = name, index
        pairs.append(made)
    return pairs


def conv_options(**changes: int) -> dict[str, Any]:
    return {
        "table": "Conv2DOptions",
        "padding": 0,
        "strideW": 1,
        "strideH": 1,
        "dilationWFactor": 1,
        "dilationHFactor": 1,
        "fusedActivationFunction": 0,
    } | changes


def small_network() -> bytes:
    """A network of every kind of part: two convolutions, a SPLIT, an Add, a mean, a dense layer, a softmax."""
    net = TfliteFile()
    x, a, b, c, d, e, f, g, h = (
        net.tensor(*shape)
        for shape in (
            (1, 8, 8, 3),
            (1, 8, 8, 4),
            (1, 8, 8, 2),
            (1, 8, 8, 2),
            (1, 8, 8, 2),
            (1, 10, 9, 2),
            (1, 2),
            (1, 5),
            (1, 5),
        )
    )
    net.operator(Builtin.CONV_2D, [x, net.kernel(4, 3, 3, 3), net.bias(4)], [a], **conv_options())
    axis = net.constant(3, Type.INT32)
    net.operator(Builtin.SPLIT, [axis, a], [b, c], table="SplitOptions", numSplits=2)
    net.operator(Builtin.ADD, [b, c], [d], table="AddOptions", fusedActivationFunction=1)
    amounts = net.constant([[0, 0], [1, 1], [0, 1], [0, 0]], Type.INT32)
    net.operator(Builtin.PAD, [d, amounts], [e], table="PadOptions")
    net.operator(Builtin.MEAN, [e, net.constant([1, 2], Type.INT32)], [f], table="ReducerOptions", keepDims=False)
    net.operator(Builtin.FULLY_CONNECTED, [f, net.kernel(5, 2), net.bias(5)], [g], table="FullyConnectedOptions")
    net.operator(Builtin.SOFTMAX, [g], [h], table="SoftmaxOptions", beta=1.0)
    return net.content([x], [h])
