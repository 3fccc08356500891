"""Small `.tflite` files of kernels that keep a state, of chains and of look-ups, by name."""

import numpy as np

from tests.tflite.operator_net import I8, I16, I32, I64, Builtin, F, Net, Type, q

STATEFUL_CASES = {}


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
    STATEFUL_CASES["SVDF" + tag] = net.content([x], [y])


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
    STATEFUL_CASES["UNIDIRECTIONAL_SEQUENCE_LSTM" + tag] = net.content([x], [y])


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
    STATEFUL_CASES["VARIABLES"] = net.content([x], [z])


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
    STATEFUL_CASES[f"CHAIN{n}{ty}{units}{pc}"] = net.content([first], [x])


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
    STATEFUL_CASES["EMBEDDING_LOOKUP" + tag] = net.content([x], [y])


embedding(F, F, "/f")
embedding(I8, F, "/hybrid")
embedding(I8, I8, "/i8")
