"""Mobile networks for an Edge TPU v6 by NSGA-III: error, latency and energy, simulated from rumoured figures.

Set IMAGES_NPZ to an .npz with x_train and y_train, images of 32 pixels a side or more; without it the 8×8 digits of
the quick start show that it works.
"""

import os

from edgevolve import NSGA3, Digits, MobileSpace, NpzImages, Problem, SearchConfig, TrainingSettings, at_most, minimise

data = NpzImages(os.environ["IMAGES_NPZ"]) if "IMAGES_NPZ" in os.environ else Digits()

config = SearchConfig(
    data=data,
    space=MobileSpace(input_shape=data.input_shape, classes=data.classes, max_stages=4, max_filters=96),
    devices=("edge_tpu_v6",),
    problem=Problem(
        [minimise("error"), minimise("latency_ms"), minimise("energy_uj")],
        [at_most("error", 0.1, soft=True), at_most("model_size_bytes", 1_000_000), at_most("macs", 50_000_000)],
    ),
    algorithm=NSGA3(),
    training=TrainingSettings(epochs=15, batch_size=64),
    evaluations=100,
)
