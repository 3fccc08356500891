"""ProxylessNAS on the digits: a mobile network of a given latency on a Cortex-M7, as its sheet predicts it.

`LATENCY_MS=2 edgevolve configs/digits_proxyless.py` aims at another.
"""

import os

from edgevolve import (
    Derived,
    Digits,
    MobileSpace,
    Problem,
    ProxylessNAS,
    SearchConfig,
    TrainingSettings,
    at_most,
    minimise,
    target,
)

data = Digits()

config = SearchConfig(
    data=data,
    space=MobileSpace(data.input_shape, data.classes, max_stages=3, depths=(1, 2), max_filters=24),
    problem=Problem(
        [minimise("error"), target("latency_ms", float(os.environ.get("LATENCY_MS", "1")))],
        [at_most("arena_bytes", "32k")],
    ),
    devices=("cortex_m7",),
    prepare=ProxylessNAS(training=TrainingSettings(epochs=30)),
    algorithm=Derived(),
    training=TrainingSettings(epochs=30),
    evaluations=3,
)
