"""Bundles of every kind of target and reading; a pretended runtime that answers for the nearest example it knows."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgevolve.data import Classes, Itself, Pixels, Standardise, Values
from edgevolve.data.mel import Mel
from edgevolve.deployment import c_answer, c_bundle
from edgevolve.deployment.formats import Source
from edgevolve.deployment.micro import run_on_micro
from edgevolve.graph import Conv2D, Dense, GlobalAveragePool, GraphBuilder
from edgevolve.quantisation import int8_network
from edgevolve.quantisation.litert import open_model
from edgevolve.training.keras_model import keras_model
from edgevolve.training.weights import initial_weights
from tests.deployment.test_c_bundle import COMPILER, LIBRARY, pretend_tree

EXAMPLES = 12


@dataclass(frozen=True)
class Bundle:
    """What was exported, with the raw examples, and what Python and TensorFlow Lite Micro answer to them."""

    folder: Path
    name: str
    raw: np.ndarray
    inputs: np.ndarray
    outputs: np.ndarray
    answers: np.ndarray
    target: object


def _readings():
    rng = np.random.default_rng(0)
    ramp = np.linspace(0.1, 1, EXAMPLES).reshape(-1, 1, 1, 1)
    tones = np.sin(np.arange(600).reshape(1, -1, 1, 1) * ramp) * 9000
    mel = Mel(4000, 600, bands=6, high_hz=2000)
    yield "birds 7", (tones + rng.normal(0, 300, tones.shape)).astype(np.int16), mel, Classes(("a", "ñ", "c c"))
    steps = (rng.normal(5, 2, (EXAMPLES, 7, 1, 3)) * ramp).astype(np.float32)
    values = Values(("speed", "tilt"), ("m/s", ""), (1.0, 20.0), (0.5, 3.0))
    yield "pump", steps, Standardise.fit(steps), values
    pixels = (rng.integers(0, 255, (EXAMPLES, 4, 5, 3)) * ramp).astype(np.uint8)
    yield "answer", pixels, Pixels((4, 5, 3)), Itself(60)


def bundles(folder):
    """Three: classes of sound, values of sensors, and how unusual an image is."""
    for number, (name, raw, front_end, target) in enumerate(_readings()):
        images = front_end.apply(raw)
        graph = _network(images.shape[1:], target.outputs)
        weights = initial_weights(graph, number)
        tflite = int8_network(graph, weights, images).tflite()
        outputs = keras_model(graph, weights)(images).numpy()
        source = Source(graph, weights, tflite, None, images, outputs, front_end, raw, target, name)
        (folder / name).mkdir()
        c_bundle.write(folder / name, source)
        model = open_model(tflite)
        inputs = model.quantised(images)
        (given,) = run_on_micro(tflite, [inputs]).outputs
        answers = c_answer.answers(target, model, inputs, given)
        yield Bundle(folder / name / "c", name, raw, inputs.reshape(EXAMPLES, -1), given, answers, target)


def _network(shape, outputs):
    net = GraphBuilder()
    kernel = tuple(min(3, side) for side in shape[:2])
    x = net.add(Conv2D(4, kernel), net.input((1, *shape)))
    return net.build(net.add(Dense(outputs), net.add(GlobalAveragePool(), x)))


def knowing_tree(folder, bundle):
    """A tree of TensorFlow Lite Micro whose runtime gives the outputs of the example nearest to what it is given."""
    rows = (
        f"const signed char {name}[{len(values)}][{values.shape[1]}] = "
        f"{{{', '.join('{' + ', '.join(map(str, row)) + '}' for row in values.tolist())}}};"
        for name, values in (("known", bundle.inputs), ("answers", bundle.outputs))
    )
    begin, end = LIBRARY.index("TfLiteStatus MicroInterpreter::Invoke"), LIBRARY.index("TfLiteTensor* MicroInterpreter")
    invoke = f"""
TfLiteStatus MicroInterpreter::Invoke() {{
  int best = 0;
  long least = -1;
  for (int i = 0; i < {len(bundle.inputs)}; ++i) {{
    long far = 0;
    for (int j = 0; j < {bundle.inputs.shape[1]}; ++j) {{
      const int off = given[j] - known[i][j];
      far += off < 0 ? -off : off;
    }}
    if (least < 0 || far < least) {{ least = far; best = i; }}
  }}
  for (int i = 0; i < {bundle.outputs.shape[1]}; ++i) answer[i] = answers[best][i];
  return kTfLiteOk;
}}
"""
    library = LIBRARY[:begin] + invoke + LIBRARY[end:]
    golden = "extern const signed char kGoldenOutputs[8][5];"
    return pretend_tree(folder, runtime=library.replace(golden, "\n".join(rows)).replace("answer[5]", "answer[4096]"))


def compiled(tree, sources, program, *options):
    """The program of C++ `sources` beside a tree, with every warning an error."""
    library = next(Path(tree).glob("gen/*/lib/*.a"))
    strict = ["-std=c++17", "-Wall", "-Wextra", "-pedantic", "-Werror", "-DTF_LITE_STATIC_MEMORY"]
    command = [COMPILER, *strict, f"-I{tree}", *options, *map(str, sources), str(library), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program
