"""Fashion-MNIST under μNAS's bounds: error 10 %, 64 kB of memory and of model, 30 million multiply-accumulates.

Keras downloads the images; or set FASHION_NPZ to an .npz with x_train, y_train, x_test and y_test.
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

data = NpzImages(os.environ["FASHION_NPZ"]) if "FASHION_NPZ" in os.environ else KerasDataset("fashion_mnist")

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
            at_most("error", 0.10, soft=True),
            at_most("peak_memory_bytes", 64_000),
            at_most("model_size_bytes", 64_000),
            at_most("macs", 30_000_000),
        ],
    ),
    algorithm=AgingEvolution(population=100, sample_size=25),
    training=TrainingSettings(epochs=20, batch_size=128, augment=("flip",)),
    evaluations=2000,
)
