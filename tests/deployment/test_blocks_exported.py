"""The blocks of mobile networks as files of integers: LiteRT and TensorFlow Lite Micro give the same bits."""

import numpy as np
import pytest

from edgevolve.deployment.micro import available, run_on_micro
from edgevolve.deployment.optimise import lean
from edgevolve.quantisation import open_model
from edgevolve.quantisation.litert import runtime
from search_space import MobileSpace
from search_space.mobile import Mobile
from search_space.mobile_stages import (
    MORE_BLOCKS,
    Attention,
    Bottleneck,
    MbConv,
    Residual,
    ResNext,
    Separable,
    Shuffle,
    Stage,
)
from tests.deployment.sources import source_of

BLOCKS = {
    "bottleneck": Bottleneck(3, False),
    "resnext": ResNext(3, 4, True),
    "shuffle": Shuffle(3, 2),
    "shuffle of many groups": Shuffle(5, 8),
    "separable": Separable(5),
    "squeeze and excite": MbConv(3, 2, True),
    "residual": Residual(3, False),
    "attention": Attention(2),
}


def reference_outputs(model, stored):
    """LiteRT with its reference kernels, example by example."""
    litert = runtime()
    model_run = litert.Interpreter(
        model_content=model, experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF, num_threads=1
    )
    model_run.allocate_tensors()
    outputs = []
    for example in stored:
        model_run.set_tensor(model_run.get_input_details()[0]["index"], example[np.newaxis])
        model_run.invoke()
        outputs.append(model_run.get_tensor(model_run.get_output_details()[0]["index"])[0])
    return np.stack(outputs)


@pytest.fixture(scope="module", params=BLOCKS)
def source(request):
    space = MobileSpace((16, 16, 1), 10, depths=(1, 5), blocks=("mbconv", "residual", *MORE_BLOCKS))
    block = BLOCKS[request.param]
    return source_of(space.graph(Mobile(16, "relu6", 100, 16, (Stage(block, 32, 2, 1), Stage(block, 64, 1, 2)), 0)))


def test_integers_are_near_floats_on_litert(source):
    model = open_model(lean(source.tflite))
    scores = model.real(model.outputs(source.images))
    assert np.sqrt(np.mean((scores - source.outputs) ** 2)) < 0.25 * source.outputs.std()


@pytest.mark.skipif(not available(), reason="TensorFlow Lite Micro has no wheel here")
def test_both_runtimes_give_the_same_bits(source):
    model = lean(source.tflite)
    stored = np.random.default_rng(0).integers(-128, 128, (4, *source.images.shape[1:]), np.int8)
    (outputs,) = run_on_micro(model, [stored]).outputs
    np.testing.assert_array_equal(outputs, reference_outputs(model, stored))
