"""From a model's outputs to an answer, in C: the class, the values or the score of an example; checked with Python."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data import Classes, Target, Values
from edgevolve.deployment.c_names import prefixed
from edgevolve.deployment.c_program import run_c99
from edgevolve.deployment.export_error import ExportError
from edgevolve.quantisation.litert import Int8Model

TOLERANCE = 1e-4
"""The largest difference from Python, as a fraction of the largest answer, or of 1 where that is larger."""


def answers(target: Target, model: Int8Model, inputs: NDArray[np.int8], outputs: NDArray[np.int8]) -> NDArray[Any]:
    """The answers that the functions of `c_source` give, (number, columns) float64.

    For classes the columns are the class and the score of each class, for values the values, else the score. The score
    of a class is its probability: the model's output where it ends in probabilities, else the softmax of its outputs,
    or the logistic function of a single output.
    """
    if isinstance(target, Classes):
        chosen = target.predicted(model.as_answers(outputs, target))[:, np.newaxis]
        return np.concatenate([chosen, _probabilities(model, model.real(outputs).astype(float))], axis=1)
    if isinstance(target, Values):
        return target.real(model.real(outputs))
    examples = model.input.scale * (inputs.reshape(len(inputs), -1).astype(float) - model.input.zero_point)
    scores: NDArray[Any] = ((model.real(outputs) - examples) ** 2).mean(axis=1, keepdims=True)
    return scores


def _probabilities(model: Int8Model, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The probability of each class, (number, classes)."""
    if values.shape[1] == 1:
        second = values if _ends_in_probabilities(model) else 1 / (1 + np.exp(-values))
        return np.concatenate([1 - second, second], axis=1)
    if _ends_in_probabilities(model):
        return values
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _ends_in_probabilities(model: Int8Model) -> bool:
    return model.operators[-1].name in ("SOFTMAX", "LOGISTIC")


@dataclass(frozen=True, slots=True)
class _Stored:
    """The names of scale and zero point of the outputs in C, for one network or for each network of a set."""

    models: Sequence[Int8Model]

    @property
    def takes(self) -> str:
        """The parameters of a C function of outputs."""
        return "int network, const signed char* outputs" if len(self.models) > 1 else "const signed char* outputs"

    @property
    def given(self) -> str:
        """The argument that a set's functions have in front of those of a single network."""
        return "network, " if len(self.models) > 1 else ""

    @property
    def scale(self) -> str:
        """The scale of the outputs."""
        return "kOutputScales[network]" if len(self.models) > 1 else "kOutputScale"

    @property
    def zero_point(self) -> str:
        """The zero point of the outputs."""
        return "kOutputZeroPoints[network]" if len(self.models) > 1 else "kOutputZeroPoint"

    def declared(self) -> str:
        """The constants of the answer in C."""
        scales = _floats(model.output.scale for model in self.models)
        points = ", ".join(str(model.output.zero_point) for model in self.models)
        comment = "// A value of the output is scale * (stored - zero point)."
        if len(self.models) == 1:
            return (
                f"{comment}\nstatic const float kOutputScale = {scales};\nenum {{ kOutputZeroPoint = {points} }};\n\n"
            )
        number = len(self.models)
        return (
            f"{comment[:-1]}, for each network.\nstatic const float kOutputScales[{number}] = {{{scales}}};\n"
            f"static const signed char kOutputZeroPoints[{number}] = {{{points}}};\n\n"
        )


def c_source(target: Target, *models: Int8Model) -> str:
    """`answer.h`, a header in C99 that includes none of ours. Every `answer_...` takes int8 inputs or outputs.

    With several models, functions of outputs first take the index of the model that gave them.
    """
    stored = _Stored(models)
    if isinstance(target, Classes):
        body = _of_classes(target, stored)
    elif isinstance(target, Values):
        body = _of_values(target, stored)
    else:
        body = _of_score(int(np.prod(models[0].input_shape)), stored)
    guard = "EDGEVOLVE_ANSWER_H_"
    includes = "#include <math.h>\n\n" if "expf(" in body else ""
    return f"#ifndef {guard}\n#define {guard}\n\n{includes}{stored.declared()}{body}\n#endif  // {guard}\n"


def check(
    header: str,
    wanted: NDArray[Any],
    inputs: NDArray[np.int8],
    outputs: NDArray[np.int8],
    name: str = "",
    network: int | None = None,
) -> str:
    """Compile `header`, run it on examples and compare it with `wanted`; return in words what was done.

    Names in the header begin with the model's `name`; `network` is the index of the model that gave the outputs, in a
    set. Raises `ExportError` where C and Python differ.
    """
    call = _call(header) if network is None else _call(header).replace("outputs", f"{network}, outputs")
    main = _MAIN.format(inputs=inputs[0].size, outputs=outputs[0].size, answers=wanted.shape[1], call=call)
    rows = zip(inputs.reshape(len(inputs), -1), outputs.reshape(len(outputs), -1), strict=True)
    given = b"".join(x.tobytes() + y.tobytes() for x, y in rows)
    output = run_c99({"answer.h": header, "check.c": prefixed(main, name)}, given)
    if output is None:
        return "not compiled: no C compiler found; CC names one"
    answers = np.frombuffer(output, np.float32).reshape(wanted.shape)
    off = float(np.abs(answers - wanted).max())
    if not off <= TOLERANCE * max(1.0, float(np.abs(wanted).max())):
        raise ExportError(f"c/src/answer.h: answers are up to {off:.3g} from Python's")
    return f"compiled, run on {len(wanted)} golden examples: at most {off:.2g} from Python's"


def _call(header: str) -> str:
    if "answer_class" in header:
        return "answers[0] = (float)answer_class(outputs); answer_scores(outputs, answers + 1); (void)inputs"
    if "answer_value" in header:
        return "for (i = 0; i < kAnswers; ++i) { answers[i] = answer_value(outputs, i); }\n    (void)inputs"
    return "answers[0] = answer_score(inputs, outputs)"


def _of_classes(target: Classes, stored: _Stored) -> str:
    (model, *_), takes = stored.models, stored.takes
    lines = [
        "// The class of an example, and the names of the classes in UTF-8.",
        f"enum {{ kClasses = {target.number}, kClassOutputs = {model.output_shape[1]} }};",
        "",
        f"static const char* const kClassNames[kClasses] = {{{', '.join(map(_c_text, target.labels))}}};",
        "",
    ]
    if model.output_shape[1] > 1:
        lines += [
            "// outputs: kClassOutputs values of the model; the largest decides.",
            f"static inline int answer_class({takes}) {{",
            "  int i, best = 0;",
            "  for (i = 1; i < kClassOutputs; ++i) {",
            "    if (outputs[i] > outputs[best]) best = i;",
            "  }",
            *(["  (void)network;"] if stored.given else []),
            "  return best;",
            "}",
        ]
    else:
        least = [_least_of_class_1(target, model) for model in stored.models]
        lines += [
            "// outputs: the model's only value, above its threshold for class 1.",
            f"static inline int answer_class({takes}) {{",
            *(
                [f"  static const short least[{len(least)}] = {{{', '.join(map(str, least))}}};"]
                if stored.given
                else []
            ),
            "  const int stored = outputs[0];",
            f"  return stored >= {'least[network]' if stored.given else least[0]};",
            "}",
        ]
    lines += [
        "",
        "// outputs: kClassOutputs values of the model; scores: kClasses numbers, how probable each class is.",
        f"static inline void answer_scores({takes}, float* scores) {{",
        *(
            line.replace("kOutputScale", stored.scale)
            .replace("kOutputZeroPoint", stored.zero_point)
            .replace("answer_class(", f"answer_class({stored.given}")
            for line in _SCORES[model.output_shape[1] > 1, _ends_in_probabilities(model)]
        ),
        "}",
        "static inline const char* answer_name(int i) { return kClassNames[i]; }",
        "",
    ]
    return "\n".join(lines)


def _least_of_class_1(target: Classes, model: Int8Model) -> int:
    """The smallest int8 output that means class 1; 128 where none does."""
    steps = np.arange(-128, 128, dtype=np.int8)[:, np.newaxis]
    return int(np.count_nonzero(target.predicted(model.as_answers(steps, target)) == 0)) - 128


_REAL = "(float)(outputs[i] - kOutputZeroPoint) * kOutputScale"
_SCORES = {
    (False, True): [
        "  scores[1] = (float)(outputs[0] - kOutputZeroPoint) * kOutputScale;",
        "  scores[0] = 1.0f - scores[1];",
    ],
    (False, False): [
        "  scores[1] = 1.0f / (1.0f + expf(-(float)(outputs[0] - kOutputZeroPoint) * kOutputScale));",
        "  scores[0] = 1.0f - scores[1];",
    ],
    (True, True): ["  int i;", f"  for (i = 0; i < kClasses; ++i) scores[i] = {_REAL};"],
    (True, False): [
        "  const signed char largest = outputs[answer_class(outputs)];",
        "  float sum = 0.0f;",
        "  int i;",
        "  for (i = 0; i < kClasses; ++i) sum += scores[i] = expf((float)(outputs[i] - largest) * kOutputScale);",
        "  for (i = 0; i < kClasses; ++i) scores[i] /= sum;",
    ],
}
"""The body of `answer_scores` by (several outputs, outputs are probabilities)."""


def _of_values(target: Values, stored: _Stored) -> str:
    units = target.units or ("",) * len(target.names)
    return "\n".join(
        [
            "// The values that an example stands for, their names and units in UTF-8.",
            f"enum {{ kValues = {len(target.names)} }};",
            "",
            f"static const char* const kValueNames[kValues] = {{{', '.join(map(_c_text, target.names))}}};",
            f"static const char* const kValueUnits[kValues] = {{{', '.join(map(_c_text, units))}}};",
            f"static const float kValueMean[kValues] = {{{_floats(target.mean)}}};",
            f"static const float kValueDeviation[kValues] = {{{_floats(target.deviation)}}};",
            "",
            "// outputs: kValues values of the model; i: which value.",
            f"static inline float answer_value({stored.takes}, int i) {{",
            f"  return (float)(outputs[i] - {stored.zero_point}) * {stored.scale} * kValueDeviation[i]"
            " + kValueMean[i];",
            "}",
            "static inline const char* answer_name(int i) { return kValueNames[i]; }",
            "static inline const char* answer_unit(int i) { return kValueUnits[i]; }",
            "",
        ]
    )


def _of_score(size: int, stored: _Stored) -> str:
    taken = stored.models[0].input
    return "\n".join(
        [
            "// How unusual an example is: the mean squared error of its reconstruction.",
            f"enum {{ kScoreValues = {size} }};",
            "",
            "// inputs, outputs: kScoreValues values each, what the model was given and what it gave.",
            f"static inline float answer_score(const signed char* inputs, {stored.takes}) {{",
            "  float sum = 0.0f;",
            "  int i;",
            "  for (i = 0; i < kScoreValues; ++i) {",
            f"    const float off = (float)(outputs[i] - {stored.zero_point}) * {stored.scale}",
            f"                    - (float)(inputs[i] - ({taken.zero_point})) * {_float(taken.scale)};",
            "    sum += off * off;",
            "  }",
            "  return sum / (float)kScoreValues;",
            "}",
            "",
        ]
    )


def _floats(values: Iterable[float]) -> str:
    return ", ".join(map(_float, values))


def _float(value: float) -> str:
    text = repr(float(np.float32(value)))
    return f"{text}f"


def _c_text(text: str) -> str:
    """A text as a C string literal in ASCII, with its UTF-8 bytes escaped."""
    plain = set(range(32, 127)) - set(b'"\\?')
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text.encode()) + '"'


_MAIN = """\
#include <stdio.h>

#include "answer.h"

enum {{ kAnswers = {answers} }};

static signed char inputs[{inputs}];
static signed char outputs[{outputs}];
static float answers[kAnswers];

int main(void) {{
  int i = 0;
  while (fread(inputs, sizeof inputs, 1, stdin) == 1 && fread(outputs, sizeof outputs, 1, stdin) == 1) {{
    {call};
    (void)i;
    if (fwrite(answers, sizeof answers, 1, stdout) != 1) return 1;
  }}
  return 0;
}}
"""
