"""The model as C functions: from what the device reads to an answer, on TensorFlow Lite Micro, without a heap."""

from dataclasses import dataclass
from math import prod
from string import Template
from typing import Any

from edgevolve.data import Classes, FrontEnd, Target, Values
from edgevolve.deployment.c_front_end import C_TYPES
from edgevolve.quantisation.litert import Int8Model


@dataclass(frozen=True, slots=True)
class Reading:
    """The input of the C functions: an example as the device reads it, row by row, channels last.

    `shape` is (height, width, channels), such as (samples, 1, 1) or (steps, 1, channels). `type` is NumPy's name of the
    type of its values. `rate` is in Hz, 0 where it is unknown.
    """

    shape: tuple[int, int, int]
    type: str
    rate: int = 0

    @classmethod
    def of(cls, front_end: FrontEnd, shape: tuple[int, ...]) -> "Reading":
        """The input of `front_end`, whose examples have `shape` without the batch."""
        full = (*shape, 1, 1, 1)[:3] if len(shape) < 3 else (*shape[:2], prod(shape[2:]))
        rate: Any = front_end.parameters.get("rate", 0)
        return cls((full[0], full[1], full[2]), front_end.raw_type, int(rate) if isinstance(rate, int | float) else 0)

    @property
    def values(self) -> int:
        """The number of values of an example."""
        return prod(self.shape)


def model_files(
    header: str, title: str, reading: Reading, target: Target, model: Int8Model, several: bool = False
) -> dict[str, str]:
    """`header`, its C++, and `golden_check.cpp`, which a linker leaves out where nothing calls it; texts by name.

    `title` is the model's name in comments. `several`: the code switches between the networks of `networks.h`.
    """
    answer = _KINDS[0 if isinstance(target, Classes) else 1 if isinstance(target, Values) else 2]
    names = {
        "header": header,
        "title": title,
        "raw": C_TYPES[reading.type],
        "height": reading.shape[0],
        "width": reading.shape[1],
        "channels": reading.shape[2],
        "raw_values": reading.values,
        "rate": reading.rate,
        "inputs": prod(model.input_shape[1:]),
        "outputs": prod(model.output_shape[1:]),
        **(_SET if several else _ALONE),
    }
    names |= {key: Template(text).substitute(names) for key, text in answer.items()}
    return {
        header: _HEADER.substitute(names),
        header.removesuffix(".h") + ".cpp": _SOURCE.substitute(names),
        "golden_check.cpp": _GOLDEN.substitute(names),
    }


_CLASSES = {
    "declared": """\
// The class of an example, whose name is answer_name(class), or an error below 0.
// scores: for kClasses numbers, how probable each class is; or NULL.
int classify(const RawValue* raw, float* scores);""",
    "kept": "",
    "defined": """\
int classify(const RawValue* raw, float* scores) {
  const int status = run(raw);
  if (status != kReady) return status;
  const signed char* outputs = interpreter->output(0)->data.int8;
  if (scores != nullptr) answer_scores(${given}outputs, scores);
  return answer_class(${given}outputs);
}""",
    "before": "",
}
_VALUES = {
    "declared": """\
// Estimates the kValues values of an example, whose names and units are answer_name(i) and answer_unit(i).
// Gives kReady or an error below 0.
int estimate(const RawValue* raw, float* values);""",
    "kept": "",
    "defined": """\
int estimate(const RawValue* raw, float* values) {
  const int status = run(raw);
  if (status != kReady) return status;
  for (int i = 0; i < kValues; ++i) values[i] = answer_value(${given}interpreter->output(0)->data.int8, i);
  return kReady;
}""",
    "before": "",
}
_ANOMALY = {
    "declared": """\
// How unusual an example is: the mean squared error of its reconstruction.
// Gives kReady or an error below 0.
int anomaly_score(const RawValue* raw, float* score);""",
    "kept": "signed char features[kInputValues];  // the interpreter overwrites its own\n",
    "defined": """\
int anomaly_score(const RawValue* raw, float* score) {
  const int status = run(raw);
  if (status != kReady) return status;
  *score = answer_score(features, ${given}interpreter->output(0)->data.int8);
  return kReady;
}""",
    "before": "  std::memcpy(features, interpreter->input(0)->data.int8, kInputValues);\n",
}
_KINDS = (_CLASSES, _VALUES, _ANOMALY)

_ALONE = {
    "given": "",
    "networks_header": "",
    "switching": "",
    "in_use": "",
    "switched": "",
    "model_at": "kModel",
    "golden_at": "kGoldenOutputs[i]",
}
_SET = {
    "given": "network, ",
    "networks_header": '#include "networks.h"\n',
    "switching": """
// Puts a network of networks.h to use, which pick_network() chooses; before, the first one is. All share one arena.
// Gives kReady or an error.
int switch_network(int wanted);

// The one in use.
int network_in_use(void);
""",
    "in_use": "int network = 0;\n",
    "switched": """\
int switch_network(int wanted) {
  if (wanted < 0 || wanted >= kNetworks) return kNoSuchNetwork;
  if (wanted != network && interpreter != nullptr) {
    interpreter->~MicroInterpreter();
    interpreter = nullptr;
  }
  network = wanted;
  return set_up();
}

int network_in_use(void) { return network; }

""",
    "model_at": "kModel + kNetworkBeginningBytes * network",
    "golden_at": "kGoldenOutputs[network_in_use()][i]",
}
"""The parts of the templates that only a set of networks has."""

_HEADER = Template("""\
// The model $title, with its front end: from what the device reads to an answer.
//
// One thread at a time may call these functions. They use no heap: arena and interpreter are static.
// This header is C99 and C++11.
#ifndef EDGEVOLVE_MODEL_H_
#define EDGEVOLVE_MODEL_H_

#include "answer.h"
#include "arena_size.h"
$networks_header
#ifdef __cplusplus
extern "C" {
#endif

// An example as the device reads it, row by row, channels last.
typedef $raw RawValue;
enum {
  kRawHeight = $height,
  kRawWidth = $width,
  kRawChannels = $channels,
  kRawValues = $raw_values,
  kRawRate = $rate,  // Hz; 0 where the data did not say
  kInputValues = $inputs,
  kOutputValues = $outputs
};

// Errors. MicroPrintf says more.
enum {
  kReady = 0,
  kOtherSchema = -1,    // the model's file format is not the one that this TensorFlow Lite Micro reads
  kNoOperator = -2,     // this TensorFlow Lite Micro lacks an operator
  kArenaTooSmall = -3,  // raise kArenaBytes in arena_size.h
  kFailed = -4          // the model could not be run
};

// Sets the model up, once; the functions below call it. Gives kReady or an error.
int set_up(void);
$switching
$declared

// Runs the model without its front end, on kInputValues stored values; gives kOutputValues.
// Gives kReady or an error.
int run_stored(const signed char* input, signed char* output);

// Bytes of the arena that are in use once the model is set up.
int arena_used(void);

// Runs the golden examples. Gives how many of them agree byte for byte, or an error below 0.
int golden_agreeing(void);

#ifdef __cplusplus
}
#endif

#endif  // EDGEVOLVE_MODEL_H_
""")

_SOURCE = Template("""\
// The model $title on TensorFlow Lite Micro.
#include "$header"

#include <cstdint>
#include <cstring>
#include <new>

#include "input.h"
#include "model_data.h"
#include "op_resolver.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace {

alignas(16) uint8_t arena[kArenaBytes];
alignas(OpResolver) unsigned char resolver_place[sizeof(OpResolver)];
alignas(tflite::MicroInterpreter) unsigned char interpreter_place[sizeof(tflite::MicroInterpreter)];
tflite::MicroInterpreter* interpreter = nullptr;
$in_use$kept
// The front end, then the model.
int run(const RawValue* raw) {
  const int status = set_up();
  if (status != kReady) return status;
  read_input(raw, interpreter->input(0)->data.int8);
$before  return interpreter->Invoke() == kTfLiteOk ? kReady : kFailed;
}

}  // namespace

int set_up(void) {
  if (interpreter != nullptr) return kReady;
  const tflite::Model* model = tflite::GetModel($model_at);
  if (model->version() != TFLITE_SCHEMA_VERSION) return kOtherSchema;
  OpResolver* resolver = ::new (resolver_place) OpResolver();
  if (RegisterOperators(*resolver) != kTfLiteOk) return kNoOperator;
  tflite::MicroInterpreter* made =
      ::new (interpreter_place) tflite::MicroInterpreter(model, *resolver, arena, kArenaBytes);
  if (made->AllocateTensors() != kTfLiteOk) return kArenaTooSmall;
  interpreter = made;
  return kReady;
}

$switched$defined

int run_stored(const signed char* input, signed char* output) {
  const int status = set_up();
  if (status != kReady) return status;
  std::memcpy(interpreter->input(0)->data.int8, input, kInputValues);
  if (interpreter->Invoke() != kTfLiteOk) return kFailed;
  std::memcpy(output, interpreter->output(0)->data.int8, kOutputValues);
  return kReady;
}

int arena_used(void) { return set_up() == kReady ? static_cast<int>(interpreter->arena_used_bytes()) : 0; }
""")

_GOLDEN = Template("""\
// The golden examples of $title on this device.
#include <cstring>

#include "$header"
#include "golden.h"

int golden_agreeing(void) {
  static signed char output[kOutputValues];
  int agreeing = 0;
  for (int i = 0; i < kGoldenExamples; ++i) {
    const int status = run_stored(kGoldenInputs[i], output);
    if (status != kReady) return status;
    if (std::memcmp(output, $golden_at, kOutputValues) == 0) ++agreeing;
  }
  return agreeing;
}
""")
