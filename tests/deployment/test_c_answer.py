"""answer.h: what outputs mean in C agrees with Python for every target."""

import shutil

import numpy as np
import pytest

from edgevolve.data import Classes, Itself, Values
from edgevolve.deployment import ExportError, c_answer
from edgevolve.deployment.c_program import run_c99
from edgevolve.graph import Activate, Activation, Dense, GraphBuilder, Softmax
from edgevolve.quantisation.litert import open_model
from tests.deployment.sources import source_of

pytestmark = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler")


def network(outputs, *ends):
    net = GraphBuilder()
    x = net.add(Dense(outputs), net.flatten(net.input((1, 2, 3, 1))))
    for op in ends:
        x = net.add(op, x)
    return net.build(x)


CASES = {
    "classes": (network(3), Classes(("kitten", 'a "dog"?', "mañana"))),
    "probabilities": (network(3, Softmax()), Classes(3)),
    "one logit": (network(1), Classes(2)),
    "one probability": (network(1, Activate(Activation.SIGMOID)), Classes(("no", "yes"))),
    "a value": (network(1), Values("progression", "points", (152.1,), (77.0,))),
    "two values": (network(2), Values(("t", "p"), ("°C", "hPa"), (20.0, 1000.0), (5.0, 8.0))),
    "itself": (network(6), Itself(6)),
}


@pytest.mark.parametrize("case", CASES)
def test_answers_in_c_are_those_of_python(case):
    graph, target = CASES[case]
    source = source_of(graph, 64)
    model = open_model(source.tflite)
    inputs = model.quantised(source.images)
    outputs = np.random.default_rng(1).integers(-128, 128, (64, model.output_shape[1])).astype(np.int8)
    wanted = c_answer.answers(target, model, inputs, outputs)
    header = c_answer.c_source(target, model)
    assert header.isascii()
    assert c_answer.check(header, wanted, inputs, outputs).startswith("compiled, run on 64")
    if isinstance(target, Classes):
        assert len(set(wanted.ravel())) > 1
    with pytest.raises(ExportError, match=r"answer\.h: answers are up to"):
        c_answer.check(header, wanted + 1, inputs, outputs)


def test_names_of_any_alphabet_reach_c_whole():
    graph, target = CASES["classes"]
    header = c_answer.c_source(target, open_model(source_of(graph).tflite))
    main = (
        '#include <stdio.h>\n#include "answer.h"\n'
        "int main(void) { int i; for (i = 0; i < kClasses; ++i) puts(answer_name(i)); return 0; }\n"
    )
    assert run_c99({"answer.h": header, "names.c": main}, b"").decode().splitlines() == list(target.names)


def test_scores_of_what_is_unusual_are_errors_of_reconstruction():
    model = open_model(source_of(network(6)).tflite)
    stored = np.arange(-60, 60, 10, np.int8).reshape(2, 2, 3, 1)
    (first, second) = c_answer.answers(Itself(6), model, stored, model.quantised(np.zeros((2, 6))).reshape(2, 6) * 0)
    real = model.input.scale * (stored.reshape(2, 6).astype(float) - model.input.zero_point)
    given = -model.output.scale * model.output.zero_point
    np.testing.assert_allclose([first[0], second[0]], ((real - given) ** 2).mean(axis=1), rtol=1e-5)
