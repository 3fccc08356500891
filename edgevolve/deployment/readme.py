"""What is in the folder of an export, for whoever opens it."""

from collections.abc import Sequence

from edgevolve.data import Classes, Target
from edgevolve.deployment.arena_report import ArenaReport
from edgevolve.deployment.c_names import prefix
from edgevolve.printable import printable
from edgevolve.quantisation.litert import Int8Model, Quantisation

NAME = "README.md"

_FILES = {
    "model.tflite": "the int8 model, for LiteRT, TensorFlow Lite Micro, and compilers that take a .tflite",
    "model.keras": "the same network in floating point, for Keras",
    "model.onnx": "the same network in floating point, for ONNX",
    "model.pt2": "the same network in floating point, a torch.export program",
    "manifest.json": "scores, classes, quantisation, memory, the network, the checks of each file",
    "c/model_data.h": "the bytes of model.tflite; model_data.cc holds them",
    "c/arena_size.h": "how large an arena the model needs",
    "c/input.h": "from what the device reads to the model's input; front_end.h does the work",
    "c/answer.h": "from the model's output to an answer",
    "c/op_resolver.h": "the operators that TensorFlow Lite Micro must register (C++)",
    "c/golden.h": "examples with their right outputs; golden.cc holds them",
    "c/main.cc": "a program that runs these examples; leave it out of a firmware with a main of its own (C++)",
}


def readme(name: str, files: Sequence[str], model: Int8Model, target: Target, arena: ArenaReport) -> str:
    """Markdown: each of `files`, what goes in and out, the arena, and how to use the C files."""
    title = printable(name) or "model"
    given, taken = (" × ".join(map(str, shape[1:])) for shape in (model.output_shape, model.input_shape))
    known = {file: words for file, words in _FILES.items() if file in (*files, "manifest.json")}
    lines = [
        f"# {title}",
        "",
        *(f"- `{file}`: {words}" for file, words in known.items()),
        "",
        f"Input: {taken} int8, a value is {_value(model.input)}.",
        f"Output: {given} int8, a value is {_value(model.output)}.",
    ]
    if isinstance(target, Classes):
        shown = [printable(label) for label in target.labels[:20]]
        lines.append(f"Classes from 0: {', '.join(shown)}{', …' if target.number > len(shown) else ''}.")
    lines.append(f"Arena on {arena.target}: {arena.arena_bytes} bytes ({arena.provenance}).")
    if any(file.startswith("c/") for file in files):
        begin = prefix(name)
        lines += [
            "",
            "## In a firmware",
            "",
            "Add the folder `c` without `main.cc` to a project that has TensorFlow Lite Micro. The headers are C99 and",
            "C++11, `op_resolver.h` is C++ alone.",
            *([f"Every name begins with `{begin}`: several models link into one program."] if begin else []),
            "",
            "```c++",
            f"alignas(16) static uint8_t arena[{begin}kArenaBytes];",
            f"{begin}OpResolver resolver;",
            f"{begin}RegisterOperators(resolver);",
            f"const tflite::Model* model = tflite::GetModel({begin}kModel);",
            f"tflite::MicroInterpreter interpreter(model, resolver, arena, {begin}kArenaBytes);",
            "interpreter.AllocateTensors();",
            f"{begin}read_input(samples, interpreter.input(0)->data.int8);",
            "interpreter.Invoke();",
            *_answered(target, begin),
            "```",
        ]
    return "\n".join(lines) + "\n"


def _value(stored: Quantisation) -> str:
    sign = "−" if stored.zero_point >= 0 else "+"
    return f"{stored.scale:.9g} × (stored {sign} {abs(stored.zero_point)})"


def _answered(target: Target, begin: str) -> list[str]:
    if isinstance(target, Classes):
        return [f"const char* answer = {begin}answer_name({begin}answer_class(interpreter.output(0)->data.int8));"]
    return [f"// answers: see {begin}answer_... in answer.h"]
