"""MNIST on a microcontroller with 64 kB each of memory and flash to spare, at most 30 million multiply-accumulates.

μNAS's bounds of 2.5 kB and 4.5 kB are soft here: what is beyond them is marked. Make them hard for a long search.
Keras downloads the images; or set MNIST_NPZ to an .npz with x_train, y_train, x_test and y_test.
"""

import os

from edgevolve import (
    AgingEvolution,
    CnnSpace,
    KerasDataset,
    NpzImages,
    Problem,
    SearchConfig,
    TrainingSettings,
    at_most,
    minimise,
)

data = NpzImages(os.environ["MNIST_NPZ"]) if "MNIST_NPZ" in os.environ else KerasDataset("mnist")

config = SearchConfig(
    data=data,
    space=CnnSpace(input_shape=data.input_shape, classes=data.classes),
    problem=Problem(
        objectives=[
            minimise("error"),
            minimise("peak_memory_bytes", scale=64_000),
            minimise("model_size_bytes", scale=64_000),
            minimise("macs", scale=30_000_000),
        ],
        constraints=[
            at_most("error", 0.035, soft=True),
            at_most("peak_memory_bytes", 2_500, soft=True),
            at_most("model_size_bytes", 4_500, soft=True),
            at_most("peak_memory_bytes", 64_000),
            at_most("model_size_bytes", 64_000),
            at_most("macs", 30_000_000),
        ],
    ),
    algorithm=AgingEvolution(population=12, sample_size=6),
    training=TrainingSettings(epochs=6, batch_size=64),
    evaluations=200,
)
