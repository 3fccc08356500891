"""Which runtimes can run a file, and which of its operators they refuse, from tables; nothing is run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgevolve.graph import DType
from edgevolve.tflite.custom_rows import CUSTOM_ROWS
from edgevolve.tflite.model import TfliteModel
from edgevolve.tflite.operator_rows import ROWS, needs
from edgevolve.tflite.row import Operator
from edgevolve.tflite.targets import HOST

MICRO, LITERT, EDGE_TPU, ETHOS_U = "TensorFlow Lite Micro", "LiteRT", "Edge TPU", "Ethos-U"

_COMPILED = {"edgetpu-custom-op": EDGE_TPU, "ethos-u": ETHOS_U}
"""Custom operators by which vendors' compilers replace the operators that their device runs."""

_CUSTOM_ON_LITERT = frozenset({"TFLite_Detection_PostProcess"})
_FLEX = "Flex"
_WITH_WEIGHTS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 0, "FULLY_CONNECTED": 0, "SVDF": 0, "TRANSPOSE_CONV": 2}
"""Operators whose input 1 is the weights, and the index of their activations."""

_ON_EDGE_TPU = frozenset(
    {"ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "EXPAND_DIMS"}
    | {"FULLY_CONNECTED", "L2_NORMALIZATION", "LOGISTIC", "MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM", "MUL"}
    | {"PACK", "PAD", "PRELU", "QUANTIZE", "REDUCE_MAX", "REDUCE_MIN", "RELU", "RELU6", "RELU_N1_TO_1"}
    | {"RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RSQRT", "SLICE", "SOFTMAX", "SPACE_TO_DEPTH"}
    | {"SPLIT", "SQUARED_DIFFERENCE", "SQUEEZE", "STRIDED_SLICE", "SUB", "SUM", "TANH", "TRANSPOSE"}
    | {"TRANSPOSE_CONV", "UNIDIRECTIONAL_SEQUENCE_LSTM"}
)
"""Source: coral.ai, "TensorFlow models on the Edge TPU", supported operations."""

_EIGHT_BITS = frozenset({DType.INT8, DType.UINT8})

_ON_ETHOS_U = frozenset(
    {"ABS", "ADD", "ARG_MAX", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D"}
    | {"EXPAND_DIMS", "FULLY_CONNECTED", "HARD_SWISH", "LEAKY_RELU", "LOGISTIC", "MAXIMUM", "MAX_POOL_2D"}
    | {"MEAN", "MINIMUM", "MIRROR_PAD", "MUL", "PACK", "PAD", "PRELU", "QUANTIZE", "RELU", "RELU6"}
    | {"RELU_0_TO_1", "RELU_N1_TO_1", "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RSQRT"}
    | {"SHAPE", "SLICE", "SOFTMAX", "SPLIT", "SPLIT_V", "SQUARED_DIFFERENCE", "SQUEEZE", "STRIDED_SLICE"}
    | {"SUB", "TANH", "TRANSPOSE", "TRANSPOSE_CONV", "UNIDIRECTIONAL_SEQUENCE_LSTM", "UNPACK"}
)
"""Source: ethos-u-vela, SUPPORTED_OPS.md."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a runtime can run a file; `stopped_by` names each operator that it cannot run, and why, once.

    `note` says what has to be done first, such as compiling, or which part of a file the runtime runs.
    """

    runtime: str
    runs: bool
    stopped_by: tuple[str, ...]
    note: str = ""


def compiled_for(model: TfliteModel) -> str | None:
    """The device for which a vendor's compiler made the file; None for a file that is not compiled."""
    names = {operator.name for operator in _every(model) if operator.custom}
    return next((device for name, device in _COMPILED.items() if name in names), None)


def runtimes(model: TfliteModel) -> tuple[Verdict, ...]:
    """The verdicts on TensorFlow Lite Micro, LiteRT, an Edge TPU and an Ethos-U."""
    compiled = compiled_for(model)
    verdicts = []
    for runtime, reason in ((MICRO, _on_micro), (LITERT, _on_litert)):
        reasons = [why for operator in _every(model) if (why := reason(operator))]
        verdicts.append(_verdict(runtime, reasons))
    if verdicts[0].runs:
        reasons = _against_micro(model)
        verdicts[0] = _verdict(MICRO, reasons, "" if reasons else _first_alone(model))
    for device, known, types, compiler in (
        (EDGE_TPU, _ON_EDGE_TPU, _EIGHT_BITS, "edgetpu_compiler"),
        (ETHOS_U, _ON_ETHOS_U, _EIGHT_BITS | {DType.INT16}, "vela"),
    ):
        if compiled:
            verdicts.append(
                Verdict(device, compiled == device, () if compiled == device else (f"made for {compiled}",))
            )
        else:
            verdicts.append(_uncompiled(model, device, known, types, compiler))
    return tuple(verdicts)


def _against_micro(model: TfliteModel) -> list[str]:
    """Reasons that stop TensorFlow Lite Micro even though it has all operators."""
    reasons = []
    if model.weights_outside:
        reasons.append("it does not read weights that lie behind the FlatBuffer")
    if not model.plan_fits:
        reasons.append("the file's memory plan is damaged or for another number of tensors")
    if model.without_buffers:
        reasons.append("it crashes on a file without a list of buffers")
    reasons += [f"{name} makes a tensor whose size the file leaves open" for name in open_sizes(model)]
    unreached = [part for number, part in enumerate(model.subgraphs) if number not in model.reached]
    for operator in (operator for part in unreached for operator in part.operators):
        if (needed := needs(operator, HOST)) and needed.scratch:
            reasons.append(f"it plans the scratch of {operator.name}, which no call reaches, and crashes")
    return reasons


def open_sizes(model: TfliteModel) -> tuple[str, ...]:
    """The names of operators whose output sizes are only known when they run, except for an open batch.

    TensorFlow Lite Micro plans such outputs as small as the file says, and they overwrite what lies behind. An open
    batch, of the inputs or left from before a tool fixed it there, is open in the first operator's output as well.
    """
    if model.dynamic_batch or any(operator.unsized for operator in model.operators[:1]):
        return ()
    return tuple(dict.fromkeys(operator.name for operator in _every(model) if operator.unsized))


def _first_alone(model: TfliteModel) -> str:
    left = len(model.subgraphs) - len(model.reached)
    return f"runs the first subgraph alone; no call reaches {left} of {len(model.subgraphs)}" if left else ""


def _uncompiled(
    model: TfliteModel, device: str, known: frozenset[str], types: frozenset[DType], compiler: str
) -> Verdict:
    """The verdict for a file that is not compiled; the compiler leaves to the processor what the device cannot run."""
    reasons = []
    for operator in _every(model):
        if operator.custom or operator.name not in known:
            reasons.append(operator.name)
        elif not any(y.dtype in types for y in operator.outputs):
            reasons.append(f"{operator.name} of {operator.outputs[0].dtype if operator.outputs else 'nothing'}")
        elif any(x is not None and x.dtype is DType.INT4 for x in operator.inputs):
            reasons.append(f"{operator.name} with a kernel of int4")
    return _verdict(device, reasons, f"once compiled by {compiler}")


def _verdict(runtime: str, reasons: Iterable[str], note: str = "") -> Verdict:
    once = tuple(dict.fromkeys(reasons))
    return Verdict(runtime, not once, once, note)


def _on_micro(operator: Operator) -> str | None:
    name = operator.name
    if operator.custom:
        return None if name in CUSTOM_ROWS else f"{name} ({_kind(name)})"
    if name not in ROWS:
        return name
    if name in _WITH_WEIGHTS and len(operator.inputs) > 2:
        given, weights = operator.inputs[_WITH_WEIGHTS[name]], operator.inputs[1]
        if given and weights and given.dtype is DType.FLOAT32 and weights.dtype is not DType.FLOAT32:
            return f"{name} (hybrid: weights of {weights.dtype}, activations of float32)"
        if given and given.dtype is DType.UINT8:
            return f"{name} of uint8"
    if name == "DEQUANTIZE" and operator.inputs and operator.inputs[0] and operator.inputs[0].dtype is DType.FLOAT16:
        return "DEQUANTIZE of float16"
    return None


def _on_litert(operator: Operator) -> str | None:
    if not operator.custom or operator.name in _CUSTOM_ON_LITERT:
        return None
    return f"{operator.name} ({_kind(operator.name)})"


def _kind(name: str) -> str:
    if name in _COMPILED:
        return f"compiled for an {_COMPILED[name]}"
    return "Flex, an operator of TensorFlow itself" if name.startswith(_FLEX) else "custom"


def _every(model: TfliteModel) -> Sequence[Operator]:
    return [operator for subgraph in model.subgraphs for operator in subgraph.operators]
