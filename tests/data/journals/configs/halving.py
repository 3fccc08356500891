"""Successive halving on digits, for old journals."""

from configs.digits_aging import config as aging
from edgevolve.training import TrainingSettings
from search_algorithms import AgingEvolution, Problem, SuccessiveHalving, at_most, minimise

config = aging.with_fields(
    algorithm=SuccessiveHalving(AgingEvolution(population=6, sample_size=3), epochs=6, least_epochs=2, reduction=3),
    training=TrainingSettings(epochs=6, learning_rate=0.15),
    evaluations=10,
    problem=Problem(
        [minimise("error"), minimise("macs")], [at_most("error", 0.1, soft=True), at_most("macs", 2_000_000)]
    ),
)
