"""Once-for-All on MNIST: inverted residuals for an Arduino Nano 33 BLE, shared weights trained for ten minutes.

The input's resolution, kernels, depths, expansions and widths are slices of the shared weights. Any other board takes
`edgevolve specialise RUN --board NAME` and less than two minutes. Keras downloads the images; or set MNIST_NPZ to an
.npz with x_train, y_train, x_test and y_test.
"""

import os

from edgevolve import (
    NSGA3,
    Inherited,
    KerasDataset,
    MobileSpace,
    NpzImages,
    Problem,
    SearchConfig,
    Supernet,
    TrainingSettings,
    at_most,
    minimise,
)

data = NpzImages(os.environ["MNIST_NPZ"]) if "MNIST_NPZ" in os.environ else KerasDataset("mnist")
space = MobileSpace(
    input_shape=data.input_shape,
    classes=data.classes,
    max_stages=3,
    depths=(1, 3),
    max_filters=32,
    resolutions=(14, 28),
    blocks=("mbconv",),
    activations=("relu6",),
)

config = SearchConfig(
    data=data,
    space=space,
    problem=Problem(
        objectives=[minimise("error"), minimise("arena_bytes"), minimise("flash_bytes"), minimise("macs")],
        constraints=[at_most("macs", 5_000_000)],
    ),
    board="nano33ble",
    algorithm=NSGA3(population=50),
    prepare=Supernet(space, TrainingSettings(batch_size=64, learning_rate=0.1), minutes=10),
    task=Inherited(recalibrate=2000),
    training=TrainingSettings(epochs=20, batch_size=64, learning_rate=0.1),
    evaluations=400,
)
