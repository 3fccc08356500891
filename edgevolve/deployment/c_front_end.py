"""Compiles a front end's C twin with the system's compiler and compares it with the one in Python."""

from math import prod
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import FrontEnd
from edgevolve.deployment.c_program import run_c99
from edgevolve.deployment.export_error import ExportError
from edgevolve.quantisation.litert import Quantisation

C_TYPES = {"float32": "float", "int16": "short", "uint8": "unsigned char", "int8": "signed char"}


def steps_from_python(front_end: FrontEnd, raw: NDArray[Any], stored: Quantisation) -> int | None:
    """The largest difference, in steps of int8, of the features of `raw` in C and in Python; None without a compiler.

    `stored` is the quantisation of the model's input. Raises `ExportError` when the C source does not compile or run.
    """
    features = front_end.apply(raw)
    wanted = np.round(features / np.float32(stored.scale)) + stored.zero_point
    main = _MAIN.substitute(
        type=C_TYPES[front_end.raw_type],
        raw=prod(raw.shape[1:]),
        features=prod(features.shape[1:]),
    )
    given = np.ascontiguousarray(raw, front_end.raw_type).tobytes()
    headers = {"front_end.h": front_end.c_source(), "input.h": input_header(front_end, stored)}
    output = run_c99({**headers, "check.c": main}, given)
    if output is None:
        return None
    if len(output) != features.size:
        raise ExportError(f"front_end.h: {len(output)} features in C, {features.size} in Python")
    in_c = np.frombuffer(output, np.int8).reshape(features.shape)
    return int(np.abs(in_c - wanted.clip(-128, 127)).max(initial=0))


def input_header(front_end: FrontEnd, stored: Quantisation) -> str:
    """`input.h`: scale and zero point of the model's input, and the front end with them."""
    scale, raw = repr(float(np.float32(stored.scale))), C_TYPES[front_end.raw_type]
    return _INPUT.substitute(raw=raw, scale=scale, zero_point=stored.zero_point)


_INPUT = Template("""\
// From what the device reads to the model's input.
#ifndef EDGEVOLVE_INPUT_H_
#define EDGEVOLVE_INPUT_H_

#include "front_end.h"

// A value is scale * (stored - zero point).
static const float kInputScale = ${scale}f;
enum { kInputZeroPoint = $zero_point };

static inline void read_input(const $raw* raw, signed char* input) {
  front_end(raw, kInputScale, kInputZeroPoint, input);
}

#endif  // EDGEVOLVE_INPUT_H_
""")

_MAIN = Template("""\
#include <stdio.h>

#include "input.h"

static $type raw[$raw];
static signed char features[$features];

int main(void) {
  while (fread(raw, sizeof raw, 1, stdin) == 1) {
    read_input(raw, features);
    if (fwrite(features, sizeof features, 1, stdout) != 1) return 1;
  }
  return 0;
}
""")
