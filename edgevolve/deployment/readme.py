"""The README of an export: what is in its folder."""

from collections.abc import Sequence

from edgevolve.data import Classes, Target, Values
from edgevolve.deployment.arena_report import ArenaReport
from edgevolve.deployment.c_names import plain_name, prefix
from edgevolve.printable import printable
from edgevolve.quantisation.litert import Int8Model, Quantisation

NAME = "README.md"

_FILES = {
    "model.tflite": "the {form} model, for LiteRT, TensorFlow Lite Micro, and compilers that take a .tflite",
    "model.keras": "the same network in floating point, for Keras",
    "model.onnx": "the same network in floating point, for ONNX",
    "model.pt2": "the same network in floating point, a torch.export program",
    "manifest.json": "scores, classes, quantisation, memory, the network, the checks of each file",
    "c/README.md": "how the folder `c` goes to Arduino, the Pico SDK, Zephyr, ESP-IDF",
    "c/src/model_data.h": "the bytes of model.tflite; model_data.cpp holds them",
    "c/src/arena_size.h": "how large an arena the model needs",
    "c/src/input.h": "from what the device reads to the model's input; front_end.h does the work",
    "c/src/answer.h": "from the model's output to an answer",
    "c/src/op_resolver.h": "the operators that TensorFlow Lite Micro must register (C++)",
    "c/src/golden.h": "examples with their right outputs; golden.cpp holds them",
    "c/host/main.cpp": "a program for a computer that answers files with the sources of the device (C++)",
}


def readme(name: str, files: Sequence[str], model: Int8Model, form: str, target: Target, arena: ArenaReport) -> str:
    """The README in Markdown: each of `files`, inputs and outputs, the arena, how to use the C files.

    `form` describes the network in words.
    """
    title = printable(name) or "model"
    given, taken = (" × ".join(map(str, shape[1:])) for shape in (model.output_shape, model.input_shape))
    known = {file: words for file, words in _FILES.items() if file in (*files, "manifest.json")}
    lines = [
        f"# {title}",
        "",
        *(f"- `{file}`: {words.format(form=form)}" for file, words in known.items()),
        "",
        f"Input: {taken} {model.dtype}, a value is {_value(model.input)}.",
        f"Output: {given} {model.dtype}, a value is {_value(model.output)}.",
    ]
    if isinstance(target, Classes):
        shown = [printable(label) for label in target.labels[:20]]
        lines.append(f"Classes from 0: {', '.join(shown)}{', …' if target.number > len(shown) else ''}.")
    lines.append(f"Arena on {arena.target}: {arena.arena_bytes} bytes ({arena.provenance}).")
    if any(file.startswith("c/") for file in files):
        begin, plain = prefix(name), plain_name(name)
        lines += [
            "",
            "## In a firmware",
            "",
            "`c/README.md` says what to do with Arduino, the Pico SDK, Zephyr and ESP-IDF. Elsewhere add `c/src` to a",
            "project that has TensorFlow Lite Micro. The headers are C99 and C++11, `op_resolver.h` is C++ alone.",
            *([f"Every name begins with `{begin}`: several models link into one program."] if begin else []),
            "",
            "```c",
            f'#include "{plain}.h"',
            f"static {begin}RawValue samples[{begin}kRawValues];",
            *_answered(target, begin),
            "```",
        ]
    return "\n".join(lines) + "\n"


def _value(stored: Quantisation) -> str:
    sign = "−" if stored.zero_point >= 0 else "+"
    return f"{stored.scale:.9g} × (stored {sign} {abs(stored.zero_point)})"


def _answered(target: Target, begin: str) -> list[str]:
    if isinstance(target, Classes):
        return [
            f"static float scores[{begin}kClasses];",
            f"int index = {begin}classify(samples, scores);",
            f"if (index >= 0) puts({begin}answer_name(index));",
        ]
    if isinstance(target, Values):
        return [f"static float values[{begin}kValues];", f"int status = {begin}estimate(samples, values);"]
    return ["float score;", f"int status = {begin}anomaly_score(samples, &score);"]
