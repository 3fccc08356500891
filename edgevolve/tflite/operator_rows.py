"""The operators of graphs, one row each. In this folder a new operator needs only its row here.

Numbers are those of TensorFlow Lite's schema.fbs, version 3. Bytes of the 64-bit kernels were fitted to what the
runtime of the `tflite-micro` wheel reports. Those of 32-bit kernels follow from the same structures with pointers of 4
bytes (`builtin_op_data.h` and `kernels/*.h` of TensorFlow Lite Micro).
"""

from typing import Any

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
    Op,
    Opaque,
    Pad,
    Padding,
    Reshape,
    ShapeError,
    Slice,
    Softmax,
)
from edgevolve.tflite.custom_rows import CUSTOM_ROWS
from edgevolve.tflite.foreign_rows import FOREIGN_ROWS
from edgevolve.tflite.kernels import (
    average_scratch,
    batch_matmul_tables,
    channel_tables,
    convolution_scratch,
    dense_tables,
    depthwise_scratch,
    mean_scratch,
    reduced_again,
    softmax_tables,
    unpacked_scratch,
)
from edgevolve.tflite.row import Field, Kept, Kernel, Needs, Operator, Row
from edgevolve.tflite.shapes import (
    concat,
    convolution,
    dense,
    depthwise,
    elements,
    macs_of_input,
    macs_of_kernel,
    macs_of_window,
    mean,
    pad,
    reshape,
    slice,
)
from edgevolve.tflite.targets import Target

_PADDING = {Padding.SAME: 0, Padding.VALID: 1}
_FUSED = {Activation.NONE: 0, Activation.RELU: 1, Activation.RELU6: 3}
_OTHER_MASKS = ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
_SHARE = (1 / 256, -128)
"""Scale and zero point of values from 0 to 1."""

_TWICE = (0, 1, -1)
"""`Kernel.again` of a convolution, which looks at input, kernel and output once more for its multipliers."""

_WINDOW = (
    Field("padding", 0, "b", codes=_PADDING),
    Field("stride", 1, "i", place=1),
    Field("stride", 2, "i", place=0),
)


def _dilation(first: int) -> tuple[Field, ...]:
    return (
        Field("dilation", first, "i", place=1, default=1),
        Field("dilation", first + 1, "i", place=0, default=1),
    )


def _activation(number: int) -> Field:
    return Field("activation", number, "b", codes=_FUSED)


def _not_fused(number: int) -> Field:
    return Field("activation", number, "b", fixed=0)


def _finest_hard_swish(given: Any) -> Any:
    """`activations.cc` demands that the output's scale is above a 128th of the input's."""
    return given / 127


def _finest_sum(a: Any, b: Any) -> Any:
    """LiteRT counts a sum in output steps of int16, to which it adds the zero point, before it clips it.

    With int16 activations `add.cc` aborts unless the largest input's scale is below 2¹⁴ times the output's.
    """
    return (a + b) / 127


def _finest_product(a: Any, b: Any) -> Any:
    """As for a sum: a product is at most 255 times 255 steps, and 2¹⁵ output steps."""
    return 2 * a * b


def _finest_softmax_input(op: Softmax) -> float:
    """`softmax_common.cc` aborts unless beta times the scale is above 2⁻²⁶."""
    return 2.0**-25 / op.beta


def _pool(name: str, code: int, method: str, kind: str, op: type, kernel: Kernel) -> Row:
    size = (Field("size", 3, "i", place=1), Field("size", 4, "i", place=0))
    fields = (*_WINDOW, *size, _activation(5))
    return Row(
        name=name,
        code=code,
        version=2,
        method=method,
        options=5,
        fields=fields,
        kind=kind,
        op=op,
        keeps_scale=True,
        kernel=kernel,
        macs=macs_of_window,
    )


def _activate(name: str, code: int, version: int, method: str, function: Activation, data: int) -> Row:
    return Row(
        name=name,
        code=code,
        version=version,
        method=method,
        kind="activate",
        op=Activate,
        attributes={"function": function},
        output_scale=_SHARE if function is Activation.SIGMOID else None,
        keeps_scale=function is Activation.RELU6,  # TensorFlow Lite Micro clips, and does not scale
        narrow=function is Activation.HARD_SWISH,
        finest=_finest_hard_swish if function is Activation.HARD_SWISH else None,
        kernel=Kernel(Kept(0, 1, data), Kept(0, 1, data), describes=function is not Activation.RELU6),
    )


_OF_THE_GRAPH: tuple[Row, ...] = (
    Row(
        name="CONV_2D",
        code=3,
        version=3,
        packed_version=7,
        method="AddConv2D",
        options=1,
        fields=(*_WINDOW, _activation(3), *_dilation(4)),
        kind="conv",
        op=Conv2D,
        shaped=convolution,
        macs=macs_of_kernel(1, None),
        kernel=Kernel(Kept(28, 4, 80), Kept(28, 4, 56), 4, channel_tables, convolution_scratch, _TWICE),
    ),
    Row(
        name="DEPTHWISE_CONV_2D",
        code=4,
        version=3,
        packed_version=7,
        method="AddDepthwiseConv2D",
        options=2,
        fields=(*_WINDOW, Field("multiplier", 3, "i"), _activation(4), *_dilation(5)),
        kind="depthwise",
        op=DepthwiseConv2D,
        shaped=depthwise,
        channel_axis=3,
        macs=macs_of_kernel(1, 3),
        kernel=Kernel(Kept(28, 4, 80), Kept(28, 4, 56), 4, channel_tables, depthwise_scratch, _TWICE),
    ),
    Row(
        name="FULLY_CONNECTED",
        code=9,
        version=4,
        packed_version=10,
        packed_per_tensor=True,
        method="AddFullyConnected",
        options=8,
        fields=(_activation(0), Field("weights_format", 1, "b", fixed=0)),
        kind="dense",
        op=Dense,
        shaped=dense,
        per_tensor=True,
        operands=3,
        macs=macs_of_kernel(1, None),
        kernel=Kernel(Kept(32, 8, 72), Kept(28, 4, 48), 20, dense_tables, unpacked_scratch),
    ),
    _pool("MAX_POOL_2D", 17, "AddMaxPool2D", "max_pool", MaxPool2D, Kernel(Kept(40, 4, 32), Kept(40, 4, 32), 4)),
    _pool(
        "AVERAGE_POOL_2D",
        1,
        "AddAveragePool2D",
        "average_pool",
        AveragePool2D,
        Kernel(Kept(40, 4, 32), Kept(40, 4, 32), 4, scratch=average_scratch),
    ),
    Row(
        name="MEAN",
        code=40,
        version=2,
        method="AddMean",
        options=27,
        fields=(Field("keep_dims", 0, "?", fixed=0, others=(1,)),),
        kind="mean",
        op=GlobalAveragePool,
        shaped=mean,
        contents={"axes": lambda op: (1, 2)},
        macs=macs_of_input,
        kernel=Kernel(Kept(1, 1, 44), Kept(1, 1, 44), scratch=mean_scratch, again=reduced_again),
    ),
    Row(
        name="ADD",
        code=0,
        version=2,
        finest=_finest_sum,
        method="AddAdd",
        options=11,
        fields=(_activation(0), Field("pot_scale_int16", 1, "?", fixed=1, others=(0,), default=1)),
        wide_options={"pot_scale_int16": 0},
        kind="add",
        op=Add,
        macs=elements,
        kernel=Kernel(Kept(8, 4, 60), Kept(8, 4, 60)),
    ),
    Row(
        name="MUL",
        code=18,
        version=2,
        method="AddMul",
        options=21,
        fields=(_activation(0),),
        kind="add",
        op=Multiply,
        finest=_finest_product,
        macs=elements,
        kernel=Kernel(Kept(4, 4, 36), Kept(4, 4, 36)),
    ),
    Row(
        name="BATCH_MATMUL",
        code=126,
        version=2,
        method="AddBatchMatMul",
        options=101,
        kind="dense",
        fields=(Field("adjoint_first", 0, "?", fixed=0), Field("transposed", 1, "?")),
        op=MatMul,
        kernel=Kernel(Kept(3, 1, 32), Kept(3, 1, 16), 0, batch_matmul_tables),
    ),
    Row(
        name="CONCATENATION",
        code=2,
        version=2,
        method="AddConcatenation",
        options=10,
        fields=(Field("axis", 0, "i", fixed=-1, others=None), _not_fused(1)),
        kind="concat",
        op=Concat,
        keeps_scale=True,
        shaped=concat,
        kernel=Kernel(Kept(8, 4, 80), Kept(8, 4, 24), again=(0,)),
    ),
    Row(
        name="PAD",
        code=34,
        version=2,
        method="AddPad",
        options=22,
        kind="other",
        op=Pad,
        keeps_scale=True,
        shaped=pad,
        contents={"amounts": lambda op: (0, 0, *op.height, *op.width, 0, 0)},
        kernel=Kernel(Kept(0, 1, 56), Kept(0, 1, 56)),
    ),
    Row(
        name="RESHAPE",
        code=22,
        method="AddReshape",
        kind="other",
        op=Reshape,
        keeps_scale=True,
        shaped=reshape,
        contents={"shape": lambda op: (-1, *op.shape[1:])},
        kernel=Kernel(Kept(36, 4, 0), Kept(36, 4, 0), describes=False),
    ),
    Row(
        name="STRIDED_SLICE",
        code=45,
        version=2,
        method="AddStridedSlice",
        options=32,
        fields=(
            Field("begin_mask", 0, "i", fixed=1, others=None),
            Field("end_mask", 1, "i", fixed=1, others=None),
            *(Field(name, number, "i", fixed=0) for number, name in enumerate(_OTHER_MASKS, start=2)),
        ),
        op=Slice,
        keeps_scale=True,
        shaped=slice,
        contents={
            "begin": lambda op: (0, *op.begin),
            "end": lambda op: (0, *op.end),
            "stride": lambda op: (1, *op.stride),
        },
        kernel=Kernel(Kept(24, 4, 84), Kept(24, 4, 84)),
    ),
    Row(
        name="SOFTMAX",
        code=25,
        version=2,
        method="AddSoftmax",
        options=9,
        fields=(Field("beta", 0, "f"),),
        kind="other",
        op=Softmax,
        output_scale=_SHARE,
        finest_input=_finest_softmax_input,
        kernel=Kernel(Kept(4, 4, 80), Kept(4, 4, 56), tables=softmax_tables),
    ),
    _activate("RELU", 19, 2, "AddRelu", Activation.RELU, 28),
    _activate("RELU6", 21, 2, "AddRelu6", Activation.RELU6, 8),
    _activate("HARD_SWISH", 117, 1, "AddHardSwish", Activation.HARD_SWISH, 20),
    _activate("LOGISTIC", 14, 2, "AddLogistic", Activation.SIGMOID, 16),
)

ROWS: dict[str, Row] = {row.name: row for row in (*FOREIGN_ROWS, *_OF_THE_GRAPH)}
"""All rows by TensorFlow Lite's name of the operator; a graph's row replaces a foreign one of the same name."""

_BY_OP: dict[type, tuple[Row, ...]] = {
    op: tuple(row for row in _OF_THE_GRAPH if row.op is op) for op in {row.op for row in _OF_THE_GRAPH} if op
}


def row_of(op: Op) -> Row:
    """The row of a graph's operator. Raises `ShapeError` where there is none."""
    rows = _BY_OP.get(type(op), ())
    for row in rows:
        if len(rows) == 1 or row.describes(op):
            return row
    raise ShapeError(f"{type(op).__name__} cannot be written as TensorFlow Lite")


def tflite_name(op: Op) -> str:
    """TensorFlow Lite's name of a graph's operator, or a custom operator's own."""
    return op.name if isinstance(op, Opaque) else row_of(op).name


def needs(operator: Operator, target: Target) -> Needs | None:
    """The memory that TensorFlow Lite Micro's kernel keeps and asks for; None where there is no model of it."""
    row = (CUSTOM_ROWS if operator.custom else ROWS).get(operator.name)
    return row.kernel.needs(operator, target) if row and row.kernel else None


def read_op(operator: Operator) -> Op:
    """The graph's operator if it has exactly the shapes and the meaning of the file's, else `Opaque`."""
    row = None if operator.custom else ROWS.get(operator.name)
    shapes = tuple(y.shape for y in operator.outputs)
    given = [x for x in operator.inputs if x]
    try:
        if row is not None:
            op = row.decoded(operator)
            inputs = [x.shape for x in given if not x.constant]
            constants = [x.shape for x in given if x.constant]
            made = op.output_shape(*inputs)
            expected = [weight.shape for weight in op.weights(*inputs)]
            if (made,) == shapes and constants == expected[: len(constants)]:
                return op
    except ShapeError:
        pass
    return Opaque(operator.name, shapes, row.macs(operator) if row else 0)
