"""The text of the C++ files that run a model on TensorFlow Lite Micro."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from edgevolve.deployment.export_error import ExportError
from edgevolve.tflite import ROWS
from resource_models import Footprint

ARENA_MARGIN = 0.05
"""The margin that `arena_size.h` adds, as a share of the smallest arena."""

_ALIGNMENT_BYTES = 16
_VALUES_PER_LINE = 20


def model_data(model: bytes, about: str = "The model, byte for byte model.tflite.") -> dict[str, str]:
    """`model_data.h` and `model_data.cpp`: the file as an array, aligned to 16 bytes as its FlatBuffer requires."""
    return {
        "model_data.h": _header(
            "MODEL_DATA",
            f"// {about}\n"
            f"enum {{ kModelBytes = {len(model)} }};\n\n"
            + _linked("extern const unsigned char kModel[kModelBytes];\n"),
        ),
        "model_data.cpp": '#include "model_data.h"\n\n'
        f"alignas(16) const unsigned char kModel[kModelBytes] = {_braces(model)};\n",
    }


def golden(inputs: NDArray[np.int8], outputs: NDArray[np.int8]) -> dict[str, str]:
    """`golden.h` and `golden.cpp`: int8 examples and the outputs that the reference kernels give for them.

    `outputs` are (examples, *shape), or (networks, examples, *shape) for several networks.
    """
    networks = "[kNetworks]" if outputs.ndim > 2 else ""
    sizes = inputs[0].size, outputs[..., 0, :].size // (len(outputs) if networks else 1)
    rows = {"kGoldenInputs": _rows(inputs.reshape(len(inputs), -1))}
    if networks:
        of_each = (_rows(each.reshape(len(each), -1)) for each in outputs)
        rows["kGoldenOutputs"] = "{\n" + ",\n".join(of_each) + "}"
    else:
        rows["kGoldenOutputs"] = _rows(outputs.reshape(len(outputs), -1))
    places = {
        "kGoldenInputs": "[kGoldenExamples][kGoldenInputBytes]",
        "kGoldenOutputs": f"{networks}[kGoldenExamples][kGoldenOutputBytes]",
    }
    declared = "".join(f"extern const signed char {name}{place};\n" for name, place in places.items())
    return {
        "golden.h": _header(
            "GOLDEN",
            ('#include "networks.h"\n\n' if networks else "")
            + "// Examples of the test split as the model stores them, and what TensorFlow Lite Micro's reference\n"
            "// kernels answer. Kernels that round as they do give the same bytes.\n"
            f"enum {{ kGoldenExamples = {len(inputs)} }};\n"
            f"enum {{ kGoldenInputBytes = {sizes[0]}, kGoldenOutputBytes = {sizes[1]} }};\n\n" + _linked(declared),
        ),
        "golden.cpp": '#include "golden.h"\n\n'
        + "".join(f"alignas(16) const signed char {name}{place} = {rows[name]};\n" for name, place in places.items()),
    }


def _rows(rows: NDArray[np.int8]) -> str:
    return "{\n" + ",\n".join(_braces(row.tolist()) for row in rows) + "}"


def arena_size(
    head_bytes: int, tail_bytes: int, least_bytes: int, host: str, device: Footprint | None, wide_bytes: int = 0
) -> dict[str, str]:
    """`arena_size.h`: the smallest arena measured on `host` and predicted for `device`, and both with a margin.

    Arguments are bytes; `wide_bytes` is predicted for the kernels of `device` on `host`.
    """
    measured = (
        f"// Measured on {host}, with reference kernels:\n"
        "// the model was set up in kArenaMinimumBytes, and not in 16 bytes less;\n"
        f"// head {head_bytes} bytes (activations), tail {tail_bytes} (tables).\n"
    )
    constants = _arena_constants(least_bytes)
    if device is None or device.target.pointer_bytes == 8:
        body = (
            f"{measured}"
            "// Pointers of 64 bits make that tail larger than the one of a 32-bit device with the same kernels.\n"
            "// Optimised kernels, such as CMSIS-NN's, ask for scratch buffers that are not in this figure: where\n"
            "// AllocateTensors fails, raise kArenaBytes, then set it by MicroInterpreter::arena_used_bytes().\n"
            f"{constants}"
        )
    else:
        body = (
            "#include <stdint.h>\n\n"
            f"#if UINTPTR_MAX > 0xffffffffu\n{measured}"
            f"// The kernels of {device.target.name} need {wide_bytes} bytes with pointers of 64 bits, predicted.\n"
            f"{_arena_constants(max(least_bytes, wide_bytes))}#else\n"
            f"// Predicted for {device.target.name}: {device.target.provenance}.\n"
            f"// Head {device.planned_head_bytes} bytes (activations and scratch), tail {device.tail_bytes} (tables).\n"
            "// Where AllocateTensors fails, raise kArenaBytes, then set it by MicroInterpreter::arena_used_bytes().\n"
            f"{_arena_constants(device.arena_bytes)}#endif\n"
        )
    return {"arena_size.h": _header("ARENA_SIZE", body)}


def _arena_constants(least_bytes: int) -> str:
    margin_bytes = -int(-least_bytes * ARENA_MARGIN // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES
    return (
        "enum {\n"
        f"  kArenaMinimumBytes = {least_bytes},\n"
        f"  kArenaMarginBytes = {margin_bytes},\n"
        "  kArenaBytes = kArenaMinimumBytes + kArenaMarginBytes\n"
        "};\n"
    )


def op_resolver(operators: Iterable[str]) -> dict[str, str]:
    """`op_resolver.h`, which registers the operators that the model runs. Raises `ExportError` for unknown ones."""
    used = sorted(set(operators))
    unknown = [name for name in used if name not in ROWS]
    if unknown:
        raise ExportError(f"TensorFlow Lite Micro's resolver has no known method for {', '.join(unknown)}")
    added = "".join(f"  if (resolver.{ROWS[name].method}() != kTfLiteOk) return kTfLiteError;\n" for name in used)
    return {
        "op_resolver.h": _header(
            "OP_RESOLVER",
            '#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"\n\n'
            f"using OpResolver = tflite::MicroMutableOpResolver<{len(used)}>;\n\n"
            "inline TfLiteStatus RegisterOperators(OpResolver& resolver) {\n" + added + "  return kTfLiteOk;\n}\n",
        )
    }


def check_program() -> str:
    """A program that writes the arrays to standard output, or ends with 1 if one is not aligned."""
    return _CHECK


def _header(name: str, body: str) -> str:
    guard = f"EDGEVOLVE_{name}_H_"
    return f"#ifndef {guard}\n#define {guard}\n\n{body}\n#endif  // {guard}\n"


def _linked(declarations: str) -> str:
    """Declarations with C linkage, for C and C++."""
    return f'#ifdef __cplusplus\nextern "C" {{\n#endif\n{declarations}#ifdef __cplusplus\n}}\n#endif\n'


def _braces(values: Sequence[int] | bytes) -> str:
    lines = (values[i : i + _VALUES_PER_LINE] for i in range(0, len(values), _VALUES_PER_LINE))
    return "{\n    " + ",\n    ".join(", ".join(map(str, line)) for line in lines) + "}"


_CHECK = """\
#include <cstdint>
#include <cstdio>

#include "arena_size.h"
#include "golden.h"
#include "model_data.h"

static_assert(kArenaBytes >= kArenaMinimumBytes && kArenaBytes % 16 == 0, "arena");

int main() {
  const void* arrays[] = {kModel, kGoldenInputs, kGoldenOutputs};
  const std::size_t sizes[] = {sizeof kModel, sizeof kGoldenInputs, sizeof kGoldenOutputs};
  for (int i = 0; i < 3; ++i) {
    if (reinterpret_cast<std::uintptr_t>(arrays[i]) % 16 != 0) return 1;
    if (std::fwrite(arrays[i], 1, sizes[i], stdout) != sizes[i]) return 1;
  }
  return 0;
}
"""
