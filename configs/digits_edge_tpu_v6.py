"""Digits for an Edge TPU v6 by NSGA-III: error, latency and energy, simulated from rumoured figures; no one has a v6.

An overhead of 0.2 ms, which is assumed, is nearly all of the latency of networks as small as these. Few of them are
like those that the predictor learned from; the others have no interval (`check` tells the share).
"""

from configs.digits_aging import config as aging
from edgevolve import NSGA3, Problem, at_most, minimise

config = aging.with_fields(
    devices=("edge_tpu_v6",),
    problem=Problem(
        [minimise("error"), minimise("latency_ms"), minimise("energy_uj")],
        [at_most("error", 0.03, soft=True), at_most("model_size_bytes", 50_000)],
    ),
    algorithm=NSGA3(),
    evaluations=200,
)
