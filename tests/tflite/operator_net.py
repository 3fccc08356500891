"""What writes a small `.tflite` of one operator, field by field."""

import numpy as np
from ai_edge_litert import schema_py_generated as S

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
