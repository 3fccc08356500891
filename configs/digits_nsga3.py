"""The quick start's digits and bounds with NSGA-III: a front of accuracy, peak memory, size and MACs."""

from data import Digits
from runs import SearchConfig
from search_algorithms import NSGA3, Problem, at_most, minimise
from search_space import CnnSpace
from training import TrainingSettings

data = Digits()

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
            at_most("error", 0.03, soft=True),
            at_most("peak_memory_bytes", 4_096),
            at_most("model_size_bytes", 8_000),
            at_most("macs", 500_000),
        ],
    ),
    algorithm=NSGA3(),
    training=TrainingSettings(epochs=20, batch_size=64),
    evaluations=120,
)
