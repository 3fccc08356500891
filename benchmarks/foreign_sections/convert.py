"""TensorFlow's converter, for networks with random weights."""

import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from edgevolve.training.session import silenced

Made = Iterator[tuple[str, Callable[[], bytes]]]
"""Names of files and what makes each."""

_NARROW = {"int8": tf.int8, "per_tensor": tf.int8, "uint8": tf.uint8, "int16x8": tf.int16}
KINDS = ("float32", "float16", "dynamic_range", "int8", "per_tensor", "uint8", "int16x8")
FEW_KINDS = ("float32", "dynamic_range", "int8", "int16x8")
_RNG = np.random.default_rng(0)


def converted(converter: Any, kind: str, shapes: Any = (), *, resources: bool = False, flex: bool = False) -> bytes:
    """The converter's file of one of `KINDS`; `shapes` are those of the inputs."""
    sets, wide = tf.lite.OpsSet, "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8"
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind in _NARROW:
        converter.target_spec.supported_ops = [getattr(sets, wide) if kind == "int16x8" else sets.TFLITE_BUILTINS_INT8]
        examples = [[_RNG.uniform(-1, 1, shape).astype(np.float32) for shape in shapes] for _ in range(4)]
        converter.representative_dataset = lambda: examples
        converter.inference_input_type = converter.inference_output_type = _NARROW[kind]
        converter._experimental_disable_per_channel = kind == "per_tensor"
    if flex:
        converter.target_spec.supported_ops = [sets.TFLITE_BUILTINS, sets.SELECT_TF_OPS]
    converter.experimental_enable_resource_variables = resources
    with silenced(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bytes(converter.convert())


def of_keras(model: keras.Model, kind: str) -> bytes:
    """A Keras model whose weights keep activations alive."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D | keras.layers.Conv2D | keras.layers.Dense):
            kernel, *rest = layer.get_weights()
            fan = np.prod(kernel.shape[:2] if isinstance(layer, keras.layers.DepthwiseConv2D) else kernel.shape[:-1])
            layer.set_weights([_RNG.normal(0, np.sqrt(2 / fan), kernel.shape), *rest])
    shapes = [tuple(1 if n is None else n for n in x.shape) for x in model.inputs]
    return converted(tf.lite.TFLiteConverter.from_keras_model(model), kind, shapes)


def of_function(function: Any, *specs: Any, kind: str = "float32", **how: bool) -> bytes:
    """A function of tensors."""
    traced = tf.function(function, input_signature=specs).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced])
    return converted(converter, kind, [spec.shape for spec in specs], **how)


def of_module(module: tf.Module, signatures: dict[str, Any], **how: bool) -> bytes:
    """A module with state or with several signatures."""
    with tempfile.TemporaryDirectory() as folder, silenced():
        tf.saved_model.save(module, folder, signatures=signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(signatures))
        return converted(converter, "float32", **how)


def spec(*shape: int | None, dtype: Any = tf.float32) -> tf.TensorSpec:
    """Of an input."""
    return tf.TensorSpec(shape, dtype)


def weights(*shape: int) -> tf.Tensor:
    """Random ones."""
    return tf.constant(_RNG.normal(0, 0.5, shape).astype(np.float32))
