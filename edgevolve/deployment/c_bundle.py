"""Writes the int8 model as C++ for TensorFlow Lite Micro, in the folder `c`; compiles and runs it where possible."""

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tflite_micro
from numpy.typing import NDArray

from edgevolve.data import Classes, FrontEnd, Target, Unchanged, Values, classes_of
from edgevolve.deployment import c_answer, c_sources
from edgevolve.deployment.c_front_end import input_header, steps_from_python
from edgevolve.deployment.c_host import host_program
from edgevolve.deployment.c_model import Reading, model_files
from edgevolve.deployment.c_names import plain_name, prefix, prefixed
from edgevolve.deployment.c_projects import project_files
from edgevolve.deployment.c_readme import c_readme
from edgevolve.deployment.export_error import ExportError
from edgevolve.deployment.formats import Source, distance
from edgevolve.deployment.micro import MicroError, MicroRun, run_on_micro
from edgevolve.quantisation.litert import Int8Model, open_model
from edgevolve.tflite import read_tflite
from resource_models import Footprint, file_footprint

GOLDEN_EXAMPLES = 8
LARGEST_MEAN_STEPS = 4.0
"""The largest mean difference of TFLM's outputs from LiteRT's, in steps of int8; beyond it the export fails.

Their kernels round ties differently, by one step an operator (measured). A wrong operator is off by tens.
"""

_FLAGS = "-std=c++17 -O1 -fno-rtti -fno-exceptions -DTF_LITE_STATIC_MEMORY"
"""The flags of TensorFlow Lite Micro's own Makefile."""

_DOWNLOADS = "tensorflow/lite/micro/tools/make/downloads"
_LIBRARY = "libtensorflow-microlite.a"


def write(folder: Path, source: Source) -> dict[str, Any]:
    """Write the folder `c` and `model.tflite`, whose bytes it holds, and check what is in it.

    The model runs on TensorFlow Lite Micro's host build. The arrays are compiled and their bytes compared. The host
    program is compiled and run when the environment variable `TFLM_DIR` names a tree with a built library. The result
    says what was not compiled for want of a compiler or a tree. Raises `ExportError` when something does not agree.
    """
    (folder / "model.tflite").write_bytes(source.tflite)
    return write_bundle(folder, (source,), source.tflite, {})


def write_bundle(
    folder: Path, sources: Sequence[Source], content: bytes, networks: Mapping[str, str]
) -> dict[str, Any]:
    """Write the folder `c` of one network, or of several that are switched at run time; raises as `write`.

    `content` is the bytes of the model array, `networks` the files that list the costs of several networks, by name.
    Name, examples, front end and target are those of the first of `sources`.
    """
    first, several = sources[0], len(sources) > 1
    models = [open_model(source.tflite) for source in sources]
    if any(model.input != models[0].input for model in models):
        raise ExportError("c: the networks of a set must have one input scale and zero point, and these differ")
    inputs = models[0].quantised(first.images)
    runs = [_run(source.tflite, inputs) for source in sources]
    outputs = [run.outputs[0] for run in runs]
    host = f"TensorFlow Lite Micro {tflite_micro.__version__}, {platform.system()} {platform.machine()}"
    chosen = np.unique(np.linspace(0, len(inputs) - 1, GOLDEN_EXAMPLES).round().astype(int))
    golden = [(inputs[chosen], each[chosen]) for each in outputs]
    target = first.target or classes_of(models[0].output_shape[1])
    front_end = first.front_end or Unchanged(first.images.shape[1:])
    read = first.images if first.raw is None else first.raw
    reading = Reading.of(front_end, read.shape[1:])
    name, begin = plain_name(first.name), prefix(first.name)
    largest = max(runs, key=_least_bytes)
    wide = max(map(_wide_bytes, sources))
    device = max((s.device for s in sources if s.device), key=lambda footprint: footprint.arena_bytes, default=None)
    stored = np.stack([each for _, each in golden]) if several else golden[0][1]
    code = {
        **c_sources.model_data(content, *([_SET_OF] if several else [])),
        **c_sources.golden(inputs[chosen], stored),
        **c_sources.arena_size(largest.head_bytes, largest.tail_bytes, _least_bytes(largest), host, device, wide),
        **c_sources.op_resolver(operator.name for model in models for operator in model.operators),
        **model_files(f"{name}.h", name, reading, target, models[0], several),
        **networks,
        "answer.h": c_answer.c_source(target, *models),
        "front_end.h": front_end.c_source(),
        "input.h": input_header(front_end, models[0].input),
    }
    about = f"{name} {_does(target)}"
    cpp = [file for file in code if file.endswith(".cpp")]
    files = {f"src/{file}": prefixed(text, first.name) for file, text in code.items()}
    files["host/main.cpp"] = prefixed(host_program(f"{name}.h", reading, target, several), first.name)
    files |= project_files(name, begin, about, cpp, target)
    bundle = folder / "c"
    for file, text in files.items():
        (bundle / file).parent.mkdir(parents=True, exist_ok=True)
        (bundle / file).write_text(text, encoding="ascii")
    wanted = [c_answer.answers(target, model, *each) for model, each in zip(models, golden, strict=True)]
    arrays = content + inputs[chosen].tobytes() + stored.tobytes()
    answers = (
        c_answer.check(files["src/answer.h"], answer, *golden[i], first.name, i if several else None)
        for i, answer in enumerate(wanted)
    )
    checks = {
        "arrays": check_arrays(bundle, arrays, first.name),
        "main": run_main(bundle),
        "answer": list(answers)[-1],
        "front_end": _front_end(front_end, read, models[0]),
    }
    lines = [f"{_CHECKED[check]}: {said}." for check, said in checks.items()]
    arena = _arena(_least_bytes(largest), device)
    text = c_readme(name, begin, about, reading, target, front_end.work_bytes, arena, lines, several)
    (bundle / "README.md").write_text(text, encoding="utf-8")
    return {
        **distance(host, models[0].real(outputs[0]), first),
        **_beside_litert(outputs[0], models[0], first, target),
        "host_arena_head_bytes": largest.head_bytes,
        "host_arena_tail_bytes": largest.tail_bytes,
        "host_arena_minimum_bytes": _least_bytes(largest),
        "names_begin_with": begin,
        "golden_answers": wanted[0].tolist(),
        **checks,
    }


_SET_OF = "The networks of the set, what is equal once: number i is a .tflite from byte kNetworkBeginningBytes * i on."


def _run(model: bytes, inputs: NDArray[np.int8]) -> MicroRun:
    try:
        return run_on_micro(model, [inputs], least_arena=True)
    except MicroError as error:
        raise ExportError(str(error)) from error


def _least_bytes(run: MicroRun) -> int:
    assert run.least_arena_bytes is not None
    return run.least_arena_bytes


_CHECKED = {
    "arrays": "The arrays of model and golden examples",
    "main": "The host program with the golden examples",
    "answer": "From outputs to answers, `answer.h`",
    "front_end": "From what the device reads to the input, `front_end.h`",
}


def _does(target: Target) -> str:
    """The purpose of the model, as the rest of a sentence that begins with its name."""
    if isinstance(target, Classes):
        return f"tells {target.number} classes apart"
    if isinstance(target, Values):
        return f"estimates {len(target.names)} value{'s' * (len(target.names) > 1)}"
    return "says how unusual an example is"


def _wide_bytes(source: Source) -> int:
    """The arena of the device's kernels on a computer of 64 bits, predicted; 0 without a device."""
    if source.device is None:
        return 0
    return file_footprint(read_tflite(source.tflite), replace(source.device.target, pointer_bytes=8)).file_arena_bytes


def _arena(least_bytes: int, device: Footprint | None) -> str:
    if device is None or device.target.pointer_bytes == 8:
        return f"an arena of {least_bytes} bytes on this computer, with reference kernels, and 5 % more"
    return f"an arena of {device.arena_bytes} bytes, predicted for {device.target.name}, and 5 % more"


def _front_end(front_end: FrontEnd, raw: NDArray[Any], model: Int8Model) -> str:
    """Run the front end in C and in Python; return the difference in words. Raises `ExportError` if it is too large."""
    steps = steps_from_python(front_end, raw, model.input)
    if steps is None:
        return "not compiled: no C compiler found; CC names one"
    if steps > 1:
        raise ExportError(f"c/src/front_end.h: features are up to {steps} steps of int8 from Python's")
    return f"compiled, run on {len(raw)} examples: at most {steps} steps of int8 from Python's"


def _beside_litert(outputs: NDArray[np.int8], model: Int8Model, source: Source, target: Target) -> dict[str, Any]:
    """TFLM's outputs compared with LiteRT's: steps of int8, equal outputs; for classes, examples of another class."""
    litert = model.outputs(source.images)
    steps = np.abs(outputs.astype(int) - litert)
    if steps.mean() > LARGEST_MEAN_STEPS:
        raise ExportError(f"TensorFlow Lite Micro's outputs are {steps.mean():.1f} steps from LiteRT's on average")
    agreement = {"largest_steps_from_litert": int(steps.max()), "outputs_equal_to_litert": float(np.mean(steps == 0))}
    if isinstance(target, Classes):
        ours, theirs = (target.predicted(model.as_answers(each, target)) for each in (outputs, litert))
        agreement["classes_other_than_litert"] = float(np.mean(ours != theirs))
    return agreement


def check_arrays(bundle: Path, wanted: bytes, name: str = "") -> str:
    """Compile the arrays and compare their bytes: model, golden inputs, golden outputs. Says what was done.

    Names in C begin with the model's `name`. Raises `ExportError` when the arrays do not compile or differ.
    """
    compiler = _compiler()
    if not compiler:
        return "not compiled: no C++ compiler found; CXX names one"
    with tempfile.TemporaryDirectory() as folder:
        check, program = Path(folder) / "check.cc", Path(folder) / "check"
        check.write_text(prefixed(c_sources.check_program(), name), encoding="ascii")
        source = bundle / "src"
        sources = [check, source / "model_data.cpp", source / "golden.cpp"]
        _compile(compiler, [*_FLAGS.split(), f"-I{source}", *map(str, sources)], program)
        done = subprocess.run([program], capture_output=True, check=False)
    if done.returncode or done.stdout != wanted:
        raise ExportError("c: the compiled arrays are not the bytes of the model and its golden examples")
    return f"compiled with {compiler}: bytes equal, 16-byte aligned"


def run_main(bundle: Path) -> str:
    """Compile the host program with the tree that `TFLM_DIR` names and run it. Says what was done.

    Raises `ExportError` when it does not compile or a golden example differs.
    """
    tree, compiler = os.environ.get("TFLM_DIR"), _compiler()
    if not tree or not compiler:
        return "not compiled: " + ("no C++ compiler found" if tree else "TFLM_DIR names no TensorFlow Lite Micro tree")
    system = {"Darwin": "osx"}.get(platform.system(), platform.system().lower())
    built = f"gen/{system}_{platform.machine()}*/lib/{_LIBRARY}"
    libraries = sorted(Path(tree).glob(built))
    if not libraries:
        return f"not compiled: {tree} holds no {built}; its Makefile's target microlite builds it"
    downloads = Path(tree) / _DOWNLOADS
    folders = [bundle / "src", tree, downloads / "flatbuffers" / "include", downloads / "gemmlowp", downloads / "ruy"]
    with tempfile.TemporaryDirectory() as name:
        program = Path(name) / "main"
        sources = [*sorted(map(str, (bundle / "src").glob("*.cpp"))), str(bundle / "host" / "main.cpp")]
        options = [*_FLAGS.split(), *(f"-I{folder}" for folder in folders), *sources, str(libraries[0]), "-lm"]
        _compile(compiler, options, program)
        done = subprocess.run([program], capture_output=True, text=True, check=False)
    said = " ".join((done.stdout + done.stderr).split())
    if done.returncode:
        raise ExportError(f"c/host/main.cpp, built with TFLM_DIR={tree}: {said or f'ends with {done.returncode}'}")
    return f"compiled with {compiler}, run: {said}"


def _compiler() -> str | None:
    return next(
        (name for name in (os.environ.get("CXX"), "c++", "g++", "clang++") if name and shutil.which(name)), None
    )


def _compile(compiler: str, options: list[str], program: Path) -> None:
    done = subprocess.run([compiler, *options, "-o", str(program)], capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
        raise ExportError(f"c: {compiler} failed: {errors[0] if errors else f'exit status {done.returncode}'}")
