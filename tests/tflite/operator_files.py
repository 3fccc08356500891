"""A small `.tflite` for each kernel of TensorFlow Lite Micro and each type that it takes, by name."""

import numpy as np
from ai_edge_litert import schema_py_generated as S

from tests.tflite.custom_operator_files import CUSTOM_CASES
from tests.tflite.tflite_files import Builtin, TfliteFile, Type

F, I8, I16, I32, B, I64 = Type.FLOAT32, Type.INT8, Type.INT16, Type.INT32, Type.BOOL, Type.INT64
SH = (1, 4, 4, 2)
NP = {F: np.float32, I8: np.int8, I16: np.int16, I32: np.int32, B: np.bool_, I64: np.int64}


def q(scale=0.5, zero=0, n=1, dim=0):
    p = S.QuantizationParametersT()
    p.scale = [scale] * n
    p.zeroPoint = [zero] * n
    p.quantizedDimension = dim
    return p


class Net(TfliteFile):
    def t(self, shape, dtype=I8, scale=0.5, zero=0, **k):
        kw = {} if dtype in (F, B, I32, I64) else {"quantization": q(scale, zero)}
        return self.tensor(*shape, dtype=dtype, **kw, **k)

    def c(self, values, dtype=I32, scale=None, n=1, dim=0):
        a = np.asarray(values, NP[dtype])
        b = S.BufferT()
        b.data = np.frombuffer(a.tobytes(), np.uint8)
        self.buffers.append(b)
        kw = {} if scale is None else {"quantization": q(scale, 0, n, dim)}
        return self.tensor(*a.shape, dtype=dtype, buffer=len(self.buffers) - 1, **kw)


def op(name, ins, outs, opts=None):
    net = Net()
    i = []
    names = []
    for x in ins:
        if x is None:
            i.append(-1)
        elif x[0] == "c":
            i.append(net.c(*x[1:]))
        else:
            n = net.t(*x)
            i.append(n)
            names.append(n)
    o = [net.t(*x) for x in outs]
    net.operator(getattr(Builtin, name), i, o, **(opts or {}))
    return net.content(names, o)


CASES = dict(CUSTOM_CASES)


def add(name, ins, outs, opts=None, tag=""):
    CASES[name + tag] = op(name, ins, outs, opts)


OF_FLOATS = (
    "CEIL COS EXP FLOOR LOG ROUND RSQRT SIN SQRT SQUARE ABS NEG ELU TANH LOGISTIC RELU RELU6 HARD_SWISH LOG_SOFTMAX"
)
for n in OF_FLOATS.split():
    add(n, [(SH, F)], [(SH, F)], tag="/f")
for n in ["ABS", "RSQRT", "NEG", "ELU"]:
    add(n, [(SH, I8)], [(SH, I8)], tag="/i8")
add("LOG_SOFTMAX", [((1, 4), I8)], [((1, 4), I8, 1 / 16, 127)], tag="/i8")
for n in ["RELU", "RELU6", "HARD_SWISH"]:
    add(n, [(SH, I8)], [(SH, I8)], tag="/i8")
add("LOGISTIC", [(SH, I8)], [(SH, I8, 1 / 256, -128)], tag="/i8")
add("TANH", [(SH, I8)], [(SH, I8, 1 / 128, 0)], tag="/i8")
add("LOGISTIC", [(SH, I16, 1 / 4096, 0)], [(SH, I16, 1 / 32768, 0)], tag="/i16")
add("TANH", [(SH, I16, 1 / 4096, 0)], [(SH, I16, 1 / 32768, 0)], tag="/i16")
for ty, tag in ((F, "/f"), (I8, "/i8"), (I16, "/i16")):
    add("ADD", [(SH, ty), (SH, ty)], [(SH, ty)], {"table": "AddOptions"}, tag)
    add("SUB", [(SH, ty), (SH, ty)], [(SH, ty)], {"table": "SubOptions"}, tag)
    add("MUL", [(SH, ty), (SH, ty)], [(SH, ty)], {"table": "MulOptions"}, tag)
    if ty != I16:
        add("DIV", [(SH, ty), (SH, ty)], [(SH, ty)], {"table": "DivOptions"}, tag)
    for n in ("MAXIMUM", "MINIMUM"):
        add(n, [(SH, ty), (SH, ty)], [(SH, ty)], {"table": "MaximumMinimumOptions"}, tag)
    add("LEAKY_RELU", [(SH, ty)], [(SH, ty)], {"table": "LeakyReluOptions", "alpha": 0.1}, tag)
    add("RESHAPE", [(SH, ty), ("c", [1, 32])], [((1, 32), ty)], None, tag)
    add("TRANSPOSE", [(SH, ty), ("c", [0, 2, 1, 3])], [(SH, ty)], {"table": "TransposeOptions"}, tag)
    add("CONCATENATION", [(SH, ty), (SH, ty)], [((1, 4, 4, 4), ty)], {"table": "ConcatenationOptions", "axis": 3}, tag)
    add("SPLIT", [("c", 3), ((1, 4, 4, 4), ty)], [(SH, ty), (SH, ty)], {"table": "SplitOptions", "numSplits": 2}, tag)
    add(
        "SPLIT_V",
        [((1, 4, 4, 4), ty), ("c", [2, 2]), ("c", 3)],
        [(SH, ty), (SH, ty)],
        {"table": "SplitVOptions", "numSplits": 2},
        tag,
    )
    add("PACK", [((4, 4), ty), ((4, 4), ty)], [((2, 4, 4), ty)], {"table": "PackOptions", "valuesCount": 2}, tag)
    add("UNPACK", [((2, 4, 4), ty)], [((4, 4), ty), ((4, 4), ty)], {"table": "UnpackOptions", "num": 2}, tag)
    add("PAD", [(SH, ty), ("c", [[0, 0], [1, 1], [1, 1], [0, 0]])], [((1, 6, 6, 2), ty)], {"table": "PadOptions"}, tag)
    add(
        "SLICE",
        [(SH, ty), ("c", [0, 0, 0, 0]), ("c", [1, 2, 2, 2])],
        [((1, 2, 2, 2), ty)],
        {"table": "SliceOptions"},
        tag,
    )
    add(
        "STRIDED_SLICE",
        [(SH, ty), ("c", [0, 0, 0, 0]), ("c", [1, 2, 2, 2]), ("c", [1, 1, 1, 1])],
        [((1, 2, 2, 2), ty)],
        {"table": "StridedSliceOptions"},
        tag,
    )
    add("MEAN", [(SH, ty), ("c", [1, 2])], [((1, 2), ty)], {"table": "ReducerOptions"}, tag)
    add("SUM", [(SH, ty), ("c", [1, 2])], [((1, 2), ty)], {"table": "ReducerOptions"}, tag)
    add("REDUCE_MAX", [(SH, ty), ("c", [1, 2])], [((1, 2), ty)], {"table": "ReducerOptions"}, tag)
    add("REDUCE_MIN", [(SH, ty), ("c", [1, 2])], [((1, 2), ty)], {"table": "ReducerOptions"}, tag)
    add(
        "MAX_POOL_2D",
        [(SH, ty)],
        [((1, 2, 2, 2), ty)],
        {"table": "Pool2DOptions", "strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 2, "padding": 1},
        tag,
    )
    add(
        "AVERAGE_POOL_2D",
        [(SH, ty)],
        [((1, 2, 2, 2), ty)],
        {"table": "Pool2DOptions", "strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 2, "padding": 1},
        tag,
    )
    add("EXPAND_DIMS", [((4, 4), ty), ("c", [0])], [((1, 4, 4), ty)], {"table": "ExpandDimsOptions"}, tag)
    add("SQUEEZE", [((1, 4, 4), ty)], [((4, 4), ty)], {"table": "SqueezeOptions", "squeezeDims": [0]}, tag)
    if ty != I16:
        add("GATHER", [((4, 4), ty), ("c", [0, 2])], [((2, 4), ty)], {"table": "GatherOptions", "axis": 0}, tag)
    add("BATCH_MATMUL", [((1, 4, 4), ty), ((1, 4, 8), ty)], [((1, 4, 8), ty)], {"table": "BatchMatMulOptions"}, tag)
    add(
        "BATCH_MATMUL",
        [((1, 4, 4), ty), ((1, 8, 4), ty)],
        [((1, 4, 8), ty)],
        {"table": "BatchMatMulOptions", "adjY": True},
        tag + "y",
    )
    add(
        "BATCH_MATMUL",
        [((1, 4, 4), ty), ((1, 4, 8), ty)],
        [((1, 4, 8), ty)],
        {"table": "BatchMatMulOptions", "adjX": True},
        tag + "x",
    )
for ty, tag in ((F, "/f"), (I8, "/i8")):
    for more in (((2,), (2,)), ((1, 2), (1, 2)), ((2,), ())):
        left, right = ((*dims, *matrix) for dims, matrix in zip(more, ((4, 5), (5, 6)), strict=True))
        place = f"{tag}, rank {2 + len(more[0])} and {2 + len(more[1])}"
        add(
            "BATCH_MATMUL",
            [((1, *left), ty), ((1, *right), ty)],
            [((1, *left[:-1], 6), ty)],
            {"table": "BatchMatMulOptions"},
            place,
        )
    add("SOFTMAX", [((1, 4), ty)], [((1, 4), ty, 1 / 256, -128)], {"table": "SoftmaxOptions", "beta": 1.0}, tag)
    add("L2_NORMALIZATION", [((1, 4), ty)], [((1, 4), ty, 1 / 128, 0)], {"table": "L2NormOptions"}, tag)
    add("PRELU", [(SH, ty), ("c", np.ones((1, 1, 2)), ty, 0.5)], [(SH, ty)], None, tag)
    add(
        "RESIZE_NEAREST_NEIGHBOR",
        [(SH, ty), ("c", [8, 8])],
        [((1, 8, 8, 2), ty)],
        {"table": "ResizeNearestNeighborOptions"},
        tag,
    )
    add("RESIZE_BILINEAR", [(SH, ty), ("c", [8, 8])], [((1, 8, 8, 2), ty)], {"table": "ResizeBilinearOptions"}, tag)
    add("SPACE_TO_DEPTH", [(SH, ty)], [((1, 2, 2, 8), ty)], {"table": "SpaceToDepthOptions", "blockSize": 2}, tag)
    add("DEPTH_TO_SPACE", [((1, 2, 2, 8), ty)], [(SH, ty)], {"table": "DepthToSpaceOptions", "blockSize": 2}, tag)
    add("SPACE_TO_BATCH_ND", [(SH, ty), ("c", [2, 2]), ("c", [[0, 0], [0, 0]])], [((4, 2, 2, 2), ty)], None, tag)
    add("BATCH_TO_SPACE_ND", [((4, 2, 2, 2), ty), ("c", [2, 2]), ("c", [[0, 0], [0, 0]])], [(SH, ty)], None, tag)
    add("SQUARED_DIFFERENCE", [(SH, ty), (SH, ty)], [(SH, ty)], None, tag)
    add("MIRROR_PAD", [((4, 4), ty), ("c", [[1, 1], [1, 1]])], [((6, 6), ty)], {"table": "MirrorPadOptions"}, tag)
    add(
        "PADV2", [(SH, ty), ("c", [[0, 0], [1, 1], [1, 1], [0, 0]]), ("c", 0, ty, 0.5)], [((1, 6, 6, 2), ty)], None, tag
    )
    add("ADD_N", [(SH, ty), (SH, ty)], [(SH, ty)], None, tag)
    add("ARG_MAX", [((1, 4), ty), ("c", 1)], [((1,), I32)], {"table": "ArgMaxOptions", "outputType": I32}, tag)
    add("ARG_MIN", [((1, 4), ty), ("c", 1)], [((1,), I32)], {"table": "ArgMinOptions", "outputType": I32}, tag)
    for n, t in (
        ("GREATER", "GreaterOptions"),
        ("EQUAL", "EqualOptions"),
        ("NOT_EQUAL", "NotEqualOptions"),
        ("GREATER_EQUAL", "GreaterEqualOptions"),
        ("LESS", "LessOptions"),
        ("LESS_EQUAL", "LessEqualOptions"),
    ):
        add(n, [(SH, ty), (SH, ty)], [(SH, B)], {"table": t}, tag)
    add("SELECT_V2", [(SH, B), (SH, ty), (SH, ty)], [(SH, ty)], None, tag)
    add("ZEROS_LIKE", [(SH, ty)], [(SH, ty)], None, tag)
    add("REVERSE_V2", [(SH, ty), ("c", [1])], [(SH, ty)], None, tag)
    add("CUMSUM", [(SH, ty), ("c", 1)], [(SH, ty)], {"table": "CumsumOptions"}, tag)
    add("GATHER_ND", [((4, 4), ty), ("c", [[0], [2]])], [((2, 4), ty)], None, tag)
    add("BROADCAST_TO", [((1, 4), ty), ("c", [2, 4])], [((2, 4), ty)], None, tag)
    add("FILL", [("c", [2, 4]), ((), ty)], [((2, 4), ty)], None, tag)
    add("SHAPE", [(SH, ty)], [((4,), I32)], {"table": "ShapeOptions", "outType": I32}, tag)
    add("DYNAMIC_UPDATE_SLICE", [((4, 4), ty), ((2, 2), ty), ((2,), I32)], [((4, 4), ty)], None, tag)
    add("CAST", [(SH, ty)], [(SH, I32)], {"table": "CastOptions"}, tag)
    if ty == F:
        add(
            "L2_POOL_2D",
            [(SH, ty)],
            [((1, 2, 2, 2), ty)],
            {"table": "Pool2DOptions", "strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 2, "padding": 1},
            tag,
        )
add("FLOOR_DIV", [(SH, F), (SH, F)], [(SH, F)])
add("FLOOR_MOD", [(SH, F), (SH, F)], [(SH, F)])
for n in ("LOGICAL_AND", "LOGICAL_OR"):
    add(n, [(SH, B), (SH, B)], [(SH, B)])
add("LOGICAL_NOT", [(SH, B)], [(SH, B)])
add("REDUCE_ALL", [(SH, B), ("c", [1, 2])], [((1, 2), B)], {"table": "ReducerOptions"})
add("QUANTIZE", [(SH, F)], [(SH, I8)], None, "/f")
add("QUANTIZE", [(SH, I8)], [(SH, I8, 0.25)], None, "/i8")
add("QUANTIZE", [(SH, I16)], [(SH, I8)], None, "/i16")
add("DEQUANTIZE", [(SH, I8)], [(SH, F)])
add("DEQUANTIZE", [(SH, I16)], [(SH, F)], None, "/i16")


def conv(
    ty, wt, bt, batch=1, pc=True, table="Conv2DOptions", name="CONV_2D", kshape=(3, 3, 3, 2), bias=3, dil=1, tag=""
):
    net = Net()
    x = net.t((batch, 4, 4, 2), ty)
    dim = 3 if name.startswith("DEPTH") else 0
    n = kshape[dim] if pc else 1
    if wt == "int4":
        b = S.BufferT()
        b.data = np.zeros((int(np.prod(kshape)) + 1) // 2, np.uint8)
        net.buffers.append(b)
        k = net.tensor(*kshape, dtype=Type.INT4, buffer=len(net.buffers) - 1, quantization=q(0.5, 0, n, dim))
    else:
        k = net.c(np.ones(kshape), wt, None if wt == F else 0.5, n, dim)
    ch = kshape[3] if dim == 3 else kshape[0]
    ins = [x, k]
    if bias:
        ins.append(net.c(np.zeros(ch), bt, None if bt == F else 0.25, n))
    y = net.t((batch, 4, 4, ch), ty)
    o = {"table": table, "strideW": 1, "strideH": 1, "dilationHFactor": dil, "dilationWFactor": dil}
    if dim == 3:
        o["depthMultiplier"] = ch // 2
    net.operator(getattr(Builtin, name), ins, [y], **o)
    CASES[name + tag] = net.content([x], [y])


for nm, tb, ks in (
    ("CONV_2D", "Conv2DOptions", (3, 3, 3, 2)),
    ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", (1, 3, 3, 4)),
):
    for tag, a in (
        ("/f", (F, F, F)),
        ("/i8", (I8, I8, I32)),
        ("/i16", (I16, I8, I64)),
        ("/int4", (I8, "int4", I32)),
    ):
        conv(*a, table=tb, name=nm, kshape=ks, tag=tag)
        conv(*a, batch=2, table=tb, name=nm, kshape=ks, tag=tag + "b2")
        conv(*a, bias=0, table=tb, name=nm, kshape=ks, tag=tag + "nobias")
        conv(*a, pc=False, dil=2, table=tb, name=nm, kshape=ks, tag=tag + "dil")


def dense(ty, wt, bt, pc, batch=1, bias=True, tag="", units=40, feat=8):
    net = Net()
    x = net.t((batch, feat), ty)
    n = units if pc else 1
    if wt == "int4":
        b = S.BufferT()
        b.data = np.zeros(units * feat // 2, np.uint8)
        net.buffers.append(b)
        k = net.tensor(units, feat, dtype=Type.INT4, buffer=len(net.buffers) - 1, quantization=q(0.5))
    else:
        k = net.c(np.ones((units, feat)), wt, None if wt == F else 0.5, n)
    ins = [x, k, net.c(np.zeros(units), bt, None if bt == F else 0.25, n) if bias else -1]
    y = net.t((batch, units), ty)
    net.operator(Builtin.FULLY_CONNECTED, ins, [y], table="FullyConnectedOptions")
    CASES["FULLY_CONNECTED" + tag] = net.content([x], [y])


dense(F, F, F, False, tag="/f")
dense(I8, I8, I32, True, tag="/i8pc")
dense(I8, I8, I32, False, tag="/i8")
dense(I16, I8, I64, False, tag="/i16")
dense(I8, "int4", I32, False, tag="/int4")
dense(I8, I8, I32, True, 3, False, tag="/b3")


def tconv(ty, wt, bt, tag, bias=True):
    net = Net()
    k = net.c(np.ones((4, 3, 3, 8)), wt, None if wt == F else 0.5, 4)
    x = net.t((1, 8, 8, 8), ty)
    ins = [net.c([1, 16, 16, 4]), k, x]
    if bias:
        ins.append(net.c(np.zeros(4), bt, None if bt == F else 0.25, 4))
    y = net.t((1, 16, 16, 4), ty)
    net.operator(Builtin.TRANSPOSE_CONV, ins, [y], table="TransposeConvOptions", strideW=2, strideH=2)
    CASES["TRANSPOSE_CONV" + tag] = net.content([x], [y])


tconv(F, F, F, "/f")
tconv(I8, I8, I32, "/i8")
tconv(I16, I8, I64, "/i16")
tconv(I16, I8, I16, "/i16b16")
tconv(I8, I8, I32, "/nobias", False)


def svdf(state, tag, ty=I8, features=40, filters=16, rank=2, memory=10):
    net = Net()
    x = net.t((1, features), ty, 0.1)
    nf = filters * rank
    wf = net.c(np.ones((nf, features)), ty, None if ty == F else 0.02)
    wt = net.c(np.ones((nf, memory)), state, None if state == F else 0.02)
    b = net.c(np.zeros(filters), F if ty == F else I32, None if ty == F else 0.002)
    st = net.tensor(1, memory * nf, dtype=state, isVariable=True, **({} if state == F else {"quantization": q(0.1)}))
    y = net.t((1, filters), ty, 0.2)
    net.operator(Builtin.SVDF, [x, wf, wt, b, st], [y], table="SVDFOptions", rank=rank, fusedActivationFunction=1)
    CASES["SVDF" + tag] = net.content([x], [y])


svdf(I16, "/i16")
svdf(I8, "/i8")
svdf(F, "/f", ty=F)


def lstm(ty, tag, batch=1, time=5, feat=3, units=6):
    net = Net()
    x = net.t((batch, time, feat), ty, 1 / 128)
    wt = F if ty == F else I8
    bt = F if ty == F else (I32 if ty == I8 else I64)
    sc = None if ty == F else 1 / 128
    ins = (
        [x]
        + [net.c(np.ones((units, feat)), wt, sc) for _ in range(4)]
        + [net.c(np.ones((units, units)), wt, sc) for _ in range(4)]
        + [-1] * 3
    )
    ins += [net.c(np.zeros(units), bt, None if ty == F else 1 / 16384) for _ in range(4)] + [-1, -1]
    ct = F if ty == F else I16
    ins += [
        net.tensor(batch, units, dtype=ty, isVariable=True, **({} if ty == F else {"quantization": q(1 / 128)})),
        net.tensor(batch, units, dtype=ct, isVariable=True, **({} if ty == F else {"quantization": q(2**-11)})),
    ] + [-1] * 4
    y = net.t((batch, time, units), ty, 1 / 128)
    net.operator(
        Builtin.UNIDIRECTIONAL_SEQUENCE_LSTM,
        ins,
        [y],
        table="UnidirectionalSequenceLSTMOptions",
        fusedActivationFunction=4,
        cellClip=0.0,
    )
    CASES["UNIDIRECTIONAL_SEQUENCE_LSTM" + tag] = net.content([x], [y])


lstm(F, "/f")
lstm(I8, "/i8")
lstm(I16, "/i16")


def variables():
    net = Net()
    x = net.t((1, 8), F)
    h = net.tensor(1, dtype=Type.RESOURCE)
    y = net.t((1, 8), F)
    z = net.t((1, 8), F)
    net.operator(Builtin.VAR_HANDLE, [], [h], table="VarHandleOptions", container="", sharedName="v")
    net.operator(Builtin.READ_VARIABLE, [h], [y], table="ReadVariableOptions")
    net.operator(Builtin.ADD, [x, y], [z], table="AddOptions")
    net.operator(Builtin.ASSIGN_VARIABLE, [h, z], [], table="AssignVariableOptions")
    CASES["VARIABLES"] = net.content([x], [z])


variables()


def chain(n, ty, units=8, pc=True):
    net = Net()
    x = net.t((1, units), ty)
    first = x
    for _ in range(n):
        k = net.c(np.ones((units, units)), I8 if ty != F else F, None if ty == F else 0.5, units if pc else 1)
        b = net.c(np.zeros(units), F if ty == F else I32, None if ty == F else 0.25, units if pc else 1)
        y = net.t((1, units), ty)
        net.operator(Builtin.FULLY_CONNECTED, [x, k, b], [y], table="FullyConnectedOptions")
        x = y
    CASES[f"CHAIN{n}{ty}{units}{pc}"] = net.content([first], [x])


for n in (1, 3, 10):
    for u in (4, 300):
        chain(n, F, u)
        chain(n, I8, u)
chain(5, I8, 200, False)


def embedding(value, out, tag):
    net = Net()
    x, table = net.t((3,), I32), net.c(np.ones((7, 5)), value, None if value == F else 0.5)
    y = net.t((3, 5), out)
    net.operator(Builtin.EMBEDDING_LOOKUP, [x, table], [y])
    CASES["EMBEDDING_LOOKUP" + tag] = net.content([x], [y])


embedding(F, F, "/f")
embedding(I8, F, "/hybrid")
embedding(I8, I8, "/i8")
