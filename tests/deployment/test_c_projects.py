"""The project files around the sources of a bundle: Arduino, CMake, the Pico SDK, Zephyr, ESP-IDF.

Arduino, Zephyr, ESP-IDF and the Pico SDK are pretended: their functions as they are documented, no more.
"""

import platform
import re
import shutil
import subprocess

import pytest
import yaml

pytest.importorskip("tflite_micro")

from edgevolve.deployment.c_names import plain_name
from tests.deployment.firmware import compiled, knowing_tree
from tests.deployment.test_c_bundle import COMPILER

CMAKE = shutil.which("cmake")
CC = shutil.which("cc") or shutil.which("gcc")
needs_compilers = pytest.mark.skipif(
    not (CC and COMPILER) or platform.system() != "Linux", reason="needs C and C++; the pretended tree is one of Linux"
)
needs_cmake = pytest.mark.skipif(not CMAKE or platform.system() != "Linux", reason="needs CMake on Linux")
NAMES = ("birds 7", "pump", "answer")
PLAIN = dict(zip(NAMES, ("birds_7", "pump", "answer_model"), strict=True))


def test_the_name_of_a_model_is_never_that_of_a_header_of_ours():
    names = [plain_name(name) for name in ("birds 7", "", "answer", "Golden", "model_data", "7")]
    assert names == ["birds_7", "model", "answer_model", "Golden_model", "model_data_model", "model_7"]


@pytest.mark.parametrize("name", NAMES)
def test_an_arduino_library_has_the_fields_that_the_specification_asks_for(firmware_bundles, name):
    """Arduino's library specification 2.2: names of up to 63 letters, a version of three numbers, a known category."""
    folder = firmware_bundles[name].folder
    text = (folder / "library.properties").read_text()
    fields = dict(line.split("=", 1) for line in text.splitlines())
    assert set(fields) == {
        "name",
        "version",
        "author",
        "maintainer",
        "sentence",
        "paragraph",
        "category",
        "url",
        "architectures",
        "includes",
    }
    assert all(fields.values())
    assert re.fullmatch(r"[A-Za-z0-9][\w .-]{0,62}", fields["name"]) and fields["name"] == PLAIN[name]
    assert re.fullmatch(r"\d+\.\d+\.\d+", fields["version"])
    assert fields["category"] == "Data Processing" and fields["architectures"] == "*"
    assert (folder / "src" / fields["includes"]).is_file()
    for line in (folder / "keywords.txt").read_text().splitlines():
        assert re.fullmatch(r"\w+\tKEYWORD[12]", line)
    assert not [file for file in (folder / "src").iterdir() if re.search(r"\bint\s+main\b", file.read_text())]
    sketches = list((folder / "examples").rglob("*.ino"))
    assert [sketch.parent.name for sketch in sketches] == [sketch.stem for sketch in sketches] != []


SERIAL = """
#pragma once
#include <cstddef>
#include <cstring>
struct Port {
  void begin(unsigned long) {}
  explicit operator bool() const { return true; }
  void setTimeout(unsigned long) {}
  std::size_t readBytes(char* bytes, std::size_t size) { std::memset(bytes, 0, size); return size; }
  template <class T> void print(T) {}
  template <class T> void println(T) {}
  void println(double, int) {}
  void print(double, int) {}
};
extern Port Serial;
unsigned long micros();
"""


@needs_compilers
@pytest.mark.parametrize("name", NAMES)
def test_the_sketch_compiles_and_runs_with_a_pretended_arduino_core(firmware_bundles, tmp_path, name):
    folder = firmware_bundles[name].folder
    (tmp_path / "Arduino.h").write_text(SERIAL)
    (tmp_path / "TensorFlowLite.h").write_text("")
    sketch = next((folder / "examples").rglob("*.ino"))
    (tmp_path / "sketch.cpp").write_text(f'#include "Arduino.h"\n#include "{sketch}"\n')
    core = '#include "Arduino.h"\nPort Serial;\nunsigned long micros() { return 1; }\nvoid setup();\nvoid loop();\n'
    (tmp_path / "core.cpp").write_text(core + "int main() { setup(); loop(); }\n")
    tree = knowing_tree(tmp_path / "tree", firmware_bundles[name])
    sources = [tmp_path / "sketch.cpp", tmp_path / "core.cpp", *sorted((folder / "src").glob("*.cpp"))]
    program = compiled(tree, sources, tmp_path / "program", f"-I{folder / 'src'}", f"-I{tmp_path}")
    assert subprocess.run([program]).returncode == 0


@needs_compilers
def test_two_models_answer_in_one_program_of_c99(firmware_bundles, tmp_path):
    sound, pump = (firmware_bundles[name] for name in ("birds 7", "pump"))
    main = tmp_path / "main.c"
    main.write_text(
        '#include <stdio.h>\n#include "birds_7.h"\n#include "pump.h"\n'
        "static birds_7_RawValue clip[birds_7_kRawValues];\nstatic pump_RawValue rows[pump_kRawValues];\n"
        "int main(void) {\n  float scores[birds_7_kClasses], values[pump_kValues];\n"
        "  if (birds_7_set_up() != birds_7_kReady || pump_set_up() != pump_kReady) return 1;\n"
        "  if (birds_7_classify(clip, scores) < 0 || birds_7_classify(clip, NULL) < 0) return 1;\n"
        "  if (pump_estimate(rows, values) != pump_kReady) return 1;\n"
        '  printf("%s %s %d\\n", birds_7_answer_name(0), pump_answer_name(1), birds_7_arena_used());\n'
        "  return 0;\n}\n"
    )
    folders = [bundle.folder / "src" for bundle in (sound, pump)]
    includes = [f"-I{folder}" for folder in folders]
    strict = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"]
    subprocess.run([CC, *strict, *includes, "-c", main, "-o", tmp_path / "main.o"], check=True)
    tree = knowing_tree(tmp_path / "tree", sound)
    sources = [tmp_path / "main.o", *(file for folder in folders for file in sorted(folder.glob("*.cpp")))]
    program = compiled(tree, sources, tmp_path / "program")
    assert subprocess.run([program], capture_output=True, text=True).stdout == "a tilt 1234\n"


@needs_compilers
def test_what_the_library_adds_uses_no_heap_and_no_constructor_before_main(firmware_bundles, tmp_path):
    """Symbols that the compiled library asks of others: neither memory of the heap nor destructors at the end."""
    bundle = firmware_bundles["answer"]
    tree = knowing_tree(tmp_path / "tree", bundle)
    asked = set()
    for source in (bundle.folder / "src").glob("*.cpp"):
        command = [COMPILER, "-std=c++17", "-O1", "-fno-exceptions", f"-I{tree}", "-c", source, "-o", tmp_path / "o"]
        subprocess.run(command, check=True)
        asked |= set(subprocess.run(["nm", "-u", tmp_path / "o"], capture_output=True, text=True).stdout.split())
    assert asked and not asked & {"malloc", "calloc", "free", "_Znwm", "_Znam", "_ZdlPv", "__cxa_atexit"}


def cmake(folder, *options):
    return subprocess.run([CMAKE, *map(str, options)], cwd=folder, capture_output=True, text=True)


@pytest.mark.slow
@needs_cmake
@needs_compilers
def test_plain_cmake_builds_the_library_and_the_host_program(firmware_bundles, tmp_path):
    bundle = firmware_bundles["pump"]
    tree = knowing_tree(tmp_path / "tree", bundle)
    options = (
        "-S",
        bundle.folder,
        "-B",
        tmp_path / "build",
        f"-DTFLM_DIR={tree}",
        "-DCMAKE_COMPILE_WARNING_AS_ERROR=ON",
    )
    configured = cmake(tmp_path, *options)
    assert configured.returncode == 0 and "Warning" not in configured.stderr, configured.stderr
    built = cmake(tmp_path, "--build", tmp_path / "build")
    assert built.returncode == 0, built.stdout + built.stderr
    done = subprocess.run([tmp_path / "build" / "pump_host"], capture_output=True, text=True)
    assert done.stdout.startswith("8 of 8 golden examples agree")
    for wrong in ("", str(tmp_path / "gone")):
        refused = cmake(tmp_path, "-S", bundle.folder, "-B", tmp_path / "refused", f"-DTFLM_DIR={wrong}")
        assert refused.returncode and f"TFLM_DIR={wrong}" in " ".join(refused.stderr.split())


FRAMEWORKS = {
    "esp_idf": """
set(ESP_PLATFORM 1)
macro(idf_component_register)
  cmake_parse_arguments(_ "" "" "SRCS;INCLUDE_DIRS;REQUIRES;PRIV_REQUIRES" ${ARGN})
  if(__UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "${__UNPARSED_ARGUMENTS}")
  endif()
  get_filename_component(component ${CMAKE_CURRENT_LIST_DIR} NAME)
  set(COMPONENT_LIB __idf_${component})
  add_library(${COMPONENT_LIB} STATIC ${__SRCS})
  target_include_directories(${COMPONENT_LIB} PUBLIC ${__INCLUDE_DIRS} PRIVATE ${TREE})
endmacro()
add_subdirectory(${BUNDLE} bundle)
""",
    "zephyr": """
set(CONFIG_MODEL_PUMP y)
function(zephyr_include_directories)
  include_directories(${ARGN})
endfunction()
macro(zephyr_library_named name)
  set(ZEPHYR_CURRENT_LIBRARY ${name})
  add_library(${name} STATIC "")
  target_include_directories(${name} PRIVATE ${TREE})
endmacro()
function(zephyr_library_sources)
  target_sources(${ZEPHYR_CURRENT_LIBRARY} PRIVATE ${ARGN})
endfunction()
add_subdirectory(${BUNDLE}/zephyr bundle)
""",
    "pico": """
add_library(pico-tflmicro STATIC ${CMAKE_CURRENT_LIST_DIR}/empty.cpp)
target_include_directories(pico-tflmicro PUBLIC ${TREE})
add_subdirectory(${BUNDLE} bundle)
add_executable(program main.cpp)
target_link_libraries(program pump ${LIBRARY})
""",
}


@needs_cmake
@needs_compilers
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_sources_are_built_by_the_functions_of_a_framework(firmware_bundles, tmp_path, framework):
    bundle = firmware_bundles["pump"]
    tree = knowing_tree(tmp_path / "tree", bundle)
    library = next((tmp_path / "tree").rglob("*.a"))
    (tmp_path / "empty.cpp").write_text("")
    (tmp_path / "main.cpp").write_text(
        '#include "pump.h"\nint main() { return pump_golden_agreeing() == 8 ? 0 : 1; }\n'
    )
    head = (
        f'cmake_minimum_required(VERSION 3.16)\nproject(program C CXX)\nset(TREE "{tree}")\nset(LIBRARY "{library}")\n'
    )
    (tmp_path / "CMakeLists.txt").write_text(f'{head}set(BUNDLE "{bundle.folder}")\n' + FRAMEWORKS[framework])
    configured = cmake(tmp_path, "-S", ".", "-B", "build")
    assert configured.returncode == 0, configured.stderr
    built = cmake(tmp_path, "--build", "build")
    assert built.returncode == 0, built.stdout + built.stderr
    (made,) = (
        path for path in (tmp_path / "build").rglob("*.a") if "empty" not in path.stem and "pico" not in path.stem
    )
    members = subprocess.run(["ar", "t", made], capture_output=True, text=True).stdout.split()
    assert {member.split(".")[0] for member in members} == {"pump", "model_data", "golden", "golden_check"}
    if framework == "pico":
        assert subprocess.run([tmp_path / "build" / "program"]).returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_manifests_of_zephyr_and_esp_idf_say_what_their_documents_ask_for(firmware_bundles, name):
    folder, plain = firmware_bundles[name].folder, PLAIN[name]
    module = yaml.safe_load((folder / "zephyr" / "module.yml").read_text())
    assert module == {"name": plain, "build": {"cmake": "zephyr", "kconfig": "zephyr/Kconfig"}}
    assert (folder / module["build"]["cmake"] / "CMakeLists.txt").is_file() and (
        folder / "zephyr" / "Kconfig"
    ).is_file()
    symbol = re.match(r"config (MODEL_[A-Z0-9_]+)\n\tbool \"[^\"]+\"\n", (folder / "zephyr" / "Kconfig").read_text())[1]
    assert f"if(CONFIG_{symbol})" in (folder / "zephyr" / "CMakeLists.txt").read_text()
    component = yaml.safe_load((folder / "idf_component.yml").read_text())
    assert set(component) == {"version", "description", "dependencies"}
    assert set(component["dependencies"]) == {"idf", "espressif/esp-tflite-micro"}


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_says_what_to_do_how_much_memory_and_what_was_not_built(firmware_bundles, name):
    text = (firmware_bundles[name].folder / "README.md").read_text()
    said = ["## Arduino", "## Pico SDK", "## Zephyr", "## ESP-IDF", "## On this computer", "No board was flashed"]
    said += [f"CONFIG_MODEL_{PLAIN[name].upper()}=y", f"add_subdirectory({PLAIN[name]})", "kArenaBytes"]
    assert [words for words in said if words not in text] == []
    assert "$" not in text
