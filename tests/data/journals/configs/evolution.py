"""Aging evolution on digits for a simulated Edge TPU, for old journals."""

from configs.digits_aging import config as aging
from edgevolve.training import TrainingSettings
from search_algorithms import AgingEvolution, Problem, at_most, minimise

config = aging.with_fields(
    algorithm=AgingEvolution(population=4, sample_size=2),
    problem=Problem(
        [minimise("error"), minimise("latency_ms"), minimise("flash_bytes")],
        [at_most("error", 0.1, soft=True), at_most("flash_bytes", 60_000), at_most("latency_ms", 1.0)],
    ),
    devices=("edge_tpu_v6",),
    training=TrainingSettings(epochs=6, learning_rate=0.15),
    evaluations=10,
)
