"""Rows of operators that only other tools' files hold: what TensorFlow Lite Micro's kernels keep and ask for.

Bytes of the 64-bit kernels are those that the recording allocator of the `tflite-micro` wheel reports; parameters
follow from `builtin_op_data.h`. Where only one figure is given the structures hold no pointers, so that 32-bit kernels
need the same.
"""

from collections.abc import Callable

from edgevolve.tflite.kernels import (
    add_n_scratch,
    embedding_tables,
    integer_tables,
    lstm_scratch,
    mean_scratch,
    mirror_pad_scratch,
    output_shape_tables,
    reduce_scratch,
    reduced_again,
    svdf_scratch,
    transposed_scratch,
    transposed_tables,
)
from edgevolve.tflite.row import Field, Kept, Kernel, Operator, Row, Sizes, nothing
from edgevolve.tflite.shapes import macs_of_transposed

_PLAIN = {
    # name: number, resolver's method, bytes of parameters, bytes of data
    "ABS": (101, "AddAbs", 0, 28),
    "ARG_MAX": (56, "AddArgMax", 4, 0),
    "ARG_MIN": (79, "AddArgMin", 4, 0),
    "BATCH_TO_SPACE_ND": (37, "AddBatchToSpaceNd", 0, 0),
    "BROADCAST_ARGS": (145, "AddBroadcastArgs", 0, 0),
    "BROADCAST_TO": (130, "AddBroadcastTo", 0, 0),
    "CAST": (53, "AddCast", 8, 0),
    "CEIL": (104, "AddCeil", 0, 0),
    "COS": (108, "AddCos", 0, 0),
    "DEQUANTIZE": (6, "AddDequantize", 0, 32),
    "DIV": (42, "AddDiv", 4, 28),
    "DYNAMIC_UPDATE_SLICE": (151, "AddDynamicUpdateSlice", 0, 0),
    "ELU": (111, "AddElu", 0, 256),
    "EQUAL": (71, "AddEqual", 0, 32),
    "EXP": (47, "AddExp", 0, 0),
    "EXPAND_DIMS": (70, "AddExpandDims", 0, 0),
    "FILL": (94, "AddFill", 0, 0),
    "FLOOR": (8, "AddFloor", 0, 0),
    "FLOOR_DIV": (90, "AddFloorDiv", 0, 0),
    "FLOOR_MOD": (95, "AddFloorMod", 0, 0),
    "GREATER": (61, "AddGreater", 0, 32),
    "GREATER_EQUAL": (62, "AddGreaterEqual", 0, 32),
    "L2_NORMALIZATION": (11, "AddL2Normalization", 4, 4),
    "LEAKY_RELU": (98, "AddLeakyRelu", 4, 24),
    "LESS": (58, "AddLess", 0, 32),
    "LESS_EQUAL": (63, "AddLessEqual", 0, 32),
    "LOG": (73, "AddLog", 0, 0),
    "LOGICAL_AND": (86, "AddLogicalAnd", 0, 0),
    "LOGICAL_NOT": (87, "AddLogicalNot", 0, 0),
    "LOGICAL_OR": (84, "AddLogicalOr", 0, 0),
    "MAXIMUM": (55, "AddMaximum", 0, 0),
    "MINIMUM": (57, "AddMinimum", 0, 0),
    "NEG": (59, "AddNeg", 0, 0),
    "NOT_EQUAL": (72, "AddNotEqual", 0, 32),
    "PACK": (83, "AddPack", 8, 0),
    "PADV2": (60, "AddPadV2", 0, 56),
    "PRELU": (54, "AddPrelu", 0, 28),
    "QUANTIZE": (114, "AddQuantize", 0, 32),
    "RESIZE_BILINEAR": (23, "AddResizeBilinear", 2, 0),
    "RESIZE_NEAREST_NEIGHBOR": (97, "AddResizeNearestNeighbor", 2, 0),
    "REVERSE_V2": (105, "AddReverseV2", 0, 0),
    "ROUND": (116, "AddRound", 0, 0),
    "RSQRT": (76, "AddRsqrt", 0, 28),
    "SELECT_V2": (123, "AddSelectV2", 0, 1),
    "SHAPE": (77, "AddShape", 4, 0),
    "SIN": (66, "AddSin", 0, 0),
    "SLICE": (65, "AddSlice", 0, 0),
    "SPACE_TO_BATCH_ND": (38, "AddSpaceToBatchNd", 0, 4),
    "SPLIT": (49, "AddSplit", 4, 0),
    "SPLIT_V": (102, "AddSplitV", 4, 0),
    "SQRT": (75, "AddSqrt", 0, 0),
    "SQUARE": (92, "AddSquare", 0, 0),
    "SQUARED_DIFFERENCE": (99, "AddSquaredDifference", 0, 112),
    "SQUEEZE": (43, "AddSqueeze", 36, 0),
    "SUB": (41, "AddSub", 8, 52),
    "TANH": (28, "AddTanh", 0, 16),
    "TRANSPOSE": (39, "AddTranspose", 0, 0),
    "UNPACK": (88, "AddUnpack", 8, 0),
    "ZEROS_LIKE": (93, "AddZerosLike", 0, 0),
}
"""Operators whose kernels keep a fixed number of bytes and ask for no scratch."""


_NOT_SET_UP = frozenset(
    {"ARG_MAX", "ARG_MIN", "BATCH_TO_SPACE_ND", "LOGICAL_AND", "LOGICAL_OR", "MAXIMUM", "MINIMUM", "NEG", "PACK"}
    | {"SPACE_TO_BATCH_ND", "SPLIT", "SPLIT_V", "UNPACK"}
)
"""Kernels that look at no tensor, or at few, while they are set up."""

_COMPARED = frozenset({"EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "NOT_EQUAL"})
"""Kernels that look only at their two inputs while they are set up."""


def _plain(name: str, code: int, method: str, parameters: int, data: int) -> Row:
    kept, again = _kept(parameters, data), (0,) if name == "TANH" else (0, 1) if name in _COMPARED else ()
    kernel = Kernel(kept, kept, again=again, describes=name not in _NOT_SET_UP | _COMPARED)
    return Row(name=name, code=code, method=method, kernel=kernel)


def _kept(parameters: int, data: int) -> Kept:
    return Kept(parameters, 4 if parameters % 4 == 0 else 1, data)


def _of_shape(
    name: str,
    code: int,
    method: str,
    parameters: int = 0,
    data: int = 0,
    tables: Sizes = nothing,
    scratch: Sizes = nothing,
    fields: tuple[Field, ...] = (),
    again: tuple[int, ...] | Callable[[Operator], tuple[int, ...]] = (),
) -> Row:
    """A kernel whose buffers depend on shapes or types."""
    kept = _kept(parameters, data)
    return Row(name=name, code=code, method=method, fields=fields, kernel=Kernel(kept, kept, 0, tables, scratch, again))


def _describing(kept: Kept, *places: int) -> Kernel:
    """A kernel that looks only at the inputs at these places while it is set up."""
    return Kernel(kept, kept, again=places, describes=False)


def _calling(name: str, code: int, method: str, subgraphs: tuple[str, ...], *places: int) -> Row:
    """The row of an operator that runs other subgraphs, named by its options, and keeps two numbers."""
    fields = tuple(Field(role, number, "i", fixed=0, others=None) for number, role in enumerate(subgraphs))
    kernel = _describing(Kept(4 * len(subgraphs), 4, 8), *places)
    return Row(name=name, code=code, method=method, fields=fields, calls=True, kernel=kernel)


FOREIGN_ROWS = (
    *(_plain(name, *figures) for name, figures in _PLAIN.items()),
    _of_shape("ADD_N", 106, "AddAddN", tables=integer_tables(40), scratch=add_n_scratch),
    _of_shape("CUMSUM", 128, "AddCumSum", 2, tables=integer_tables(36)),
    _of_shape("DEPTH_TO_SPACE", 5, "AddDepthToSpace", 4, tables=output_shape_tables),
    _of_shape("EMBEDDING_LOOKUP", 7, "AddEmbeddingLookup", tables=embedding_tables),
    _of_shape("GATHER", 36, "AddGather", 8, tables=output_shape_tables),
    _of_shape("GATHER_ND", 107, "AddGatherNd", tables=output_shape_tables),
    _of_shape("L2_POOL_2D", 12, "AddL2Pool2D", 40, tables=output_shape_tables),
    _of_shape("LOG_SOFTMAX", 50, "AddLogSoftmax", tables=integer_tables(40)),
    _of_shape("MIRROR_PAD", 100, "AddMirrorPad", 4, 20, scratch=mirror_pad_scratch),
    _of_shape("REDUCE_ALL", 140, "AddReduceAll", 1, 44, scratch=reduce_scratch, again=reduced_again),
    _of_shape("REDUCE_MAX", 82, "AddReduceMax", 1, 44, scratch=reduce_scratch, again=reduced_again),
    _of_shape("REDUCE_MIN", 89, "AddReduceMin", 1, 44, scratch=reduce_scratch, again=reduced_again),
    _of_shape("SPACE_TO_DEPTH", 26, "AddSpaceToDepth", 4, tables=output_shape_tables),
    _of_shape("SUM", 74, "AddSum", 1, 44, scratch=mean_scratch, again=reduced_again),
    _of_shape(
        "SVDF", 27, "AddSvdf", 12, 36, scratch=svdf_scratch, fields=(Field("rank", 0, "i", fixed=1, others=None),)
    ),
    _of_shape("UNIDIRECTIONAL_SEQUENCE_LSTM", 44, "AddUnidirectionalSequenceLSTM", 16, 688, scratch=lstm_scratch),
    Row(name="READ_VARIABLE", code=143, method="AddReadVariable", kernel=_describing(Kept(0, 1, 0), 0)),
    Row(
        name="ASSIGN_VARIABLE",
        code=144,
        method="AddAssignVariable",
        kernel=Kernel(Kept(0, 1, 4), Kept(0, 1, 0), again=(1,), describes=False),
    ),
    _calling("IF", 118, "AddIf", ("then", "otherwise"), 0),
    _calling("WHILE", 119, "AddWhile", ("condition", "body")),
    _calling("CALL_ONCE", 129, "AddCallOnce", ("start",)),
    Row(
        name="TRANSPOSE_CONV",
        code=67,
        method="AddTransposeConv",
        macs=macs_of_transposed,
        kernel=Kernel(Kept(20, 4, 88), Kept(20, 4, 72), 0, transposed_tables, transposed_scratch, (1, 2, -1)),
    ),
    Row(
        name="VAR_HANDLE",
        code=142,
        method="AddVarHandle",
        fields=(Field("shared_name", 1, "s", fixed=-1, default=-1),),
        kernel=Kernel(Kept(16, 8, 4), Kept(8, 4, 4), describes=False),
    ),
)
