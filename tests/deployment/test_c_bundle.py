"""The C++ bundle: arrays that are the model, exactly its operators, and a program that runs."""

import platform
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgevolve.deployment import ExportError, c_sources
from edgevolve.deployment.micro import run_on_micro
from edgevolve.quantisation.litert import open_model
from edgevolve.tflite import ROWS
from tests.deployment.sources import every_operator, source_of

pytest.importorskip("tflite_micro")

from edgevolve.deployment import c_bundle

COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
needs_compiler = pytest.mark.skipif(not COMPILER, reason="no C++ compiler")


@pytest.fixture(scope="module")
def source():
    return source_of(every_operator(), 20)


@pytest.fixture(scope="module")
def written(source, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TFLM_DIR", raising=False)
        patch.delenv("CXX", raising=False)
        folder = tmp_path_factory.mktemp("bundle")
        return folder / "c", c_bundle.write(folder, source)


@pytest.fixture
def bundle(written, tmp_path, monkeypatch):
    """A copy to spoil."""
    monkeypatch.delenv("CXX", raising=False)
    folder, report = written
    return Path(shutil.copytree(folder, tmp_path / "c")), report


def numbers(text, name):
    """The values of an array in C++."""
    body = re.search(rf"{name}(?:\[\w+\])+ = (\{{.*?\}});", text, re.DOTALL)[1]
    return [int(number) for number in re.findall(r"-?\d+", body)]


def constants(text):
    return {name: int(value) for name, value in re.findall(r"^  (\w+) = (\d+),$", text, re.M)}


def test_the_bundle_holds_the_model_its_operators_and_golden_examples(bundle, source):
    folder, report = bundle
    assert {file.name for file in (folder / "src").iterdir()} == {
        "model.h",
        "model.cpp",
        "model_data.h",
        "model_data.cpp",
        "golden.h",
        "golden.cpp",
        "golden_check.cpp",
        "arena_size.h",
        "op_resolver.h",
        "answer.h",
        "front_end.h",
        "input.h",
    }
    scale = re.search(r"kInputScale = (.*)f;", (folder / "src" / "input.h").read_text())[1]
    assert float(scale) == pytest.approx(open_model(source.tflite).input.scale, rel=1e-6)
    assert "at most" in report["front_end"] or "no C compiler" in report["front_end"]
    assert bytes(numbers((folder / "src" / "model_data.cpp").read_text(), "kModel")) == source.tflite
    model = open_model(source.tflite)
    resolver = (folder / "src" / "op_resolver.h").read_text()
    used = {operator.name for operator in model.operators}
    assert set(re.findall(r"resolver\.(\w+)\(", resolver)) == {ROWS[name].method for name in used}
    assert f"MicroMutableOpResolver<{len(used)}>" in resolver
    golden = (folder / "src" / "golden.cpp").read_text()
    inputs = np.array(numbers(golden, "kGoldenInputs"), np.int8).reshape(8, *model.input_shape[1:])
    outputs = np.array(numbers(golden, "kGoldenOutputs"), np.int8).reshape(8, *model.output_shape[1:])
    assert {x.tobytes() for x in inputs} <= {x.tobytes() for x in model.quantised(source.images)}
    np.testing.assert_array_equal(outputs, run_on_micro(source.tflite, [inputs]).outputs[0])
    assert 0 <= report["outputs_equal_to_litert"] <= 1


def test_the_arena_is_the_measured_minimum_with_a_margin_in_steps_of_sixteen(bundle):
    folder, report = bundle
    text = (folder / "src" / "arena_size.h").read_text()
    sizes = constants(text)
    assert sizes["kArenaMinimumBytes"] == report["host_arena_minimum_bytes"]
    assert sizes["kArenaMarginBytes"] % 16 == 0
    assert 0.05 * sizes["kArenaMinimumBytes"] <= sizes["kArenaMarginBytes"] < 0.05 * sizes["kArenaMinimumBytes"] + 16
    for said in ("reference kernels", "64 bits", "32-bit device", platform.machine()):
        assert said in text


def test_an_operator_without_a_row_has_no_method_of_the_resolver():
    with pytest.raises(ExportError, match="no known method for NOT_AN_OPERATOR"):
        c_sources.op_resolver(["CONV_2D", "NOT_AN_OPERATOR"])


@needs_compiler
def test_the_arrays_are_compiled_and_their_bytes_compared(bundle, source):
    folder, report = bundle
    assert report["arrays"] == "compiled with c++: bytes equal, 16-byte aligned"
    with pytest.raises(ExportError, match="are not the bytes of the model"):
        c_bundle.check_arrays(folder, source.tflite)
    data = folder / "src" / "model_data.cpp"
    data.write_text(re.sub(r"\d+\};", "1000};", data.read_text()))
    with pytest.raises(ExportError, match=r"^c: c\+\+ failed: .*error"):
        c_bundle.check_arrays(folder, source.tflite)


@needs_compiler
def test_the_arrays_compile_without_warnings_for_the_oldest_standard(bundle, tmp_path):
    folder, _ = bundle
    strict = ["-std=c++11", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-c"]
    for name in ("model_data.cpp", "golden.cpp"):
        done = subprocess.run(
            [COMPILER, *strict, folder / "src" / name, "-o", tmp_path / "o"], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_without_a_compiler_the_bundle_is_written_and_says_so(source, tmp_path, monkeypatch):
    monkeypatch.delenv("TFLM_DIR", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    bundle = c_bundle.write(tmp_path, source)
    assert bundle["arrays"] == "not compiled: no C++ compiler found; CXX names one"
    assert bundle["main"].startswith("not compiled: ")


HEADERS = {
    "micro_mutable_op_resolver.h": """
enum TfLiteStatus { kTfLiteOk, kTfLiteError };
namespace tflite {
template <unsigned int count> struct MicroMutableOpResolver {
  unsigned int added = 0;
  TfLiteStatus Add() { return ++added > count ? kTfLiteError : kTfLiteOk; }
  METHODS
};
}
""",
    "micro_interpreter.h": """
#include <cstddef>
#include <cstdint>
#define TFLITE_SCHEMA_VERSION 3
struct TfLiteTensor { union { signed char* int8; } data; };
namespace tflite {
struct Model { int version() const { return 3; } };
inline const Model* GetModel(const void* bytes) { return static_cast<const Model*>(bytes); }
struct MicroInterpreter {
  template <class R> MicroInterpreter(const Model*, const R&, uint8_t*, std::size_t);
  TfLiteStatus AllocateTensors();
  TfLiteStatus Invoke();
  TfLiteTensor* input(std::size_t);
  TfLiteTensor* output(std::size_t);
  std::size_t arena_used_bytes() const;
};
template <class R> MicroInterpreter::MicroInterpreter(const Model*, const R&, uint8_t*, std::size_t) {}
}
""",
    "micro_log.h": "void MicroPrintf(const char* format, ...);\n",
    "system_setup.h": "namespace tflite { void InitializeTarget(); }\n",
    "../schema/schema_generated.h": "",
}

LIBRARY = """
#include <cstdarg>
#include <cstdio>
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
extern const signed char kGoldenOutputs[8][5];
namespace {
signed char given[4096], answer[5];
TfLiteTensor in = {{given}}, out = {{answer}};
int runs = 0;
}
void MicroPrintf(const char* format, ...) {
  va_list rest; va_start(rest, format); std::vfprintf(stderr, format, rest); va_end(rest);
}
namespace tflite {
void InitializeTarget() {}
TfLiteStatus MicroInterpreter::AllocateTensors() { return ALLOCATED; }
TfLiteStatus MicroInterpreter::Invoke() {
  for (int i = 0; i < 5; ++i) answer[i] = kGoldenOutputs[runs][i];
  answer[0] = static_cast<signed char>(answer[0] ^ (runs == FLIPPED));
  ++runs;
  return kTfLiteOk;
}
TfLiteTensor* MicroInterpreter::input(std::size_t) { return &in; }
TfLiteTensor* MicroInterpreter::output(std::size_t) { return &out; }
std::size_t MicroInterpreter::arena_used_bytes() const { return 1234; }
}
"""


def pretend_tree(folder, allocated="kTfLiteOk", flipped=-1, runtime=LIBRARY):
    """A tree laid out and named as TFLM's, with a runtime that knows the golden outputs, or another."""
    micro = folder / "tensorflow" / "lite" / "micro"
    for name, text in HEADERS.items():
        (micro / name).parent.resolve().mkdir(parents=True, exist_ok=True)
        methods = "\n".join(
            f"TfLiteStatus {name}() {{ return Add(); }}" for name in {row.method for row in ROWS.values()}
        )
        (micro / name).resolve().write_text("#pragma once\n" + text.replace("METHODS", methods))
    library = folder / "gen" / f"linux_{platform.machine()}_default_gcc" / "lib"
    library.mkdir(parents=True)
    (library / "lib.cc").write_text(runtime.replace("ALLOCATED", allocated).replace("FLIPPED", str(flipped)))
    subprocess.run([COMPILER, f"-I{folder}", "-c", library / "lib.cc", "-o", library / "lib.o"], check=True)
    subprocess.run(["ar", "rcs", library / "libtensorflow-microlite.a", library / "lib.o"], check=True)
    return str(folder)


@needs_compiler
@pytest.mark.skipif(platform.system() != "Linux", reason="the pretended tree is one of Linux")
def test_main_is_compiled_and_run_where_a_tree_of_tflm_is_given(bundle, tmp_path, monkeypatch):
    """The runtime is pretended; its interface was read from TFLM's headers."""
    folder, report = bundle
    assert report["main"] == "not compiled: TFLM_DIR names no TensorFlow Lite Micro tree"
    monkeypatch.setenv("TFLM_DIR", str(tmp_path / "gone"))
    assert re.match(r"not compiled: .*gone holds no gen/.*target microlite builds it$", c_bundle.run_main(folder))
    monkeypatch.setenv("TFLM_DIR", pretend_tree(tmp_path / "right"))
    sizes = constants((folder / "src" / "arena_size.h").read_text())
    arena_bytes = sizes["kArenaMinimumBytes"] + sizes["kArenaMarginBytes"]
    assert c_bundle.run_main(folder) == (
        f"compiled with c++, run: 8 of 8 golden examples agree; 1234 of {arena_bytes} bytes of arena used"
    )
    monkeypatch.setenv("TFLM_DIR", pretend_tree(tmp_path / "wrong", flipped=3))
    with pytest.raises(ExportError, match="7 of 8 golden examples agree"):
        c_bundle.run_main(folder)
    monkeypatch.setenv("TFLM_DIR", pretend_tree(tmp_path / "small", allocated="kTfLiteError"))
    with pytest.raises(ExportError, match=f"an arena of {arena_bytes} bytes is too small"):
        c_bundle.run_main(folder)
