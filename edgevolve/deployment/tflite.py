"""The network as an int8 TensorFlow Lite file."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from edgevolve.deployment.export_error import ExportError
from edgevolve.deployment.formats import Source, distance
from edgevolve.deployment.order import in_graph_order
from edgevolve.graph import Conv2D, Graph, Padding
from edgevolve.quantisation.litert import Operator, open_model
from edgevolve.tflite import tflite_name
from edgevolve.training.forward import forward
from edgevolve.training.keras_model import save_keras
from edgevolve.training.session import silenced
from edgevolve.training.weights import check_weights, folded


class ConversionError(ExportError):
    """TensorFlow Lite's converter refused the network. The message is one line."""


def write(folder: Path, source: Source) -> dict[str, Any]:
    """Write `model.tflite` (int8) and `model.keras` (float); how far the one is from the other tells quantisation."""
    (folder / "model.tflite").write_bytes(source.tflite)
    save_keras(source.keras, folder / "model.keras")
    model = open_model(source.tflite)
    return distance("LiteRT", model.real(model.outputs(source.images)), source)


def to_tflite_int8(graph: Graph, weights: Mapping[str, NDArray[Any]], calibration: NDArray[np.float32]) -> bytes:
    """A `.tflite` with int8 weights, activations, input and output, and a batch of 1.

    Kernels are quantised per output channel, activations by their range over `calibration`, (number, height, width,
    channels) float32 as the network is fed. Batch norm is folded before conversion, and the file holds constants
    only. Raises `ValueError` when weights or images do not fit and `ConversionError` when the converter fails.
    """
    check_weights(graph, weights)
    shape = graph.inputs[0].shape
    if calibration.dtype != np.float32 or calibration.shape[1:] != shape[1:] or not len(calibration):
        raise ValueError(
            f"calibration needs float32 images of {shape[1:]}, not {calibration.dtype} {calibration.shape}"
        )
    _check_calibrated(graph)
    values = folded(graph, weights)

    def network(x: Any) -> Any:
        return forward(graph, _tensors(values), x, graph.outputs[0].name)[0]

    function = tf.function(network, input_signature=[tf.TensorSpec(shape, tf.float32)], autograph=False)
    with silenced() as said, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[np.newaxis]] for image in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
        try:
            return in_graph_order(graph, bytes(converter.convert()))
        except Exception as error:
            reason = (str(error).strip() or said()).splitlines()
            raise ConversionError(f"int8 conversion failed: {reason[0] if reason else type(error).__name__}") from error


def _check_calibrated(graph: Graph) -> None:
    """Refuse what the converter's own float kernel computes wrongly while it looks for the ranges of activations.

    It takes a kernel of the map's size, of which less than a pixel a side is padded, for one that has a single output
    pixel; the others' ranges are whatever lay in the memory (TensorFlow 2.21).
    """
    for node in graph.nodes:
        op: Any = node.op
        same = isinstance(op, Conv2D) and op.padding is Padding.SAME and op.stride == (1, 1)
        if same and op.kernel == node.inputs[0].shape[1:3] and max(op.kernel) == 2:
            raise ConversionError(
                f"{node.name}: TensorFlow's converter cannot calibrate a SAME convolution of an even kernel "
                f"on a map of its size, {op.kernel[0]}×{op.kernel[1]}; use an odd kernel"
            )


def differences(graph: Graph, model: bytes) -> tuple[str, ...]:
    """How the file's operators, in the order they run, differ from the graph's nodes; empty when they do not.

    The converter merges what can be merged at no cost: an `Activate` of RELU or RELU6 into the node before it, a `Pad`
    into a VALID convolution that then equals a SAME one, a `Reshape` of a `Reshape`, twins without weights. A network
    that has none of these is deployed as it stands.
    """
    wanted = [Operator(tflite_name(node.op), node.output.shape) for node in graph.nodes]
    found = list(open_model(model).operators)
    lines = [
        f"operator {number}: {' '.join(map(str, have))} in the file, {' '.join(map(str, want))} in the graph"
        for number, (have, want) in enumerate(zip(found, wanted, strict=False))
        if have != want
    ]
    if len(found) != len(wanted):
        lines.append(f"{len(found)} operators in the file, {len(wanted)} in the graph")
    return tuple(lines)


def _tensors(values: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    return {name: tf.constant(value) for name, value in values.items()}
