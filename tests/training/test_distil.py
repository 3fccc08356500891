"""Learning from a teacher: what the loss is, and which answers of a teacher fit which network."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from edgevolve.data import Classes, Itself, Split, Splits, Values
from edgevolve.graph import Activation, Dense, GraphBuilder, Softmax
from edgevolve.quantisation import Quantise
from edgevolve.training import Distil, Fit, Prune, TrainingSettings, TrainState, unreported
from edgevolve.training.distil import Network
from edgevolve.training.losses import batch_loss, taught_loss
from edgevolve.training.weights import initial_weights

SETTINGS = TrainingSettings(epochs=2, label_smoothing=0.1)


def network(units, hidden=12, softmax=False):
    net = GraphBuilder()
    x = net.add(Dense(hidden, Activation.RELU), net.flatten(net.input((1, 4, 4, 1))))
    y = net.add(Dense(units), x)
    return net.build(net.add(Softmax(), y) if softmax else y)


def teacher(units, **more):
    graph = network(units, 32, **more)
    return Network(graph, initial_weights(graph, 7))


def splits(target, labels):
    rng = np.random.default_rng(0)

    def part(number):
        x = rng.uniform(0, 1, (number, 4, 4, 1)).astype(np.float32)
        return Split(x, labels(x))

    train = part(60)
    return Splits(train, part(30), part(0), target=target.fitted(train))


def classes(number):
    return splits(Classes(number), lambda x: (x[:, 0, 0, 0] * number).astype(np.int64))


DATA = {
    "classes": (classes(3), 3),
    "binary": (classes(2), 1),
    "values": (splits(Values("sum"), lambda x: x.sum(axis=(1, 2, 3))), 1),
    "itself": (splits(Itself(16), lambda x: np.zeros(len(x), np.int64)), 16),
}


@pytest.mark.parametrize("kind", DATA)
def test_a_network_learns_from_a_teacher_of_its_target(kind):
    """Taught alone, it comes nearer to the teacher than by the labels."""
    data, units = DATA[kind]
    of = teacher(units)
    start = TrainState(network(units))
    settings = TrainingSettings(epochs=15, learning_rate=0.02)
    stages = Distil(of, 2.0, 1.0, settings=settings), Fit(settings)
    taught, plain = (stage(start, data, np.random.default_rng(0), unreported) for stage in stages)
    wanted = of.outputs(data.validation.x, data.target)

    def distance(state):
        given = Network(state.graph, state.weights).outputs(data.validation.x, data.target)
        centred = [one - one.mean(axis=1, keepdims=True) if kind == "classes" else one for one in (given, wanted)]
        return float(np.mean((centred[0] - centred[1]) ** 2))

    assert distance(taught) < distance(plain)


def test_the_loss_is_the_labels_and_the_teachers_at_its_temperature():
    rng = np.random.default_rng(1)
    logits, given = rng.normal(size=(2, 5, 3)).astype(np.float32)
    labels = rng.integers(0, 3, 5)
    answers = tf.constant(np.column_stack([labels, given]), tf.float32)
    loss = taught_loss(Classes(3), SETTINGS, 1, 4.0, 0.3)(tf.constant(logits), answers, None)
    plain = batch_loss(Classes(3), SETTINGS)(tf.constant(logits), tf.constant(labels, tf.int32), None)

    def log_softmax(x):
        return x - np.log(np.exp(x).sum(axis=1, keepdims=True))

    cross = -(np.exp(log_softmax(given / 4)) * log_softmax(logits / 4)).sum(axis=1).mean()
    assert float(loss) == pytest.approx(0.7 * float(plain) + 0.3 * 16 * cross, rel=1e-5)


def test_a_teacher_of_two_logits_teaches_a_network_of_one_and_the_other_way_round():
    data = classes(2)
    two, one = teacher(2), teacher(1)
    logits = two.outputs(data.train.x, data.target)
    of_one = Distil(two).lesson(network(1), data, SETTINGS).answers
    assert np.allclose(of_one[:, 1], logits[:, 1] - logits[:, 0])
    of_two = Distil(one).lesson(network(2), data, SETTINGS).answers
    assert np.array_equal(of_two[:, 1], np.zeros(60)) and np.array_equal(
        of_two[:, 2:], one.outputs(data.train.x, data.target)
    )


def test_a_teacher_that_ends_in_probabilities_teaches_by_its_logits():
    data, _ = DATA["classes"]
    plain, softmax = teacher(3), teacher(3, softmax=True)
    assert np.allclose(plain.outputs(data.train.x, data.target), softmax.outputs(data.train.x, data.target))


def test_a_teacher_of_other_classes_is_refused():
    data, _ = DATA["classes"]
    with pytest.raises(ValueError, match="a teacher of 4 outputs cannot teach a network of 3"):
        Distil(replace_outputs(4)).lesson(network(3), data, SETTINGS)


def replace_outputs(units):
    class Other:
        def outputs(self, x, target):
            return np.zeros((len(x), units), np.float32)

    return Other()


@pytest.mark.parametrize(
    "stage", [Prune(0.5, SETTINGS), Quantise(4, threshold=0, settings=SETTINGS)], ids=["prune", "quantise"]
)
def test_stages_that_compress_learn_from_a_teacher_as_well(stage):
    data, units = DATA["classes"]
    long = TrainingSettings(epochs=40)
    trained = Fit(long)(TrainState(network(units)), data, np.random.default_rng(0), unreported)
    first, second = (name for name in trained.weights if name.endswith("kernel"))
    weights = {name: np.array(value) for name, value in trained.weights.items()}
    weights[first][:, 0], weights[second][0] = 50, 0  # a unit that nobody reads, and that takes all steps of four bits
    trained = replace(trained, weights=weights)
    alone, taught = (
        one(trained, data, np.random.default_rng(0), unreported)
        for one in (stage, replace(stage, distil=Distil(teacher(units), weight=1.0)))
    )
    assert alone.curves["loss"] != taught.curves["loss"]
    assert taught.graph != trained.graph


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"teacher": "teacher.h5"}, "give FILE.keras"),
        ({"teacher": "a.keras", "temperature": 0}, "temperature must be above 0"),
        ({"teacher": "a.keras", "weight": 1.5}, "weight must be above 0"),
    ],
)
def test_settings_that_cannot_work_are_refused(given, says):
    with pytest.raises(ValueError, match=says):
        Distil(**given)
