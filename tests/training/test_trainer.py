import gc
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from edgevolve.data import Classes, Digits, Split, as_float
from edgevolve.graph import (
    Activate,
    Activation,
    Add,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    GraphBuilder,
    MaxPool2D,
    Padding,
    Softmax,
)
from edgevolve.training import TrainingDiverged, TrainingSettings
from edgevolve.training.augment import augmented
from edgevolve.training.keras_model import keras_model
from edgevolve.training.session import configure_tensorflow, release_memory
from edgevolve.training.trainer import evaluate, train
from edgevolve.training.weights import initial_weights, parameters

FAST = TrainingSettings(epochs=6, batch_size=64)


def network(classes=10, *ends, shape=(8, 8, 1), batch_norm=True):
    net = GraphBuilder()
    relu = Activation.RELU
    x = net.add(Conv2D(8, (3, 3), activation=relu, batch_norm=batch_norm), net.input((1, *shape)))
    left = x = net.add(MaxPool2D((2, 2), (2, 2)), x)
    x = net.add(DepthwiseConv2D((3, 3), activation=relu, batch_norm=batch_norm), x)
    x = net.add(Add(relu), net.add(Conv2D(8, (1, 1), batch_norm=batch_norm), x), left)
    x = net.add(Conv2D(24, (3, 3), activation=relu, batch_norm=batch_norm), x)
    x = net.add(Dense(classes), net.add(GlobalAveragePool(), x))
    for op in ends:
        x = net.add(op, x)
    return net.build(x)


@pytest.fixture(scope="module")
def digits():
    return Digits().load()


def first_of(split, number):
    return Split(split.x[:number], split.y[:number])


def same(a, b):
    return all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    "settings", [TrainingSettings(epochs=15), TrainingSettings(epochs=12, optimiser="adamw", learning_rate=0.01)]
)
def test_digits_are_learnt_in_a_few_epochs(digits, settings):
    trained = train(network(), digits.train, digits.validation, settings, 0)
    assert trained.metrics["error"] < 0.1
    assert evaluate(network(), trained.weights, digits.test).metrics["error"] < 0.12
    assert {len(curve) for curve in trained.curves.values()} == {settings.epochs}
    assert trained.curves["loss"][-1] < trained.curves["loss"][0] / 3


def test_a_seed_decides_every_weight(digits):
    settings = TrainingSettings(epochs=2, augment=("flip", "shift"), shift_pixels=1)
    first, again, other = (train(network(), digits.train, digits.validation, settings, seed) for seed in (1, 1, 2))
    assert same(first.weights, again.weights)
    assert first.curves == again.curves
    assert not same(first.weights, other.weights)


def test_training_goes_on_from_the_weights_it_is_given(digits):
    first = train(network(), digits.train, digits.validation, FAST, 0)
    further = train(network(), digits.train, digits.validation, FAST, 1, first.weights)
    assert further.curves["loss"][0] < 0.5 * first.curves["loss"][0]
    assert further.metrics["error"] < first.metrics["error"]
    with pytest.raises(ValueError, match="weights do not fit"):
        train(network(batch_norm=False), digits.train, digits.validation, FAST, 1, first.weights)


def test_the_weights_given_are_all_that_a_start_decides(digits):
    """One batch an epoch, so that shuffling does not matter."""
    part = first_of(digits.train, 50)
    settings = TrainingSettings(epochs=3, batch_size=50)
    fresh = train(network(), part, part, settings, 7)
    given = train(network(), part, part, settings, 0, initial_weights(network(), 7))
    np.testing.assert_allclose(given.curves["loss"], fresh.curves["loss"], rtol=1e-4)


def test_the_kept_weights_give_the_reported_error_in_keras(digits):
    settings = TrainingSettings(epochs=5, learning_rate=0.3, schedule="constant")
    trained = train(network(), digits.train, digits.validation, settings, 0)
    logits = keras_model(network(), trained.weights).predict(digits.validation.x, verbose=0)
    assert np.mean(logits.argmax(1) != digits.validation.y) == pytest.approx(trained.metrics["error"], abs=1e-6)
    kept = int(np.argmin(trained.curves["validation_loss"]))
    assert trained.metrics["error"] == trained.curves["validation_error"][kept]
    assert [*trained.weights] == [parameter.name for parameter in parameters(network())]


def test_evaluation_agrees_with_keras_on_uint8_images(digits):
    weights = initial_weights(network(), 3)
    split = Split((digits.test.x * 255).astype(np.uint8), digits.test.y)
    logits = keras_model(network(), weights).predict(as_float(split.x), verbose=0)
    assert evaluate(network(), weights, split).metrics["error"] == pytest.approx(
        np.mean(logits.argmax(1) != split.y), abs=1e-6
    )


def test_training_on_int16_is_training_on_what_it_stands_for(digits):
    samples = [(part.x * 32767).astype(np.int16) for part in (digits.train, digits.validation)]
    labels = [part.y for part in (digits.train, digits.validation)]
    settings = TrainingSettings(epochs=2, batch_size=64, augment=("shift",))
    as_samples = train(network(), *map(Split, samples, labels), settings, 0)
    as_floats = train(network(), *map(Split, map(as_float, samples), labels), settings, 0)
    assert as_samples.curves == as_floats.curves


def test_one_step_of_sgd_is_the_step_that_keras_takes(digits):
    """One batch an epoch, so that shuffling does not matter."""
    import keras

    graph, part = network(batch_norm=False), first_of(digits.train, 50)
    settings = TrainingSettings(epochs=3, batch_size=50, learning_rate=0.1, weight_decay=0.0, schedule="constant")
    trained = train(graph, part, part, settings, 0)
    model = keras_model(graph, initial_weights(graph, 0))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss)
    history = model.fit(part.x, part.y, batch_size=50, epochs=3, shuffle=False, verbose=0).history
    np.testing.assert_allclose(trained.curves["loss"], history["loss"], rtol=1e-4)


def test_one_step_of_adamw_is_the_step_that_keras_takes(digits):
    import keras

    graph, part = network(batch_norm=False), first_of(digits.train, 50)
    settings = TrainingSettings(
        epochs=4, batch_size=50, optimiser="adamw", learning_rate=0.01, weight_decay=0.1, schedule="constant"
    )
    trained = train(graph, part, part, settings, 0)
    model = keras_model(graph, initial_weights(graph, 0))
    optimiser = keras.optimizers.AdamW(0.01, weight_decay=0.1)
    optimiser.exclude_from_weight_decay(var_names=["bias"])
    model.compile(optimiser, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(part.x, part.y, batch_size=50, epochs=4, shuffle=False, verbose=0).history
    np.testing.assert_allclose(trained.curves["loss"], history["loss"], rtol=1e-3)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_gradients_are_clipped_by_their_global_norm_as_keras_clips_them(digits, optimiser):
    """One batch an epoch, so that shuffling does not matter; without clipping the losses are others."""
    import keras

    graph, part = network(batch_norm=False), first_of(digits.train, 50)
    settings = TrainingSettings(
        epochs=4,
        batch_size=50,
        optimiser=optimiser,
        learning_rate=0.1,
        weight_decay=0,
        schedule="constant",
        clip_norm=0.05,
    )
    trained = train(graph, part, part, settings, 0)
    model = keras_model(graph, initial_weights(graph, 0))
    kinds = {
        "sgd": lambda: keras.optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.05),
        "adamw": lambda: keras.optimizers.AdamW(0.1, weight_decay=0, global_clipnorm=0.05),
    }
    model.compile(kinds[optimiser](), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(part.x, part.y, batch_size=50, epochs=4, shuffle=False, verbose=0).history
    np.testing.assert_allclose(trained.curves["loss"], history["loss"], rtol=1e-3)
    free = train(graph, part, part, replace(settings, clip_norm=None), 0)
    assert not np.allclose(trained.curves["loss"], free.curves["loss"], rtol=1e-2)


def test_what_diverges_without_clipping_is_learnt_with_it(digits):
    net = GraphBuilder()
    x = net.flatten(net.input((1, 8, 8, 1)))
    for _ in range(8):
        x = net.add(Dense(256, activation=Activation.RELU), x)
    graph = net.build(net.add(Dense(10), x))
    parts = [Split(part.x * 10, part.y) for part in (digits.train, digits.validation)]
    with pytest.raises(TrainingDiverged):
        train(graph, *parts, TrainingSettings(epochs=6, clip_norm=None), 0)
    assert train(graph, *parts, TrainingSettings(epochs=6), 0).metrics["error"] < 0.1


def test_label_smoothing_is_that_of_keras(digits):
    import keras

    graph, part = network(), first_of(digits.train, 40)
    settings = TrainingSettings(epochs=1, batch_size=40, label_smoothing=0.1)
    logits = keras_model(graph, initial_weights(graph, 0))(part.x, training=True)
    wanted = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)(np.eye(10)[part.y], logits)
    assert train(graph, part, part, settings, 0).curves["loss"][0] == pytest.approx(float(wanted), rel=1e-4)


def test_a_softmax_at_the_end_changes_nothing_in_training(digits):
    plain = train(network(), digits.train, digits.validation, FAST, 0)
    ending = train(network(10, Softmax()), digits.train, digits.validation, FAST, 0)
    assert plain.curves == ending.curves


@pytest.mark.parametrize("ends", [(), (Activate(Activation.SIGMOID),)])
def test_one_output_is_a_logit_with_its_threshold_at_zero(digits, ends):
    binary = [Split(part.x, (part.y >= 5).astype(np.int64)) for part in (digits.train, digits.validation)]
    trained = train(network(1, *ends), *binary, TrainingSettings(epochs=15), 0)
    assert trained.metrics["error"] < 0.1
    outputs = keras_model(network(1, *ends), trained.weights).predict(binary[1].x, verbose=0)[:, 0]
    chosen = outputs > (0.5 if ends else 0)
    assert np.mean(chosen != binary[1].y) == pytest.approx(trained.metrics["error"], abs=1e-6)


def test_a_logit_between_zero_and_a_half_means_class_one():
    assert Classes(2).predicted(np.array([[0.3], [-0.3], [0.7]])).tolist() == [1, 0, 1]


def test_a_loss_that_is_not_finite_ends_the_training(digits):
    x = digits.train.x.copy()
    x[7] = np.inf
    with pytest.raises(TrainingDiverged, match="epoch 1"):
        train(network(), Split(x, digits.train.y), digits.validation, FAST, 0)
    wild = TrainingSettings(epochs=6, learning_rate=1e20, schedule="constant")
    with pytest.raises(TrainingDiverged):
        train(network(batch_norm=False), digits.train, digits.validation, wild, 0)


def test_fewer_examples_than_a_batch_will_do(digits):
    tiny = first_of(digits.train, 11)
    assert 0 <= train(network(), tiny, tiny, TrainingSettings(epochs=2), 0).metrics["error"] <= 1


def test_data_that_does_not_fit_is_refused(digits):
    with pytest.raises(ValueError, match="do not fit an input"):
        train(network(shape=(9, 8, 1)), digits.train, digits.validation, FAST, 0)
    with pytest.raises(ValueError, match="labels from 0 to 9 do not fit 5"):
        train(network(5), digits.train, digits.validation, FAST, 0)
    with pytest.raises(ValueError, match="softmax over one output"):
        ones = Split(digits.train.x, np.ones_like(digits.train.y))
        train(network(1, Softmax()), ones, ones, FAST, 0)
    with pytest.raises(ValueError, match="at least one example"):
        train(network(), first_of(digits.train, 0), digits.validation, FAST, 0)


def test_a_shift_moves_images_that_are_not_square_and_lets_zeros_in():
    settings = TrainingSettings(augment=("shift",), shift_pixels=2)
    image = np.arange(1, 36, dtype=np.uint8).reshape(1, 5, 7, 1)
    moved = augmented(tf.constant(np.repeat(image, 200, 0)), settings, tf.constant([1, 2], tf.int64)).numpy()
    assert moved.shape == (200, 5, 7, 1)
    assert moved.dtype == np.uint8
    padded = np.pad(image[0], ((2, 2), (2, 2), (0, 0)))
    wanted = {padded[i : i + 5, j : j + 7].tobytes() for i in range(5) for j in range(5)}
    assert {one.tobytes() for one in moved} == wanted


def test_a_flip_turns_half_of_the_images_left_to_right():
    settings = TrainingSettings(augment=("flip",))
    image = np.arange(35, dtype=np.float32).reshape(1, 5, 7, 1)
    turned = augmented(tf.constant(np.repeat(image, 200, 0)), settings, tf.constant([1, 2], tf.int64)).numpy()
    flipped = [np.array_equal(one, image[0, :, ::-1]) for one in turned]
    assert all(a or np.array_equal(one, image[0]) for a, one in zip(flipped, turned, strict=True))
    assert 60 < sum(flipped) < 140


def test_a_depthwise_convolution_of_one_pixel_and_one_channel_trains(digits):
    """oneDNN cannot differentiate it (TensorFlow 2.21)."""
    net = GraphBuilder()
    x = net.add(Conv2D(1, (8, 8), padding=Padding.VALID), net.input((1, 8, 8, 1)))
    x = net.add(DepthwiseConv2D((1, 1), batch_norm=True), x)
    trained = train(net.build(net.add(Dense(10), x)), digits.train, digits.validation, TrainingSettings(epochs=1), 0)
    assert trained.metrics["error"] < 1


def test_errors_are_exact_fractions_of_the_split(digits):
    trained = train(network(), digits.train, digits.validation, TrainingSettings(epochs=2), 0)
    wrong = trained.metrics["error"] * len(digits.validation)
    assert wrong == round(wrong)
    possible = {number / len(digits.validation) for number in range(289)}
    assert set(trained.curves["validation_error"]) <= possible


def test_a_long_lived_worker_does_not_grow(digits):
    def functions():
        release_memory()
        return sum(type(thing).__name__ == "FuncGraph" for thing in gc.get_objects())

    tiny, settings = first_of(digits.train, 64), TrainingSettings(epochs=1)
    train(network(), tiny, tiny, settings, 0)
    before = functions()
    for seed in range(3):
        train(network(), tiny, tiny, settings, seed)
    assert functions() <= before


def test_threads_must_be_positive():
    with pytest.raises(ValueError, match="at least 1 thread"):
        configure_tensorflow(0)


def test_with_an_average_the_running_mean_of_the_weights_is_kept(digits):
    """After the first step a tenth of the first weights and the rest of those after it, statistics alike."""
    part = first_of(digits.train, 64)
    step = TrainingSettings(epochs=1, batch_size=64)
    graph = network()
    before = initial_weights(graph, 3)
    plain = train(graph, part, part, step, 3)
    mean = train(graph, part, part, replace(step, average=0.9), 3)
    for name, value in mean.weights.items():
        assert np.allclose(value, 0.1 * before[name] + 0.9 * plain.weights[name], atol=1e-6), name
    assert mean.curves["validation_loss"] != plain.curves["validation_loss"]
    assert evaluate(graph, mean.weights, part).loss == pytest.approx(mean.curves["validation_loss"][0], rel=1e-4)
