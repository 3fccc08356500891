"""Several models in one program, and their headers in C."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from edgevolve.data import Classes, Split, Splits
from edgevolve.deployment.c_names import prefix, prefixed
from edgevolve.graph import Conv2D, Dense, GlobalAveragePool, GraphBuilder
from edgevolve.training.weights import initial_weights
from resource_models import TARGETS, deployed, footprint
from tests.deployment.test_c_bundle import pretend_tree

pytest.importorskip("tflite_micro")

from edgevolve.deployment.export import export

CXX, CC = (next(filter(None, map(shutil.which, names)), None) for names in (("c++", "g++"), ("cc", "gcc")))
needs_compilers = pytest.mark.skipif(not (CXX and CC), reason="no C and C++ compilers")
STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-Wno-unused-function"]


def network(filters):
    net = GraphBuilder()
    x = net.add(Conv2D(filters, (3, 3)), net.input((1, 6, 5, 1)))
    return net.build(net.add(Dense(3), net.add(GlobalAveragePool(), x)))


@pytest.fixture(scope="module")
def splits():
    rng = np.random.default_rng(0)
    train, validation, test = (
        Split(rng.random((number, 6, 5, 1), np.float32), rng.integers(0, 3, number)) for number in (30, 20, 25)
    )
    return Splits(train, validation, test, target=Classes(("kModel", "dog", "mañana")))


@pytest.fixture(scope="module")
def bundles(splits, tmp_path_factory):
    """Two models, exported for different targets with C alone."""
    folder = tmp_path_factory.mktemp("models")
    for name, filters, device in (("birds_7", 4, TARGETS["cortex-m-dsp"]), ("2 dogs", 6, None)):
        graph = network(filters)
        export(folder / name, graph, initial_weights(graph, 1), splits, {}, ("c",), name, device)
    return folder


def test_names_begin_with_the_model_s_and_texts_stay():
    assert [prefix(name) for name in ("", "digits_aging_78", "2 dogs", "mañana-3", "…")] == [
        "",
        "digits_aging_78_",
        "model_2_dogs_",
        "ma_ana_3_",
        "model_",
    ]
    text = (
        '#include "front_end.h"\nconst char* n[] = {"kModel \\" kModel", "kB"};  // kModel of front_end.h\nkTfLiteOk;'
    )
    assert prefixed(text, "a") == text.replace("// kModel", "// a_kModel")
    assert prefixed(text, "") == text


@needs_compilers
def test_two_bundles_link_into_one_program(bundles, tmp_path):
    tree = pretend_tree(tmp_path / "tree")
    main = tmp_path / "main.cc"
    first, second = ("birds_7_", "model_2_dogs_")
    includes = "".join(
        f'#include "{bundles / folder / "c" / "src" / header}"\n'
        for folder in ("birds_7", "2 dogs")
        for header in ("model_data.h", "golden.h", "arena_size.h", "answer.h", "input.h", "op_resolver.h")
    )
    main.write_text(
        f"#include <cstdio>\n{includes}int main() {{\n"
        + "".join(
            f"  {{ {name}OpResolver resolver; if ({name}RegisterOperators(resolver) != kTfLiteOk) return 1;\n"
            f"    signed char input[{name}kGoldenInputBytes]; float raw[30] = {{}};\n"
            f"    {name}read_input(raw, input);\n"
            f'    std::printf("%d %d %s %d\\n", int({name}kModelBytes), int({name}kModel[20]),\n'
            f"      {name}answer_name(0), int(input[0])); }}\n"
            for name in (first, second)
        )
        + "}\n"
    )
    sources = [
        main,
        *(
            bundles / folder / "c" / "src" / file
            for folder in ("birds_7", "2 dogs")
            for file in ("model_data.cpp", "golden.cpp")
        ),
    ]
    program = tmp_path / "both"
    done = subprocess.run(
        [CXX, "-std=c++11", *STRICT, f"-I{tree}", *sources, "-o", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()
    for line, folder in zip(lines, ("birds_7", "2 dogs"), strict=True):
        model = (bundles / folder / "model.tflite").read_bytes()
        zero_point = json.loads((bundles / folder / "manifest.json").read_text())["input"]["zero_point"]
        assert line.split() == [str(len(model)), str(model[20]), "kModel", str(zero_point)]


@needs_compilers
def test_the_headers_are_c_and_c_links_with_the_arrays(bundles, splits, tmp_path):
    folder = bundles / "birds_7" / "c" / "src"
    main = tmp_path / "main.c"
    headers = ("model_data.h", "golden.h", "arena_size.h", "answer.h", "front_end.h", "input.h")
    main.write_text(
        "#include <stdio.h>\n" + "".join(f'#include "{header}"\n' for header in headers) + "int main(void) {\n"
        '  printf("%d %d %d\\n", (int)sizeof birds_7_kModel, birds_7_kModel[4], birds_7_kGoldenInputs[7][0]);\n'
        '  printf("%.9g %d %.9g %d\\n", birds_7_kInputScale, birds_7_kInputZeroPoint, birds_7_kOutputScale,\n'
        "         birds_7_kOutputZeroPoint);\n"
        '  printf("%s\\n", birds_7_answer_name(birds_7_answer_class(birds_7_kGoldenOutputs[0])));\n'
        "  return birds_7_kArenaBytes < birds_7_kArenaMinimumBytes;\n}\n"
    )
    subprocess.run([CC, "-std=c99", *STRICT, f"-I{folder}", "-c", main, "-o", tmp_path / "main.o"], check=True)
    for name in ("model_data", "golden"):
        subprocess.run(
            [CXX, "-std=c++11", *STRICT, "-c", folder / f"{name}.cpp", "-o", tmp_path / f"{name}.o"], check=True
        )
    program = tmp_path / "program"
    subprocess.run(
        [CXX, *(tmp_path / f"{name}.o" for name in ("main", "model_data", "golden")), "-o", program], check=True
    )
    lines = subprocess.run([program], capture_output=True, text=True, check=True).stdout.splitlines()
    stored = json.loads((bundles / "birds_7" / "manifest.json").read_text())
    model = (bundles / "birds_7" / "model.tflite").read_bytes()
    assert lines[0].split()[:2] == [str(len(model)), str(model[4])]
    scale_in, zero_in, scale_out, zero_out = lines[1].split()
    for part, scale, zero in (("input", scale_in, zero_in), ("output", scale_out, zero_out)):
        assert float(scale) == pytest.approx(stored[part]["scale"], rel=1e-6)
        assert int(zero) == stored[part]["zero_point"]
    assert lines[2] in splits.target.names


def test_manifest_c_and_readme_are_for_the_target_that_was_asked_for(bundles):
    merged = deployed(network(4)).graph
    wanted = footprint(merged, TARGETS["cortex-m-dsp"])
    stored = json.loads((bundles / "birds_7" / "manifest.json").read_text())
    assert (stored["arena"]["target"], stored["arena"]["arena_bytes"]) == ("cortex-m-dsp", wanted.arena_bytes)
    header = (bundles / "birds_7" / "c" / "src" / "arena_size.h").read_text()
    on_host, on_device = header.split("#else")
    assert f"birds_7_kArenaMinimumBytes = {wanted.arena_bytes}," in on_device
    assert "cortex-m-dsp" in on_device
    wide = int(re.search(r"birds_7_kArenaMinimumBytes = (\d+),", on_host)[1])
    assert wide >= stored["formats"]["c"]["host_arena_minimum_bytes"]
    assert "kernels of cortex-m-dsp need" in on_host
    words = (bundles / "birds_7" / "README.md").read_text()
    for said in (
        f"{wanted.arena_bytes} bytes",
        "cortex-m-dsp",
        "birds_7_classify",
        "kModel, dog, mañana",
        "`model.tflite`",
    ):
        assert said in words
    assert "#else" not in (bundles / "2 dogs" / "c" / "src" / "arena_size.h").read_text()
    assert json.loads((bundles / "2 dogs" / "manifest.json").read_text())["arena"]["target"] == "cortex-m"


def test_c_alone_writes_the_tflite_too_and_lists_it(bundles):
    stored = json.loads((bundles / "2 dogs" / "manifest.json").read_text())
    assert {"model.tflite", "README.md", "c/src/model_data.cpp"} <= set(stored["files"])
    assert "model.keras" not in stored["files"]
    assert stored["formats"]["c"]["names_begin_with"] == "model_2_dogs_"
