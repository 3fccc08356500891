"""Screened NSGA-III on digits, for old journals."""

from configs.digits_aging import config as aging
from edgevolve.training import TrainingSettings
from search_algorithms import NSGA3, Screened

config = aging.with_fields(
    algorithm=Screened(NSGA3(founders=4), children=4),
    training=TrainingSettings(epochs=6, learning_rate=0.15),
    evaluations=10,
)
