"""Networks as the converter writes them: Keras applications, parts of networks, recurrent layers."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from benchmarks.foreign_sections.convert import FEW_KINDS, KINDS, Made, of_function, of_keras, spec, weights

_APPLICATIONS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "MobileNet": ({"input_shape": (64, 64, 3), "alpha": 0.25}, KINDS),
    "MobileNetV2": ({"input_shape": (48, 48, 3), "alpha": 0.35}, FEW_KINDS),
    "MobileNetV3Small": ({"input_shape": (64, 64, 3), "alpha": 0.75}, FEW_KINDS),
    "MobileNetV3Large": ({"input_shape": (64, 64, 3), "alpha": 0.75, "minimalistic": True}, ("int8",)),
    "EfficientNetB0": ({"input_shape": (32, 32, 3)}, ("float32", "int8")),
    "EfficientNetV2B0": ({"input_shape": (32, 32, 3)}, ("int8",)),
    "ResNet50V2": ({"input_shape": (32, 32, 3)}, ("int8",)),
    "DenseNet121": ({"input_shape": (32, 32, 3)}, ("int8",)),
    "NASNetMobile": ({"input_shape": (32, 32, 3)}, ("int8",)),
}


def applications() -> Made:
    """Keras applications at small input sizes."""
    for name, (settings, kinds) in _APPLICATIONS.items():
        for kind in kinds:

            def make(name: str = name, settings: dict[str, Any] = settings, kind: str = kind) -> bytes:
                return of_keras(getattr(keras.applications, name)(**settings, weights=None, classes=10), kind)

            yield f"{name}_{kind}", make


def small(batch: int | None) -> keras.Model:
    """A convolutional network of six layers."""
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input(batch_shape=(batch, 12, 12, 2)),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.DepthwiseConv2D(3, strides=2),
            layers.Conv2D(12, 1, activation="relu6"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(5, activation="softmax"),
        ]
    )


def _block(kind: str) -> Callable[[tf.Tensor], tf.Tensor]:
    """Parts of networks on (1, 16, 16, 4)."""
    near, wide, deep = weights(3, 3, 4, 8), weights(5, 5, 4, 6), weights(3, 3, 4, 1)
    back, two = weights(3, 3, 6, 4), weights(3, 3, 4, 4)
    return {
        "dilated": lambda x: tf.nn.relu(tf.nn.conv2d(x, near, 1, "SAME", dilations=2)),
        "dilated_depthwise": lambda x: tf.nn.depthwise_conv2d(x, deep, [1, 1, 1, 1], "SAME", dilations=[3, 3]),
        "transposed": lambda x: tf.nn.conv2d_transpose(x, back, [1, 32, 32, 6], 2),
        "unet": lambda x: tf.concat(
            [x, tf.image.resize(tf.nn.max_pool2d(tf.nn.conv2d(x, two, 1, "SAME"), 2, 2, "VALID"), (16, 16))], 3
        ),
        "grouped": lambda x: tf.concat(
            [tf.nn.conv2d(part, weights(3, 3, 2, 4), 1, "SAME") for part in tf.split(x, 2, 3)], 3
        ),
        "squeeze_excite": lambda x: x
        * tf.nn.sigmoid(tf.nn.conv2d(tf.reduce_mean(x, (1, 2), True), two[:1, :1], 1, "SAME")),
        "attention": lambda x: tf.matmul(
            tf.nn.softmax(tf.matmul(tf.reshape(x, (1, 64, 16)), tf.reshape(x, (1, 64, 16)), transpose_b=True)),
            tf.reshape(x, (1, 64, 16)),
        ),
        "layer_norm": lambda x: (x - tf.reduce_mean(x, -1, True))
        * tf.math.rsqrt(tf.math.reduce_variance(x, -1, True) + 1e-3),
        "shuffle": lambda x: tf.reshape(
            tf.transpose(tf.reshape(x, (1, 16, 16, 2, 2)), (0, 1, 2, 4, 3)), (1, 16, 16, 4)
        ),
        "padded": lambda x: tf.nn.conv2d(tf.pad(x, [[0, 0], [1, 2], [2, 1], [0, 0]], "REFLECT"), wide, 2, "VALID"),
        "swish": lambda x: tf.nn.silu(tf.nn.conv2d(x, near, 2, "SAME")) + tf.nn.elu(tf.nn.conv2d(x, near, 2, "SAME")),
        "gelu": lambda x: tf.nn.gelu(tf.nn.leaky_relu(tf.nn.conv2d(x, near, 1, "SAME"))),
        "slices": lambda x: x[:, ::2, 1::2, :] - tf.reduce_max(x[:, :8, 8:, ::-1], -1, True),
        "argmax": lambda x: tf.argmax(tf.nn.conv2d(x, near, 1, "SAME"), -1, tf.int32),
        "depth_to_space": lambda x: tf.nn.depth_to_space(tf.nn.space_to_depth(x, 4), 2),
        "two_outputs": lambda x: (tf.nn.relu(tf.nn.conv2d(x, near, 1, "SAME")), tf.reduce_sum(x, (1, 2))),
        "constant_output": lambda x: (tf.nn.relu(x), tf.constant([1.0, 2.0, 3.0])),
        "wide_residual": lambda x: tf.nn.relu(
            x + tf.nn.conv2d(tf.nn.conv2d(x, near, 1, "SAME"), weights(1, 1, 8, 4), 1, "SAME")
        ),
    }[kind]  # fmt: skip


_BLOCKS = (
    "dilated", "dilated_depthwise", "transposed", "unet", "grouped", "squeeze_excite", "attention", "layer_norm",
    "shuffle", "padded", "swish", "gelu", "slices", "argmax", "depth_to_space", "two_outputs", "constant_output",
    "wide_residual",
)  # fmt: skip


def blocks() -> Made:
    """Parts of networks, in float and int8; batches."""
    for name in _BLOCKS:
        for kind in ("float32", "int8", "int16x8"):
            yield (
                f"{name}_{kind}",
                lambda name=name, kind=kind: of_function(_block(name), spec(1, 16, 16, 4), kind=kind),
            )
    for batch in (2, 5):
        yield f"batch_of_{batch}_int8", lambda batch=batch: of_keras(small(batch), "int8")
        yield f"batch_of_{batch}_float32", lambda batch=batch: of_keras(small(batch), "float32")
    yield "open_batch_int8", lambda: of_keras(small(None), "int8")
    yield "open_batch_dynamic_range", lambda: of_keras(small(None), "dynamic_range")
    inner, outer = weights(10, 16), weights(16, 4)

    def frames(x: tf.Tensor) -> tf.Tensor:
        return tf.nn.softmax(tf.matmul(tf.nn.relu(tf.matmul(x, inner)), outer))

    for kind in FEW_KINDS:
        yield f"frames_without_batch_{kind}", lambda kind=kind: of_function(frames, spec(49, 10), kind=kind)
    yield (
        "open_height_and_width",
        lambda: of_function(
            lambda x: tf.nn.relu(tf.nn.conv2d(x, weights(3, 3, 2, 4), 1, "SAME")), spec(1, None, None, 2)
        ),
    )
    yield "text_input", lambda: of_function(lambda x: tf.strings.length(x), spec(1, dtype=tf.string), flex=True)
    table = weights(20, 6)
    yield "embedding", lambda: of_function(lambda x: tf.reduce_mean(tf.gather(table, x), 1), spec(1, 7, dtype=tf.int32))


def recurrent() -> Made:
    """LSTM, GRU and simple cells: as loops, unrolled, in both directions, stacked."""
    layers = keras.layers
    cells: dict[str, Callable[[], keras.Layer]] = {
        "lstm": lambda: layers.LSTM(8),
        "lstm_sequences": lambda: layers.LSTM(6, return_sequences=True),
        "gru": lambda: layers.GRU(8),
        "simple": lambda: layers.SimpleRNN(8),
        "lstm_unrolled": lambda: layers.LSTM(8, unroll=True),
        "gru_unrolled": lambda: layers.GRU(8, unroll=True),
        "bidirectional_lstm": lambda: layers.Bidirectional(layers.LSTM(5)),
        "bidirectional_gru_unrolled": lambda: layers.Bidirectional(layers.GRU(5, unroll=True)),
    }
    for name, cell in cells.items():
        for kind in FEW_KINDS if "unrolled" in name else FEW_KINDS[:2]:  # the converter dies of loops of integers

            def make(cell: Callable[[], keras.Layer] = cell, kind: str = kind) -> bytes:
                entry = keras.Input(batch_shape=(1, 10, 4))
                return of_keras(keras.Model(entry, layers.Dense(3)(cell()(entry))), kind)

            yield f"{name}_{kind}", make
    entry = keras.Input(batch_shape=(1, 200, 3))
    yield "lstm_unrolled_200_steps", lambda: of_keras(keras.Model(entry, layers.LSTM(4, unroll=True)(entry)), "float32")
    stacked = keras.Input(batch_shape=(1, 12, 4))
    yield (
        "lstm_stacked",
        lambda: of_keras(
            keras.Model(stacked, layers.LSTM(4)(layers.LSTM(6, return_sequences=True)(stacked))), "float32"
        ),
    )
