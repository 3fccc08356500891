"""TI's cells by gradient search on the digits, and the five most likely networks trained from scratch."""

from edgevolve import DARTS, CellSpace, Derived, Digits, Problem, SearchConfig, TrainingSettings, at_most, minimise

data = Digits()

config = SearchConfig(
    data=data,
    space=CellSpace(data.input_shape, data.classes, layers=4, channels=4),
    problem=Problem([minimise("error"), minimise("macs")], [at_most("macs", 150_000)]),
    prepare=DARTS(training=TrainingSettings(epochs=20)),
    algorithm=Derived(),
    training=TrainingSettings(epochs=40),
    evaluations=5,
)
