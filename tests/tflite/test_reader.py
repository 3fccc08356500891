from itertools import pairwise

import numpy as np
import pytest

from edgevolve.graph import (
    Activate,
    Activation,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    DType,
    GlobalAveragePool,
    MatMul,
    MaxPool2D,
    Multiply,
    Opaque,
    Pad,
    Padding,
    Reshape,
    ShapeError,
    Softmax,
    to_json,
)
from edgevolve.tflite import TfliteError, load_tflite, read_tflite
from tests.tflite.tflite_files import Builtin, TfliteFile, Type, conv_options, schema, small_network

X = (1, 9, 7, 4)
POOL = {"table": "Pool2DOptions", "padding": 1, "strideW": 3, "strideH": 2, "filterWidth": 3, "filterHeight": 2}
DEPTHWISE = conv_options(table="DepthwiseConv2DOptions", depthMultiplier=1)
DENSE = {"table": "FullyConnectedOptions", "fusedActivationFunction": 0, "weightsFormat": 0}
BESIDE = {"table": "ConcatenationOptions", "axis": 3}
MEAN = {"table": "ReducerOptions", "keepDims": False}


def of_one_operator(builtin, shapes, output, constants=(), custom=None, **options):
    """A file whose operator reads activations of these shapes and then constants, each an array or a kernel's shape."""
    net = TfliteFile()
    inputs = [net.tensor(*shape) for shape in shapes]
    weights = [net.kernel(*c) if isinstance(c, tuple) else net.constant(c, Type.INT32) for c in constants]
    made = net.tensor(*output)
    net.operator(builtin, inputs + weights, [made], custom, **options)
    return read_tflite(net.content(inputs, [made])).graph.nodes[0]


KNOWN = [
    (Conv2D(8, (3, 3)), "CONV_2D", [X], (1, 9, 7, 8), [(8, 3, 3, 4), [0] * 8], conv_options()),
    (
        Conv2D(8, (3, 5), (2, 1), Padding.VALID, 1, Activation.RELU6),
        "CONV_2D",
        [X],
        (1, 4, 3, 8),
        [(8, 3, 5, 4), [0] * 8],
        conv_options(padding=1, strideH=2, fusedActivationFunction=3),
    ),
    (Conv2D(8, (3, 3), groups=2), "CONV_2D", [X], (1, 9, 7, 8), [(8, 3, 3, 2), [0] * 8], conv_options()),
    (Conv2D(8, (1, 1)), "CONV_2D", [X], (1, 9, 7, 8), [(8, 1, 1, 4)], conv_options()),
    (
        DepthwiseConv2D((3, 1), (1, 2), multiplier=2, activation=Activation.RELU),
        "DEPTHWISE_CONV_2D",
        [X],
        (1, 9, 4, 8),
        [(1, 3, 1, 8), [0] * 8],
        DEPTHWISE | {"strideW": 2, "depthMultiplier": 2, "fusedActivationFunction": 1},
    ),
    (Dense(5), "FULLY_CONNECTED", [(1, 12)], (1, 5), [(5, 12), [0] * 5], DENSE),
    (Dense(5), "FULLY_CONNECTED", [X], (1, 5), [(5, 252), [0] * 5], DENSE),
    (
        Dense(5, Activation.RELU),
        "FULLY_CONNECTED",
        [(1, 1, 1, 12)],
        (1, 5),
        [(5, 12)],
        DENSE | {"fusedActivationFunction": 1},
    ),
    (MaxPool2D((2, 3), (2, 3)), "MAX_POOL_2D", [X], (1, 4, 2, 4), [], POOL),
    (AveragePool2D((2, 3), (2, 3), Padding.SAME), "AVERAGE_POOL_2D", [X], (1, 5, 3, 4), [], POOL | {"padding": 0}),
    (GlobalAveragePool(), "MEAN", [X], (1, 4), [[1, 2]], MEAN),
    (GlobalAveragePool(), "MEAN", [X], (1, 4), [[-3, -2]], MEAN),
    (Add(), "ADD", [X, X], X, [], {"table": "AddOptions"}),
    (Multiply(), "MUL", [X, X], X, [], {"table": "MulOptions"}),
    (Multiply(), "MUL", [X, (1, 1, 1, 4)], X, [], {"table": "MulOptions"}),
    (Multiply(Activation.RELU), "MUL", [X, X], X, [], {"table": "MulOptions", "fusedActivationFunction": 1}),
    (Concat(), "CONCATENATION", [X, (1, 9, 7, 3)], (1, 9, 7, 7), [], BESIDE),
    (Concat(), "CONCATENATION", [(1, 4), (1, 3)], (1, 7), [], BESIDE | {"axis": -1}),
    (Pad((1, 2), (0, 3)), "PAD", [X], (1, 12, 10, 4), [[[0, 0], [1, 2], [0, 3], [0, 0]]], {"table": "PadOptions"}),
    (Reshape((1, 252)), "RESHAPE", [X], (1, 252), [[1, 252]], {"table": "ReshapeOptions"}),
    (Reshape((1, 252)), "RESHAPE", [X], (1, 252), [], {}),
    (Activate(Activation.RELU), "RELU", [X], X, [], {}),
    (Activate(Activation.RELU6), "RELU6", [X], X, [], {}),
    (Activate(Activation.HARD_SWISH), "HARD_SWISH", [X], X, [], {}),
    (Activate(Activation.SIGMOID), "LOGISTIC", [X], X, [], {}),
    (Softmax(), "SOFTMAX", [(1, 4)], (1, 4), [], {"table": "SoftmaxOptions", "beta": 1.0}),
    (Softmax(0.5), "SOFTMAX", [(1, 9, 9)], (1, 9, 9), [], {"table": "SoftmaxOptions", "beta": 0.5}),
    (MatMul(), "BATCH_MATMUL", [(1, 9, 4), (1, 4, 7)], (1, 9, 7), [], {"table": "BatchMatMulOptions"}),
    (
        MatMul(transposed=True),
        "BATCH_MATMUL",
        [(1, 9, 4), (1, 7, 4)],
        (1, 9, 7),
        [],
        {"table": "BatchMatMulOptions", "adjY": True},
    ),
]


@pytest.mark.parametrize(("op", "name", "shapes", "output", "constants", "options"), KNOWN)
def test_an_operator_of_the_ir_is_read_as_its_op(op, name, shapes, output, constants, options):
    node = of_one_operator(getattr(Builtin, name), shapes, output, constants, **options)
    assert node.op == op
    assert [x.shape for x in node.inputs] == shapes
    assert node.output.shape == output
    assert [w.shape for w in node.weights] == [np.shape(c) if isinstance(c, list) else c for c in constants]


OTHERS = [
    (
        "dilation",
        "CONV_2D",
        [X],
        (1, 9, 7, 8),
        [(8, 3, 3, 4), [0] * 8],
        conv_options(dilationWFactor=0),
        9 * 7 * 8 * 36,
    ),
    ("tanh", "CONV_2D", [X], (1, 9, 7, 8), [(8, 3, 3, 4)], conv_options(fusedActivationFunction=4), 9 * 7 * 8 * 36),
    ("a batch of 2", "CONV_2D", [(2, 9, 7, 4)], (2, 9, 7, 8), [(8, 1, 1, 4)], conv_options(), 2 * 9 * 7 * 8 * 4),
    ("a computed kernel", "CONV_2D", [X, (8, 1, 1, 4)], (1, 9, 7, 8), [], conv_options(), 9 * 7 * 8 * 4),
    ("no options", "CONV_2D", [X], (1, 9, 7, 8), [(8, 3, 3, 4)], {}, 9 * 7 * 8 * 36),
    ("a size that does not follow", "CONV_2D", [X], (1, 5, 7, 8), [(8, 3, 3, 4)], conv_options(), 5 * 7 * 8 * 36),
    ("dilation", "DEPTHWISE_CONV_2D", [X], X, [(1, 3, 3, 4)], DEPTHWISE | {"dilationHFactor": 0}, 9 * 7 * 4 * 9),
    ("a map", "FULLY_CONNECTED", [(1, 3, 4)], (1, 5), [(5, 12)], DENSE, 60),
    ("three rows", "FULLY_CONNECTED", [(3, 4)], (3, 5), [(5, 4)], DENSE, 60),
    ("shuffled", "FULLY_CONNECTED", [(1, 4)], (1, 5), [(5, 4)], DENSE | {"weightsFormat": 1}, 20),
    ("kept dimensions", "MEAN", [X], (1, 1, 1, 4), [[1, 2]], MEAN, 252),
    ("other axes", "MEAN", [(1, 4, 4, 4)], (1, 4), [[2, 3]], MEAN, 64),
    ("a constant", "ADD", [X], X, [(1, 1, 1, 4)], {"table": "AddOptions"}, 252),
    ("broadcast", "ADD", [X, (1, 1, 1, 4)], X, [], {"table": "AddOptions"}, 252),
    ("on top", "CONCATENATION", [X, X], (1, 18, 7, 4), [], BESIDE | {"axis": 1}, 0),
    ("the same channels", "CONCATENATION", [(1, 2, 2, 2), (1, 2, 2, 2)], (1, 2, 2, 4), [], BESIDE | {"axis": 2}, 0),
    ("channels", "PAD", [X], (1, 9, 7, 5), [[[0, 0], [0, 0], [0, 0], [0, 1]]], {"table": "PadOptions"}, 0),
    ("of nothing", "SOFTMAX", [(1, 4)], (1, 4), [], {"table": "SoftmaxOptions", "beta": 0.0}, 0),
    (
        "transposed first",
        "BATCH_MATMUL",
        [(1, 4, 9), (1, 4, 7)],
        (1, 9, 7),
        [],
        {"table": "BatchMatMulOptions", "adjX": True},
        0,
    ),
    ("unknown to the IR", "TANH", [X], X, [], {}, 0),
    ("upwards", "TRANSPOSE_CONV", [], (1, 4, 4, 3), [[1, 4, 4, 3], (3, 2, 2, 5), (1, 2, 2, 5)], {}, 20 * 12),
]


@pytest.mark.parametrize(("why", "name", "shapes", "output", "constants", "options", "macs"), OTHERS)
def test_an_operator_that_no_op_describes_is_opaque(why, name, shapes, output, constants, options, macs):
    if not shapes:
        net = TfliteFile()
        x, y = net.tensor(1, 2, 2, 5), net.tensor(*output)
        net.operator(
            getattr(Builtin, name), [net.constant(constants[0], Type.INT32), net.kernel(*constants[1]), x], [y]
        )
        node = read_tflite(net.content([x], [y])).graph.nodes[0]
    else:
        node = of_one_operator(getattr(Builtin, name), shapes, output, constants, **options)
    assert node.op == Opaque(name, (output,), macs)
    assert node.macs == macs


def test_a_custom_operator_keeps_its_name():
    assert of_one_operator(Builtin.CUSTOM, [X], X, custom="ethos-u").op == Opaque("ethos-u", (X,))


def test_an_operator_of_several_outputs_is_one_node():
    graph = read_tflite(small_network()).graph
    assert [type(node.op) for node in graph.nodes] == [Conv2D, Opaque, Add, Pad, GlobalAveragePool, Dense, Softmax]
    split = graph.nodes[1]
    assert split.op == Opaque("SPLIT", ((1, 8, 8, 2), (1, 8, 8, 2)))
    assert [x.shape for x in split.inputs] == [(1, 8, 8, 4)]
    assert [w.shape for w in split.weights] == [()]
    assert graph.nodes[2].inputs == split.outputs
    with pytest.raises(ShapeError, match="SPLIT has no canonical form"):
        to_json(graph)


@pytest.mark.parametrize(
    ("dtype", "size_bytes"),
    [
        ("INT8", 5),
        ("UINT8", 5),
        ("INT16", 10),
        ("INT32", 20),
        ("INT64", 40),
        ("FLOAT16", 10),
        ("BFLOAT16", 10),
        ("FLOAT32", 20),
        ("FLOAT64", 40),
        ("BOOL", 5),
        ("INT4", 3),
        ("UINT4", 3),
        ("INT2", 2),
        ("UINT16", 10),
        ("UINT32", 20),
        ("UINT64", 40),
        ("COMPLEX64", 40),
        ("COMPLEX128", 80),
    ],
)
def test_every_element_type_has_its_bytes(dtype, size_bytes):
    net = TfliteFile()
    x, y = (net.tensor(1, 5, dtype=getattr(Type, dtype)) for _ in range(2))
    net.operator(Builtin.ABS, [x], [y])
    graph = read_tflite(net.content([x], [y])).graph
    assert graph.inputs[0].dtype is DType[dtype]
    assert graph.inputs[0].size_bytes == size_bytes


def test_every_fixed_size_type_of_the_schema_is_known():
    without = {"STRING", "VARIANT"}
    names = {name for name, number in vars(Type).items() if isinstance(number, int)}
    assert {name for name in names if not name.startswith("FLOAT8")} - without == set(DType.__members__)


@pytest.mark.parametrize("fields", [{"shape": [-1, 4]}, {"shape": [1, 4], "shapeSignature": [-1, 4]}])
def test_an_open_batch_is_1_and_said_to_be(fields):
    net = TfliteFile()
    x, y = net.tensor(1, 4, **fields), net.tensor(1, 4, **fields)
    net.operator(Builtin.RELU, [x], [y])
    model = read_tflite(net.content([x], [y]))
    assert model.dynamic_batch
    assert model.graph.inputs[0].shape == (1, 4)
    assert not read_tflite(small_network()).dynamic_batch


def test_names_that_are_empty_shared_or_unprintable_are_made_whole():
    net = TfliteFile()
    tensors = [net.tensor(1, 4, name=name) for name in ("a", "", "a", "\x1b[2J\n", "a#2")]
    for x, y in pairwise(tensors):
        net.operator(Builtin.RELU, [x], [y])
    model = read_tflite(net.content(tensors[:1], tensors[-1:]))
    assert [tensor.name for tensor in model.tensors] == ["a", "#1", "a#2", "�[2J�", "a#2#4"]


def test_variables_and_inputs_that_are_left_out_belong_to_no_node():
    net = TfliteFile()
    x, y, state = net.tensor(1, 4), net.tensor(1, 2), net.tensor(1, 6, isVariable=True)
    net.operator(Builtin.SVDF, [x, net.kernel(2, 4), net.kernel(2, 3), -1, state], [y])
    model = read_tflite(net.content([x], [y]))
    assert model.variables == (model.tensors[state],)
    assert [tensor.name for tensor in model.graph.nodes[0].inputs] == [model.tensors[x].name]
    assert len(model.graph.nodes[0].weights) == 2


def test_a_node_may_read_constants_alone():
    """As in files with float16 weights."""
    net = TfliteFile()
    x, kernel, y = net.tensor(1, 4), net.tensor(3, 4), net.tensor(1, 3)
    net.operator(Builtin.DEQUANTIZE, [net.kernel(3, 4)], [kernel])
    net.operator(Builtin.FULLY_CONNECTED, [x, kernel, -1], [y], **DENSE)
    graph = read_tflite(net.content([x], [y])).graph
    assert graph.nodes[0].inputs == ()
    assert graph.nodes[1].op == Opaque("FULLY_CONNECTED", ((1, 3),), 12)


def refused(change):
    """A network of one RELU after `change(net, x, y)`, which may give other inputs and outputs."""
    net = TfliteFile()
    x, y = net.tensor(1, 4), net.tensor(1, 4)
    net.operator(Builtin.RELU, [x], [y])
    return net.content(*(change(net, x, y) or ([x], [y])))


def field_of(kind, index, name, value):
    return lambda net, x, y: setattr(getattr(net, kind)[index], name, value)


def outside_the_file(net, x, y):
    buffer = schema.BufferT()
    buffer.offset, buffer.size = 10**6, 4
    net.buffers.append(buffer)
    net.tensor(1, 4, buffer=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (field_of("tensors", 1, "type", Type.STRING), "tensor t1 is of STRING, which edgevolve does not read"),
        (field_of("tensors", 1, "type", 99), "tensor t1 is of type 99, which edgevolve does not read"),
        (field_of("tensors", 0, "shape", [1, -1]), "tensor t0 has no fixed shape: (1, -1)"),
        (field_of("tensors", 0, "shapeSignature", [1, -1]), "input t0 has no fixed shape: (1, -1)"),
        (field_of("tensors", 0, "shape", [1] * 9), "tensor t0 has 9 dimensions"),
        (field_of("tensors", 1, "shape", [2**31 - 1] * 3), "tensor t1 has 9903520300447984150353281023 bytes"),
        (field_of("tensors", 0, "buffer", 7), "damaged: it names buffer, that of tensor t0, 7 of 1"),
        (field_of("tensors", 0, "externalBuffer", 7), "tensor t0 is stored in another file"),
        (field_of("operators", 0, "inputs", [7]), "damaged: it names tensor, read by relu_0, 7 of 2"),
        (field_of("operators", 0, "inputs", [-2]), "damaged: it names tensor, read by relu_0, -2 of 2"),
        (field_of("operators", 0, "inputs", [1]), "not a network that can run: relu_0 reads t1 before it is made"),
        (field_of("operators", 0, "outputs", [7]), "damaged: it names tensor 7 of 2"),
        (field_of("operators", 0, "outputs", [0]), "not a network that can run: relu_0 makes t0 a second time"),
        (field_of("operators", 0, "opcodeIndex", 3), "damaged: it names operator code 3 of 1"),
        (field_of("codes", 0, "builtinCode", 9999), "operator code 9999 is not known"),
        (lambda net, x, y: ([], [y]), "not a network that can run: a network needs inputs and outputs"),
        (lambda net, x, y: ([x, x], [y]), "not a network that can run: a graph needs inputs of different names"),
        (lambda net, x, y: ([x], []), "not a network that can run: a network needs inputs and outputs"),
        (lambda net, x, y: ([x], [9]), "damaged: it names tensor 9 of 2"),
        (lambda net, x, y: ([x], [net.kernel(3)]), "all its outputs are constants"),
        (lambda net, x, y: ([x, net.kernel(3)], [y]), "tensor t2 is a constant and is written to"),
        (lambda net, x, y: ([x], [y], 1001), "1001 subgraphs; edgevolve reads 1 to 1000"),
        (lambda net, x, y: ([x], [y], 0), "0 subgraphs; edgevolve reads 1 to 1000"),
        (
            lambda net, x, y: net.constant([1, 2, 3], shape=(1, 4)) and None,
            "tensor t2 has 3 bytes in the file, but its shape needs 4",
        ),
        (outside_the_file, "damaged: the file ends at byte"),
    ],
)
def test_what_is_no_network_or_not_read_is_refused_in_one_line(change, message):
    with pytest.raises(TfliteError) as refusal:
        read_tflite(refused(change))
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"TFL3", "not a TensorFlow Lite file: it has no TFL3 mark"),
        (b"PK\x03\x04" + bytes(100), "not a TensorFlow Lite file: it has no TFL3 mark"),
        (b"\x00\x00\x00\x00TFL3", "damaged: the table at byte 0 has no head"),
        (b"\xff\xff\xff\xffTFL3", "damaged: the file ends at byte 8"),
        (small_network()[:100], "damaged: the file ends at byte 100"),
    ],
)
def test_what_is_no_file_of_this_kind_is_refused_in_one_line(content, message):
    with pytest.raises(TfliteError) as refusal:
        read_tflite(content)
    assert str(refusal.value).startswith(message)


def test_a_refusal_names_the_file(tmp_path):
    bad = tmp_path / "bad.tflite"
    bad.write_bytes(b"nothing of the kind")
    for path, reason in ((bad, "not a TensorFlow Lite file"), (tmp_path, "no such file"), (tmp_path / "no", "no such")):
        with pytest.raises(TfliteError) as refusal:
            load_tflite(path)
        assert str(refusal.value).startswith(f"{path}: {reason}")
    good = tmp_path / "good.tflite"
    good.write_bytes(small_network())
    assert load_tflite(good).size_bytes == len(small_network())
