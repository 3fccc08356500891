"""A better memory plan for any `.tflite`, never worse and with the same outputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deployment.export_error import ExportError
from deployment.file_plan import current_head, file_buffers, lay_out, put_in_best_order
from deployment.flatbuffer import bare, packed, unpacked
from deployment.interpreter import runtime
from deployment.micro import MicroError, run_on_micro
from graph import read_tflite

_EXAMPLES = 4


@dataclass(frozen=True, slots=True)
class Optimised:
    """A file and what it saves.

    `head_bytes` of the runtime's planned memory before and after, by the replica of its planner; `micro_head_bytes`
    are the same two as TensorFlow Lite Micro reports them, or None where it cannot run the file, for `micro_says`.
    `exact` tells that no plan needs less in the order that was chosen.
    """

    model: bytes
    head_bytes: tuple[int, int]
    micro_head_bytes: tuple[int, int] | None
    micro_says: str
    exact: bool

    @property
    def saving(self) -> float:
        """Share of the head saved."""
        before, after = self.head_bytes
        return 1 - after / before if before else 0.0


def lean(model: bytes) -> bytes:
    """The exporter's form of a file: nothing that a device does not read, and the plan that needs the least."""
    content = unpacked(model)
    bare(content)
    lay_out(content)
    return packed(content)


def optimised(model: bytes) -> Optimised:
    """The file with its operators in the order of least peak memory and the best plan found.

    Names of tensors between input and output go; where nothing is saved, the file comes back as it was. The result
    is run beside the original on LiteRT and, if it can, on TensorFlow Lite Micro, on random inputs.

    Raises `TfliteError` for what `read_tflite` refuses, `ExportError` for what LiteRT refuses or if outputs differ.
    """
    read_tflite(model)  # checks every offset before anything here follows it
    inputs = _random_inputs(model)
    content = unpacked(model)
    before = current_head(content, file_buffers(content))
    put_in_best_order(content)
    plan = lay_out(content)
    _drop_inner_names(content)
    after = packed(content)
    if plan.head_bytes > before or (plan.head_bytes == before and len(after) >= len(model)):
        return Optimised(model, (before, before), None, "nothing to save", plan.exact and plan.head_bytes == before)
    if not _same(_outputs(model, inputs), _outputs(after, inputs)):
        raise ExportError("the rewritten file computes something else on LiteRT; it was not written")
    try:
        old, new = run_on_micro(model, inputs), run_on_micro(after, inputs)
    except MicroError as error:
        return Optimised(after, (before, plan.head_bytes), None, str(error), plan.exact)
    if not _same(old.outputs, new.outputs):
        raise ExportError("the rewritten file computes something else on TensorFlow Lite Micro; it was not written")
    if new.head_bytes > old.head_bytes:
        return Optimised(model, (before, before), (old.head_bytes,) * 2, "", False)
    return Optimised(after, (before, plan.head_bytes), (old.head_bytes, new.head_bytes), "", plan.exact)


def _drop_inner_names(content: Any) -> None:
    graph = content.subgraphs[0]
    kept = {int(t) for t in (*graph.inputs, *graph.outputs)}
    for number, tensor in enumerate(graph.tensors):
        if number not in kept:
            tensor.name = None


def _interpreter(model: bytes) -> Any:
    found = runtime()
    plain_kernels = found.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        interpreter = found.Interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=plain_kernels)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise ExportError(f"not a model that LiteRT can run: {' '.join(str(error).split())}") from error
    return interpreter


def _random_inputs(model: bytes) -> list[NDArray[Any]]:
    """Examples for each input, (number, *shape without the batch): any integers, floats from -1 to 1."""
    rng = np.random.default_rng(0)
    inputs: list[NDArray[Any]] = []
    for tensor in _interpreter(model).get_input_details():
        shape, kind = (_EXAMPLES, *tensor["shape"][1:]), np.dtype(tensor["dtype"])
        if kind.kind == "f":
            inputs.append(rng.uniform(-1, 1, shape).astype(kind))
        elif kind.kind in "iu" and kind.itemsize <= 2:
            limits = np.iinfo(kind)
            inputs.append(rng.integers(limits.min, limits.max, shape, kind, endpoint=True))
        else:
            inputs.append(rng.integers(0, 2, shape).astype(kind))
    return inputs


def _outputs(model: bytes, inputs: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], ...]:
    interpreter = _interpreter(model)
    details = interpreter.get_input_details()
    rows = []
    for example in zip(*inputs, strict=True):
        for tensor, values in zip(details, example, strict=True):
            interpreter.set_tensor(tensor["index"], values[np.newaxis] if len(tensor["shape"]) else values)
        interpreter.invoke()
        rows.append([interpreter.get_tensor(tensor["index"]) for tensor in interpreter.get_output_details()])
    return tuple(np.stack(column) for column in zip(*rows, strict=True))


def _same(a: Sequence[NDArray[Any]], b: Sequence[NDArray[Any]]) -> bool:
    return len(a) == len(b) and all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))
