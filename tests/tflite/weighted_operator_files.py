"""A small `.tflite` for each kernel with weights and each type that it takes, by name."""

import numpy as np
from ai_edge_litert import schema_py_generated as S

from tests.tflite.operator_net import I8, I16, I32, I64, Builtin, F, Net, Type, q

WEIGHTED_CASES = {}


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
    WEIGHTED_CASES[name + tag] = net.content([x], [y])


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
    WEIGHTED_CASES["FULLY_CONNECTED" + tag] = net.content([x], [y])


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
    WEIGHTED_CASES["TRANSPOSE_CONV" + tag] = net.content([x], [y])


tconv(F, F, F, "/f")
tconv(I8, I8, I32, "/i8")
tconv(I16, I8, I64, "/i16")
tconv(I16, I8, I16, "/i16b16")
tconv(I8, I8, I32, "/nobias", False)
