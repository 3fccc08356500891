"""CIFAR-10 under μNAS's bounds: error 18 %, 75 kB of memory and of model, 30 million multiply-accumulates.

Keras downloads the images; or set CIFAR10_NPZ to an .npz with x_train, y_train, x_test and y_test.
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

data = NpzImages(os.environ["CIFAR10_NPZ"]) if "CIFAR10_NPZ" in os.environ else KerasDataset("cifar10")

config = SearchConfig(
    data=data,
    space=CnnSpace(input_shape=data.input_shape, classes=data.classes),
    problem=Problem(
        objectives=[
            minimise("error"),
            minimise("peak_memory_bytes"),
            minimise("model_size_bytes"),
            minimise("macs"),
        ],
        constraints=[
            at_most("error", 0.18, soft=True),
            at_most("peak_memory_bytes", 75_000),
            at_most("model_size_bytes", 75_000),
            at_most("macs", 30_000_000),
        ],
    ),
    algorithm=AgingEvolution(population=100, sample_size=25),
    training=TrainingSettings(epochs=60, batch_size=128, augment=("flip", "shift")),
    evaluations=6000,
)
