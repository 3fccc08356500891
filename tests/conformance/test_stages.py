"""Every stage of training passes the kit."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from edgevolve.data import Digits, load_splits
from edgevolve.graph import Activation, Conv2D, Dense, GlobalAveragePool, GraphBuilder
from edgevolve.quantisation import Quantise, ScoreInt8
from edgevolve.testing import check_stage
from edgevolve.training import CrossValidate, Distil, Fit, Prune, TrainingSettings, TrainState, unreported
from edgevolve.training.distil import Network

SHORT = TrainingSettings(epochs=2)
PRUNE = [
    pytest.param(Prune(0.5, SHORT, "taylor", checkpoint_s=0), id="taylor", marks=pytest.mark.slow),
    pytest.param(Prune(0.5, SHORT, "magnitude", "layer", checkpoint_s=0), id="magnitude", marks=pytest.mark.slow),
    pytest.param(Prune(0.5, SHORT, structured=False, checkpoint_s=0), id="weights", marks=pytest.mark.slow),
]
FIT = Fit(TrainingSettings(epochs=3), checkpoint_s=0)


@pytest.fixture(scope="module")
def splits():
    whole = load_splits(Digits())
    return replace(whole, train=whole.train.take(np.arange(200)), validation=whole.validation.take(np.arange(100)))


@pytest.fixture(scope="module")
def network():
    net = GraphBuilder()
    x = net.add(Conv2D(4, (3, 3), activation=Activation.RELU, batch_norm=True), net.input((1, 8, 8, 1)))
    return net.build(net.add(Dense(10), net.add(GlobalAveragePool(), x)))


@pytest.fixture(scope="module")
def trained(network, splits):
    return FIT(TrainState(network), splits, np.random.default_rng(0), unreported)


@pytest.mark.slow
def test_training_for_a_running_mean_keeps_every_promise(network, splits):
    check_stage(Fit(TrainingSettings(epochs=2, average=0.9), checkpoint_s=0), TrainState(network), splits)


def test_training_from_scratch_keeps_every_promise(network, splits):
    check_stage(FIT, TrainState(network), splits)


def test_cross_validation_keeps_every_promise(network, splits):
    check_stage(CrossValidate(3, training=SHORT), TrainState(network), splits)


QUANTISE = Quantise(
    bits=4, last=8, threshold=0, settings=TrainingSettings(epochs=3, learning_rate=0.01), checkpoint_s=0
)


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param(FIT, id="fit"),
        pytest.param(ScoreInt8(), id="score int8"),
        pytest.param(QUANTISE, id="quantise"),
        *PRUNE,
    ],
)
def test_a_stage_after_training_keeps_every_promise(stage, trained, splits):
    check_stage(stage, trained, splits)


@pytest.mark.slow
@pytest.mark.parametrize(
    "stage",
    [
        lambda teacher: Distil(teacher, settings=SHORT, checkpoint_s=0),
        lambda teacher: Prune(0.5, SHORT, checkpoint_s=0, distil=Distil(teacher)),
        lambda teacher: replace(QUANTISE, settings=SHORT, distil=Distil(teacher)),
    ],
    ids=["distil", "prune", "quantise"],
)
def test_a_stage_with_a_teacher_keeps_every_promise(stage, trained, splits):
    check_stage(stage(Network(trained.graph, trained.weights)), trained, splits)


@dataclass(frozen=True)
class Boasts:
    """A stage that gives scores of its own."""

    def __call__(self, state, data, rng, progress):
        return replace(state, metrics={**state.metrics, "error": 0.0})


@dataclass(frozen=True)
class Deaf:
    """A stage that goes on after it was asked to end."""

    def __call__(self, state, data, rng, progress):
        for step in range(3):
            progress(step, {})
        return state


@dataclass(frozen=True)
class Writes:
    """A stage that writes to the weights that it was given."""

    def __call__(self, state, data, rng, progress):
        for value in state.weights.values():
            value += 1
        return state


@pytest.mark.parametrize("stage", [Boasts(), Deaf(), Writes()], ids=["boasts", "deaf", "writes"])
def test_the_kit_finds_a_broken_promise(stage, trained, splits):
    own = replace(trained, weights={name: np.array(value) for name, value in trained.weights.items()})
    with pytest.raises(AssertionError):
        check_stage(stage, own, splits)
