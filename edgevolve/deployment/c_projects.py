"""Project files around one folder of sources: an Arduino library, CMake, a Zephyr module, an ESP-IDF component."""

from collections.abc import Sequence
from string import Template

from edgevolve.data import Classes, Target, Values

VERSION = "1.0.0"
"""The version that an export has as a library and as a component."""

_FUNCTIONS = ("set_up", "run_stored", "arena_used", "golden_agreeing")


class _File(Template):
    """A template whose names are marked by @, since CMake uses $ itself."""

    delimiter = "@"


def project_files(name: str, begin: str, about: str, sources: Sequence[str], target: Target) -> dict[str, str]:
    """The project files, texts by path, to be put next to the folder `src`; `sources` are the names of its C++ files.

    `name` is the model's in letters, digits and underscores. Names in C begin with `begin`. `about` is a sentence on
    what the model does.
    """
    answering, answered, scores = _ANSWERED[
        0 if isinstance(target, Classes) else 1 if isinstance(target, Values) else 2
    ]
    names = {
        "name": name,
        "begin": begin,
        "symbol": f"MODEL_{name.upper()}",
        "about": about,
        "version": VERSION,
        "sources": "".join(f"\n  src/{source}" for source in sources),
        "zephyr_sources": "".join(f"\n    ../src/{source}" for source in sources),
        "functions": "\n".join(f"{begin}{function}\tKEYWORD2" for function in (answering, *_FUNCTIONS)),
        "scores": _File(scores).substitute(begin=begin),
        "answered": _File(answered).substitute(begin=begin),
    }
    files = {
        "library.properties": _LIBRARY,
        "keywords.txt": _KEYWORDS,
        f"examples/{name}_serial/{name}_serial.ino": _SKETCH,
        "CMakeLists.txt": _CMAKE,
        "host/tflm.cmake": _TFLM,
        "host/computer.cpp": _COMPUTER,
        "host/pico/stdlib.h": _ONE_CORE,
        "host/pico/multicore.h": _ONE_CORE,
        "idf_component.yml": _COMPONENT,
        "zephyr/module.yml": _MODULE,
        "zephyr/CMakeLists.txt": _ZEPHYR,
        "zephyr/Kconfig": _KCONFIG,
    }
    return {path: _File(text).substitute(names) for path, text in files.items()}


_LIBRARY = """\
name=@name
version=@version
author=edgevolve
maintainer=edgevolve
sentence=@about
paragraph=Takes raw samples and answers them. Needs an Arduino library of TensorFlow Lite Micro beside it.
category=Data Processing
url=https://www.tensorflow.org/lite/microcontrollers
architectures=*
includes=@name.h
"""

_KEYWORDS = """\
@{begin}RawValue\tKEYWORD1
@functions
"""

_ANSWERED = (
    (
        "classify",
        """\
  const int label = @{begin}classify(samples, scores);
  if (label < 0) return complain(label);
  Serial.print(@{begin}answer_name(label));
  Serial.print(" ");
  Serial.println(scores[label], 3);""",
        "@{begin}kClasses",
    ),
    (
        "estimate",
        """\
  const int status = @{begin}estimate(samples, scores);
  if (status < 0) return complain(status);
  for (int i = 0; i < @{begin}kValues; ++i) {
    Serial.print(@{begin}answer_name(i));
    Serial.print(" ");
    Serial.print(scores[i], 3);
    Serial.print(" ");
    Serial.println(@{begin}answer_unit(i));
  }""",
        "@{begin}kValues",
    ),
    (
        "anomaly_score",
        """\
  const int status = @{begin}anomaly_score(samples, scores);
  if (status < 0) return complain(status);
  Serial.println(scores[0], 6);""",
        "1",
    ),
)
"""For each kind of target: the function, the code that prints its answer, the number of values that it gives."""

_SKETCH = """\
// @about
//
// Runs the golden examples once, then answers what comes over the serial port. Read your sensor in read_samples().
#include <TensorFlowLite.h>  // of Arduino_TensorFlowLite; another port of TensorFlow Lite Micro has another name here
#include <@name.h>

static @{begin}RawValue samples[@{begin}kRawValues];
static float scores[@scores];

// Fills samples, row by row, channels last; here with bytes of the serial port, little-endian. False: not there yet.
static bool read_samples() {
  return Serial.readBytes(reinterpret_cast<char*>(samples), sizeof samples) == sizeof samples;
}

static void complain(int error) {
  Serial.print("error ");
  Serial.println(error);  // see @name.h
}

void setup() {
  Serial.begin(115200);
  while (!Serial) {
  }
  Serial.setTimeout(5000);
  const int agreeing = @{begin}golden_agreeing();
  if (agreeing < 0) return complain(agreeing);
  Serial.print(agreeing);
  Serial.print(" golden examples agree; bytes of arena used: ");
  Serial.println(@{begin}arena_used());
}

void loop() {
  if (!read_samples()) return;
  const unsigned long begun = micros();
@answered
  Serial.print("microseconds: ");
  Serial.println(micros() - begun);
}
"""

_CMAKE = """\
# @about
#
# ESP-IDF: this folder is the component. Pico SDK: after add_subdirectory(pico-tflmicro), add_subdirectory this folder
# and link `@name`. A computer: cmake -S . -B build -DTFLM_DIR=TREE && cmake --build build && build/@{name}_host FILE
cmake_minimum_required(VERSION 3.16)

set(sources@sources)

if(ESP_PLATFORM)
  idf_component_register(SRCS ${sources} INCLUDE_DIRS src)
  # esp-tflite-micro is compiled so, and its structures differ without.
  target_compile_definitions(${COMPONENT_LIB} PRIVATE TF_LITE_STATIC_MEMORY)
  return()
endif()

if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR)
  project(@name C CXX)
  if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release)
  endif()
endif()

if(TARGET pico-tflmicro)
  set(runtime pico-tflmicro)
else()
  include(${CMAKE_CURRENT_LIST_DIR}/host/tflm.cmake)
  set(runtime tflm)
endif()

add_library(@name STATIC ${sources})
target_include_directories(@name PUBLIC src)
target_compile_features(@name PUBLIC cxx_std_17)
target_link_libraries(@name PUBLIC ${runtime})

if(runtime STREQUAL tflm)
  add_executable(@{name}_host host/main.cpp)
  target_link_libraries(@{name}_host PRIVATE @name)
endif()
"""

_TFLM = """\
# TensorFlow Lite Micro for this computer, as the target `tflm`, once in a project.
#
# TFLM_DIR is a tree that its own Makefile has built (target microlite), or pico-tflmicro, whose sources and CMSIS-NN
# kernels are compiled here in plain C.
if(TARGET tflm)
  return()
endif()
set(TFLM_DIR "$ENV{TFLM_DIR}" CACHE PATH "a tree of TensorFlow Lite Micro")

string(TOLOWER "${CMAKE_HOST_SYSTEM_NAME}_${CMAKE_HOST_SYSTEM_PROCESSOR}" machine)
string(REPLACE darwin osx machine "${machine}")
file(GLOB built ${TFLM_DIR}/gen/${machine}*/lib/libtensorflow-microlite.a)
if(TFLM_DIR AND built)
  list(GET built 0 library)
  set(downloads ${TFLM_DIR}/tensorflow/lite/micro/tools/make/downloads)
  add_library(tflm INTERFACE)
  target_include_directories(tflm SYSTEM INTERFACE
    ${TFLM_DIR} ${downloads}/flatbuffers/include ${downloads}/gemmlowp ${downloads}/ruy)
  target_compile_definitions(tflm INTERFACE TF_LITE_STATIC_MEMORY)
  target_link_libraries(tflm INTERFACE ${library} m)
elseif(TFLM_DIR AND EXISTS ${TFLM_DIR}/src/tensorflow/lite/micro/micro_interpreter.h)
  set(root ${TFLM_DIR}/src)
  set(third ${root}/third_party)
  file(GLOB_RECURSE files ${root}/tensorflow/*.cpp ${third}/cmsis_nn/Source/*.c)
  list(FILTER files EXCLUDE REGEX "/(testing|benchmarks)/|_test[.]|/test_helper|/mock_|/fake_")
  # What these do on a Pico, computer.cpp does here.
  list(FILTER files EXCLUDE REGEX "/(debug_log|micro_time|system_setup)[.]cpp$")
  add_library(tflm STATIC ${files} ${CMAKE_CURRENT_LIST_DIR}/computer.cpp)
  target_include_directories(tflm SYSTEM PUBLIC ${root} ${third}/flatbuffers/include ${third}/gemmlowp ${third}/ruy
    ${third}/cmsis_nn ${third}/cmsis_nn/Include ${third}/cmsis/CMSIS/Core/Include PRIVATE ${CMAKE_CURRENT_LIST_DIR})
  # As pico-tflmicro's own project.
  target_compile_definitions(tflm PUBLIC ARDUINO=1 CMSIS_NN=1 TF_LITE_STATIC_MEMORY=1 TF_LITE_DISABLE_X86_NEON=1)
  target_compile_features(tflm PUBLIC cxx_std_17)
  # Most of the time goes into these headers.
  foreach(header lite/schema/schema_generated lite/kernels/kernel_util lite/kernels/internal/quantization_util
      lite/kernels/internal/common lite/micro/kernels/kernel_util)
    target_precompile_headers(tflm PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:<tensorflow/${header}.h$<ANGLE-R>>")
  endforeach()
  target_compile_options(tflm PRIVATE -w $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti>)
else()
  message(FATAL_ERROR "TFLM_DIR=${TFLM_DIR}: give a tree of TensorFlow Lite Micro whose Makefile has built its target "
    "microlite for ${machine}, or a clone of pico-tflmicro: -DTFLM_DIR=TREE")
endif()
"""

_COMPUTER = """\
// What TensorFlow Lite Micro leaves to the platform, on a computer.
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>

namespace tflite {
void InitializeTarget() {}
uint32_t ticks_per_second() { return CLOCKS_PER_SEC; }
uint32_t GetCurrentTimeTicks() { return static_cast<uint32_t>(std::clock()); }
}  // namespace tflite

extern "C" void DebugLog(const char* format, va_list given) { std::vfprintf(stderr, format, given); }

extern "C" int DebugVsnprintf(char* text, std::size_t size, const char* format, va_list given) {
  return std::vsnprintf(text, size, format, given);
}
"""

_ONE_CORE = """\
// A kernel of pico-tflmicro gives half of its work to the Pico's second core; on a computer that half is done at once.
#ifndef EDGEVOLVE_ONE_CORE_H_
#define EDGEVOLVE_ONE_CORE_H_

#include <stdint.h>

static uint32_t one_core_result;

static inline void multicore_reset_core1(void) {}
static inline void multicore_launch_core1(void (*work)(void)) { work(); }
static inline void multicore_fifo_push_blocking(uint32_t result) { one_core_result = result; }
static inline uint32_t multicore_fifo_pop_blocking(void) { return one_core_result; }

#endif  // EDGEVOLVE_ONE_CORE_H_
"""

_COMPONENT = """\
version: "@version"
description: "@about"
dependencies:
  idf: ">=5.1"
  espressif/esp-tflite-micro: "^1.3.3"
"""

_MODULE = """\
name: @name
build:
  cmake: zephyr
  kconfig: zephyr/Kconfig
"""

_ZEPHYR = """\
if(CONFIG_@symbol)
  zephyr_include_directories(../src)
  zephyr_library_named(@name)
  zephyr_library_sources(@zephyr_sources)
endif()
"""

_KCONFIG = """\
config @symbol
	bool "@about"
	depends on TENSORFLOW_LITE_MICRO
"""
