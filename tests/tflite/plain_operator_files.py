"""A small `.tflite` for each kernel without weights and each type that it takes, by name."""

import numpy as np

from tests.tflite.operator_net import I8, I16, I32, SH, B, F, op

PLAIN_CASES = {}


def add(name, ins, outs, opts=None, tag=""):
    PLAIN_CASES[name + tag] = op(name, ins, outs, opts)


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
