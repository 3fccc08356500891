"""Runs an int8 model on LiteRT, TensorFlow Lite's interpreter, with the arithmetic that microcontrollers use."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Rows, Split, Target, as_float, chunks, classes_of
from edgevolve.graph import Shape


class Quantisation(NamedTuple):
    """A real value is scale · (stored value − zero_point)."""

    scale: float
    zero_point: int


class Operator(NamedTuple):
    """One operator of a file: its TFLite name and the shape of its output."""

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Int8Model:
    """An int8 model of one input and one output, loaded and ready to run; `open_model` makes it.

    `bits` are those of its activations: 8, or 16 in a file of int8 kernels and int16 activations.
    """

    interpreter: Any
    input_index: int
    output_index: int
    input_shape: Shape
    output_shape: Shape
    input: Quantisation
    output: Quantisation
    operators: tuple[Operator, ...]
    bits: int = 8

    @property
    def dtype(self) -> np.dtype[Any]:
        """The integer type of its input and output."""
        return np.dtype(f"int{self.bits}")

    def quantised(self, x: NDArray[Any]) -> NDArray[Any]:
        """Examples, uint8, int16 or float, as the integers that the model reads."""
        stored = np.round(as_float(x) / np.float32(self.input.scale)) + self.input.zero_point
        limits = np.iinfo(self.dtype)
        return stored.clip(limits.min, limits.max).astype(self.dtype)

    def outputs(self, x: Rows) -> NDArray[Any]:
        """The stored outputs, (number, outputs), for each of `x`, (number, height, width, channels) uint8 or float."""
        outputs = np.empty((len(x), *self.output_shape[1:]), self.dtype)
        images = (image for chunk in chunks(x) for image in self.quantised(chunk))
        for row, image in enumerate(images):
            self.interpreter.set_tensor(self.input_index, image[np.newaxis])
            self.interpreter.invoke()
            outputs[row] = self.interpreter.get_tensor(self.output_index)[0]
        return outputs

    def real(self, outputs: NDArray[Any]) -> NDArray[np.float32]:
        """The real values that stored outputs stand for."""
        return np.float32(self.output.scale) * (outputs.astype(np.float32) - np.float32(self.output.zero_point))

    def answers(self, x: Rows, target: Target) -> NDArray[np.float32]:
        """The outputs for `x` as `target` scores them: real values, as logits where the model ends in probabilities."""
        return self.as_answers(self.outputs(x), target)

    def as_answers(self, outputs: NDArray[Any], target: Target) -> NDArray[np.float32]:
        """`answers` from the stored outputs of any runtime."""
        values, last = self.real(outputs), self.operators[-1].name
        if target.loss != "cross-entropy" or last not in ("SOFTMAX", "LOGISTIC"):
            return values
        least = np.float32(1e-7)
        logits: NDArray[np.float32] = np.log(values.clip(least, None))
        if last == "LOGISTIC":
            logits -= np.log((1 - values).clip(least, None))
        return logits


def open_model(model: bytes) -> Int8Model:
    """Load a `.tflite`. Raises `ValueError` unless it is an int8 model of one input and one output."""
    try:
        interpreter = started(model)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"not a model that LiteRT can run: {error}") from error
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    kinds = {tensor["dtype"] for tensor in (*inputs, *outputs)}
    if len(inputs) != 1 or len(outputs) != 1 or kinds not in ({np.int8}, {np.int16}):
        raise ValueError("the model must have one input and one output, both int8 or both int16")
    shapes = {tensor["index"]: _shape(tensor) for tensor in interpreter.get_tensor_details()}
    return Int8Model(
        interpreter=interpreter,
        input_index=inputs[0]["index"],
        output_index=outputs[0]["index"],
        input_shape=_shape(inputs[0]),
        output_shape=_shape(outputs[0]),
        input=_quantisation(inputs[0]),
        output=_quantisation(outputs[0]),
        bits=np.dtype(inputs[0]["dtype"]).itemsize * 8,
        operators=tuple(
            Operator(operator["op_name"], shapes[int(operator["outputs"][0])])
            for operator in interpreter._get_ops_details()
        ),
    )


def int8_scores(model: bytes, split: Split, target: Target | None = None) -> dict[str, float]:
    """The target's scores of the model on a split; by default as many classes as there are outputs.

    Raises `ValueError` when the examples do not fit the model.
    """
    loaded = open_model(model)
    if split.x.shape[1:] != loaded.input_shape[1:] or len(loaded.output_shape) != 2:
        raise ValueError(f"images of {split.x.shape[1:]} do not fit a model of {loaded.input_shape[1:]}")
    target = target or classes_of(loaded.output_shape[1])
    return target.score(loaded.answers(split.x, target), split)


def started(model: bytes, *, keep_all: bool = False) -> Any:
    """LiteRT's interpreter of a file, on one thread, without delegates; `keep_all` keeps all activations readable.

    Raises `ValueError` or `RuntimeError` for what is not a model.
    """
    litert = runtime()
    return litert.Interpreter(
        model_content=model,
        num_threads=1,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=keep_all,
    )


def runtime() -> Any:
    """LiteRT, loaded when it is needed."""
    return import_module("ai_edge_litert.interpreter")


def _shape(tensor: dict[str, Any]) -> Shape:
    return tuple(int(size) for size in tensor["shape"])


def _quantisation(tensor: dict[str, Any]) -> Quantisation:
    scale, zero_point = tensor["quantization"]
    return Quantisation(float(scale), int(zero_point))
