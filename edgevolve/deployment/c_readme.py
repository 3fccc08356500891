"""The README of the folder `c`: how to use it in each framework, the memory that it needs, and what was checked."""

from string import Template

from edgevolve.data import Classes, Target, Values
from edgevolve.deployment.c_model import Reading

_UNITS = {"int16": "int16 samples", "float32": "float values", "uint8": "bytes", "int8": "int8 values"}
_ITEM_BYTES = {"int16": 2, "float32": 4, "uint8": 1, "int8": 1}


def c_readme(
    name: str,
    begin: str,
    about: str,
    reading: Reading,
    target: Target,
    work_bytes: int,
    arena: str,
    checks: list[str],
    several: bool = False,
) -> str:
    """The README in Markdown.

    `name`, `begin` and `about` are as for `project_files`. `work_bytes` is the front end's working memory. `arena` says
    how large the arena is and for which device. `checks` are lines on what was compiled and run. `several`: the code
    switches between the networks of `networks.h`.
    """
    kind = 0 if isinstance(target, Classes) else 1 if isinstance(target, Values) else 2
    shape = " × ".join(map(str, reading.shape))
    return Template(_README).substitute(
        name=name,
        begin=begin,
        about=about,
        arena=arena,
        work=work_bytes,
        raw=f"{shape} {_UNITS[reading.type]}" + (f" at {reading.rate} Hz" if reading.rate else ""),
        raw_bytes=reading.values * _ITEM_BYTES[reading.type],
        call=_CALLS[kind].format(begin=begin),
        file=_FILES.get(reading.type, "FILE.raw"),
        symbol=f"MODEL_{name.upper()}",
        checks="\n".join(f"- {check}" for check in checks),
        several=Template(_SEVERAL).substitute(begin=begin) if several else "",
    )


_FILES = {"int16": "clip.wav", "float32": "rows.csv", "uint8": "image.ppm"}

_CALLS = (
    """\
static float scores[{begin}kClasses];
int label = {begin}classify(samples, scores);             // below 0: an error
if (label >= 0) puts({begin}answer_name(label));          // how probable: scores[label]""",
    """\
static float values[{begin}kValues];
int status = {begin}estimate(samples, values);            // below 0: an error
if (status == 0) printf("%s %f\\n", {begin}answer_name(0), values[0]);""",
    """\
float score;
int status = {begin}anomaly_score(samples, &score);       // below 0: an error""",
)

_SEVERAL = """\
There are several networks, from the one that errs least to the one that needs least; their weights stand in flash once
where they are equal, and all run in one arena, that of the largest. `src/networks.h` says what each costs.

```c
int one = ${begin}pick_network(0, 5.0f, 0.0f);      // bytes of arena, milliseconds, microjoules; 0: no budget
if (one >= 0) ${begin}switch_network(one);          // answers come from it from now on
```

"""

_README = """\
# $name

$about.

The folder `src` holds the model, its front end and the functions that run both. Around it are the project files of four
frameworks. Each needs TensorFlow Lite Micro. No function uses a heap.

```c
#include "$name.h"
static ${begin}RawValue samples[${begin}kRawValues];      // $raw, row by row
$call
```

RAM: $arena. The front end keeps $work bytes; `samples` takes $raw_bytes bytes.

${several}The arena is `${begin}kArenaBytes` in `src/arena_size.h`; `${begin}arena_used()` says on the device how much
of it is used.

## Arduino

1. Clone `tensorflow/tflite-micro-arduino-examples` from GitHub to `libraries/Arduino_TensorFlowLite` in the sketchbook.
   With another port of TensorFlow Lite Micro, change the first include of the sketch.
2. Copy this folder to `libraries/$name`.
3. File > Examples > $name > ${name}_serial. Upload it, open the serial monitor at 115200: it runs the golden
   examples, then answers what comes over the serial port. Read your sensor in `read_samples()`.

## Pico SDK

Beside a clone of `raspberrypi/pico-tflmicro`, with this folder as `$name`:

```cmake
add_subdirectory(pico-tflmicro EXCLUDE_FROM_ALL)
add_subdirectory($name)
target_link_libraries(my_program pico_stdlib $name)
```

On an RP2040 its kernels run on both cores: leave the second one to them.

## Zephyr

`west build -b BOARD -- -DZEPHYR_EXTRA_MODULES=/path/to/$name` with Zephyr's module `tflite-micro`, and in `prj.conf`:

```
CONFIG_CPP=y
CONFIG_STD_CPP17=y
CONFIG_REQUIRES_FULL_LIBCPP=y
CONFIG_TENSORFLOW_LITE_MICRO=y
CONFIG_$symbol=y
```

## ESP-IDF

Copy this folder to `components/$name` of a project; the component manager brings `espressif/esp-tflite-micro`.
Its kernels (ESP-NN) may ask for more scratch than those of Arm: where `${begin}set_up()` gives
`${begin}kArenaTooSmall`, raise `kArenaMinimumBytes`.

## On this computer

```
cmake -S . -B build -DTFLM_DIR=TREE && cmake --build build
build/${name}_host                      # runs the golden examples
build/${name}_host $file
```

`TREE` is a clone of `raspberrypi/pico-tflmicro`, or a tree of TensorFlow Lite Micro that its Makefile has built.
Nothing is resized or resampled.

## What was checked

$checks
- The Arduino library, the Zephyr module and the ESP-IDF component were not built with their frameworks: their files
  keep the published formats. No board was flashed.
"""
